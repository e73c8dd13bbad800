//! The costs that the repository records.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Costs;
use super::group::Group;
use crate::failure::Failure;

/// Path of the file below the root of the repository.
pub(crate) const FILE: &str = "benches/costs.json";

/// The content of the file.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Baseline {
    /// What `rustc --version` printed, and the platform.
    pub(crate) compiler: String,
    pub(crate) costs: BTreeMap<Group, Costs>,
}

impl Baseline {
    /// Reads the file. An absent file is an empty baseline, so that `--write` creates it.
    pub(crate) fn read(root: &Path) -> Result<Self, Failure> {
        match std::fs::read(root.join(FILE)) {
            Ok(content) => serde_json::from_slice(&content)
                .map_err(|error| failure(format!("can't parse {FILE}: {error}"))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(failure(format!("can't read {FILE}: {error}"))),
        }
    }

    pub(crate) fn write(&self, root: &Path) -> Result<(), Failure> {
        let write = || {
            let mut content = serde_json::to_string_pretty(self)?;
            content.push('\n');
            std::fs::write(root.join(FILE), content)
        };
        write().map_err(|error| failure(format!("can't write {FILE}: {error}")))?;
        println!("wrote {FILE}");
        Ok(())
    }

    /// Fails if a write would leave costs of another compiler in the file.
    pub(crate) fn check_compiler(&self, compiler: &str, written: &[Group]) -> Result<(), Failure> {
        let mut groups = self.costs.keys();
        let stale = groups.find(|group| group.depends_on_compiler() && !written.contains(group));
        match stale {
            Some(group) if self.compiler != compiler => Err(Failure::new(
                format!(
                    "{FILE} has {} of {}, and this is {compiler}",
                    group.name(),
                    self.compiler
                ),
                "write all costs: `cargo xtask costs --write --full`",
            )),
            _ => Ok(()),
        }
    }
}

fn failure(problem: String) -> Failure {
    Failure::new(
        problem,
        "write it again: `cargo xtask costs --write --full`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline() -> Baseline {
        let costs = [(Group::Instructions, Costs::from([("get".to_owned(), 5)]))];
        Baseline {
            compiler: "rustc 1".to_owned(),
            costs: costs.into(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Baseline::read(root.path()).unwrap(), Baseline::default());
        std::fs::create_dir(root.path().join("benches")).unwrap();
        baseline().write(root.path()).unwrap();
        assert_eq!(Baseline::read(root.path()).unwrap(), baseline());
    }

    #[test]
    fn an_unknown_group_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("benches")).unwrap();
        let content = r#"{"compiler": "rustc 1", "costs": {"seconds": {"get": 1}}}"#;
        std::fs::write(root.path().join(FILE), content).unwrap();
        let failure = Baseline::read(root.path()).unwrap_err().to_string();
        assert!(failure.contains("seconds"), "{failure}");
    }

    #[test]
    fn costs_of_two_compilers_are_not_mixed() {
        let all = [Group::Instructions, Group::Allocations];
        assert!(baseline().check_compiler("rustc 2", &all).is_ok());
        assert!(baseline().check_compiler("rustc 1", &all[1..]).is_ok());
        let failure = baseline().check_compiler("rustc 2", &all[1..]);
        let failure = failure.unwrap_err().to_string();
        assert!(failure.contains("instructions of rustc 1"), "{failure}");
    }
}
