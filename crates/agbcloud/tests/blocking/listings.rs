//! Listings as iterators.

use std::{
    io::{self, BufRead, BufReader, Write},
    iter::FusedIterator,
    net::TcpListener,
    sync::mpsc,
    thread,
    time::Duration,
};

use agbcloud::{
    ContextId, ErrorKind, Result,
    blocking::{Client, Iter},
};

use crate::support::{World, client};

/// Five contexts.
fn five() -> World {
    let world = World::new();
    for name in ["a", "b", "c", "d", "e"] {
        world.context(name);
    }
    world
}

fn names(contexts: impl IntoIterator<Item = Result<agbcloud::Context>>) -> Vec<String> {
    let names = contexts.into_iter().map(|context| Ok(context?.name));
    names.collect::<Result<_>>().unwrap()
}

#[test]
fn contexts_are_listed_by_page_and_by_item() {
    let world = five();
    let list = || world.client.contexts().list().page_size(2);
    let page = list().send().unwrap();
    assert_eq!((page.contexts.len(), page.total_count), (2, Some(5)));
    let rest = list().start_at_token(page.next_token.clone().unwrap());
    assert_eq!(names(rest.by_item()), ["c", "d", "e"]);

    for ahead in [false, true] {
        let list = || list().prefetch(ahead);
        let pages: Result<Vec<_>> = list().by_page().collect();
        let sizes: Vec<_> = pages
            .unwrap()
            .iter()
            .map(|page| page.contexts.len())
            .collect();
        assert_eq!(sizes, [2, 2, 1]);
        assert_eq!(names(list().by_item()), ["a", "b", "c", "d", "e"]);
    }
}

#[test]
fn a_listing_of_contexts_resumes_at_a_continuation() {
    let world = five();
    let list = || world.client.contexts().list().page_size(2);
    let mut items = list().by_item();
    assert_eq!(names(items.by_ref().take(3)), ["a", "b", "c"]);
    let place = items.continuation().unwrap();
    assert_eq!(names(list().start_at(place).by_item()), ["d", "e"]);
    assert_eq!(names(&mut items), ["d", "e"]);
    assert_eq!(items.continuation(), None);

    let mut pages = list().by_page();
    assert_eq!(
        names(pages.next().unwrap().unwrap().contexts.into_iter().map(Ok)),
        ["a", "b"]
    );
    let place = pages.continuation().unwrap();
    assert_eq!(names(list().start_at(place).by_item()), ["c", "d", "e"]);
}

#[test]
fn files_are_listed_by_page_by_item_and_as_a_tree() {
    let world = World::new();
    let files = world.files();
    for path in ["/x/1", "/x/2", "/x/3", "/y/deep/4"] {
        files.upload(path, path.as_bytes().to_vec()).send().unwrap();
    }
    let paths = |entries: &mut dyn Iterator<Item = Result<agbcloud::FileEntry>>| {
        entries
            .map(|entry| Ok(entry?.path))
            .collect::<Result<Vec<_>>>()
            .unwrap()
    };
    for ahead in [false, true] {
        let list = || files.list().folder("/x").page_size(2).prefetch(ahead);
        let page = list().start_at_page(2).send().unwrap();
        assert_eq!((page.entries.len(), page.total_count), (1, Some(3)));
        let all = paths(&mut list().by_item());
        assert_eq!(all, ["/x/1", "/x/2", "/x/3"]);

        let mut pages = list().by_page();
        assert_eq!(pages.next().unwrap().unwrap().entries.len(), 2);
        let place = pages.continuation().unwrap();
        assert_eq!(paths(&mut list().start_at(place).by_item()), all[2..]);

        let mut items = list().by_item();
        items.next().unwrap().unwrap();
        let place = items.continuation().unwrap();
        assert_eq!(paths(&mut list().start_at(place).by_item()), all[1..]);

        let tree = paths(&mut files.list().page_size(2).prefetch(ahead).walk());
        let whole = ["/x", "/y", "/x/1", "/x/2", "/x/3", "/y/deep", "/y/deep/4"];
        assert_eq!(tree, whole);
    }
}

#[test]
fn an_iterator_ends_after_an_error() {
    fn once<S, T>(mut iterator: Iter<S>)
    where
        Iter<S>: FusedIterator<Item = Result<T>>,
    {
        let error = iterator.next().unwrap().err().unwrap();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(iterator.next().is_none());
        assert!(iterator.next().is_none());
    }

    let world = World::new();
    let (contexts, files) = (world.client.contexts(), world.files());
    once(contexts.list().page_size(0).by_page());
    once(contexts.list().page_size(0).by_item());
    once(files.list().page_size(0).by_page());
    once(files.list().page_size(0).by_item());
    once(files.list().page_size(0).walk());
}

#[test]
fn the_next_page_is_prefetched_between_two_calls() {
    let (client, requests) =
        endless(r#"{"code":"ok","success":true,"data":[{"id":"c-1"}],"nextToken":"#);
    assert_prefetched(client.contexts().list().prefetch(true).by_page(), &requests);
    assert_prefetched(client.contexts().list().prefetch(true).by_item(), &requests);

    let (client, requests) =
        endless(r#"{"code":"ok","success":true,"data":[{"filePath":"/a"}],"count":9,"message":"#);
    let files = client.contexts().files(ContextId::new("c-1").unwrap());
    let list = || files.list().page_size(1).prefetch(true);
    assert_prefetched(list().by_page(), &requests);
    assert_prefetched(list().by_item(), &requests);
}

/// Checks that one call of `next` requests two pages, and does not wait for the second.
fn assert_prefetched<T>(
    mut iterator: impl Iterator<Item = Result<T>>,
    requests: &mpsc::Receiver<()>,
) {
    iterator.next().unwrap().map(drop).unwrap();
    for _ in 0..2 {
        requests.recv_timeout(Duration::from_secs(60)).unwrap();
    }
}

/// A client of a service that reports each request and always has another page: each answer ends in a new token.
fn endless(answer: &'static str) -> (Client, mpsc::Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = client(&format!("http://{}", listener.local_addr().unwrap()));
    let (sender, requests) = mpsc::channel();
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let head = BufReader::new(&stream).lines().map(io::Result::unwrap);
            head.take_while(|line| !line.is_empty()).for_each(drop);
            let body = format!("{answer}\"{number}\"}}");
            let length = body.len();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
            );
            // The client may be dropped, or the test over.
            let _ = stream.write_all(answer.as_bytes());
            let _ = sender.send(());
        }
    });
    (client, requests)
}
