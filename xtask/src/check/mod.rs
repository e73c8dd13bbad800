//! `cargo xtask check`: checks that everything that describes the HTTP API agrees, and that no modules form a cycle.
//!
//! [`drift`] compares the generated files with the specification and the generator, [`examples`] the example responses with
//! the specification, [`schemas`] the compiled types, and [`routes`] the service. Each check reports all problems that it
//! finds.

mod diagnostic;
mod drift;
mod examples;
mod routes;
mod schemas;

use std::path::Path;

use self::diagnostic::{Diagnostic, Kind, summary};
use crate::failure::Failure;
use crate::modules;
use agbcloud_spec::{SPEC, Spec};

pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let mut diagnostics = check_files(root);
    // `drift` reports an invalid specification.
    if let Ok(spec) = Spec::load(root) {
        diagnostics.extend(schemas::check(root, &spec));
        diagnostics.extend(routes::check(root, &spec));
    }
    if diagnostics.is_empty() {
        println!(
            "generated code, schemas, examples and routes agree with {SPEC}; no modules form a cycle"
        );
        return Ok(());
    }
    for diagnostic in &diagnostics {
        println!("{diagnostic}\n");
    }
    Err(Failure::new(
        format!("found {}", summary(&diagnostics)),
        "follow the hints above",
    ))
}

/// The checks that compile nothing.
fn check_files(root: &Path) -> Vec<Diagnostic> {
    let mut diagnostics = drift::check(root);
    if let Ok(spec) = Spec::load(root) {
        diagnostics.extend(examples::check(root, &spec));
    }
    let cycles = modules::check(root).into_iter();
    diagnostics.extend(cycles.map(|(file, problem)| Diagnostic {
        kind: Kind::Cycle,
        file,
        problem,
        hint: "move what both use to a module below them".to_owned(),
    }));
    diagnostics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_repository_has_no_problems() {
        let diagnostics = check_files(&crate::workspace());
        assert_eq!(diagnostics, [], "{}", summary(&diagnostics));
    }
}
