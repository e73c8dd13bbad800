//! Compare-and-swap of files against the service.

use agbcloud::{ErrorKind, FileChange, UpdateGuard};
use agbcloud_server::{Server, test_store};
use bytes::Bytes;
use futures_util::future::join_all;

use crate::support::{KEY, World, client_of};

const WRITERS: usize = 50;

/// Appends a line.
fn append(old: Option<Bytes>, line: usize) -> Vec<u8> {
    let mut content = old.map(Vec::from).unwrap_or_default();
    content.extend_from_slice(format!("{line}\n").as_bytes());
    content
}

/// With PostgreSQL, the writers use two replicas of the service.
#[tokio::test(flavor = "multi_thread")]
async fn no_update_of_fifty_writers_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let start = || test_store::builder_in(folder.path()).api_key(KEY).start();
    let mut servers: Vec<Server> = vec![start().await.unwrap()];
    if test_store::is_postgres() {
        servers.push(start().await.unwrap());
    }
    let clients: Vec<_> = servers
        .iter()
        .map(|server| client_of(server, KEY))
        .collect();
    let id = clients[0]
        .contexts()
        .get_or_create("shared")
        .await
        .unwrap()
        .id;
    let updates = (0..WRITERS).map(|writer| {
        let files = clients[writer % clients.len()].contexts().files(&id);
        async move { files.update("/log", |old| append(old, writer)).await }
    });
    let updates: Vec<_> = join_all(updates).await;
    let conflicts: u32 = updates
        .into_iter()
        .map(|updated| {
            let updated = updated.unwrap();
            assert_eq!(
                (updated.written, updated.guard),
                (true, UpdateGuard::Conditions)
            );
            updated.conflicts
        })
        .sum();
    // Without conflicts, nothing was tested.
    assert!(conflicts > 0);
    let files = clients[0].contexts().files(&id);
    let content = files.open("/log").await.unwrap().text().await.unwrap();
    let mut lines: Vec<usize> = content.lines().map(|line| line.parse().unwrap()).collect();
    lines.sort_unstable();
    assert_eq!(lines, (0..WRITERS).collect::<Vec<_>>());
    // The file that detected the support of conditions is deleted.
    let entries = files.list().all().await.unwrap();
    let paths: Vec<_> = entries.iter().map(|entry| entry.path.as_str()).collect();
    assert_eq!(paths, ["/log"]);
}

#[tokio::test]
async fn a_file_is_created_kept_or_left_after_an_error() {
    let world = World::new().await;
    let (_, files) = world.files("a").await;
    let kept = files.update("/a", |old| {
        assert_eq!(old, None);
        FileChange::Keep
    });
    assert!(!kept.await.unwrap().written);
    let created = files.update("/a", |_| "one").await.unwrap();
    assert_eq!((created.written, created.bytes), (true, 3));
    let kept = files.update("/a", |_| FileChange::Keep).await.unwrap();
    assert_eq!((kept.bytes, kept.etag), (3, created.etag));
    let failed = files.update("/a", |old| {
        assert_eq!(old.as_deref(), Some(&b"one"[..]));
        Err::<String, _>("not a number")
    });
    let error = failed.await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CallerStream);
    assert_eq!(error.path(), Some("/a"));
    let error = files.update("/a", |_| "x").limit(2).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(files.read("/a").await.unwrap(), b"one"[..]);
}

/// The other client writes after the file was read, each time.
#[tokio::test(flavor = "multi_thread")]
async fn conflicts_end_after_their_maximum() {
    let world = World::new().await;
    let (id, files) = world.files("a").await;
    files.upload("/a", "0").await.unwrap();
    let other = std::sync::Arc::new(world.client.contexts().files(&id));
    let runtime = tokio::runtime::Handle::current();
    let mut calls = 0;
    let update = files.update("/a", |old| {
        calls += 1;
        let (other, content) = (other.clone(), format!("{}x", old.unwrap().len()));
        let longer = content.repeat(calls);
        std::thread::scope(|scope| {
            let write =
                scope.spawn(|| runtime.block_on(async { other.upload("/a", longer).await }));
            write.join().unwrap().unwrap();
        });
        "mine"
    });
    let error = update.max_conflicts(2).await.unwrap_err();
    assert_eq!(calls, 3);
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(error.detail(), Some(agbcloud::ErrorDetail::Changed));
    assert!(error.request_id().is_some());
    assert_ne!(files.read("/a").await.unwrap(), b"mine"[..]);
}
