//! `cargo xtask ceiling`: whether the SDK pulls in as many crates as the root `Cargo.toml` declares, no more
//! and no fewer.
//!
//! Each crate that is added is compiled, trusted and updated by everyone who uses the SDK. With the number
//! written down, adding one shows in the change that does so; with it exact, one that was saved stays saved.

mod declared;
mod tree;

use std::cmp::Ordering;
use std::path::Path;

use self::declared::{Declared, Row};
use crate::cargo;
use crate::failure::Failure;

/// Where the numbers are.
const TABLE: &str = "[workspace.metadata.ceiling] in the root Cargo.toml";

pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let declared = load(root)?;
    let mut mends = Vec::new();
    for row in &declared.rows {
        let count = tree::count(root, &declared.package, &row.features)
            .map_err(|problem| Failure::new(problem, format!("see the features in {TABLE}")))?;
        println!("{}", report(&declared.package, row, count));
        mends.extend(mend(&declared, row, count));
    }
    for feature in &declared.uncounted {
        println!(
            "{} with {feature}: not counted, nothing is declared",
            declared.package
        );
        mends.push(format!("add a row with the feature {feature:?} to {TABLE}"));
    }
    match mends.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(
            format!(
                "{} and its declared number of crates differ",
                declared.package
            ),
            mends.join("\n      "),
        )),
    }
}

fn load(root: &Path) -> Result<Declared, Failure> {
    let arguments = ["metadata", "--format-version", "1", "--locked", "--no-deps"];
    let mend = "see the table's comment there, or run `cargo metadata` to see more";
    let output = cargo::output(root, &arguments).map_err(|problem| Failure::new(problem, mend))?;
    Declared::parse(&output).map_err(|problem| Failure::new(problem, mend))
}

/// One line.
fn report(package: &str, row: &Row, count: usize) -> String {
    let declared = row.crates;
    let verdict = match count.cmp(&declared) {
        Ordering::Equal => "as declared".to_owned(),
        Ordering::Greater => format!("{} more than the declared {declared}", count - declared),
        Ordering::Less => format!("{} fewer than the declared {declared}", declared - count),
    };
    format!("{package} with {}: {count} crates, {verdict}", row.label())
}

/// What to do about a count, if anything.
fn mend(declared: &Declared, row: &Row, count: usize) -> Option<String> {
    let (label, limit) = (row.label(), row.limit.unwrap_or(declared.limit));
    let command = tree::command(&declared.package, &row.features);
    if count > limit {
        return Some(format!(
            "{label}: do with {limit} crates at most; `{command}` shows them"
        ));
    }
    match count.cmp(&row.crates) {
        Ordering::Equal => None,
        Ordering::Greater => Some(format!(
            "{label}: do without the new crates (`{command}` shows all), or set `crates = {count}` in {TABLE} \
             and say in the same commit's message why they are worth it"
        )),
        Ordering::Less => Some(format!(
            "{label}: set `crates = {count}` in {TABLE}, so that what was saved stays saved"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// `sdk` is built from `used` and `build`, with `extra` from `more` as well; `dev` is only for its tests.
    struct Workspace(TempDir);

    impl Workspace {
        fn new(plain: usize, extra: usize, limit: usize) -> Self {
            let workspace = Self(tempfile::tempdir().unwrap());
            workspace.write(
                "Cargo.toml",
                &format!(
                    r#"
                        [workspace]
                        resolver = "3"
                        members = ["*"]
                        [workspace.metadata.ceiling]
                        package = "sdk"
                        limit = {limit}
                        rows = [
                            {{ features = ["default"], crates = {plain} }},
                            {{ features = ["extra"], crates = {extra} }},
                        ]
                    "#
                ),
            );
            workspace.package(
                "sdk",
                r#"
                    [features]
                    default = []
                    extra = ["dep:more"]
                    [dependencies]
                    used = { path = "../used" }
                    more = { path = "../more", optional = true }
                    [build-dependencies]
                    build = { path = "../build" }
                    [dev-dependencies]
                    dev = { path = "../dev" }
                "#,
            );
            for name in ["used", "more", "build", "dev"] {
                workspace.package(name, "");
            }
            cargo::output(workspace.0.path(), &["generate-lockfile", "--offline"]).unwrap();
            workspace
        }

        fn package(&self, name: &str, rest: &str) {
            let head = format!("[package]\nname = \"{name}\"\nedition = \"2024\"\n");
            self.write(&format!("{name}/Cargo.toml"), &format!("{head}{rest}"));
            self.write(&format!("{name}/src/lib.rs"), "");
        }

        fn write(&self, file: &str, content: &str) {
            let file = self.0.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, content).unwrap();
        }

        fn failure(&self) -> String {
            run(self.0.path()).unwrap_err().to_string()
        }
    }

    #[test]
    fn what_is_declared_exactly_is_fine_and_what_is_for_tests_does_not_count() {
        run(Workspace::new(3, 4, 4).0.path()).unwrap();
    }

    #[test]
    fn one_crate_more_fails_and_says_what_to_do() {
        let failure = Workspace::new(3, 3, 9).failure();
        assert!(
            failure.contains("mend: extra: do without the new crates (`cargo tree -p sdk"),
            "{failure}"
        );
        assert!(failure.contains("set `crates = 4`"), "{failure}");
    }

    #[test]
    fn one_crate_fewer_fails_until_the_number_is_lowered() {
        let failure = Workspace::new(4, 4, 9).failure();
        assert!(
            failure.contains("mend: default: set `crates = 3`"),
            "{failure}"
        );
    }

    #[test]
    fn the_limit_is_not_passed_by_declaring_more() {
        let failure = Workspace::new(3, 4, 3).failure();
        assert!(
            failure.contains("mend: extra: do with 3 crates at most"),
            "{failure}"
        );
    }

    #[test]
    fn a_row_may_have_a_limit_of_its_own() {
        let workspace = Workspace::new(3, 4, 3);
        let manifest = workspace.0.path().join("Cargo.toml");
        let old = std::fs::read_to_string(manifest).unwrap();
        for (limit, holds) in [(3, false), (4, true)] {
            let new = old.replace("crates = 4", &format!("crates = 4, limit = {limit}"));
            workspace.write("Cargo.toml", &new);
            assert_eq!(run(workspace.0.path()).is_ok(), holds);
        }
    }

    #[test]
    fn a_feature_without_a_row_fails() {
        let workspace = Workspace::new(3, 4, 9);
        let manifest = workspace.0.path().join("sdk/Cargo.toml");
        let old = std::fs::read_to_string(manifest).unwrap();
        let new = old.replace("default = []", "default = []\nblocking = []");
        workspace.write("sdk/Cargo.toml", &new);
        let failure = workspace.failure();
        assert!(
            failure.contains("mend: add a row with the feature \"blocking\""),
            "{failure}"
        );
    }

    #[test]
    fn the_report_tells_both_numbers() {
        let row = |crates| Row {
            limit: None,
            features: Vec::new(),
            crates,
        };
        assert_eq!(
            report("sdk", &row(5), 7),
            "sdk with no features: 7 crates, 2 more than the declared 5"
        );
        assert_eq!(
            report("sdk", &row(5), 4),
            "sdk with no features: 4 crates, 1 fewer than the declared 5"
        );
    }
}
