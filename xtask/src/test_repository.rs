//! A copy of the files that the checks read, for tests.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::generate::OUTPUT;

/// A temporary folder with the specification, its examples, the generated files and the lock file.
pub(crate) struct TestRepository {
    folder: TempDir,
}

impl TestRepository {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let workspace = crate::workspace();
        for part in ["spec", OUTPUT] {
            copy(&workspace.join(part), &folder.path().join(part));
        }
        std::fs::copy(
            workspace.join("Cargo.lock"),
            folder.path().join("Cargo.lock"),
        )
        .unwrap();
        Self { folder }
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.root().join(file)
    }

    pub(crate) fn read(&self, file: &str) -> String {
        std::fs::read_to_string(self.path(file)).unwrap()
    }

    pub(crate) fn write(&self, file: &str, content: &str) {
        std::fs::write(self.path(file), content).unwrap();
    }

    pub(crate) fn remove(&self, file: &str) {
        std::fs::remove_file(self.path(file)).unwrap();
    }

    /// Replaces the first occurrence of a text. Panics if there is none.
    pub(crate) fn edit(&self, file: &str, from: &str, to: &str) {
        let old = self.read(file);
        assert!(old.contains(from), "{file} has no {from:?}");
        self.write(file, &old.replacen(from, to, 1));
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
