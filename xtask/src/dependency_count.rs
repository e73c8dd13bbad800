//! `cargo xtask dependency-count`: compares the number of crates that a package is built from with the number that
//! the root `Cargo.toml` declares, for each set of features.
//!
//! The declared number is exact, so that a change that adds or removes a dependency shows in its diff.

use std::path::Path;

use serde_json::Value;

use crate::cargo;
use crate::failure::Failure;

const TABLE: &str = "[workspace.metadata.dependency-count] in the root Cargo.toml";

/// The platform that is counted, so that the number does not depend on the machine.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let failure = |problem: String| Failure::new(problem, format!("correct {TABLE}"));
    let arguments = ["metadata", "--format-version", "1", "--locked", "--no-deps"];
    let metadata = cargo::output(root, &arguments).map_err(failure)?;
    let declared = declared(&metadata).map_err(failure)?;
    let mut changed = false;
    for (package, features, declared) in declared {
        let arguments = ["--target", PLATFORM, "--no-default-features"];
        let arguments = [&arguments[..], &["--features", &features]].concat();
        let count = cargo::tree(root, &package, &arguments)
            .map_err(failure)?
            .len();
        println!("{package} with features {features:?}: {count} crates, declared are {declared}");
        changed |= count != declared;
    }
    match changed {
        false => Ok(()),
        true => Err(Failure::new(
            "a number of crates differs from the declared one",
            format!(
                "`cargo tree -e normal,build` shows the crates. Remove the new ones, or update {TABLE} and give the \
                 reason in the commit message"
            ),
        )),
    }
}

/// Package, comma-separated features and number of crates of each entry.
fn declared(metadata: &[u8]) -> Result<Vec<(String, String, usize)>, String> {
    let metadata: Value = serde_json::from_slice(metadata).map_err(|error| error.to_string())?;
    let packages = metadata.pointer("/metadata/dependency-count");
    let packages = packages.and_then(Value::as_object);
    let packages = packages.ok_or_else(|| format!("there is no {TABLE}"))?;
    let mut entries = Vec::new();
    for (package, counts) in packages {
        for (features, count) in counts.as_object().into_iter().flatten() {
            let count = count.as_u64().and_then(|count| count.try_into().ok());
            let count = count.ok_or_else(|| format!("{package}: {features:?} has no number"))?;
            entries.push((package.clone(), features.clone(), count));
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_of_features_has_a_number() {
        let metadata = br#"{"metadata": {"dependency-count": {"sdk": {"": 3, "a,b": 5}}}}"#;
        let entry = |features: &str, count| ("sdk".to_owned(), features.to_owned(), count);
        assert_eq!(declared(metadata), Ok(vec![entry("", 3), entry("a,b", 5)]));
    }

    #[test]
    fn a_missing_table_or_number_is_an_error() {
        assert!(declared(br#"{"metadata": null}"#).is_err());
        let metadata = br#"{"metadata": {"dependency-count": {"sdk": {"": "three"}}}}"#;
        assert!(declared(metadata).is_err());
    }
}
