//! Stale and slow listings, with a service whose listings the test controls.

use std::sync::Arc;

use agbcloud::{
    Change, Client, ConflictPolicy, ContextId, DeleteLimit, FilePage, Files, PresignedUrl,
    RemotePath,
    testing::{ContextApi, FileQuery, ResponseFuture, Script, Step},
};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::write;

pub(super) fn files(api: impl ContextApi + 'static) -> Files {
    let client = Client::builder().stub(api).build().unwrap();
    client.contexts().files(ContextId::new("SdkCtx-1").unwrap())
}

pub(super) fn entry(path: &str) -> Value {
    json!({"filePath": path, "fileType": "file", "size": 1})
}

/// Returns a page with this total count.
pub(super) fn page(entries: &[Value], count: usize) -> Value {
    json!({"success": true, "data": entries, "count": count})
}

#[tokio::test]
async fn a_local_file_is_deleted_only_after_a_second_listing() {
    let here = tempfile::tempdir().unwrap();
    write(
        here.path(),
        &[("a", "another length"), ("new", "new"), ("gone", "gone")],
    );
    let pages = [
        page(&[entry("/a")], 1),
        page(&[entry("/a"), entry("/new")], 2),
    ];
    let gone = Step::error(404, "InvalidFile.NotFound", "no such file");
    let script = Script::new(pages.map(Step::json).into_iter().chain([gone]));
    let files = files(script);
    let down = files.download_dir("/", here.path()).delete(true);
    // Without times in the listing, no version is known to be newer.
    let down = down.on_conflict(ConflictPolicy::Overwrite);
    let plan = down.delete_limit(DeleteLimit::NONE).plan();
    let plan = plan.await.unwrap();
    let deleted: Vec<_> = plan
        .changes()
        .map(|change| (change.change, change.path))
        .collect();
    assert_eq!(
        deleted,
        [
            (Change::Download, "a".to_owned()),
            (Change::DeleteLocal, "gone".to_owned())
        ]
    );
}

/// Lists one file, and responds with a step to requests for others.
struct OneFile(Step);

impl ContextApi for OneFile {
    fn list_files(&self, query: FileQuery) -> ResponseFuture<FilePage> {
        Script::new([Step::json(page(&[entry("/a")], 1))]).list_files(query)
    }

    fn download_url(&self, context: ContextId, path: RemotePath) -> ResponseFuture<PresignedUrl> {
        Script::new([self.0.clone()]).download_url(context, path)
    }
}

#[tokio::test]
async fn a_local_file_is_deleted_only_if_the_service_reports_it_missing() {
    let here = tempfile::tempdir().unwrap();
    write(here.path(), &[("a", "another length"), ("gone", "gone")]);
    for (step, deletions) in [
        (Step::status(404), 0),
        (Step::status(404).body("<html>no such page"), 0),
        (
            Step::error(404, "InvalidContext.NotFound", "no such context"),
            0,
        ),
        (
            Step::error(404, "InvalidAction.NotFound", "no such operation"),
            0,
        ),
        (Step::error(403, "Forbidden", "no"), 0),
        (Step::error(404, "InvalidFile.NotFound", "no such file"), 1),
    ] {
        let download = files(OneFile(step.clone())).download_dir("/", here.path());
        let download = download.delete_limit(DeleteLimit::NONE);
        let download = download.on_conflict(ConflictPolicy::Overwrite).delete(true);
        let plan = download.plan().await.unwrap();
        let deleted = plan
            .changes()
            .filter(|change| change.change == Change::DeleteLocal);
        assert_eq!(deleted.count(), deletions, "{step:?}");
        assert_eq!(plan.failures().len(), 1 - deletions, "{step:?}");
    }
}

/// Lists the second of two files only after a URL of the first was requested, which is missing.
struct SlowListing(Arc<Notify>);

impl SlowListing {
    fn url(&self) -> Script {
        self.0.notify_one();
        Script::new([Step::status(404)])
    }
}

impl ContextApi for SlowListing {
    fn list_files(&self, query: FileQuery) -> ResponseFuture<FilePage> {
        let asked = self.0.clone();
        Box::pin(async move {
            let path = ["/a", "/b"][query.page as usize - 1];
            if query.page == 2 {
                asked.notified().await;
            }
            let step = Step::json(page(&[entry(path)], 2));
            Script::new([step]).list_files(query).await
        })
    }

    fn upload_url(&self, context: ContextId, path: RemotePath) -> ResponseFuture<PresignedUrl> {
        self.url().upload_url(context, path)
    }

    fn download_url(&self, context: ContextId, path: RemotePath) -> ResponseFuture<PresignedUrl> {
        self.url().download_url(context, path)
    }
}

#[tokio::test]
async fn files_are_copied_while_the_listing_continues() {
    let here = tempfile::tempdir().unwrap();
    write(
        here.path(),
        &[("a", "another length"), ("b", "another length")],
    );
    let hesitant = || files(SlowListing(Arc::default()));
    for work in [
        hesitant().upload_dir(here.path(), "/"),
        hesitant().download_dir("/", here.path()),
    ] {
        let report = work.on_conflict(ConflictPolicy::Overwrite).await.unwrap();
        assert_eq!((report.failed, report.transferred), (2, 0));
    }
}

#[tokio::test]
async fn a_new_file_is_uploaded_after_the_listing_ends() {
    let here = tempfile::tempdir().unwrap();
    write(
        here.path(),
        &[("a", "another length"), ("deep/new", "2"), ("new", "2")],
    );
    let script = Script::new([Step::json(page(&[entry("/a")], 1))]);
    let up = files(script).upload_dir(here.path(), "/");
    let plan = up.on_conflict(ConflictPolicy::Overwrite).plan().await;
    let mut changes: Vec<_> = plan
        .unwrap()
        .changes()
        .map(|change| (change.path, change.replaces))
        .collect();
    changes.sort();
    let expected = [("a", true), ("deep/new", false), ("new", false)];
    assert_eq!(
        changes,
        expected.map(|(path, replaces)| (path.to_owned(), replaces))
    );
}

#[tokio::test]
async fn an_empty_folder_does_not_hide_a_missing_context() {
    let here = tempfile::tempdir().unwrap();
    let refused = json!({"success": false, "code": "InvalidContext.NotFound", "message": "gone"});
    for _ in 0..20 {
        let script = Script::new([Step::json(refused.clone())]);
        let error = files(script).upload_dir(here.path(), "/").await;
        assert_eq!(error.unwrap_err().kind(), agbcloud::ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn a_local_file_missing_from_a_stale_listing_is_not_deleted() {
    let lag = "lag=60s,op=DescribeContextFiles".parse().unwrap();
    let world = crate::support::World::with(|builder| builder.fault(lag)).await;
    let (_, files) = world.files("one").await;
    let here = tempfile::tempdir().unwrap();
    write(here.path(), &[("sent", "x"), ("never", "x")]);
    files
        .upload("/sent", here.path().join("sent"))
        .await
        .unwrap();
    let down = files.download_dir("/", here.path()).delete(true);
    let report = down.delete_limit(DeleteLimit::NONE).await.unwrap();
    assert_eq!((report.deleted, report.skipped, report.failed), (1, 1, 0));
    assert!(here.path().join("sent").exists());
}

/// More failures than attempts of one upload.
#[tokio::test]
async fn a_throttled_upload_is_retried_later() {
    let busy = "status=503,op=upload,times=6,retry-after=0";
    let busy = busy.parse().unwrap();
    let world = crate::support::World::with(|builder| builder.fault(busy)).await;
    let (_, files) = world.files("one").await;
    let here = tempfile::tempdir().unwrap();
    write(here.path(), &[("a", "a")]);
    let report = files.upload_dir(here.path(), "/").await.unwrap();
    assert_eq!((report.transferred, report.failed), (1, 0));
}
