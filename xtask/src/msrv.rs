//! `cargo xtask msrv`: checks that no dependency declares a newer Rust than the package that uses it.
//!
//! This needs no old toolchain. `cargo +VERSION check` also compiles the packages with one; GitHub's CI does that.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::cargo;
use crate::failure::Failure;

pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let failure = |problem| Failure::new(problem, "run the command to see the whole error");
    let arguments = ["metadata", "--format-version", "1", "--locked"];
    let metadata = cargo::output(root, &arguments).map_err(failure)?;
    let metadata: Value = serde_json::from_slice(&metadata)
        .map_err(|error| failure(format!("can't read the output of cargo metadata: {error}")))?;
    let versions = rust_versions(&metadata);
    let mut too_new = false;
    for (package, declared) in members(&metadata) {
        let arguments = ["--all-features", "--target", "all"];
        let dependencies = cargo::tree(root, &package, &arguments).map_err(failure)?;
        println!("{package}: Rust {declared}, {} crates", dependencies.len());
        for dependency in dependencies {
            let Some(required) = versions.get(&dependency) else {
                continue;
            };
            if number(required) > number(&declared) {
                let (name, version) = dependency;
                println!("  {name} {version} requires Rust {required}");
                too_new = true;
            }
        }
    }
    match too_new {
        false => Ok(()),
        true => Err(Failure::new(
            "a dependency requires a newer Rust than its user declares",
            "raise `rust-version` of the package, or downgrade the dependency with \
             `cargo update -p NAME --precise VERSION`; `cargo tree -i NAME` shows what uses it",
        )),
    }
}

/// The declared Rust of each package, by name and version.
fn rust_versions(metadata: &Value) -> BTreeMap<(String, String), String> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let versions = packages.filter_map(|package| {
        let text = |field: &str| Some(package[field].as_str()?.to_owned());
        Some(((text("name")?, text("version")?), text("rust_version")?))
    });
    versions.collect()
}

/// Name and declared Rust of each package of the workspace.
fn members(metadata: &Value) -> Vec<(String, String)> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let members = packages.filter(|package| package["source"].is_null());
    let members = members.filter_map(|package| {
        let text = |field: &str| Some(package[field].as_str()?.to_owned());
        Some((text("name")?, text("rust_version")?))
    });
    members.collect()
}

/// Parts of a version, for comparing: `1.88` is `1.88.0`, and a pre-release its release.
fn number(version: &str) -> [u32; 3] {
    let mut parts = version.split(['.', '-']).map(|part| part.parse());
    std::array::from_fn(|_| parts.next().and_then(Result::ok).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn versions_compare_by_number() {
        assert!(number("1.9") < number("1.88"));
        assert_eq!(number("1.88"), number("1.88.0"));
        assert_eq!(number("1.88.1-beta"), [1, 88, 1]);
    }

    #[test]
    fn members_are_the_packages_without_a_registry() {
        let package = |name: &str, source: Option<&str>, rust: Option<&str>| json!({"name": name, "version": "1.0.0", "source": source, "rust_version": rust});
        let metadata = json!({"packages": [
            package("sdk", None, Some("1.88")),
            package("used", Some("registry"), Some("1.70")),
            package("old", Some("registry"), None),
        ]});
        assert_eq!(members(&metadata), [("sdk".to_owned(), "1.88".to_owned())]);
        let used = ("used".to_owned(), "1.0.0".to_owned());
        assert_eq!(rust_versions(&metadata).get(&used).unwrap(), "1.70");
        assert_eq!(rust_versions(&metadata).len(), 2);
    }
}
