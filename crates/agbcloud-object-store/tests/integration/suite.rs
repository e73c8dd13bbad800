//! The integration suite of `object_store`.
//!
//! Left out are the functions for traits that [`ContextStore`](agbcloud_object_store::ContextStore) does not implement:
//! `multipart`, `multipart_with_opts` and `multipart_put_part_out_of_order` for `MultipartStore` (a presigned URL accepts a
//! whole file, so that parts have no id that another process could use), and `list_paginated` for `PaginatedListStore` (the
//! service pages by number and folder, not by key). `response_extensions` needs the HTTP client of `object_store`.

use object_store::{Error, integration};

use crate::support::with_store;

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
        let read = integration::get_nonexistent_object(&store, None).await;
        assert!(matches!(read, Err(Error::NotFound { .. })));
    })
    .await;
}
