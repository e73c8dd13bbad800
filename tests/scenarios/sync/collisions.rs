//! Remote files whose names are the same on the local file system.

use std::path::PathBuf;

use agbcloud::{ConflictPolicy, DeleteLimit, ErrorKind, FileFailure, Files, SyncDir};

use super::{tree, world, write};

/// Names a folder on a file system that folds names. The hardest case is a mount below a file system that does not fold names.
/// Defaults to the folder for temporary files.
const FOLDER: &str = "AGB_TEST_FOLDING_FOLDER";

/// A folder of one test, some levels below the synced folder.
struct NestedFolder {
    root: PathBuf,
    name: String,
    _made: tempfile::TempDir,
}

impl NestedFolder {
    fn new(test: &str) -> Self {
        let made = tempfile::tempdir().unwrap();
        let folder = std::env::var_os(FOLDER).map(PathBuf::from);
        let folder = folder.unwrap_or_else(|| made.path().join("below"));
        let last = folder.file_name().unwrap().to_str().unwrap();
        let below = Self {
            root: folder.parent().unwrap().to_owned(),
            name: format!("{last}/collisions-{test}-{}", std::process::id()),
            _made: made,
        };
        std::fs::create_dir_all(below.folder()).unwrap();
        below
    }

    fn folder(&self) -> PathBuf {
        self.root.join(&self.name)
    }

    /// Whether two names are the same on this file system.
    fn folds(&self, [one, other]: [&str; 2]) -> bool {
        let (one, other) = (self.folder().join(one), self.folder().join(other));
        std::fs::write(&one, "").unwrap();
        let are = other.exists();
        std::fs::remove_file(one).unwrap();
        are
    }

    /// Whether the file system preserves a name.
    fn preserves(&self, name: &str) -> bool {
        let file = self.folder().join(name);
        std::fs::write(&file, "").unwrap();
        let preserves = tree(&self.folder()).contains_key(name);
        std::fs::remove_file(file).unwrap();
        preserves
    }

    fn sync(&self, files: &Files) -> SyncDir {
        let sync = files.download_dir("/data", &self.root);
        sync.include(format!("/{}/**", self.name))
    }

    fn content(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder().join(name)).unwrap()
    }
}

impl Drop for NestedFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(self.folder());
    }
}

fn is_collision(failure: &FileFailure, named: bool) -> bool {
    let message = failure.error.to_string();
    failure.error.kind() == ErrorKind::Conflict
        && (!named || message.contains("does not distinguish the name"))
}

#[tokio::test]
async fn two_remote_files_with_one_local_name_do_not_alternate() {
    for pair in [["README", "readme"], ["caf\u{e9}", "cafe\u{301}"]] {
        let below = NestedFolder::new("turns");
        let one = below.folds(pair);
        let preserves = pair.iter().all(|name| below.preserves(name));
        let world = world().await;
        let (_, files) = world.files("one").await;
        for name in pair {
            let path = format!("/data/{}/{name}", below.name);
            files
                .upload(path, format!("that is {name}").into_bytes())
                .await
                .unwrap();
        }
        let mut last = None;
        for round in 0..4 {
            let report = match round % 2 {
                0 => below
                    .sync(&files)
                    .delete(true)
                    .delete_limit(DeleteLimit::NONE)
                    .await
                    .unwrap(),
                _ => below
                    .sync(&files)
                    .delete(true)
                    .plan()
                    .await
                    .unwrap()
                    .run()
                    .await
                    .unwrap(),
            };
            let failures = &report.failures;
            match one {
                false => assert!(failures.is_empty(), "{failures:?}"),
                true => {
                    assert_eq!(failures.len(), 1, "{round}: {failures:?}");
                    // In the first round, one of the two may only block the other.
                    let is_collision = is_collision(&failures[0], preserves || round > 0);
                    assert!(is_collision, "{round}: {failures:?}");
                }
            }
            assert_eq!(report.deleted, 0, "{round}");
            if round == 0 {
                continue;
            }
            // The result is stable from the second round on.
            let contents = pair.map(|name| below.content(name));
            if let Some(last) = last.replace(contents.clone()) {
                assert_eq!(last, contents);
                assert_eq!(report.transferred, 0);
            }
            assert_eq!(contents[0] == contents[1], one);
        }
    }
}

#[tokio::test]
async fn a_local_file_that_differs_in_case_only_is_not_deleted() {
    for pair in [["README", "readme"], ["caf\u{e9}", "cafe\u{301}"]] {
        let below = NestedFolder::new("deleted");
        let one = below.folds(pair);
        let world = world().await;
        let (_, files) = world.files("one").await;
        write(&below.folder(), &[(pair[1], "old")]);
        let path = format!("/data/{}/{}", below.name, pair[0]);
        files.upload(path, &b"new content"[..]).await.unwrap();
        for round in 0..2 {
            let report = below
                .sync(&files)
                .delete(true)
                .delete_limit(DeleteLimit::NONE)
                .await
                .unwrap();
            assert_eq!(report.failed, 0, "{:?}", report.failures);
            let deleted = u64::from(!one && round == 0);
            assert_eq!(report.deleted, deleted, "{round}");
            assert_eq!(below.content(pair[0]), "new content");
        }
        assert_eq!(tree(&below.folder()).len(), 1);
    }
}

/// Hard links look like two names that the file system folds.
#[cfg(unix)]
#[tokio::test]
async fn a_local_file_corresponds_to_one_remote_file() {
    let here = tempfile::tempdir().unwrap();
    write(
        here.path(),
        &[("Docs/a", "a"), ("other", "b"), ("Docs/twice", "c")],
    );
    std::os::unix::fs::symlink("Docs", here.path().join("docs")).unwrap();
    let link = |name: &str| std::fs::hard_link(here.path().join("other"), here.path().join(name));
    link("linked").unwrap();
    link("OTHER").unwrap();
    let world = world().await;
    let (_, files) = world.files("one").await;
    for path in ["Docs/a", "docs/a", "docs/b", "other", "linked", "OTHER"] {
        files
            .upload(format!("/data/{path}"), &b"theirs"[..])
            .await
            .unwrap();
    }
    let plan = files
        .download_dir("/data", here.path())
        .on_conflict(ConflictPolicy::Overwrite)
        .plan()
        .await
        .unwrap();
    let failed: Vec<_> = plan.failures().iter().collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert!(is_collision(failed[0], true));
    assert_eq!(failed[0].path, "docs/a");
    let changes: Vec<_> = plan.changes().map(|change| change.path).collect();
    assert_eq!(
        changes.len(),
        5,
        "hard links are separate files: {changes:?}"
    );
}
