//! Conditional writes on stores that evaluate conditions, and on those that ignore them.

use agbcloud_object_store::{ConditionalWrites, ContextStore};
use futures_util::TryStreamExt;
use object_store::{
    Error, ObjectStore, ObjectStoreExt, PutMode, PutResult, Result, UpdateVersion, path::Path,
};

use crate::support::{with_store, with_store_without_conditions};

async fn put(
    store: &ContextStore,
    path: &Path,
    content: &'static str,
    mode: PutMode,
) -> Result<PutResult> {
    store.put_opts(path, content.into(), mode.into()).await
}

async fn content(store: &ContextStore, path: &Path) -> String {
    let bytes = store.get(path).await.unwrap().bytes().await.unwrap();
    String::from_utf8(bytes.into()).unwrap()
}

async fn paths(store: &ContextStore) -> Vec<String> {
    let list = store.list(None).map_ok(|meta| meta.location.to_string());
    list.try_collect().await.unwrap()
}

/// Asserts that each conditional write is not implemented and changes nothing.
async fn assert_no_conditional_writes(store: &ContextStore) {
    let (one, two) = (Path::from("one"), Path::from("two"));
    let first = put(store, &one, "1", PutMode::Overwrite).await.unwrap();
    let update = PutMode::Update(UpdateVersion::from(first));
    for refused in [
        put(store, &one, "2", PutMode::Create).await.map(drop),
        put(store, &two, "2", PutMode::Create).await.map(drop),
        put(store, &one, "2", update).await.map(drop),
        store.copy_if_not_exists(&one, &two).await,
        store.rename_if_not_exists(&one, &two).await,
    ] {
        assert!(
            matches!(refused, Err(Error::NotImplemented { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(content(store, &one).await, "1");
    assert_eq!(paths(store).await, ["one"]);
}

#[tokio::test]
async fn a_store_that_ignores_conditions_is_detected_and_replaces_nothing() {
    with_store_without_conditions(async |store| {
        assert_no_conditional_writes(&store).await;
        // The positive control: without the test, such a store replaces the file.
        let trusting = store.with_conditional_writes(ConditionalWrites::Assume);
        let one = Path::from("one");
        put(&trusting, &one, "2", PutMode::Create).await.unwrap();
        assert_eq!(content(&trusting, &one).await, "2");
    })
    .await;
}

#[tokio::test]
async fn conditional_writes_can_be_disabled() {
    with_store(async |store| {
        let store = store.with_conditional_writes(ConditionalWrites::Disabled);
        assert_no_conditional_writes(&store).await;
    })
    .await;
}

#[tokio::test]
async fn the_test_of_the_store_leaves_no_file() {
    with_store(async |store| {
        let path = Path::from("file");
        let first = put(&store, &path, "1", PutMode::Create).await.unwrap();
        let update = PutMode::Update(first.into());
        put(&store, &path, "2", update.clone()).await.unwrap();
        assert_eq!(paths(&store).await, ["file"]);
        let outdated = put(&store, &path, "3", update).await;
        assert!(matches!(outdated, Err(Error::Precondition { .. })));
        assert_eq!(content(&store, &path).await, "2");
    })
    .await;
}

#[tokio::test]
async fn an_update_without_an_etag_is_an_error() {
    with_store(async |store| {
        let version = UpdateVersion {
            e_tag: None,
            version: None,
        };
        let refused = put(&store, &Path::from("file"), "1", PutMode::Update(version)).await;
        assert!(matches!(refused, Err(Error::Generic { .. })));
        assert!(paths(&store).await.is_empty());
    })
    .await;
}
