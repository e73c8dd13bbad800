//! The end of a listing, for services that differ in counts and page sizes.

use futures_util::TryStreamExt;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{
    ErrorKind,
    wire::{MockContextApi, answer},
};

fn files(client: &Client) -> crate::Files {
    client.contexts().files(ContextId::new("SdkCtx-1").unwrap())
}

fn entries(range: std::ops::Range<usize>) -> Vec<serde_json::Value> {
    range
        .map(|n| json!({"filePath": format!("/{n}"), "fileType": "file"}))
        .collect()
}

/// A folder of `total` entries. The mock checks the number of calls.
fn folder(total: usize, calls: usize) -> MockContextApi {
    let mut wire = MockContextApi::new();
    wire.expect_list_files()
        .times(calls)
        .returning(move |query| {
            let start = ((query.page - 1) * query.page_size) as usize;
            let range = start.min(total)..total.min(start + query.page_size as usize);
            answer(json!({"success": true, "data": entries(range), "count": total}))
        });
    wire
}

proptest! {
    #[test]
    fn the_count_ends_a_listing_without_an_empty_page(total in 0_usize..120, size in 1_u32..40) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let calls = total.div_ceil(size as usize).max(1);
        let client = Client::on(folder(total, calls));
        let listing = files(&client).list().page_size(size).by_item();
        let paths: Vec<_> = runtime.block_on(listing.map_ok(|entry| entry.path).try_collect()).unwrap();
        prop_assert_eq!(paths, (0..total).map(|n| format!("/{n}")).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn pages_smaller_than_requested_are_listed_to_the_end() {
    let mut wire = MockContextApi::new();
    wire.expect_list_files().times(3).returning(|query| {
        let start = (query.page as usize - 1) * 100;
        let page = entries(start..250.min(start + 100));
        answer(json!({"success": true, "data": page, "count": 250}))
    });
    let client = Client::on(wire);
    let listing = files(&client).list().page_size(1000).by_item();
    assert_eq!(listing.try_collect::<Vec<_>>().await.unwrap().len(), 250);
}

#[tokio::test]
async fn an_empty_page_ends_the_listing_of_a_shrinking_folder() {
    let mut wire = MockContextApi::new();
    wire.expect_list_files().times(2).returning(|query| {
        let data = if query.page == 1 {
            entries(0..2)
        } else {
            Vec::new()
        };
        answer(json!({"success": true, "data": data, "count": 1000}))
    });
    let client = Client::on(wire);
    let all: Vec<_> = files(&client)
        .list()
        .page_size(2)
        .by_item()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(all.len(), 2);
}

#[tokio::test]
async fn without_a_count_a_smaller_page_is_the_last() {
    let mut wire = MockContextApi::new();
    wire.expect_list_files().times(2).returning(|query| {
        let data = if query.page == 1 {
            entries(0..2)
        } else {
            entries(2..3)
        };
        answer(json!({"success": true, "data": {"items": data}}))
    });
    let client = Client::on(wire);
    let all: Vec<_> = files(&client)
        .list()
        .page_size(2)
        .by_item()
        .try_collect()
        .await
        .unwrap();
    assert_eq!(all.len(), 3);
}

/// Lists a folder with at most `cap` entries on a page. The service may repeat the last page for higher page numbers, and
/// may omit the count.
async fn list_capped(
    total: usize,
    cap: usize,
    (clamps, counts): (bool, bool),
    list: impl FnOnce(ListFiles) -> ListFiles,
) -> Result<Vec<usize>> {
    let mut wire = MockContextApi::new();
    wire.expect_list_files()
        .times(..50)
        .returning(move |query| {
            let size = cap.min(query.page_size as usize);
            let last = total.div_ceil(size).max(1);
            let page = match clamps {
                true => last.min(query.page as usize),
                false => query.page as usize,
            };
            let start = total.min((page - 1) * size);
            let data = entries(start..total.min(start + size));
            answer(json!({"success": true, "data": data, "count": counts.then_some(total)}))
        });
    let listing = list(files(&Client::on(wire)).list()).by_item();
    let number = |entry: FileEntry| entry.path[1..].parse::<usize>().unwrap();
    listing.map_ok(number).try_collect().await
}

#[tokio::test]
async fn no_entry_is_lost_with_smaller_pages_or_without_a_count() {
    for service in [(false, true), (false, false), (true, true), (true, false)] {
        for total in [0, 1, 49, 50, 51, 100, 120, 150, 250] {
            let list = |list: ListFiles| list.page_size(100);
            let all = list_capped(total, 50, service, list).await.unwrap();
            assert_eq!(all, (0..total).collect::<Vec<_>>(), "{service:?}");
            let list = |list: ListFiles| list.page_size(100).start_at_page(2);
            let rest = list_capped(total, 50, service, list).await.unwrap();
            if total > 50 {
                assert_eq!(rest, (50..total).collect::<Vec<_>>(), "{service:?}");
            }
            let list = |list: ListFiles| list.page_size(20).start_at_page(3);
            let rest = list_capped(total, 50, service, list).await.unwrap();
            if total > 40 {
                assert_eq!(rest, (40..total).collect::<Vec<_>>(), "{service:?}");
            }
            let list = |list: ListFiles| list.page_size(20).start_at_page(30);
            list_capped(total, 50, service, list).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_repeated_page_is_an_error_or_the_end() {
    for (count, failure) in [(Some(6), Some(ErrorKind::RepeatedToken)), (None, None)] {
        let mut wire = MockContextApi::new();
        let page = move |_| answer(json!({"success": true, "data": entries(0..2), "count": count}));
        wire.expect_list_files().times(2).returning(page);
        let mut listing = files(&Client::on(wire)).list().page_size(2).by_item();
        for _ in 0..2 {
            listing.next().await.unwrap().unwrap();
        }
        let end = listing.next().await.map(|end| end.unwrap_err());
        assert_eq!(end.as_ref().map(Error::kind), failure);
        assert_eq!(
            end.and_then(|end| end.operation()),
            failure.map(|_| Operation::DescribeContextFiles)
        );
    }
}

#[tokio::test]
async fn a_page_without_items_is_not_an_empty_page() {
    for (data, good) in [
        (json!({}), false),
        (json!({"entries": []}), false),
        (json!({"count": 0}), true),
        (json!({"items": []}), true),
        (json!([]), true),
        (json!(null), true),
    ] {
        let mut wire = MockContextApi::new();
        let body = json!({"success": true, "data": data});
        wire.expect_list_files()
            .returning(move |_| answer(body.clone()));
        let listed = files(&Client::on(wire)).list().send().await;
        assert_eq!(listed.is_ok(), good, "{data}");
        let kind = listed.err().map(|error| error.kind());
        assert_eq!(kind, (!good).then_some(ErrorKind::InvalidResponse));
    }
}

#[tokio::test]
async fn invalid_arguments_are_an_error_before_a_call() {
    let client = Client::on(MockContextApi::new());
    let list = || files(&client).list();
    for bad in [
        list().page_size(0),
        list().start_at_page(0),
        list().folder("relative"),
    ] {
        assert_eq!(
            bad.send().await.unwrap_err().kind(),
            ErrorKind::InvalidArgument
        );
    }
    assert!(
        list()
            .folder("/a/../b")
            .by_item()
            .next()
            .await
            .unwrap()
            .is_err()
    );
}

#[tokio::test]
async fn entries_have_absolute_paths_in_a_listing_and_in_a_walk() {
    let mut wire = MockContextApi::new();
    wire.expect_list_files().returning(|query| {
        let entries = match query.folder.as_str() {
            "/data" => vec![
                json!({"fileName": "a"}),
                json!({"fileName": "b", "filePath": "b", "fileType": "folder"}),
            ],
            _ => vec![json!({"fileName": "c"})],
        };
        answer(json!({"success": true, "data": entries, "count": entries.len()}))
    });
    let client = Client::on(wire);
    let page = files(&client).list().folder("/data").send().await.unwrap();
    let paths: Vec<_> = page.entries.iter().map(|entry| &entry.path).collect();
    assert_eq!(paths, ["/data/a", "/data/b"]);
    let walk = files(&client).list().folder("/data").walk();
    let paths: Vec<_> = walk.map_ok(|entry| entry.path).try_collect().await.unwrap();
    assert_eq!(paths, ["/data/a", "/data/b", "/data/b/c"]);
}
