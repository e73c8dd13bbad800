//! How often each operation waits for the server: a database in another machine room is a few milliseconds away.

use super::proxy::Proxy;
use super::*;
use crate::metadata::File;
use crate::names::FolderPath;

/// Runs operations one after the other, and returns how often each of them waited for the server.
macro_rules! round_trips {
    ($proxy:expr, { $($name:literal: $operation:expr,)* }) => {{
        let mut counted = Vec::new();
        $(
            let before = $proxy.round_trips();
            $operation.await.unwrap();
            counted.push(($name, $proxy.round_trips() - before));
        )*
        counted
    }};
}

/// The results of several files as one result.
async fn all(files: impl Future<Output = Vec<Result<File>>>) -> Result<Vec<File>> {
    files.await.into_iter().collect()
}

/// With two connections, so that each has run each statement after a few rounds.
async fn count(url: &str, prepared: &str) -> Vec<(&'static str, usize)> {
    let proxy = Proxy::start(url).await;
    let parameters = format!("sslmode=disable&pool_size=2&prepared_statements={prepared}");
    let store = open(&with(&proxy.url(url), &parameters)).await;
    let (store, tenant) = (&*store, &tenant(prepared));
    let context = store.create_context(tenant, "r", "c", Micros(1)).await;
    let id = &*context.unwrap().id;
    let (small, large) = (key(tenant, id, "/a/small"), key(tenant, id, "/a/large"));
    let quotas = Quotas::default();
    let folder = FolderPath::parse("/a").unwrap();
    let mut counted = Vec::new();
    for round in 0..5 {
        let name = &*format!("{prepared}-{round}");
        let renamed = &*format!("renamed-{round}");
        let new = key(tenant, id, &format!("/a/{round}"));
        let other = format!("other-{round}");
        let other = store.create_context(tenant, "r", &other, Micros(2)).await;
        let other = &*other.unwrap().id;
        counted = round_trips!(proxy, {
            "create a context": store.create_context(tenant, "r", name, Micros(2)),
            "rename": store.rename_context(tenant, other, renamed, Micros(3)),
            "clear": store.clear_context(tenant, other, Micros(4)),
            "delete a context": store.delete_context(tenant, other),
            "store a new small file": put(store, &new, inline(b"x")),
            "replace a small file": put(store, &small, inline(b"xy")),
            "register an upload": store.register_upload(&upload(name)),
            "store a large file": put(store, &large, blob(name, b"yz")),
            "delete a file": store.delete_file(tenant, id, &new.path, Micros(5)),
            "update the time of use": store.touch_context(tenant, id, Micros(6)),
            "get with an id": store.context_by_id(tenant, id),
            "get with a name": store.context_by_name(tenant, "r", "c"),
            "upload URL": store.prepare_upload(&small, 1, &quotas),
            "head of a file": store.file(&small),
            "heads of 100 files": all(store.files(vec![small.clone(); 100])),
            "get a small file": store.open_file(&small),
            "get a large file": store.open_file(&large),
            "usage": store.usage(tenant),
            "list contexts": store.list_contexts(tenant, None, 100),
            "list files": store.list_files(tenant, id, &folder, 0, 100),
        });
    }
    counted
}

#[tokio::test]
async fn each_operation_waits_for_the_server_a_known_number_of_times() {
    let Some(url) = database() else { return };
    let expected = [
        ("create a context", 5),
        ("rename", 3),
        ("clear", 5),
        ("delete a context", 4),
        ("store a new small file", 5),
        ("replace a small file", 4),
        ("register an upload", 2),
        ("store a large file", 5),
        ("delete a file", 5),
        ("update the time of use", 3),
        ("get with an id", 1),
        ("get with a name", 1),
        ("upload URL", 1),
        ("head of a file", 1),
        ("heads of 100 files", 1),
        ("get a small file", 1),
        ("get a large file", 1),
        ("usage", 1),
        ("list contexts", 2),
        ("list files", 2),
    ];
    // Statements are prepared once, and cost nothing afterwards.
    for prepared in ["off", "on"] {
        assert_eq!(
            Box::pin(count(&url, prepared)).await,
            expected,
            "{prepared}"
        );
    }
}
