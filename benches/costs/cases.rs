//! The operations of which instructions and allocations are counted: a function that prepares each, and one that is counted.
//!
//! Client and service share one thread. Other threads, such as the one that writes to SQLite, are not counted.

use std::hint::black_box;

use agbcloud::{
    Client, ContextId, Contexts, Files, SyncDir,
    testing::{Script, Step},
};
use agbcloud_server::{
    Server,
    bench_points::{self, PresignedUrls},
};
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const KEY: &str = "bench-key";
pub(crate) const NAME: &str = "bench";
const ID: &str = "SdkCtx-1";

/// Number of calls with a stub.
const CALLS: usize = 20;

/// Number of files of a decoded page, which is the maximum.
const PAGE: usize = 1000;

/// Number of files of the page that the service returns.
const SERVED: usize = 100;

/// Number of files of the plan.
const FILES: usize = 10_000;

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build().unwrap()
}

/// A client whose calls return these responses.
fn stub(responses: impl IntoIterator<Item = Value>) -> Client {
    let script = Script::new(responses.into_iter().map(Step::json));
    Client::builder().stub(script).build().unwrap()
}

/// A client whose calls return a context. One call is done, since the first one differs between runs by several percent.
pub(crate) fn stubbed_contexts() -> (Runtime, Contexts) {
    let context = json!({"id": ID, "name": NAME, "state": "available"});
    let response = json!({"success": true, "requestId": "1", "data": context});
    let client = stub(vec![response; 1 + CALLS]);
    let prepared = (runtime(), client.contexts());
    get_once(&prepared);
    prepared
}

/// Calls of GetContext up to the HTTP client.
pub(crate) fn get(prepared: &(Runtime, Contexts)) {
    for _ in 0..CALLS {
        get_once(prepared);
    }
}

fn get_once((runtime, contexts): &(Runtime, Contexts)) {
    let id = ContextId::new(ID).unwrap();
    let context = runtime.block_on(async { contexts.get(&id).await.unwrap() });
    assert_eq!(black_box(context).name, NAME);
}

fn entry(number: usize) -> Value {
    let name = format!("generated-module-{number:05}.json");
    json!({
        "fileId": "SdkFile-8w2n5k1x9c4m7q3v6z0b",
        "filePath": format!("/{name}"),
        "fileName": name,
        "fileType": "file",
        "gmtCreate": "2025-05-29T12:20:00Z",
        "gmtModified": "2025-05-29T12:20:00Z",
        "size": 0,
        "status": "available",
        "eTag": "\"d41d8cd98f00b204e9800998ecf8427e\"",
        "crc64": "0",
    })
}

/// A folder of this number of files, which is listed once.
fn folder(count: usize) -> (Runtime, Files) {
    let entries: Vec<_> = (0..count).map(entry).collect();
    let pages = entries.chunks(PAGE);
    let client = stub(pages.map(|page| json!({"success": true, "data": page, "count": count})));
    let files = client.contexts().files(ContextId::new(ID).unwrap());
    (runtime(), files)
}

/// A client whose call returns a page.
pub(crate) fn stubbed_page() -> (Runtime, Files) {
    folder(PAGE)
}

/// Decodes a page of 1000 files.
pub(crate) fn decode_page(prepared: &(Runtime, Files)) {
    let (runtime, files) = prepared;
    let page = runtime.block_on(async { files.list().page_size(PAGE as u32).await.unwrap() });
    assert_eq!(black_box(page).entries.len(), PAGE);
}

/// A download of a folder of which no file is local.
pub(crate) fn stubbed_download() -> (Runtime, SyncDir, TempDir) {
    let local = tempfile::tempdir().unwrap();
    let (runtime, files) = folder(FILES);
    let sync = files.download_dir("/", local.path());
    (runtime, sync, local)
}

/// Plans the download of 10,000 files.
pub(crate) fn plan(prepared: &(Runtime, SyncDir, TempDir)) {
    let (runtime, sync, _local) = prepared;
    let plan = runtime.block_on(async { sync.clone().plan().await.unwrap() });
    assert_eq!(black_box(plan).changes().count(), FILES);
}

/// The signer of URLs, and a URL that it signed.
pub(crate) fn signed_url() -> (PresignedUrls, String) {
    let urls = PresignedUrls::default();
    let url = urls.sign();
    (urls, url)
}

/// Signs a URL.
pub(crate) fn presign(prepared: &(PresignedUrls, String)) {
    let (urls, url) = prepared;
    assert_eq!(black_box(urls.sign()), *url);
}

/// Verifies a URL.
pub(crate) fn verify(prepared: &(PresignedUrls, String)) {
    let (urls, url) = prepared;
    assert!(urls.verify(black_box(url)));
}

/// The service and a client, both in the thread of the runtime.
pub(crate) struct Service {
    pub(crate) runtime: Runtime,
    server: Server,
    pub(crate) client: Client,
    pub(crate) id: ContextId,
}

/// A service with a context.
pub(crate) fn service() -> Service {
    let runtime = runtime();
    let (server, client, id) = runtime.block_on(async {
        let server = Server::builder().memory().api_key(KEY).start();
        let server = server.await.unwrap();
        let client = Client::builder().api_key(KEY).endpoint(server.url());
        let client = client.build().unwrap();
        let id = client.contexts().get_or_create(NAME).await.unwrap().id;
        (server, client, id)
    });
    Service {
        runtime,
        server,
        client,
        id,
    }
}

impl Service {
    pub(crate) fn files(&self) -> Files {
        self.client.contexts().files(&self.id)
    }

    pub(crate) fn upload(&self, path: &str) {
        let upload = self.files().upload(path, vec![1; 4096]);
        self.runtime.block_on(async { upload.await.unwrap() });
    }
}

/// A service with a page of files, which was requested once, so that statements are prepared.
pub(crate) fn service_with_page() -> (Service, String) {
    let service = service();
    for number in 0..SERVED {
        service.upload(&format!("/{number}"));
    }
    let target = format!(
        "/sdk/DescribeContextFiles?contextId={}&parentFolderPath=/&pageNumber=1&pageSize={SERVED}",
        service.id
    );
    let prepared = (service, target);
    handle_page(&prepared);
    prepared
}

/// Handles a request for a page of 100 files without a connection.
pub(crate) fn handle_page(prepared: &(Service, String)) {
    let (service, target) = prepared;
    let response = bench_points::handle(&service.server, Method::POST, target, KEY);
    let (status, body) = service.runtime.block_on(response);
    assert!(status.is_success(), "{status}: {body:?}");
    assert!(black_box(body).len() > SERVED * 200);
}

/// A service with a context, which was requested once.
pub(crate) fn service_with_context() -> (Service, String) {
    let service = service();
    let target = format!("/sdk/GetContext?id={}", service.id);
    let prepared = (service, target);
    handle_get(&prepared);
    prepared
}

/// Handles GetContext without a connection.
pub(crate) fn handle_get(prepared: &(Service, String)) {
    let (service, target) = prepared;
    let response = bench_points::handle(&service.server, Method::GET, target, KEY);
    let (status, body) = service.runtime.block_on(response);
    assert!(status.is_success(), "{status}: {body:?}");
    assert!(black_box(body).len() > 100);
}
