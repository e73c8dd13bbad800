//! In async code, each blocking call fails with a clear error. On a thread for blocking work, and beside an entered runtime,
//! it works. Nothing panics or hangs.

use std::{
    io::{self, Read},
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use agbcloud::{
    ContextId, Error, ErrorKind, Result,
    blocking::{Client, Contexts, UploadSource},
};
use agbcloud_server::Server;
use tokio::{runtime::Runtime, task::spawn_blocking};

use crate::support::{World, client, ends};

const NOWHERE: &str = "http://127.0.0.1:1";

/// A client without a service, made outside of the runtime.
fn outside() -> Client {
    thread::spawn(|| client(NOWHERE)).join().unwrap()
}

/// The error of an iterator, which must end after it.
fn only_error<T>(mut iterator: impl Iterator<Item = Result<T>>) -> Option<Error> {
    let error = iterator.next()?.err();
    assert!(iterator.next().is_none());
    error
}

fn errors(client: &Client) -> Vec<Option<Error>> {
    let (contexts, id) = (client.contexts(), ContextId::new("c-1").unwrap());
    let (files, resumed) = (contexts.files(&id), contexts.resume_clear(&id));
    vec![
        Client::builder()
            .api_key("k")
            .endpoint(NOWHERE)
            .build()
            .err(),
        Client::from_env().err(),
        contexts.get(&id).send().err(),
        contexts.get_by_name("a").send().err(),
        contexts.get_or_create("a").send().err(),
        contexts.rename(&id, "a").send().err(),
        contexts.delete(&id).send().err(),
        contexts.list().send().err(),
        only_error(contexts.list().by_page()),
        only_error(contexts.list().prefetch(true).by_item()),
        contexts.clear(&id).send().err(),
        contexts.clear(&id).start().err(),
        resumed.clone().status().send().err(),
        resumed.clone().send().err(),
        only_error(resumed.statuses()),
        files.list().send().err(),
        only_error(files.list().by_page()),
        only_error(files.list().by_item()),
        only_error(files.list().walk()),
        files.upload("/a", &b"a"[..]).send().err(),
        files
            .upload("/a", UploadSource::reader(io::empty(), 0))
            .send()
            .err(),
        files.download("/a", Path::new("/nowhere")).send().err(),
        files.read("/a").send().err(),
        files.upload_dir("/nowhere", "/").send().err(),
        files.upload_dir("/nowhere", "/").plan().err(),
        files.download_dir("/", "/nowhere").send().err(),
        files.delete("/a").send().err(),
        files.upload_url("/a").send().err(),
        files.download_url("/a").send().err(),
    ]
}

fn assert_all_fail(client: &Client) {
    for (number, error) in errors(client).into_iter().enumerate() {
        let error = error.unwrap_or_else(|| panic!("call {number} succeeded"));
        assert_eq!(
            error.kind(),
            ErrorKind::Configuration,
            "call {number}: {error}"
        );
        let text = error.to_string();
        assert!(text.contains("in async code"), "call {number}: {text}");
        assert!(
            text.contains("agbcloud::Client and await it"),
            "call {number}: {text}"
        );
        assert!(text.contains("spawn_blocking"), "call {number}: {text}");
    }
}

#[tokio::test]
async fn all_calls_fail_in_a_current_thread_runtime() {
    assert_all_fail(&outside());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_calls_fail_in_a_multi_thread_runtime() {
    assert_all_fail(&outside());
    tokio::spawn(async { assert_all_fail(&outside()) })
        .await
        .unwrap();
}

/// Makes a client, calls, iterates with prefetching, uploads from a reader and waits for a clear.
fn assert_all_work(endpoint: &str) {
    let client = client(endpoint);
    let contexts = client.contexts();
    let id = contexts.get_or_create("one").send().unwrap().id.clone();
    let files = contexts.files(&id);
    let reader = UploadSource::reader(&b"hello"[..], 5);
    files.upload("/a", reader).send().unwrap();
    assert_eq!(files.read("/a").send().unwrap(), b"hello"[..]);
    let mut entries = files.list().prefetch(true).page_size(1).by_item();
    assert_eq!(entries.next().unwrap().unwrap().path, "/a");
    assert!(entries.next().is_none());
    contexts.clear(&id).send().unwrap();
}

#[tokio::test]
async fn all_calls_work_in_spawn_blocking_beside_a_current_thread_runtime() {
    let server = Server::builder().start().await.unwrap();
    let endpoint = server.url().to_owned();
    spawn_blocking(move || assert_all_work(&endpoint))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_calls_work_in_spawn_blocking_and_in_block_in_place() {
    let server = Server::builder().start().await.unwrap();
    let endpoint = server.url().to_owned();
    tokio::task::block_in_place(|| assert_all_work(&endpoint));
    let spawned = tokio::spawn(async move {
        tokio::task::block_in_place(|| assert_all_work(&endpoint));
        spawn_blocking(move || assert_all_work(&endpoint))
            .await
            .unwrap();
    });
    spawned.await.unwrap();
}

#[test]
fn all_calls_work_on_a_thread_that_entered_a_runtime() {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(Server::builder().start()).unwrap();
    let _entered = runtime.enter();
    assert_all_work(server.url());
}

/// A call that fails takes nothing of the budget of its task.
#[tokio::test]
async fn a_refused_call_does_not_slow_its_task_down() {
    let client = outside();
    assert!(client.contexts().list().send().is_err());
    assert!(tokio::task::coop::has_budget_remaining());
}

async fn check_that_another_thread_can_call() {
    let server = Server::builder().start().await.unwrap();
    let endpoint = server.url().to_owned();
    let (done, name) = tokio::sync::oneshot::channel();
    thread::spawn(move || {
        let contexts = client(&endpoint).contexts();
        let made = contexts.get_or_create("one").send().unwrap();
        done.send(contexts.get(&made.id).send().unwrap().name)
            .unwrap();
    });
    assert_eq!(name.await.unwrap(), "one");
}

#[tokio::test]
async fn another_thread_can_call_beside_a_current_thread_runtime() {
    check_that_another_thread_can_call().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_thread_can_call_beside_a_multi_thread_runtime() {
    check_that_another_thread_can_call().await;
}

/// A client with an open connection and a page that is being prefetched.
fn used(endpoint: &str) -> (Client, impl Iterator + use<>) {
    let client = client(endpoint);
    let mut items = client
        .contexts()
        .list()
        .page_size(1)
        .prefetch(true)
        .by_item();
    items.next().unwrap().unwrap();
    (client, items)
}

#[test]
fn a_client_can_be_dropped_inside_a_runtime() {
    let world = World::new();
    world.context("one");
    world.context("two");
    let one = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let many = Runtime::new().unwrap();
    for runtime in [&one, &many] {
        let endpoint = world.client.endpoint();
        let client = used(endpoint);
        runtime.block_on(async { drop(client) });
        let client = used(endpoint);
        let dropped = runtime.block_on(async { spawn_blocking(|| drop(client)).await });
        dropped.unwrap();
    }
}

#[test]
fn a_call_in_a_listener_or_a_reader_works() {
    let world = World::new();
    let context = world.context("one");
    let contexts = world.client.contexts();
    let (reported, inner) = (Arc::new(Mutex::new(None)), contexts.clone());
    let sink = reported.clone();
    contexts
        .clear(&context.id)
        .poll_interval(std::time::Duration::from_millis(20))
        .on_status(move |_| *sink.lock().unwrap() = inner.list().send().ok())
        .send()
        .unwrap();
    let page = reported.lock().unwrap().take().unwrap();
    assert_eq!(page.contexts.len(), 1);

    let reader = UploadSource::reader(Calling(contexts.clone()).take(3), 3);
    let files = contexts.files(&context.id);
    let upload = files.upload("/a", reader);
    ends(move || upload.send()).unwrap();
    assert_eq!(files.read("/a").send().unwrap(), b"one"[..]);
}

/// A reader that returns the name of the first context.
struct Calling(Contexts);

impl Read for Calling {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let page = self.0.list().send()?;
        page.contexts[0].name.as_bytes().read(buffer)
    }
}
