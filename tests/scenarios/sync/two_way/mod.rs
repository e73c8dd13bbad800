//! Two-way syncs of a folder: what travels, conflicts, and what is no evidence of a deletion.

mod bisync;
mod conflicts;
mod evidence;
mod replaced;

use std::path::Path;

use agbcloud::{DeleteLimit, Files, SyncReport, TwoWaySync};
use tempfile::TempDir;

use super::{Tree, counts, remote, tree, write};
use crate::support::World;

/// A local folder that is synced with `/data` of a context.
struct Folder {
    world: World,
    files: Files,
    root: TempDir,
    state: TempDir,
}

impl Folder {
    async fn new() -> Self {
        let world = super::world().await;
        let (_, files) = world.files("one").await;
        Self {
            world,
            files,
            root: tempfile::tempdir().unwrap(),
            state: tempfile::tempdir().unwrap(),
        }
    }

    /// Both sides have these files, and the state contains them.
    async fn with(content: &[(&str, &str)]) -> Self {
        let folder = Self::new().await;
        write(folder.path(), content);
        let report = folder.sync().await.unwrap();
        assert_eq!(report.transferred, content.len() as u64);
        folder
    }

    fn path(&self) -> &Path {
        self.root.path()
    }

    fn sync(&self) -> TwoWaySync {
        let state = self.state.path().join("state");
        let sync = self.files.sync_dir(self.path(), "/data", state);
        sync.delete_limit(DeleteLimit::percent(100))
    }

    async fn run(&self) -> SyncReport {
        self.sync().await.unwrap()
    }

    async fn put(&self, path: &str, content: &str) {
        let upload = self
            .files
            .upload(format!("/data/{path}"), content.to_owned());
        upload.await.unwrap();
    }

    async fn delete(&self, path: &str) {
        self.files.delete(format!("/data/{path}")).await.unwrap();
    }

    fn remove(&self, path: &str) {
        std::fs::remove_file(self.path().join(path)).unwrap();
    }

    async fn remote(&self) -> Tree {
        let mut found = Tree::new();
        for path in remote(&self.files, "/data").await {
            let content = self.files.read(&*path).await.unwrap().to_vec();
            found.insert(path["/data/".len()..].to_owned(), content);
        }
        found
    }

    /// Asserts that both sides have these files.
    async fn assert_both(&self, expected: &[(&str, &str)]) {
        let expected: Tree = expected
            .iter()
            .map(|(path, content)| ((*path).to_owned(), content.as_bytes().to_vec()))
            .collect();
        assert_eq!(tree(self.path()), expected, "local");
        assert_eq!(self.remote().await, expected, "remote");
    }
}

#[tokio::test]
async fn additions_edits_and_deletions_travel_both_ways() {
    let folder = Folder::with(&[
        ("same", "same"),
        ("edited/here", "1"),
        ("edited/there", "1"),
        ("deleted/here", "1"),
        ("deleted/there", "1"),
        ("deleted/both", "1"),
        ("empty", ""),
    ])
    .await;
    write(folder.path(), &[("edited/here", "22"), ("added/here", "3")]);
    folder.put("edited/there", "2").await;
    folder.put("added/there", "4").await;
    for path in ["deleted/here", "deleted/both", "empty"] {
        folder.remove(path);
    }
    for path in ["deleted/there", "deleted/both"] {
        folder.delete(path).await;
    }
    let plan = folder.sync().plan().await.unwrap();
    let mut changes: Vec<_> = plan
        .changes()
        .map(|planned| format!("{} {}", planned.change, planned.path))
        .collect();
    changes.sort();
    let expected = [
        "delete local deleted/there",
        "delete remote deleted/here",
        "delete remote empty",
        "download added/there",
        "download edited/there",
        "upload added/here",
        "upload edited/here",
    ];
    assert_eq!(changes, expected);
    let report = plan.run().await.unwrap();
    assert_eq!(counts(&report), (4, 1, 3, 0));
    assert_eq!(report.restored, 0);
    let expected = [
        ("same", "same"),
        ("edited/here", "22"),
        ("edited/there", "2"),
        ("added/here", "3"),
        ("added/there", "4"),
    ];
    folder.assert_both(&expected).await;
    assert_eq!(counts(&folder.run().await), (0, 5, 0, 0));

    // A file that both sides deleted may be added again, even with the same content.
    write(folder.path(), &[("deleted/both", "1")]);
    folder.put("deleted/there", "1").await;
    assert_eq!(counts(&folder.run().await), (2, 5, 0, 0));
}

/// As with `mv`, which keeps the modification time.
#[tokio::test]
async fn a_file_that_was_deleted_on_both_sides_can_be_moved_back() {
    let folder = Folder::with(&[("a", "a"), ("b", "b"), ("c.log", "c")]).await;
    for path in ["b", "c.log"] {
        std::fs::rename(folder.path().join(path), folder.state.path().join(path)).unwrap();
        folder.delete(path).await;
    }
    assert_eq!(counts(&folder.run().await), (0, 1, 0, 0));
    for path in ["b", "c.log"] {
        std::fs::rename(folder.state.path().join(path), folder.path().join(path)).unwrap();
    }
    assert_eq!(counts(&folder.run().await), (2, 1, 0, 0));
    folder
        .assert_both(&[("a", "a"), ("b", "b"), ("c.log", "c")])
        .await;
    // A sync with another filter does not forget the others.
    assert_eq!(
        counts(&folder.sync().exclude("*.log").await.unwrap()),
        (0, 2, 0, 0)
    );
    folder.remove("c.log");
    assert_eq!(counts(&folder.run().await), (0, 2, 1, 0));
}

#[tokio::test]
async fn the_first_sync_copies_both_ways_and_deletes_nothing() {
    let folder = Folder::new().await;
    write(
        folder.path(),
        &[("here", "1"), ("same", "same"), ("differs", "1")],
    );
    for (path, content) in [("there", "2"), ("same", "same"), ("differs", "2")] {
        folder.put(path, content).await;
    }
    let report = folder.run().await;
    assert_eq!(counts(&report), (2, 1, 0, 1));
    assert_eq!(report.failures[0].path, "differs");
    assert_eq!(tree(folder.path()).len(), 4);
    assert_eq!(folder.remote().await.len(), 4);

    // The local folder is created.
    let (root, state) = (
        folder.path().join("new/copy"),
        folder.state.path().join("2"),
    );
    let sync = || folder.files.sync_dir(&root, "/data", &state);
    assert_eq!(sync().await.unwrap().transferred, 4);
    std::fs::remove_dir_all(&root).unwrap();
    let missing = sync().await.unwrap_err();
    assert_eq!(missing.kind(), agbcloud::ErrorKind::LocalFile, "{missing}");
    assert_eq!(folder.remote().await.len(), 4);
}

#[tokio::test]
async fn a_renamed_file_is_neither_lost_nor_left_under_its_old_name() {
    let folder = Folder::with(&[("a", "a"), ("b", "b"), ("kept", "kept")]).await;
    std::fs::rename(folder.path().join("a"), folder.path().join("renamed-a")).unwrap();
    // The other side edits the file that this one renames.
    std::fs::rename(folder.path().join("b"), folder.path().join("renamed-b")).unwrap();
    folder.put("b", "edited").await;
    let report = folder.run().await;
    assert_eq!((report.restored, report.failed), (1, 0));
    assert_eq!(report.restored_files, ["b"]);
    let expected = [
        ("b", "edited"),
        ("kept", "kept"),
        ("renamed-a", "a"),
        ("renamed-b", "b"),
    ];
    folder.assert_both(&expected).await;
}

#[tokio::test]
async fn several_machines_exchange_their_changes() {
    let folder = Folder::with(&[("a", "a"), ("b", "b")]).await;
    let other = tempfile::tempdir().unwrap();
    let state = folder.state.path().join("other");
    let sync_other = || {
        let sync = folder.files.sync_dir(other.path(), "/data", &state);
        sync.delete_limit(DeleteLimit::NONE)
    };
    assert_eq!(sync_other().await.unwrap().transferred, 2);
    std::fs::remove_file(other.path().join("a")).unwrap();
    write(other.path(), &[("c", "c")]);
    write(folder.path(), &[("b", "edited")]);
    for _ in 0..2 {
        folder.run().await;
        sync_other().await.unwrap();
    }
    folder.run().await;
    let expected = [("b", "edited"), ("c", "c")];
    folder.assert_both(&expected).await;
    assert_eq!(tree(other.path()), tree(folder.path()));
}

#[tokio::test]
async fn excluded_files_are_neither_copied_nor_deleted() {
    let folder = Folder::with(&[("a", "a"), ("b.log", "b"), ("c.log", "c")]).await;
    folder.remove("b.log");
    folder.delete("c.log").await;
    folder.put("d.log", "d").await;
    let report = folder.sync().exclude("*.log").await.unwrap();
    assert_eq!(counts(&report), (0, 1, 0, 0));
    // Without the filter, the deletions travel.
    assert_eq!(counts(&folder.run().await), (1, 1, 2, 0));
    folder.assert_both(&[("a", "a"), ("d.log", "d")]).await;
}
