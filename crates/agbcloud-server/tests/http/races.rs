//! Concurrent requests.

use std::cell::Cell;
use std::collections::HashSet;

use futures_util::future::join_all;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::{start, start_in};
use crate::raw;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_creates_of_a_name_create_one_context() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, client) = start_in(folder.path()).await;
    let ids = join_all((0..50).map(|_| client.create("same"))).await;
    assert_eq!(ids.into_iter().collect::<HashSet<_>>().len(), 1);
    assert_eq!(client.ok("ListContexts", &[]).await["totalCount"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_concurrent_first_writers_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = start_in(folder.path()).await;
    let id = client.create("c").await;
    let url = client.upload_url(&id, "/lock").await;
    let mut streams = Vec::new();
    for _ in 0..32 {
        let mut stream = TcpStream::connect(server.local_addr()).await.unwrap();
        let head = format!(
            "PUT {} HTTP/1.1\r\nhost: x\r\nif-none-match: *\r\nexpect: 100-continue\r\ncontent-length: 40000\r\n\r\n",
            raw::target(&url)
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // The server has checked that there is no file yet, and requests the body.
        assert_eq!(raw::read_status(&mut stream).await, 100);
        streams.push(stream);
    }
    let puts = (10..).zip(streams).map(|(number, mut stream)| async move {
        stream
            .write_all(number.to_string().repeat(20_000).as_bytes())
            .await
            .unwrap();
        (number, raw::read_status(&mut stream).await)
    });
    let results: Vec<(u32, u16)> = join_all(puts).await;
    let winners: Vec<_> = results
        .iter()
        .filter(|(_, status)| *status == 200)
        .collect();
    assert_eq!(winners.len(), 1, "{results:?}");
    assert!(
        results
            .iter()
            .all(|(_, status)| matches!(status, 200 | 412)),
        "{results:?}"
    );
    assert_eq!(
        client.download(&id, "/lock").await,
        winners[0].0.to_string().repeat(20_000).as_bytes()
    );
    crate::stores::wait_for_blobs(folder.path(), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_see_complete_versions_while_a_file_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let (_server, client) = start_in(folder.path()).await;
    let id = client.create("c").await;
    // The versions alternate between blobs and small contents.
    let version = |number: u8| {
        let base = if number.is_multiple_of(3) {
            500
        } else {
            300_000
        };
        vec![number; base + usize::from(number)]
    };
    client.upload(&id, "/f", version(0)).await;
    let url = client.download_url(&id, "/f").await;
    let written = Cell::new(false);
    let write = async {
        for number in 1..30 {
            client.upload(&id, "/f", version(number)).await;
        }
        written.set(true);
    };
    let read = async {
        let mut seen = HashSet::new();
        while !written.get() {
            let response = client.http.get(&url).send().await.unwrap();
            assert_eq!(response.status(), 200);
            let bytes = response.bytes().await.unwrap();
            assert!(
                bytes == version(bytes[0]),
                "a mixture of {} bytes",
                bytes.len()
            );
            seen.insert(bytes[0]);
        }
        seen.len()
    };
    let ((), versions) = tokio::join!(write, read);
    assert!(versions > 1, "nothing was overwritten while it was read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_uploads_and_deletions_keep_counts_correct() {
    let (_server, client) = start().await;
    let id = client.create("c").await;
    join_all((0..8).map(|worker| {
        let (client, id) = (client.clone(), id.clone());
        async move {
            for round in 0..10 {
                let path = format!("/d/{}/{}", worker % 2, (worker + round) % 5);
                client.upload(&id, &path, "x").await;
                if round % 2 == 0 {
                    client
                        .call(
                            "DeleteContextFile",
                            &format!("contextId={id}&filePath={path}"),
                        )
                        .await;
                }
            }
        }
    }))
    .await;
    for folder in ["/", "/d", "/d/0", "/d/1"] {
        let (entries, count) = client.list(&id, folder).await;
        assert_eq!(entries.len() as i64, count, "{folder}");
    }
    for folder in ["/d/0", "/d/1"] {
        for (path, _, _) in client.list(&id, folder).await.0 {
            client
                .ok(
                    "DeleteContextFile",
                    &[("contextId", &id), ("filePath", &path)],
                )
                .await;
        }
    }
    assert_eq!(client.list(&id, "/").await, (vec![], 0));
}
