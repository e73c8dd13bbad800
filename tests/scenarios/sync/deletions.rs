//! Deletions of remote folders, and files and folders that replace each other.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use agbcloud::{
    Change, Client, ContextId, DeleteLimit, ErrorKind, FilePage, MAX_PAGE_SIZE, RemotePath,
    testing::{ContextApi, FileQuery, ResponseFuture, Script, Step},
};
use serde_json::json;

use super::{
    Tree, counts,
    listings::{entry, files, page},
    remote, tree, world, write,
};

#[tokio::test]
async fn deleting_a_folder_deletes_all_its_files_and_no_others() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let here = tempfile::tempdir().unwrap();
    // Two pages of a folder that shrinks.
    let many = MAX_PAGE_SIZE + 1;
    for number in 0..many {
        write(here.path(), &[(&format!("{number}"), "x")]);
    }
    files.upload_dir(here.path(), "/data").await.unwrap();
    for path in ["/data/keep/é 1%.log", "/data2/a", "/datum"] {
        files.upload(path, &b"x"[..]).await.unwrap();
    }
    let reported = Arc::new(Mutex::new(Vec::new()));
    let listener = reported.clone();
    let deletion = files
        .delete_dir("/data")
        .exclude("*.log")
        .on_file(move |file| {
            assert_eq!(file.change, Some(Change::DeleteRemote));
            assert_eq!(file.size, Some(1));
            listener.lock().unwrap().push(file.path.to_owned());
        });
    let plan = deletion.plan().await.unwrap();
    assert_eq!(plan.changes().len(), many as usize);
    assert!(reported.lock().unwrap().is_empty());
    let report = plan.run().await.unwrap();
    assert_eq!(counts(&report), (0, 0, u64::from(many), 0));
    assert_eq!(reported.lock().unwrap().len(), many as usize);
    let left = ["/data/keep/é 1%.log", "/data2/a", "/datum"];
    assert_eq!(remote(&files, "/").await, left);

    let report = files.delete_dir("/nowhere").await.unwrap();
    assert_eq!(counts(&report), (0, 0, 0, 0));
    let report = files.delete_dir("/").await.unwrap();
    assert_eq!((report.deleted, report.is_complete()), (3, true));
}

/// A service with three files that fails to delete the first.
struct OneUndeletable(&'static str);

impl ContextApi for OneUndeletable {
    fn list_files(&self, query: FileQuery) -> ResponseFuture<FilePage> {
        let entries = ["/a", "/b", "/c"].map(entry);
        Script::new([Step::json(page(&entries, 3))]).list_files(query)
    }

    fn delete_file(&self, context: ContextId, path: RemotePath) -> ResponseFuture<()> {
        let answer = match path.as_str() {
            "/a" => json!({"success": false, "code": self.0, "message": "no"}),
            _ => json!({"success": true}),
        };
        Script::new([Step::json(answer)]).delete_file(context, path)
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_deleted_does_not_stop_the_others() {
    let nothing = tempfile::tempdir().unwrap();
    let unwilling = || files(OneUndeletable("FileNotAllowed"));
    for report in [
        unwilling().delete_dir("/").await,
        unwilling()
            .delete_dir("/")
            .plan()
            .await
            .unwrap()
            .run()
            .await,
        unwilling()
            .upload_dir(nothing.path(), "/")
            .delete(true)
            .delete_limit(DeleteLimit::NONE)
            .max_concurrent_files(1)
            .await,
    ] {
        let report = report.unwrap();
        assert_eq!(counts(&report), (0, 0, 2, 1));
        assert_eq!(report.failures[0].path, "a");
        assert!(!report.deletions_held_back);
    }
}

#[tokio::test]
async fn a_missing_context_stops_the_deletion() {
    let error = files(OneUndeletable("InvalidContext.NotFound")).delete_dir("/");
    assert_eq!(error.await.unwrap_err().kind(), ErrorKind::NotFound);
    let error = files(Script::new([])).delete_dir("no/slash").await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn an_invalid_remote_name_is_a_failure_and_deletes_nothing() {
    let here = tempfile::tempdir().unwrap();
    let listed = || {
        let pages = page(&[entry("///b"), entry("/c//d")], 2);
        files(Script::new([Step::json(pages.clone()), Step::json(pages)]))
    };
    let report = listed().delete_dir("/").exclude("*.tmp").await.unwrap();
    assert_eq!(counts(&report), (0, 0, 0, 2));
    let up = listed().upload_dir(here.path(), "/").exclude("*.tmp");
    let report = up.delete(true).await.unwrap();
    assert_eq!((report.skipped, report.deleted, report.failed), (2, 0, 0));
}

/// A service with three files that throttles for a while.
#[derive(Default)]
struct ThrottlingForAWhile(AtomicU32);

impl ContextApi for ThrottlingForAWhile {
    fn list_files(&self, query: FileQuery) -> ResponseFuture<FilePage> {
        let entries = ["/a", "/b", "/c"].map(entry);
        Script::new([Step::json(page(&entries, 3))]).list_files(query)
    }

    fn delete_file(&self, context: ContextId, path: RemotePath) -> ResponseFuture<()> {
        let step = match self.0.fetch_add(1, Ordering::Relaxed) {
            // More than the attempts of three calls.
            0..15 => Step::error(429, "TooManyRequests", "slowly"),
            _ => Step::json(json!({"success": true})),
        };
        Script::new([step]).delete_file(context, path)
    }
}

#[tokio::test]
async fn throttled_deletions_wait_and_do_not_fail() {
    let report = files(ThrottlingForAWhile::default())
        .delete_dir("/")
        .await
        .unwrap();
    assert_eq!(counts(&report), (0, 0, 3, 0));
}

/// A service with many files that always throttles.
struct AlwaysThrottling {
    asks_for: &'static str,
    calls: Arc<AtomicU32>,
}

impl ContextApi for AlwaysThrottling {
    fn list_files(&self, query: FileQuery) -> ResponseFuture<FilePage> {
        let entries: Vec<_> = (0..200).map(|n| entry(&format!("/{n}"))).collect();
        Script::new([Step::json(page(&entries, 200))]).list_files(query)
    }

    fn delete_file(&self, context: ContextId, path: RemotePath) -> ResponseFuture<()> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let step = Step::error(429, "TooManyRequests", "slowly");
        let step = step.header("retry-after", self.asks_for);
        Script::new([step]).delete_file(context, path)
    }
}

#[tokio::test(start_paused = true)]
async fn a_permanently_throttling_service_is_not_called_for_every_file() {
    let calls = Arc::new(AtomicU32::new(0));
    let overrun = |asks_for| {
        let calls = calls.clone();
        let api = AlwaysThrottling { asks_for, calls };
        let client = Client::builder().stub(api).build().unwrap();
        let id = ContextId::new("SdkCtx-1").unwrap();
        client
            .contexts()
            .files(&id)
            .delete_dir("/")
            .max_concurrent_files(4)
    };
    let second = Duration::from_secs(1);
    let patient = tokio::time::timeout(second, async { overrun("60").await });
    assert!(patient.await.is_err(), "still waiting");
    let calls = calls.load(Ordering::Relaxed);
    assert!((1..20).contains(&calls), "{calls} calls");

    let report = tokio::time::timeout(600 * second, async { overrun("86400").await });
    let report = report
        .await
        .expect("the deletion does not wait for a day")
        .unwrap();
    assert_eq!(counts(&report), (0, 0, 0, 200));
    assert_eq!(report.failures[0].error.kind(), ErrorKind::Throttled);
}

fn tree_of(files: &[(&str, &str)]) -> Tree {
    let files = files.iter();
    files
        .map(|(path, content)| ((*path).to_owned(), content.as_bytes().to_vec()))
        .collect()
}

const BEFORE: [(&str, &str); 4] = [("a", "file"), ("b/x", "x"), ("b/y/z", "z"), ("c", "c")];
const AFTER: [(&str, &str); 4] = [("a/x", "x"), ("a/y/z", "z"), ("b", "file"), ("c", "c")];

#[tokio::test]
async fn with_delete_files_and_folders_replace_each_other() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let (before, after) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(before.path(), &BEFORE);
    write(after.path(), &AFTER);
    files.upload_dir(before.path(), "/").await.unwrap();
    let up = files.upload_dir(after.path(), "/").delete(true);
    let up = up.delete_limit(DeleteLimit::NONE);
    assert_eq!(counts(&up.await.unwrap()), (3, 1, 3, 0));
    assert_eq!(remote(&files, "/").await, ["/a/x", "/a/y/z", "/b", "/c"]);

    // Empty folders do not block a file.
    std::fs::create_dir_all(before.path().join("b/none/at/all")).unwrap();
    let down = || {
        let down = files.download_dir("/", before.path());
        down.delete_limit(DeleteLimit::NONE)
    };
    let report = down().await.unwrap();
    assert_eq!((report.failed, report.deleted), (3, 0), "without delete");
    assert_eq!(tree(before.path()), tree_of(&BEFORE));

    let plan = down().delete(true).plan().await.unwrap();
    let changes: Vec<_> = plan.changes().map(|planned| planned.change).collect();
    let (deleted, fetched) = (Change::DeleteLocal, Change::Download);
    assert_eq!(
        changes,
        [deleted, deleted, deleted, fetched, fetched, fetched]
    );
    assert_eq!(counts(&plan.run().await.unwrap()), (3, 1, 3, 0));
    assert_eq!(tree(before.path()), tree_of(&AFTER));
    let again = down().delete(true).await.unwrap();
    assert_eq!(counts(&again), (0, 4, 0, 0));
}

#[tokio::test]
async fn an_excluded_file_is_not_replaced_by_a_folder() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    files.upload("/a/x", &b"x"[..]).await.unwrap();
    files.upload("/b", &b"file"[..]).await.unwrap();
    let here = tempfile::tempdir().unwrap();
    let mine = [("a", "mine"), ("b/mine.log", "mine")];
    write(here.path(), &mine);
    let down = files.download_dir("/", here.path()).delete(true);
    let down = down.delete_limit(DeleteLimit::NONE);
    let report = down.exclude("*.log").exclude("/a").await.unwrap();
    // `/a` is excluded with everything below it.
    assert_eq!((report.failed, report.deleted), (1, 0), "{report:?}");
    assert_eq!(tree(here.path()), tree_of(&mine));
}

#[tokio::test]
async fn a_blocking_file_is_deleted_only_after_its_replacement_is_complete() {
    let broken = "status=500,op=download".parse().unwrap();
    let world = crate::support::World::with(|builder| builder.fault(broken)).await;
    let files = world.files_without_retries("one").await;
    files.upload("/a/x", &b"x"[..]).await.unwrap();
    files.upload("/b", &b"file"[..]).await.unwrap();
    let here = tempfile::tempdir().unwrap();
    let mine = [("a", "mine"), ("b/y", "mine")];
    write(here.path(), &mine);
    let down = files.download_dir("/", here.path()).delete(true);
    let report = down.delete_limit(DeleteLimit::NONE).await.unwrap();
    assert_eq!((report.failed, report.deleted), (2, 0), "{report:?}");
    assert!(report.deletions_held_back);
    assert_eq!(tree(here.path()), tree_of(&mine));
    assert_eq!(std::fs::read_dir(here.path()).unwrap().count(), 2);
}
