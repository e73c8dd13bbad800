//! The integration suite of `object_store`, against a service that this test starts.

use agbcloud::Client;
use agbcloud_object_store::ContextStore;
use agbcloud_server::Server;
use object_store::integration;

/// Runs a check with the store of an empty context.
async fn with_store(check: impl AsyncFnOnce(ContextStore)) {
    let service = Server::builder().memory().start().await.unwrap();
    let builder = Client::builder().api_key("any").endpoint(service.url());
    let contexts = builder.build().unwrap().contexts();
    let context = contexts.get_or_create("objects").await.unwrap();
    check(ContextStore::new(contexts.files(&context.id))).await;
    service.shutdown().await;
}

/// Defines a test for each function of the suite that takes a store.
macro_rules! suite {
    ($($name:ident $(($argument:expr))?;)*) => {
        $(
            #[tokio::test]
            async fn $name() {
                with_store(async |store| integration::$name(&store $(, $argument)?).await).await;
            }
        )*
    };
}

// Left out are the functions for the traits `MultipartStore` and `PaginatedListStore`: `multipart`, `multipart_with_opts`,
// `multipart_put_part_out_of_order` and `list_paginated`. A presigned URL accepts a whole file only, so that parts have no
// id that another process could use, and the service lists folders by page number, not by key. `response_extensions` is
// for stores with a service of their own in `object_store`.
suite! {
    put_get_delete_list;
    put_get_attributes;
    get_opts;
    put_opts(true);
    stream_get;
    list_uses_directories_correctly;
    list_with_delimiter;
    list_with_offset_exclusivity;
    rename_and_copy;
    copy_if_not_exists;
    copy_rename_nonexistent_object;
    multipart_race_condition(true);
    multipart_out_of_order;
}

#[tokio::test]
async fn get_nonexistent_object() {
    with_store(async |store| {
        let error = integration::get_nonexistent_object(&store, None)
            .await
            .unwrap_err();
        assert!(matches!(error, object_store::Error::NotFound { .. }));
    })
    .await;
}
