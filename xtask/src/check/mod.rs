//! `cargo xtask check`: whether everything that tells the same wire still tells the same.
//!
//! [`drift`] holds the generated files against the specification and the generator, [`examples`] the example
//! answers, [`schemas`] the types as compiled, [`routes`] the service. Each gives all its findings, so that one
//! run shows everything there is to mend.

mod drift;
mod examples;
mod finding;
mod routes;
mod schemas;

use std::path::Path;

pub(crate) use finding::{Finding, summary};

use agbcloud_spec::Spec;

/// Everything that is wrong.
pub(crate) fn run(root: &Path) -> Vec<Finding> {
    let mut findings = files(root);
    // Where the specification can't be read there is nothing to hold against it; `drift` has said why.
    if let Ok(spec) = Spec::load(root) {
        findings.extend(schemas::check(root, &spec));
        findings.extend(routes::check(root, &spec));
    }
    findings
}

/// What can be told from the files alone, without compiling anything.
fn files(root: &Path) -> Vec<Finding> {
    let mut findings = drift::check(root);
    if let Ok(spec) = Spec::load(root) {
        findings.extend(examples::check(root, &spec));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_repository_has_not_drifted() {
        let findings = files(&crate::workspace());
        assert_eq!(findings, [], "{}", summary(&findings));
    }
}
