//! Folders of a context that are deleted.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use agbcloud::{
    Change, Client, ContextId, DeleteLimit, ErrorKind, FilePage, MAX_PAGE_SIZE, RemotePath,
    RetryPolicy,
    testing::{Answer, ContextApi, FileQuery, Script, Step},
};
use serde_json::json;

use super::{
    counts,
    listings::{entry, files, page},
    remote, world, write,
};

#[tokio::test]
async fn all_of_a_folder_goes_and_nothing_else() {
    let world = world().await;
    let (_, files) = world.files("one").await;
    let here = tempfile::tempdir().unwrap();
    // Two pages, of a folder that gets shorter.
    let many = MAX_PAGE_SIZE + 1;
    for number in 0..many {
        write(here.path(), &[(&format!("{number}"), "x")]);
    }
    files.upload_dir(here.path(), "/data").await.unwrap();
    for path in ["/data/keep/é 1%.log", "/data2/a", "/datum"] {
        files.upload(path, &b"x"[..]).await.unwrap();
    }
    let told = Arc::new(Mutex::new(Vec::new()));
    let listener = told.clone();
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
    assert!(told.lock().unwrap().is_empty());
    let report = plan.run().await.unwrap();
    assert_eq!(counts(&report), (0, 0, u64::from(many), 0));
    assert_eq!(told.lock().unwrap().len(), many as usize);
    let left = ["/data/keep/é 1%.log", "/data2/a", "/datum"];
    assert_eq!(remote(&files, "/").await, left);

    let report = files.delete_dir("/nowhere").await.unwrap();
    assert_eq!(counts(&report), (0, 0, 0, 0));
    let report = files.delete_dir("/").await.unwrap();
    assert_eq!((report.deleted, report.is_complete()), (3, true));
}

/// Has three files, and does not delete the first.
struct Unwilling(&'static str);

impl ContextApi for Unwilling {
    fn list_files(&self, query: FileQuery) -> Answer<FilePage> {
        let entries = ["/a", "/b", "/c"].map(entry);
        Script::new([Step::json(page(&entries, 3))]).list_files(query)
    }

    fn delete_file(&self, context: ContextId, path: RemotePath) -> Answer<()> {
        let answer = match path.as_str() {
            "/a" => json!({"success": false, "code": self.0, "message": "no"}),
            _ => json!({"success": true}),
        };
        Script::new([Step::json(answer)]).delete_file(context, path)
    }
}

#[tokio::test]
async fn one_that_stays_holds_back_no_other() {
    let nothing = tempfile::tempdir().unwrap();
    let unwilling = || files(Unwilling("FileNotAllowed"));
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
async fn a_context_that_is_gone_stops_it() {
    let error = files(Unwilling("InvalidContext.NotFound")).delete_dir("/");
    assert_eq!(error.await.unwrap_err().kind(), ErrorKind::NotFound);
    let error = files(Script::new([])).delete_dir("no/slash").await;
    assert_eq!(error.unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[tokio::test]
async fn a_name_that_can_not_be_one_is_told_and_harms_nothing() {
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

/// Has three files, and has had enough for a while.
#[derive(Default)]
struct Busy(AtomicU32);

impl ContextApi for Busy {
    fn list_files(&self, query: FileQuery) -> Answer<FilePage> {
        let entries = ["/a", "/b", "/c"].map(entry);
        Script::new([Step::json(page(&entries, 3))]).list_files(query)
    }

    fn delete_file(&self, context: ContextId, path: RemotePath) -> Answer<()> {
        let step = match self.0.fetch_add(1, Ordering::Relaxed) {
            // More than the tries of three calls.
            0..15 => Step::error(429, "TooManyRequests", "slowly"),
            _ => Step::json(json!({"success": true})),
        };
        Script::new([step]).delete_file(context, path)
    }
}

#[tokio::test]
async fn what_is_too_much_waits_and_does_not_fail() {
    let report = files(Busy::default()).delete_dir("/").await.unwrap();
    assert_eq!(counts(&report), (0, 0, 3, 0));
}

/// Has many files, and always enough.
struct Overrun {
    asks_for: &'static str,
    calls: Arc<AtomicU32>,
}

impl ContextApi for Overrun {
    fn list_files(&self, query: FileQuery) -> Answer<FilePage> {
        let entries: Vec<_> = (0..200).map(|n| entry(&format!("/{n}"))).collect();
        Script::new([Step::json(page(&entries, 200))]).list_files(query)
    }

    fn delete_file(&self, context: ContextId, path: RemotePath) -> Answer<()> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let step = Step::error(429, "TooManyRequests", "slowly");
        let step = step.header("retry-after", self.asks_for);
        Script::new([step]).delete_file(context, path)
    }
}

#[tokio::test]
async fn a_service_that_has_enough_is_not_asked_for_all_the_rest() {
    let calls = Arc::new(AtomicU32::new(0));
    let overrun = |asks_for| {
        let calls = calls.clone();
        let api = Overrun { asks_for, calls };
        let once = Client::builder().stub(api).retry(RetryPolicy::never());
        let client = once.build().unwrap();
        let id = ContextId::new("SdkCtx-1").unwrap();
        client
            .contexts()
            .files(&id)
            .delete_dir("/")
            .max_concurrent_files(4)
    };
    let second = Duration::from_secs(1);
    let patient = tokio::time::timeout(second, async { overrun("60").await });
    assert!(patient.await.is_err(), "it waits");
    let calls = calls.load(Ordering::Relaxed);
    assert!((1..20).contains(&calls), "{calls} calls");

    let report = tokio::time::timeout(60 * second, async { overrun("86400").await });
    let report = report.await.expect("nobody waits for a day").unwrap();
    assert_eq!(counts(&report), (0, 0, 0, 200));
    assert_eq!(report.failures[0].error.kind(), ErrorKind::Throttled);
}
