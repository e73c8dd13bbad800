//! Clients and threads.

use std::thread;

use agbcloud::blocking;

use crate::support::{World, ends};

#[test]
fn eight_threads_share_one_client() {
    let world = World::new();
    let files = world.files();
    thread::scope(|scope| {
        for number in 0..8_u8 {
            let (files, contexts) = (files.clone(), world.client.contexts());
            scope.spawn(move || {
                let (path, content) = (format!("/{number}"), vec![number; 200_000]);
                for _ in 0..5 {
                    files.upload(path.as_str(), content.clone()).send().unwrap();
                    assert!(files.read(path.as_str()).send().unwrap() == content);
                    contexts
                        .get_or_create(format!("own-{number}"))
                        .send()
                        .unwrap();
                }
            });
        }
    });
    assert_eq!(files.list().by_item().count(), 8);
    assert_eq!(
        world
            .client
            .contexts()
            .list()
            .page_size(3)
            .by_item()
            .count(),
        9
    );
}

#[test]
fn files_and_iterators_outlive_their_client() {
    let world = World::new();
    let client = crate::support::client(world.client.endpoint());
    let files = client.contexts().files(world.files().context_id().unwrap());
    let mut contexts = client.contexts().list().by_item();
    drop(client);
    ends(move || {
        files.upload("/a", &b"hello"[..]).send().unwrap();
        assert_eq!(contexts.next().unwrap().unwrap().name, "files");
    });
}

#[test]
fn all_types_are_send_and_clients_are_sync() {
    fn send<T: Send>() {}
    fn send_and_sync<T: Send + Sync>() {}
    send_and_sync::<blocking::Client>();
    send_and_sync::<blocking::ClientBuilder>();
    send_and_sync::<blocking::Contexts>();
    send_and_sync::<blocking::Files>();
    send_and_sync::<blocking::ClearHandle>();
    send::<blocking::LookupByName>();
    send::<blocking::ListContexts>();
    send::<blocking::Clear>();
    send::<blocking::ListFiles>();
    send::<blocking::Upload>();
    send::<blocking::Download>();
    send::<blocking::ReadFile>();
    send::<blocking::DeleteFile>();
    send::<blocking::ContextPages>();
    send::<blocking::ContextItems>();
    send::<blocking::FilePages>();
    send::<blocking::FileItems>();
    send::<blocking::FileWalk>();
    send::<blocking::ClearStatuses>();
}
