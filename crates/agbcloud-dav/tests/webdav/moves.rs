//! MOVE that fails, is repeated, or meets other clients.

use agbcloud::Files;
use agbcloud_server::Server;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Hook, Share};

const FILES: usize = 10;

/// A share with the files `/a/0` to `/a/9`. The first requests for a deletion fail.
async fn share_with_failing_deletions(failures: usize) -> Share {
    let fault = format!("status=503,op=DeleteContextFile,times={failures}");
    let service = Server::builder().memory().fault(fault.parse().unwrap());
    let share = Share::of(service, |share| share.write(true)).await;
    for number in 0..FILES {
        let path = format!("/a/{number}");
        share.files.upload(&*path, path.clone()).await.unwrap();
    }
    share
}

/// How many of the files a folder contains, each with the content of its source.
async fn moved(share: &Share, folder: &str) -> usize {
    let mut count = 0;
    for number in 0..FILES {
        let path = format!("{folder}/{number}");
        if share.stores(&path).await {
            assert_eq!(share.content(&path).await, format!("/a/{number}"));
            count += 1;
        }
    }
    count
}

#[tokio::test]
async fn a_move_that_fails_at_its_sources_is_completed_by_its_repetition() {
    let share = share_with_failing_deletions(7).await;
    let request = share
        .request("MOVE", "/a/")
        .header("destination", share.url("/b/"));
    let failed = request.send().await.unwrap();
    assert_eq!(failed.status(), 503);
    let text = failed.text().await.unwrap();
    assert!(
        text.contains("all 10 files are copied, but 7 of them"),
        "{text}"
    );
    assert_eq!(
        (moved(&share, "/a").await, moved(&share, "/b").await),
        (7, 10)
    );
    // What exists at the destination is from the same move.
    let again = share
        .request("MOVE", "/a/")
        .header("destination", share.url("/b/"))
        .header("overwrite", "F");
    assert_eq!(again.send().await.unwrap().status(), 204);
    assert_eq!(
        (moved(&share, "/a").await, moved(&share, "/b").await),
        (0, 10)
    );
    assert_eq!(share.transfer("MOVE", "/a/", "/b/").await, 404);
    assert_eq!(moved(&share, "/b").await, 10);
    share.shutdown().await;
}

/// The new process does not know the files of the destination, which are the only copies.
#[tokio::test]
async fn a_failed_move_that_is_repeated_after_a_restart_deletes_nothing() {
    let mut share = share_with_failing_deletions(7).await;
    assert_eq!(share.transfer("MOVE", "/a/", "/b/").await, 503);
    share.restart().await;
    for method in ["MOVE", "COPY", "MOVE"] {
        let request = share.request(method, "/a/");
        let request = request.header("destination", share.url("/b/"));
        let refused = request.send().await.unwrap();
        assert_eq!(refused.status(), 409, "{method}");
        let text = refused.text().await.unwrap();
        assert!(
            text.contains("a file that the source has not: /b/"),
            "{text}"
        );
        assert_eq!(
            (moved(&share, "/a").await, moved(&share, "/b").await),
            (7, 10)
        );
    }
    // What the text advises.
    for path in share.paths("/a/").await.iter().skip(1) {
        let to = path.replacen("/a/", "/b/", 1);
        assert_eq!(share.transfer("MOVE", path, &to).await, 204, "{path}");
    }
    assert_eq!(
        (moved(&share, "/a").await, moved(&share, "/b").await),
        (0, 10)
    );
    share.shutdown().await;
}

/// A service that is down: the move does not attempt each of the deletions.
#[tokio::test]
async fn a_move_stops_after_many_failed_deletions() {
    // A move that continues would delete the other half.
    let fault = "status=503,op=DeleteContextFile,times=50";
    let service = Server::builder().memory().fault(fault.parse().unwrap());
    let share = Share::of(service, |share| share.write(true)).await;
    for number in 0..100 {
        let path = format!("/a/{number}");
        share.files.upload(path, &b"x"[..]).await.unwrap();
    }
    let request = share
        .request("MOVE", "/a/")
        .header("destination", share.url("/b/"));
    let text = request.send().await.unwrap().text().await.unwrap();
    assert!(text.contains("but 100 of them are left"), "{text}");
    share.shutdown().await;
}

/// Another client writes a file when the last copy is about to be sent.
async fn share_with_rival(files: usize, path: &'static str) -> (Share, Hook) {
    let hook = Hook::default();
    let share = Share::with_hook(hook.clone()).await;
    for number in 0..files {
        let path = format!("/d/{number}");
        share
            .files
            .upload(path, format!("old {number}"))
            .await
            .unwrap();
    }
    let rival = share.other_client().await;
    let write = move |rival: Files| async move {
        rival.upload(path, "newer").await.unwrap();
    };
    hook.at_upload(files, move || Box::pin(write(rival)));
    (share, hook)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_changes_during_a_move_is_kept() {
    let (share, hook) = share_with_rival(1, "/d/0").await;
    assert_eq!(share.transfer("MOVE", "/d/0", "/b").await, 409);
    assert!(hook.is_done());
    assert_eq!(share.content("/d/0").await, "newer");
    assert_eq!(share.content("/b").await, "old 0");
    share.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_whose_files_change_during_a_move_is_moved_by_its_repetition() {
    for (path, name) in [("/d/0", "0"), ("/d/new", "new")] {
        let (share, hook) = share_with_rival(3, path).await;
        assert_eq!(share.transfer("MOVE", "/d/", "/t/").await, 409, "{path}");
        assert!(hook.is_done());
        // Each version exists.
        assert_eq!(share.paths("/d/").await, ["/d/", path]);
        assert_eq!(share.content(path).await, "newer");
        for number in 0..3 {
            let content = share.content(&format!("/t/{number}")).await;
            assert_eq!(content, format!("old {number}"));
        }
        assert_eq!(share.transfer("MOVE", "/d/", "/t/").await, 204, "{path}");
        assert_eq!(share.content(&format!("/t/{name}")).await, "newer");
        assert_eq!(share.content("/t/1").await, "old 1");
        assert_eq!(share.content("/t/2").await, "old 2");
        assert_eq!(share.status("PROPFIND", "/d/").await, 404);
        share.shutdown().await;
    }
}

/// A request whose body does not arrive.
#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_has_not_begun_excludes_no_change() {
    let share = share_with_failing_deletions(0).await;
    let address = share.url("").trim_start_matches("http://").to_owned();
    let address = address.trim_end_matches('/');
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!(
        "MOVE /b/ HTTP/1.1\r\nhost: {address}\r\ndestination: /a/\r\ncontent-length: 5\r\n\
         expect: 100-continue\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
    assert_eq!(share.status("DELETE", "/a/1").await, 204);
    drop(stream);
    share.shutdown().await;
}

/// Such as the repetition of a client that does not wait, or an opposite move.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_files_that_are_being_moved_is_refused() {
    for (method, from, to) in [
        ("MOVE", "/b/", "/a/"),
        ("MOVE", "/a/", "/b/"),
        ("DELETE", "/b/", ""),
        ("COPY", "/a/", "/c/"),
        // The move would delete what is written.
        ("PUT", "/a/f", ""),
        ("PUT", "/b/f", ""),
    ] {
        let hook = Hook::default();
        let share = Share::with_hook(hook.clone()).await;
        for path in ["/a/f", "/b/f"] {
            share.files.upload(path, path.to_owned()).await.unwrap();
        }
        let request = share.request(method, from);
        let request = request.header("destination", share.url(to));
        hook.at_upload(1, move || {
            Box::pin(async move {
                assert_eq!(request.send().await.unwrap().status(), 423);
            })
        });
        assert_eq!(share.transfer("MOVE", "/a/", "/b/").await, 204);
        assert!(hook.is_done());
        assert_eq!(share.content("/b/f").await, "/a/f");
        assert!(!share.stores("/a/f").await);
        share.shutdown().await;
    }
}
