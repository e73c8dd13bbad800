//! What a package is built from, as `cargo tree` tells it.

use std::collections::BTreeSet;
use std::path::Path;

use crate::cargo;

/// One platform, so that the number is the same on every machine.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// How many crates the package with these features is built from, itself among them. Two versions are two.
///
/// `cargo metadata` does not serve: it turns on what any package of the workspace asks for.
pub(super) fn count(root: &Path, package: &str, features: &[String]) -> Result<usize, String> {
    let features = features.join(",");
    let mut arguments = vec!["tree", "--locked", "--target", PLATFORM, "--prefix", "none"];
    arguments.extend(["--edges", "normal,build", "--package", package]);
    arguments.extend(["--no-default-features", "--features", &features]);
    let output = cargo::output(root, &arguments)?;
    Ok(distinct(&String::from_utf8_lossy(&output)))
}

/// The command that shows the same to a person.
pub(super) fn command(package: &str, features: &[String]) -> String {
    let features = match features.is_empty() {
        true => String::new(),
        false => format!(" --features {}", features.join(",")),
    };
    format!(
        "cargo tree -p {package} -e normal,build --target {PLATFORM} --no-default-features{features}"
    )
}

/// A line is `name v1.0.0`, then perhaps where it is from and `(*)` for one that was shown before.
fn distinct(tree: &str) -> usize {
    let crates = tree.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?, words.next()?))
    });
    crates.collect::<BTreeSet<_>>().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_counts_once_and_each_of_its_versions_does() {
        let tree = "sdk v0.1.0 (/sdk)\nsyn v3.0.1\nsyn v2.0.0\nserde_derive v1.0.0 (proc-macro)\n\
                    syn v3.0.1 (*)\n\nserde_derive v1.0.0 (proc-macro) (*)\n";
        assert_eq!(distinct(tree), 4);
    }

    #[test]
    fn the_command_names_the_features() {
        assert!(command("sdk", &[]).ends_with("--no-default-features"));
        let two = ["a".to_owned(), "b".to_owned()];
        assert!(command("sdk", &two).ends_with("--no-default-features --features a,b"));
    }
}
