//! Services whose listings have no checksums, and stores that have none or some.

use agbcloud::{
    ContextId, FilePage, Files, PresignedUrl, RemotePath,
    testing::{ContextApi, FileQuery, ResponseFuture, Script, Step, ok},
};
use serde_json::json;

use super::{
    listings::{files, page},
    write,
};
use crate::transfers::store::{Fault, Manners, Store};

const NOTHING: Manners = Manners {
    ranges: true,
    md5_etag: false,
    crc64: false,
    any_etag: false,
    length: true,
};

/// Lists one file of five bytes, which is in the store.
struct Cloud {
    modified: &'static str,
    url: String,
}

impl ContextApi for Cloud {
    fn list_files(&self, query: FileQuery) -> ResponseFuture<FilePage> {
        let entry = json!({
            "filePath": "/d/a", "fileType": "file", "size": 5, "gmtModified": self.modified
        });
        Script::new([Step::json(page(&[entry], 1))]).list_files(query)
    }

    fn download_url(&self, _: ContextId, _: RemotePath) -> ResponseFuture<PresignedUrl> {
        ok(PresignedUrl::new(self.url.as_str()).unwrap())
    }

    fn upload_url(&self, _: ContextId, _: RemotePath) -> ResponseFuture<PresignedUrl> {
        ok(PresignedUrl::new(self.url.as_str()).unwrap())
    }
}

fn cloud(store: &Store, modified: &'static str) -> Files {
    let url = format!("{}/object?signature=1", store.endpoint);
    files(Cloud { modified, url })
}

async fn store(manners: Manners, content: &str) -> Store {
    Store::new(manners, content.into(), Vec::new(), []).await
}

#[tokio::test]
async fn without_checksums_size_and_time_decide_and_the_report_counts_that() {
    let store = store(NOTHING, "other").await;
    let here = tempfile::tempdir().unwrap();
    write(here.path(), &[("a", "mine!")]);
    // Sent after it was written.
    let report = cloud(&store, "2999-01-01T00:00:00Z").upload_dir(here.path(), "/d");
    let report = report.await.unwrap();
    assert_eq!(
        (report.unchanged, report.unverified, report.failed),
        (1, 1, 0)
    );
    let plan = cloud(&store, "2999-01-01T00:00:00Z").upload_dir(here.path(), "/d");
    let plan = plan.plan().await.unwrap();
    assert_eq!((plan.unchanged(), plan.unverified()), (1, 1));
}

/// The headers of the first byte decide where the listing says nothing.
#[tokio::test]
async fn checksums_of_the_store_decide_where_the_listing_has_none() {
    for (md5_etag, crc64) in [(true, false), (false, true)] {
        let manners = Manners {
            md5_etag,
            crc64,
            any_etag: md5_etag,
            ..NOTHING
        };
        for (content, same) in [("mine!", 1), ("other", 0)] {
            let store = store(manners, content).await;
            let here = tempfile::tempdir().unwrap();
            write(here.path(), &[("a", "mine!")]);
            let up = cloud(&store, "2999-01-01T00:00:00Z").upload_dir(here.path(), "/d");
            let report = up.await.unwrap();
            let counts = (report.unchanged, report.unverified, report.failed);
            assert_eq!(counts, (same, 0, 1 - same), "{content} {manners:?}");
            let range = store
                .heads()
                .into_iter()
                .all(|head| head.contains("range: bytes=0-0"));
            assert!(range, "{:?}", store.heads());
        }
    }
}

/// What was sent is asked about once, and from then on known by its size and time.
#[tokio::test]
async fn a_remote_file_without_listed_checksums_is_asked_about_once() {
    let manners = Manners {
        md5_etag: true,
        any_etag: true,
        ..NOTHING
    };
    let store = store(manners, "mine!").await;
    let here = tempfile::tempdir().unwrap();
    let state = tempfile::tempdir().unwrap();
    write(here.path(), &[("a", "mine!")]);
    let run = || {
        let files = cloud(&store, "2020-01-01T00:00:00Z");
        let up = files.upload_dir(here.path(), "/d");
        up.state(state.path().join("state"))
    };
    for asked in [1, 1, 1] {
        let report = run().await.unwrap();
        assert_eq!((report.unchanged, report.unverified), (1, 0));
        assert_eq!(store.heads().len(), asked);
    }
    // A change that leaves size and time is seen by who reads.
    write(here.path(), &[("a", "other")]);
    let report = run().await.unwrap();
    assert_eq!((report.transferred, report.failed), (1, 0), "{report:?}");
    assert_eq!(store.content(), b"other");
}

/// A store that refuses conditions gets the file without, and the next one at once.
#[tokio::test]
async fn a_store_that_does_not_know_conditions_is_sent_none() {
    let faults = [Fault::NotImplemented];
    let store = Store::new(NOTHING, Vec::new(), Vec::new(), faults).await;
    let here = tempfile::tempdir().unwrap();
    write(here.path(), &[("new", "1"), ("other", "2")]);
    let up = cloud(&store, "2020-01-01T00:00:00Z").upload_dir(here.path(), "/d");
    let report = up.max_concurrent_files(1).await.unwrap();
    assert_eq!((report.transferred, report.failed), (2, 0), "{report:?}");
    let conditions: Vec<_> = store
        .heads()
        .iter()
        .map(|head| head.contains("if-none-match: *"))
        .collect();
    assert_eq!(conditions, [true, false, false]);
}
