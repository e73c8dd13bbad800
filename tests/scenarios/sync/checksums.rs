//! Comparison with and without checksums of listings and stores.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use agbcloud::{
    Client, Compare, ContextId, FilePage, Files, PresignedUrl, RemotePath, RetryPolicy,
    testing::{ContextApi, FileQuery, ResponseFuture, Script, Step, ok},
};
use axum::http;
use bytes::Bytes;
use serde_json::json;

use super::{
    counts,
    listings::{files, page},
    write,
};
use crate::support::World;
use crate::support::faulty_store::{Fault, FaultyStore, StoreFeatures};

const NO_CHECKSUMS: StoreFeatures = StoreFeatures {
    ranges: true,
    md5_etag: false,
    crc64: false,
    any_etag: false,
    length: true,
};

/// A service that lists one file of five bytes, which is in the store.
struct OneStoredFile {
    modified: &'static str,
    url: String,
}

impl ContextApi for OneStoredFile {
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

    fn delete_file(&self, _: ContextId, _: RemotePath) -> ResponseFuture<()> {
        ok(())
    }
}

fn files_of(store: &FaultyStore, modified: &'static str) -> Files {
    let url = format!("{}/object?signature=1", store.endpoint);
    files(OneStoredFile { modified, url })
}

async fn store(features: StoreFeatures, content: &str) -> FaultyStore {
    FaultyStore::new(features, content.into(), Vec::new(), []).await
}

#[tokio::test]
async fn without_checksums_files_are_compared_by_size_and_time_and_counted() {
    let store = store(NO_CHECKSUMS, "other").await;
    let here = tempfile::tempdir().unwrap();
    write(here.path(), &[("a", "mine!")]);
    // Uploaded after it was written.
    let report = files_of(&store, "2199-01-01T00:00:00Z").upload_dir(here.path(), "/d");
    let report = report.await.unwrap();
    assert_eq!(
        (report.unchanged, report.unverified, report.failed),
        (1, 1, 0),
        "{report:?}"
    );
    let plan = files_of(&store, "2199-01-01T00:00:00Z").upload_dir(here.path(), "/d");
    let plan = plan.plan().await.unwrap();
    let counts = (plan.unchanged(), plan.unverified());
    assert_eq!(counts, (1, 1), "{:?}", plan.failures());
}

/// The headers of a request for the first byte are used if the listing has no checksums.
#[tokio::test]
async fn checksums_of_the_store_are_used_if_the_listing_has_none() {
    for (md5_etag, crc64) in [(true, false), (false, true)] {
        let features = StoreFeatures {
            md5_etag,
            crc64,
            any_etag: md5_etag,
            ..NO_CHECKSUMS
        };
        for (content, same) in [("mine!", 1), ("other", 0)] {
            let store = store(features, content).await;
            let here = tempfile::tempdir().unwrap();
            write(here.path(), &[("a", "mine!")]);
            let up = files_of(&store, "2199-01-01T00:00:00Z").upload_dir(here.path(), "/d");
            let report = up.await.unwrap();
            let counts = (report.unchanged, report.unverified, report.failed);
            assert_eq!(counts, (same, 0, 1 - same), "{content} {features:?}");
            let range = store
                .heads()
                .into_iter()
                .all(|head| head.contains("range: bytes=0-0"));
            assert!(range, "{:?}", store.heads());
        }
    }
}

/// After the first request, a remote file is identified by size and time.
#[tokio::test]
async fn checksums_of_a_remote_file_are_requested_once() {
    let features = StoreFeatures {
        md5_etag: true,
        any_etag: true,
        ..NO_CHECKSUMS
    };
    let store = store(features, "mine!").await;
    let here = tempfile::tempdir().unwrap();
    let state = tempfile::tempdir().unwrap();
    write(here.path(), &[("a", "mine!")]);
    let run = || {
        let files = files_of(&store, "2020-01-01T00:00:00Z");
        let up = files.upload_dir(here.path(), "/d");
        up.state(state.path().join("state"))
    };
    for asked in [1, 1, 1] {
        let report = run().await.unwrap();
        assert_eq!((report.unchanged, report.unverified), (1, 0));
        assert_eq!(store.heads().len(), asked);
    }
    // Comparing checksums detects a change that keeps size and time.
    write(here.path(), &[("a", "other")]);
    let report = run().await.unwrap();
    assert_eq!((report.transferred, report.failed), (1, 0), "{report:?}");
    assert_eq!(store.content(), b"other");
}

/// A store that refuses conditions receives the file without them, and later files too.
#[tokio::test]
async fn conditions_are_not_sent_to_a_store_that_refuses_them() {
    let faults = [Fault::NotImplemented];
    let store = FaultyStore::new(NO_CHECKSUMS, Vec::new(), Vec::new(), faults).await;
    let here = tempfile::tempdir().unwrap();
    write(here.path(), &[("new", "1"), ("other", "2")]);
    let up = files_of(&store, "2020-01-01T00:00:00Z").upload_dir(here.path(), "/d");
    let report = up.max_concurrent_files(1).await.unwrap();
    assert_eq!((report.transferred, report.failed), (2, 0), "{report:?}");
    let conditions: Vec<_> = store
        .heads()
        .iter()
        .map(|head| head.contains("if-none-match: *"))
        .collect();
    assert_eq!(conditions, [true, false, false]);
}

/// A store that has conditions may fail with the status of one that rejects them.
#[tokio::test]
async fn a_condition_is_kept_after_an_error_of_another_cause() {
    let writes = Arc::new(Mutex::new(Vec::new()));
    let seen = writes.clone();
    let service = OneStoredFile {
        modified: "2020-01-01T00:00:00Z",
        url: "https://store.test/object?signature=1".to_owned(),
    };
    let builder = Client::builder().stub(service).retry(RetryPolicy::never());
    let client = builder.stub_store(move |request: http::Request<Bytes>| {
        let conditional = ["if-none-match", "if-match"]
            .iter()
            .any(|name| request.headers().contains_key(*name));
        let status = match (&request.body()[..], conditional) {
            (b"new", _) => {
                seen.lock().unwrap().push(conditional);
                400
            }
            (_, true) => 412,
            (_, false) => 200,
        };
        let response = http::Response::builder().status(status);
        Ok::<_, agbcloud::Error>(response.body(Bytes::new()).unwrap())
    });
    let files = client.build().unwrap().contexts().files("SdkCtx-1");
    let here = tempfile::tempdir().unwrap();
    write(here.path(), &[("new", "new")]);
    let report = files.upload_dir(here.path(), "/d").await.unwrap();
    assert_eq!((report.transferred, report.failed), (0, 1), "{report:?}");
    assert_eq!(*writes.lock().unwrap(), [true]);
}

/// Returns the number of responses of the service, by operation.
async fn responses(metrics: SocketAddr) -> BTreeMap<String, u64> {
    let text = reqwest::get(format!("http://{metrics}/metrics"));
    let text = text.await.unwrap().text().await.unwrap();
    let lines = text.lines().filter_map(|line| {
        let (labels, count) = line.strip_prefix("agb_requests_total{")?.split_once("} ")?;
        let operation = labels.split_once("operation=\"")?.1.split_once('"')?.0;
        Some((operation.to_owned(), count.parse::<f64>().ok()? as u64))
    });
    let mut responses = BTreeMap::new();
    for (operation, count) in lines {
        *responses.entry(operation).or_default() += count;
    }
    responses
}

/// For each way to compare, and also for files that were just copied.
#[tokio::test]
async fn a_sync_of_unchanged_files_only_lists() {
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let world = World::with(|server| server.metrics_listen(address)).await;
    let metrics = world.server.metrics_addr().unwrap();
    let (_, files) = world.files("one").await;
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let states = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..1100).map(|n| n.to_string()).collect();
    let content: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), name.as_str()))
        .collect();
    write(here.path(), &content);
    for state in [true, false] {
        let up = || {
            let up = files.upload_dir(here.path(), "/d");
            match state {
                true => up.state(states.path().join("up")),
                false => up,
            }
        };
        let down = || {
            let down = files.download_dir("/d", there.path()).durable(false);
            match state {
                true => down.state(states.path().join("down")),
                false => down,
            }
        };
        up().await.unwrap();
        down().await.unwrap();
        for checksum in [Compare::SizeAndTime, Compare::Checksum] {
            let before = responses(metrics).await;
            for report in [
                up().compare(checksum).await.unwrap(),
                down().compare(checksum).await.unwrap(),
            ] {
                assert_eq!(counts(&report), (0, 1100, 0, 0));
                assert_eq!(report.unverified, 0);
            }
            let mut made = responses(metrics).await;
            for (operation, count) in before {
                *made.entry(operation).or_default() -= count;
            }
            made.retain(|_, count| *count > 0);
            // Two pages per direction.
            let pages = BTreeMap::from([("DescribeContextFiles".to_owned(), 2 * 2)]);
            assert_eq!(made, pages, "{state} {checksum:?}");
        }
    }
}
