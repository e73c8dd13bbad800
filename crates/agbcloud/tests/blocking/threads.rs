//! One client and many threads.

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
fn what_was_made_from_a_client_outlives_it() {
    let world = World::new();
    let client = crate::support::client(world.client.endpoint());
    let files = client.contexts().files(world.files().context_id());
    let mut contexts = client.contexts().list().by_item();
    drop(client);
    ends(move || {
        files.upload("/a", &b"hello"[..]).send().unwrap();
        assert_eq!(contexts.next().unwrap().unwrap().name, "files");
    });
}

#[test]
fn everything_can_go_to_another_thread_and_clients_be_shared() {
    fn sent<T: Send>() {}
    fn shared<T: Send + Sync>() {}
    shared::<blocking::Client>();
    shared::<blocking::ClientBuilder>();
    shared::<blocking::Contexts>();
    shared::<blocking::Files>();
    shared::<blocking::ClearHandle>();
    sent::<blocking::LookupByName>();
    sent::<blocking::ListContexts>();
    sent::<blocking::Clear>();
    sent::<blocking::ListFiles>();
    sent::<blocking::Upload>();
    sent::<blocking::Download>();
    sent::<blocking::ReadFile>();
    sent::<blocking::DeleteFile>();
    sent::<blocking::ContextPages>();
    sent::<blocking::ContextItems>();
    sent::<blocking::FilePages>();
    sent::<blocking::FileItems>();
    sent::<blocking::FileWalk>();
    sent::<blocking::ClearStatuses>();
}
