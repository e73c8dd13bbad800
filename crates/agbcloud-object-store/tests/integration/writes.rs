//! Uploads in parts, copies and locations.

use futures_util::TryStreamExt;
use object_store::{
    Attribute, Attributes, Error, ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions,
    TagSet, path::Path,
};

use crate::support::with_store;

#[tokio::test]
async fn a_part_that_was_not_written_fails_the_upload() {
    with_store(async |store| {
        let path = Path::from("file");
        let mut upload = store.put_multipart(&path).await.unwrap();
        upload.put_part("one".into()).await.unwrap();
        drop(upload.put_part("two".into()));
        let error = upload.complete().await.unwrap_err();
        assert!(matches!(error, Error::Generic { .. }));
        assert!(upload.put_part("three".into()).await.is_err());
        assert!(upload.complete().await.is_err());
        assert!(store.list(None).try_next().await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn parts_and_copies_beyond_the_memory_limit_are_complete() {
    with_store(async |store| {
        let store = store.with_memory_limit(10);
        let (path, copy) = (Path::from("file"), Path::from("copy"));
        let mut upload = store.put_multipart(&path).await.unwrap();
        let parts = ["0123", "4567", "89ab", "cdef"].map(|part| upload.put_part(part.into()));
        for part in parts.into_iter().rev() {
            part.await.unwrap();
        }
        let put = upload.complete().await.unwrap();
        store.copy(&path, &copy).await.unwrap();
        for path in [path, copy] {
            let got = store.get(&path).await.unwrap();
            assert_eq!(got.meta.e_tag, put.e_tag);
            assert_eq!(got.bytes().await.unwrap(), "0123456789abcdef");
        }
    })
    .await;
}

#[tokio::test]
async fn a_file_renamed_to_itself_is_kept() {
    with_store(async |store| {
        let path = Path::from("file");
        store.put(&path, "hello".into()).await.unwrap();
        store.rename(&path, &path).await.unwrap();
        let error = store.rename_if_not_exists(&path, &path).await.unwrap_err();
        assert!(matches!(error, Error::AlreadyExists { .. }), "{error}");
        let content = store.get(&path).await.unwrap().bytes().await.unwrap();
        assert_eq!(content, "hello");
        let none = Path::from("none");
        let error = store.rename(&none, &none).await.unwrap_err();
        assert!(matches!(error, Error::NotFound { .. }));
    })
    .await;
}

#[tokio::test]
async fn attributes_are_not_implemented_and_tags_are_ignored() {
    with_store(async |store| {
        let path = Path::from("file");
        let attributes = Attributes::from_iter([(Attribute::ContentType, "text/plain")]);
        let options = PutOptions::from(attributes.clone());
        let put = store.put_opts(&path, "hello".into(), options).await;
        assert!(matches!(put, Err(Error::NotImplemented { .. })));
        let options = PutMultipartOptions::from(attributes);
        let put = store.put_multipart_opts(&path, options).await;
        assert!(matches!(put, Err(Error::NotImplemented { .. })));
        let mut tags = TagSet::default();
        tags.push("key", "value");
        let put = store.put_opts(&path, "hello".into(), tags.into()).await;
        assert!(put.is_ok());
    })
    .await;
}

#[tokio::test]
async fn a_location_that_no_file_can_have_is_an_error() {
    with_store(async |store| {
        let (good, bad) = (Path::from("good"), Path::parse("a\\b").unwrap());
        store.put(&good, "hello".into()).await.unwrap();
        let errors = [
            store.put(&bad, "hello".into()).await.map(drop).unwrap_err(),
            store.put_multipart(&bad).await.map(drop).unwrap_err(),
            store.get(&bad).await.map(drop).unwrap_err(),
            store
                .get_ranges(&bad, &[0..1, 2..3])
                .await
                .map(drop)
                .unwrap_err(),
            store.delete(&bad).await.unwrap_err(),
            store.copy(&good, &bad).await.unwrap_err(),
            store.copy(&bad, &good).await.unwrap_err(),
            store.rename(&good, &bad).await.unwrap_err(),
            store
                .list(Some(&bad))
                .try_next()
                .await
                .map(drop)
                .unwrap_err(),
            store
                .list_with_delimiter(Some(&bad))
                .await
                .map(drop)
                .unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, Error::Generic { .. }), "{error:?}");
        }
        assert!(store.head(&good).await.is_ok());
    })
    .await;
}
