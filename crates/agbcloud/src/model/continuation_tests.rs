//! Properties of both listings: every item is delivered once and in order, wherever the listing is interrupted.

use std::{
    collections::BTreeSet,
    ops::Range,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures_core::future::BoxFuture;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    Client, ContextId, ContextItems, ContextPages, Continuation, Error, ErrorKind, FileItems,
    FilePages, Files, Result,
    model::ContextPosition,
    wire::{MockContextApi, answer},
};

/// The numbers of failing calls, counted from 0 over all streams.
type Faults = BTreeSet<usize>;

/// A stream of names, over both streams of both listings.
trait Listing: Send {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Vec<String>>>>;
    fn position(&self) -> Option<Continuation>;
}

macro_rules! listing {
    ($name:ident, $names:expr) => {
        impl Listing for $name {
            fn next(&mut self) -> BoxFuture<'_, Option<Result<Vec<String>>>> {
                Box::pin(async move { Some($name::next(self).await?.map($names)) })
            }

            fn position(&self) -> Option<Continuation> {
                self.continuation()
            }
        }
    };
}

listing!(ContextItems, |context| vec![context.name]);
listing!(FileItems, |entry| vec![entry.path]);
listing!(ContextPages, |page| page
    .contexts
    .into_iter()
    .map(|context| context.name)
    .collect());
listing!(FilePages, |page| page
    .entries
    .into_iter()
    .map(|entry| entry.path)
    .collect());

fn refusal() -> Value {
    json!({"success": false, "code": "InvalidParameter.Scripted", "message": "scripted"})
}

/// Contexts `n0`, `n1` …, with their numbers as tokens, and at most `cap` on a page.
fn contexts(total: usize, cap: usize, faults: Faults) -> MockContextApi {
    let calls = AtomicUsize::new(0);
    let mut wire = MockContextApi::new();
    wire.expect_list_contexts().returning(move |query| {
        if faults.contains(&calls.fetch_add(1, Ordering::SeqCst)) {
            return answer(refusal());
        }
        let start: usize = query.token.map_or(0, |token| token.parse().unwrap());
        let end = total.min(start + cap.min(query.page_size as usize));
        let data: Vec<Value> = (start..end)
            .map(|n| json!({"id": format!("SdkCtx-{n}"), "name": format!("n{n}")}))
            .collect();
        let next = (end < total).then(|| end.to_string());
        answer(json!({"success": true, "data": data, "nextToken": next, "totalCount": total}))
    });
    wire
}

/// A folder of files `/n0`, `/n1` …, with at most `cap` on a page.
fn folder(total: usize, cap: usize, count: bool, faults: Faults) -> MockContextApi {
    let calls = AtomicUsize::new(0);
    let mut wire = MockContextApi::new();
    wire.expect_list_files().returning(move |query| {
        if faults.contains(&calls.fetch_add(1, Ordering::SeqCst)) {
            return answer(refusal());
        }
        let size = cap.min(query.page_size as usize);
        let start = (query.page as usize - 1) * size;
        let page: Range<usize> = start.min(total)..total.min(start + size);
        let data: Vec<Value> = page
            .map(|n| json!({"filePath": format!("/n{n}")}))
            .collect();
        let count = count.then_some(total);
        answer(json!({"success": true, "data": data, "count": count}))
    });
    wire
}

fn files(client: &Client) -> Files {
    client.contexts().files(ContextId::new("SdkCtx-1").unwrap())
}

/// How a stream is opened, and how many items are taken before it is dropped.
#[derive(Debug, Clone)]
struct Leg {
    taken: usize,
    page_size: u32,
    prefetch: bool,
    by_item: bool,
    /// Whether a prefetched page arrives before the stream is dropped.
    lingers: bool,
}

fn legs() -> impl Strategy<Value = Vec<Leg>> {
    let leg = (0_usize..12, 1_u32..9, any::<[bool; 3]>()).prop_map(
        |(taken, page_size, [prefetch, by_item, lingers])| Leg {
            taken,
            page_size,
            prefetch,
            by_item,
            lingers,
        },
    );
    prop::collection::vec(leg, 1..8)
}

type Open = dyn Fn(&Leg, Option<Continuation>) -> Box<dyn Listing>;

fn list_contexts(client: Client) -> Box<Open> {
    Box::new(move |leg, position| {
        let mut listing = client.contexts().list().page_size(leg.page_size);
        listing = listing.prefetch(leg.prefetch);
        if let Some(position) = position {
            listing = listing.start_at(position);
        }
        if leg.by_item {
            Box::new(listing.by_item())
        } else {
            Box::new(listing.by_page())
        }
    })
}

fn list_files(client: Client) -> Box<Open> {
    Box::new(move |leg, position| {
        let mut listing = files(&client).list().page_size(leg.page_size);
        listing = listing.prefetch(leg.prefetch);
        if let Some(position) = position {
            listing = listing.start_at(position);
        }
        if leg.by_item {
            Box::new(listing.by_item())
        } else {
            Box::new(listing.by_page())
        }
    })
}

/// Opens a stream, takes some items, drops it and continues from its serialized continuation; the last leg runs to the end. An
/// error ends a leg early. Returns all delivered items and errors.
async fn run(open: &Open, legs: &[Leg]) -> (Vec<String>, Vec<Error>) {
    let (mut items, mut errors) = (Vec::new(), Vec::new());
    let mut position = None;
    for number in 0.. {
        let last = number + 1 >= legs.len();
        let leg = &legs[number.min(legs.len() - 1)];
        let mut stream = open(leg, position);
        let mut left = if last { usize::MAX } else { leg.taken };
        while left > 0 {
            left -= 1;
            match stream.next().await {
                Some(Ok(names)) => items.extend(names),
                Some(Err(error)) => {
                    errors.push(error);
                    assert!(stream.next().await.is_none(), "an error ends a stream");
                    break;
                }
                None => {
                    assert_eq!(stream.position(), None, "everything was delivered");
                    break;
                }
            }
        }
        if leg.lingers {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        let Some(continuation) = stream.position() else {
            break;
        };
        let text = serde_json::to_string(&continuation).unwrap();
        position = Some(serde_json::from_str(&text).unwrap());
    }
    (items, errors)
}

fn check(wire: MockContextApi, list: fn(Client) -> Box<Open>, legs: &[Leg], total: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let open = list(Client::on(wire));
    let (items, errors) = runtime.block_on(run(&*open, legs));
    let expected: Vec<String> = (0..total).map(|n| format!("n{n}")).collect();
    let names: Vec<&str> = items
        .iter()
        .map(|item| item.trim_start_matches('/'))
        .collect();
    assert_eq!(names, expected);
    assert!(errors.iter().all(|error| {
        error.kind() == ErrorKind::Rejected && error.code() == Some("InvalidParameter.Scripted")
    }));
}

proptest! {
    #[test]
    fn interrupted_listings_deliver_each_context_once_and_in_order(
        total in 0_usize..60, cap in 1_usize..9, legs in legs(),
        faults in prop::collection::btree_set(0_usize..30, 0..8),
    ) {
        check(contexts(total, cap, faults), list_contexts, &legs, total);
    }

    #[test]
    fn interrupted_listings_deliver_each_file_once_and_in_order(
        total in 0_usize..60, cap in 1_usize..9, count: bool, legs in legs(),
        faults in prop::collection::btree_set(0_usize..30, 0..8),
    ) {
        check(folder(total, cap, count, faults), list_files, &legs, total);
    }
}

/// Shows that the faults of the properties above occur.
#[tokio::test(start_paused = true)]
async fn a_listing_continues_after_an_error() {
    for prefetch in [false, true] {
        let client = Client::on(contexts(10, 3, Faults::from([2])));
        let leg = Leg {
            taken: 0,
            page_size: 3,
            prefetch,
            by_item: true,
            lingers: true,
        };
        let mut stream = client.contexts().list().prefetch(prefetch).by_item();
        for _ in 0..6 {
            stream.next().await.unwrap().unwrap();
        }
        assert!(stream.next().await.unwrap().is_err());
        let (items, errors) = {
            let position = stream.continuation();
            let token = Some("6".to_owned());
            let expected = ContextPosition {
                token,
                ..Default::default()
            };
            assert_eq!(position, Some(expected.into()));
            let open = list_contexts(client);
            let open = move |leg: &Leg, next: Option<Continuation>| {
                open(leg, next.or_else(|| position.clone()))
            };
            run(&open, &[leg]).await
        };
        assert_eq!(items, ["n6", "n7", "n8", "n9"]);
        assert!(errors.is_empty());
    }
}

#[tokio::test]
async fn a_continuation_of_another_listing_is_rejected() {
    let client = Client::on({
        let mut wire = folder(5, 9, true, Faults::new());
        wire.expect_list_contexts().never();
        wire
    });
    let mut entries = files(&client).list().page_size(2).by_item();
    entries.next().await.unwrap().unwrap();
    let position = entries.continuation().unwrap();

    let mut contexts = client
        .contexts()
        .list()
        .start_at(position.clone())
        .by_item();
    let error = contexts.next().await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert_eq!(contexts.continuation(), None);

    let other = client.contexts().files(ContextId::new("SdkCtx-2").unwrap());
    for listing in [
        files(&client).list().start_at("a token"),
        files(&client)
            .list()
            .folder("/b")
            .start_at(position.clone()),
        other.list().start_at(position.clone()),
    ] {
        let error = listing.send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.operation().is_some());
    }

    let rest = files(&client)
        .list()
        .page_size(1)
        .start_at(position)
        .send()
        .await
        .unwrap();
    assert_eq!((rest.entries.len(), rest.next_page), (1, Some(2)));
}

#[tokio::test]
async fn a_continuation_can_be_serialized_without_field_names() {
    let client = Client::on(contexts(9, 9, Faults::new()));
    let mut contexts = client.contexts().list().page_size(4).by_item();
    let client = Client::on(folder(9, 9, true, Faults::new()));
    let mut entries = files(&client).list().page_size(4).by_item();
    for taken in 1..9 {
        contexts.next().await.unwrap().unwrap();
        entries.next().await.unwrap().unwrap();
        for position in [contexts.continuation(), entries.continuation()] {
            let bytes = postcard::to_allocvec(&position).unwrap();
            let back: Option<Continuation> = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(back, position, "after {taken}");
        }
    }
}

#[tokio::test]
async fn a_shrunken_page_ends_the_listing() {
    let client = Client::on(folder(5, 9, true, Faults::new()));
    let mut entries = files(&client).list().page_size(5).by_item();
    for _ in 0..4 {
        entries.next().await.unwrap().unwrap();
    }
    let position = entries.continuation().unwrap();
    let shrunk = Client::on(folder(2, 9, true, Faults::new()));
    let mut rest = files(&shrunk).list().start_at(position).by_item();
    assert!(rest.next().await.is_none());
}

#[tokio::test]
async fn the_empty_token_is_the_start() {
    let client = Client::on(contexts(3, 9, Faults::new()));
    for token in ["", "1"] {
        let page = client.contexts().list().start_at_token(token).send().await;
        let expected = if token.is_empty() { 3 } else { 2 };
        assert_eq!(page.unwrap().contexts.len(), expected);
    }
}

/// The contexts or files that are left of ten, from the token or the page number on.
fn survivors(gone: &[usize]) -> MockContextApi {
    let left: Vec<usize> = (0..10).filter(|n| !gone.contains(n)).collect();
    let (contexts, files) = (left.clone(), left);
    let mut wire = MockContextApi::new();
    wire.expect_list_contexts().returning(move |query| {
        let from: usize = query.token.map_or(0, |token| token.parse().unwrap());
        let mut rest = contexts.iter().filter(|n| **n >= from);
        let page: Vec<_> = rest.by_ref().take(query.page_size as usize).collect();
        let data: Vec<Value> = page
            .iter()
            .map(|n| json!({"id": format!("SdkCtx-{n}"), "name": format!("n{n}")}))
            .collect();
        let next = rest.next().map(ToString::to_string);
        answer(json!({"success": true, "data": data, "nextToken": next}))
    });
    wire.expect_list_files().returning(move |query| {
        let size = query.page_size as usize;
        let page = files.chunks(size).nth(query.page as usize - 1);
        let data: Vec<Value> = page
            .unwrap_or_default()
            .iter()
            .map(|n| json!({"filePath": format!("/n{n}"), "fileType": "file"}))
            .collect();
        answer(json!({"success": true, "data": data, "count": files.len()}))
    });
    wire
}

proptest! {
    /// A caller that deletes items during a listing misses nothing of the current page.
    #[test]
    fn no_item_is_skipped_when_items_are_deleted_before_a_continuation(
        taken in 1_usize..10, gone in prop::collection::btree_set(0_usize..10, 0..10), again in 1_u32..11,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let gone: Vec<usize> = gone.into_iter().collect();
        let unseen = (taken..10).filter(|n| !gone.contains(n));
        let unseen: Vec<String> = unseen.map(|n| format!("n{n}")).collect();
        let (before, after) = (Client::on(survivors(&[])), Client::on(survivors(&gone)));
        runtime.block_on(async {
            let mut items = before.contexts().list().page_size(10).by_item();
            let mut entries = files(&before).list().page_size(10).by_item();
            for _ in 0..taken {
                items.next().await.unwrap().unwrap();
                entries.next().await.unwrap().unwrap();
            }
            let position = items.continuation().unwrap();
            let mut rest = after.contexts().list().page_size(again).start_at(position).by_item();
            let mut names = Vec::new();
            while let Some(context) = rest.next().await {
                names.push(context.unwrap().name);
            }
            prop_assert_eq!(&names, &unseen);

            let position = entries.continuation().unwrap();
            let mut rest = files(&after).list().start_at(position).by_item();
            let mut paths = Vec::new();
            while let Some(entry) = rest.next().await {
                paths.push(entry.unwrap().path[1..].to_owned());
            }
            prop_assert_eq!(&paths, &unseen);
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn pages_smaller_than_requested_are_all_found() {
    let mut wire = MockContextApi::new();
    wire.expect_list_files().returning(|query| {
        let start = (query.page as usize - 1) * 10;
        let data: Vec<Value> = (start..25.min(start + 10))
            .map(|n| json!({"filePath": format!("/n{n}"), "fileType": "file"}))
            .collect();
        answer(json!({"success": true, "data": data, "count": 25}))
    });
    let client = Client::on(wire);
    let (mut next, mut found) = (Some(1), 0);
    while let Some(page) = next {
        let listing = files(&client).list().page_size(100).start_at_page(page);
        let page = listing.send().await.unwrap();
        found += page.entries.len();
        next = page.next_page;
    }
    assert_eq!(found, 25);
}
