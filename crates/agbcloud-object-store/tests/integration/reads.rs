//! Reads and listings.

use std::ops::Range;

use agbcloud::ContextId;
use agbcloud_object_store::ContextStore;
use agbcloud_server::Server;
use futures_util::TryStreamExt;
use object_store::{Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt, path::Path};

use crate::support::{with_client, with_service, with_store};

#[tokio::test]
async fn an_empty_file_has_metadata_and_no_ranges() {
    with_store(async |store| {
        let path = Path::from("empty");
        store.put(&path, "".into()).await.unwrap();
        let meta = store.head(&path).await.unwrap();
        let got = store.get(&path).await.unwrap();
        assert_eq!((meta.size, &got.meta), (0, &meta));
        assert!(got.bytes().await.unwrap().is_empty());
        let range = |range: GetRange| GetOptions::new().with_range(Some(range));
        let suffix = store
            .get_opts(&path, range(GetRange::Suffix(4)))
            .await
            .unwrap();
        assert_eq!(suffix.range, 0..0);
        for outside in [GetRange::Offset(0), GetRange::Bounded(0..1)] {
            let error = store.get_opts(&path, range(outside)).await.unwrap_err();
            assert!(matches!(error, Error::Generic { .. }), "{error}");
        }
    })
    .await;
}

#[tokio::test]
async fn several_ranges_are_read() {
    with_store(async |store| {
        let path = Path::from("file");
        let content: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
        store.put(&path, content.clone().into()).await.unwrap();
        let ranges = [10_000_000..11_000_000, 0..4, 11_999_999..12_000_100, 2..3];
        let parts = store.get_ranges(&path, &ranges).await.unwrap();
        for (range, part) in ranges.iter().zip(parts) {
            let end = range.end.min(content.len() as u64) as usize;
            assert!(part == content[range.start as usize..end], "{range:?}");
        }
        assert!(store.get_ranges(&path, &[]).await.unwrap().is_empty());
        let inconsistent = Range { start: 4, end: 4 };
        let beyond = 12_000_000..12_000_001;
        for outside in [inconsistent, beyond] {
            // A range that is joined with another one.
            let read = store
                .get_ranges(&path, &[11_999_990..11_999_991, outside])
                .await;
            assert!(matches!(read, Err(Error::Generic { .. })), "{read:?}");
        }
        let missing = store.get_ranges(&Path::from("none"), &ranges).await;
        assert!(matches!(missing, Err(Error::NotFound { .. })));
    })
    .await;
}

#[tokio::test]
async fn an_interrupted_read_resumes_and_a_cut_one_is_an_error() {
    let content = vec![7; 1_000_000];
    let path = Path::from("file");
    let interrupted = Server::builder().memory();
    let interrupted = interrupted.fault("cut=600000,op=download,times=1".parse().unwrap());
    with_service(interrupted, async |store| {
        store.put(&path, content.clone().into()).await.unwrap();
        let read = store.get(&path).await.unwrap().bytes().await.unwrap();
        assert!(read == content);
    })
    .await;
    // No byte arrives in any attempt.
    let broken = Server::builder().memory();
    let broken = broken.fault("cut=0,op=download".parse().unwrap());
    with_service(broken, async |store| {
        store.put(&path, content.clone().into()).await.unwrap();
        let read = async { store.get(&path).await?.bytes().await };
        let error = read.await.unwrap_err();
        assert!(matches!(error, Error::Generic { .. }), "{error}");
    })
    .await;
}

#[tokio::test]
async fn a_missing_context_is_not_a_missing_file() {
    with_client(async |client| {
        let none = ContextId::new("SdkCtx-none").unwrap();
        let missing = ContextStore::new(client.contexts().files(&none));
        let path = Path::from("file");
        let errors = [
            missing.get(&path).await.map(drop).unwrap_err(),
            missing.put(&path, "1".into()).await.map(drop).unwrap_err(),
            missing.delete(&path).await.unwrap_err(),
            missing
                .list_with_delimiter(None)
                .await
                .map(drop)
                .unwrap_err(),
            missing.list(None).try_next().await.map(drop).unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(error, Error::Generic { .. }), "{error:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn listings_and_reads_have_the_same_metadata() {
    with_store(async |store| {
        let path = Path::from("folder/file #1 %2F.txt");
        let put = store.put(&path, "hello".into()).await.unwrap();
        let listed: Vec<_> = store.list(None).try_collect().await.unwrap();
        let read = store.head(&path).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!((&listed[0].location, listed[0].size), (&path, 5));
        assert_eq!(listed[0].e_tag, read.e_tag);
        assert_eq!(put.e_tag, read.e_tag);
        assert_eq!(
            listed[0].last_modified.timestamp(),
            read.last_modified.timestamp()
        );
    })
    .await;
}

#[tokio::test]
async fn what_the_wire_does_not_have_is_not_implemented() {
    with_store(async |store| {
        let path = Path::from("file");
        store.put(&path, "hello".into()).await.unwrap();
        let options = GetOptions::new().with_version(Some("1"));
        let error = store.get_opts(&path, options).await.unwrap_err();
        assert!(matches!(error, Error::NotImplemented { .. }));
    })
    .await;
}
