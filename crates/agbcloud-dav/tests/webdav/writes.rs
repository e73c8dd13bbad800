//! PUT, MKCOL and DELETE.

use std::time::Duration;

use agbcloud_server::{Limits, Server};
use futures_util::stream;

use crate::support::Share;

#[tokio::test]
async fn files_are_created_replaced_and_deleted() {
    let share = Share::new().await;
    let created = share.put("/a.txt", "one").await;
    assert_eq!(created.status(), 201);
    let etag = share.files.stat("/a.txt").await.unwrap().etag.unwrap();
    assert_eq!(created.headers()["etag"], etag.as_str());
    assert_eq!(share.put("/a.txt", "two").await.status(), 204);
    assert_eq!(share.content("/a.txt").await, "two");
    assert_eq!(share.status("DELETE", "/a.txt").await, 204);
    assert_eq!(share.status("DELETE", "/a.txt").await, 404);
    assert!(!share.stores("/a.txt").await);
    share.shutdown().await;
}

#[tokio::test]
async fn a_read_only_share_changes_nothing() {
    let share = Share::of(Server::builder().memory(), |share| share).await;
    share.files.upload("/a", &b"one"[..]).await.unwrap();
    for method in [
        "PUT",
        "DELETE",
        "MKCOL",
        "MOVE",
        "COPY",
        "LOCK",
        "UNLOCK",
        "PROPPATCH",
    ] {
        let request = share
            .request(method, "/a")
            .header("destination", share.url("/b"));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 403, "{method}");
        assert!(
            response.text().await.unwrap().contains("--write"),
            "{method}"
        );
    }
    let options = share.send("OPTIONS", "/a").await;
    assert_eq!(options.headers()["dav"], "1");
    assert_eq!(options.headers()["allow"], "HEAD,GET,OPTIONS,PROPFIND");
    assert_eq!(share.content("/a").await, "one");
    share.shutdown().await;
}

#[tokio::test]
async fn conditions_of_writes() {
    let share = Share::new().await;
    let put = async |name: &str, value: &str, path: &str| {
        let request = share.request("PUT", path).header(name, value).body("x");
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(put("if-none-match", "*", "/a").await, 201);
    assert_eq!(put("if-none-match", "*", "/a").await, 412);
    assert_eq!(put("if-match", "*", "/missing").await, 412);
    assert_eq!(put("if-match", "\"other\"", "/a").await, 412);
    assert_eq!(put("if-match", "no quotes", "/a").await, 400);
    assert_eq!(put("if-match", "\"\u{fc}\"", "/a").await, 400);
    let etag = share.files.stat("/a").await.unwrap().etag.unwrap();
    assert_eq!(put("if", &format!("([{etag}])"), "/a").await, 204);
    assert_eq!(put("if", "([\"other\"])", "/a").await, 412);
    let request = share
        .request("DELETE", "/a")
        .header("if-match", "\"other\"");
    assert_eq!(request.send().await.unwrap().status(), 412);
    assert!(!share.stores("/missing").await);
    share.shutdown().await;
}

/// The conditions hold when the upload is sent, not only when the request arrives.
#[tokio::test]
async fn a_file_that_changes_during_an_upload_is_not_overwritten() {
    // More than the buffers of the connection, so that the server has compared the conditions once they are sent.
    const CHUNKS: usize = 200;
    let share = Share::new().await;
    let uploaded = share.files.upload("/a", &b"one"[..]).await.unwrap();
    let chunk = bytes::Bytes::from(vec![1; 256 * 1024]);
    for (name, value, path) in [
        ("if-match", uploaded.etag.unwrap(), "/a"),
        ("if-none-match", "*".to_owned(), "/new"),
    ] {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let body = stream::unfold(receiver, async |mut receiver| {
            let chunk: bytes::Bytes = receiver.recv().await?;
            Some((Ok::<_, std::io::Error>(chunk), receiver))
        });
        let body = reqwest::Body::wrap_stream(body);
        let request = share.request("PUT", path).header(name, value).body(body);
        let request = tokio::spawn(request.send());
        for _ in 0..CHUNKS {
            sender.send(chunk.clone()).await.unwrap();
        }
        share.files.upload(path, &b"theirs"[..]).await.unwrap();
        drop(sender);
        assert_eq!(request.await.unwrap().unwrap().status(), 412, "{name}");
        assert_eq!(share.content(path).await, "theirs");
    }
    share.shutdown().await;
}

#[tokio::test]
async fn of_two_clients_with_the_same_version_one_wins() {
    let share = Share::new().await;
    share.files.upload("/counter", &b"0"[..]).await.unwrap();
    let etag = share.files.stat("/counter").await.unwrap().etag.unwrap();
    let put = async |content: &'static str| {
        let request = share.request("PUT", "/counter").header("if-match", &etag);
        request
            .body(content)
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    let (one, two) = tokio::join!(put("one"), put("two"));
    let mut statuses = [one, two];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 412]);
    let winner = if one == 204 { "one" } else { "two" };
    assert_eq!(share.content("/counter").await, winner);
    share.shutdown().await;
}

#[tokio::test]
async fn an_interrupted_upload_keeps_the_old_file() {
    let share = Share::new().await;
    share.files.upload("/a", &b"old"[..]).await.unwrap();
    let head = "PUT /a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100000\r\n\r\n";
    let mut stream = tokio::net::TcpStream::connect(share.server.local_addr())
        .await
        .unwrap();
    {
        use tokio::io::AsyncWriteExt;
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&[b'x'; 50_000]).await.unwrap();
    }
    drop(stream);
    // Chunked, without the last chunk.
    let chunked =
        "PUT /a HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n3\r\nnew\r\n";
    let mut stream = tokio::net::TcpStream::connect(share.server.local_addr())
        .await
        .unwrap();
    {
        use tokio::io::AsyncWriteExt;
        stream.write_all(chunked.as_bytes()).await.unwrap();
    }
    drop(stream);
    // A client that can still read.
    let broken =
        "PUT /a HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\nno length\r\n";
    let answer = share.send_raw(broken.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let finder = "PUT /a HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\
                  x-expected-entity-length: 5\r\n\r\n3\r\nnew\r\n0\r\n\r\n";
    let answer = share.send_raw(finder.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let files = share.files.clone();
    // Waits for the connections to end.
    share.server.shutdown().await;
    assert_eq!(files.read("/a").await.unwrap(), b"old"[..]);
    share.service.shutdown().await;
}

#[tokio::test]
async fn an_upload_is_completed_if_its_client_closes_the_connection() {
    let service = Server::builder().memory();
    let fault = "latency=1s,op=GetContextFileUploadUrl";
    let share = Share::of(service.fault(fault.parse().unwrap()), |share| {
        share.write(true)
    })
    .await;
    let request = "PUT /a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\r\nnew";
    share.send_and_close(request.as_bytes()).await;
    assert!(!share.stores("/a").await);
    share.wait_until("/a", true).await;
    assert_eq!(share.content("/a").await, "new");
    share.shutdown().await;
}

/// The body of the upload and the content of the download pass through.
#[tokio::test]
async fn an_upload_of_300_mib_uses_little_memory() {
    const CHUNK: usize = 256 * 1024;
    const CHUNKS: usize = 300 * 1024 * 1024 / CHUNK;
    // The service stores files outside of the memory of this process.
    let folder = tempfile::tempdir().unwrap();
    let service = Server::builder().data_dir(folder.path());
    let share = Share::of(service, |share| share.write(true)).await;
    let before = resident_bytes();
    let chunk = bytes::Bytes::from(vec![0x5a; CHUNK]);
    let chunks = (0..CHUNKS).map(move |_| Ok::<_, std::io::Error>(chunk.clone()));
    let body = reqwest::Body::wrap_stream(stream::iter(chunks));
    let request = share.request("PUT", "/large").body(body);
    let response = request
        .timeout(Duration::from_secs(300))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 201);
    let peak = peak_resident_bytes();
    let grown = peak.saturating_sub(before);
    assert!(grown < 100 * 1024 * 1024, "{grown} bytes more than before");
    let stored = share.files.stat("/large").await.unwrap();
    assert_eq!(stored.size, Some((CHUNK * CHUNKS) as u64));
    let mut response = share.send("GET", "/large").await;
    let mut received = 0;
    while let Some(chunk) = response.chunk().await.unwrap() {
        assert!(chunk.iter().all(|byte| *byte == 0x5a));
        received += chunk.len();
    }
    assert_eq!(received, CHUNK * CHUNKS);
    let grown = peak_resident_bytes().saturating_sub(before);
    assert!(grown < 100 * 1024 * 1024, "{grown} bytes more than before");
    share.shutdown().await;
}

#[tokio::test]
async fn folders_exist_until_they_are_deleted() {
    let share = Share::new().await;
    assert_eq!(share.put("/d/a", "one").await.status(), 409);
    assert_eq!(share.status("MKCOL", "/d/e/").await, 409);
    assert_eq!(share.status("MKCOL", "/d/").await, 201);
    assert_eq!(share.status("MKCOL", "/d").await, 405);
    assert_eq!(share.put("/d", "one").await.status(), 405);
    assert_eq!(share.put("/d/", "one").await.status(), 405);
    assert_eq!(share.paths("/").await, ["/", "/d/"]);
    assert_eq!(share.put("/d/a", "one").await.status(), 201);
    assert_eq!(share.put("/d/a/b", "one").await.status(), 409);
    assert_eq!(share.status("MKCOL", "/d/a").await, 405);
    assert_eq!(share.status("DELETE", "/d/a").await, 204);
    assert_eq!(share.paths("/").await, ["/", "/d/"]);
    assert_eq!(share.status("DELETE", "/d").await, 204);
    assert_eq!(share.paths("/").await, ["/"]);
    // The folder of a file that another program wrote stays, too, after a client deletes the file.
    share.files.upload("/x/y/z", &b"one"[..]).await.unwrap();
    assert_eq!(share.status("DELETE", "/x/y/z").await, 204);
    assert_eq!(share.paths("/x").await, ["/x/", "/x/y/"]);
    share.shutdown().await;
}

#[tokio::test]
async fn a_folder_of_many_files_is_deleted_completely() {
    let share = Share::new().await;
    for number in 0..2100 {
        let path = format!("/d/{}/{number}", number % 2);
        share.files.upload(path, &b"x"[..]).await.unwrap();
    }
    share.files.upload("/dd", &b"kept"[..]).await.unwrap();
    assert_eq!(share.status("DELETE", "/d/").await, 204);
    assert_eq!(share.files.list().all().await.unwrap().len(), 1);
    for path in ["/", "//", "/."] {
        assert_eq!(share.status("DELETE", path).await, 403, "{path}");
    }
    assert!(share.stores("/dd").await);
    share.shutdown().await;
}

#[tokio::test]
async fn a_folder_is_deleted_only_with_everything_below() {
    let share = Share::new().await;
    share.files.upload("/d/a", &b"x"[..]).await.unwrap();
    for (depth, status) in [("0", 400), ("1", 400), ("Infinity", 204)] {
        assert!(share.stores("/d/a").await, "{depth}");
        let request = share.request("DELETE", "/d/").header("depth", depth);
        assert_eq!(request.send().await.unwrap().status(), status, "{depth}");
    }
    assert!(!share.stores("/d/a").await);
    share.shutdown().await;
}

#[tokio::test]
async fn refused_uploads_have_the_status_of_the_reason() {
    let mut limits = Limits::default();
    limits.object_bytes = 1000;
    limits.context_bytes = Some(1500);
    let service = Server::builder().memory().limits(limits);
    let share = Share::of(service, |share| share.write(true)).await;
    assert_eq!(share.put("/a", &"x".repeat(1001)).await.status(), 413);
    assert_eq!(share.put("/a", &"x".repeat(1000)).await.status(), 201);
    assert_eq!(share.put("/b", &"x".repeat(1000)).await.status(), 507);
    let request = share
        .request("PUT", "/a")
        .header("content-range", "bytes 0-0/3");
    assert_eq!(request.body("x").send().await.unwrap().status(), 400);
    let context = share.files.context_id().unwrap().clone();
    share.service.shutdown().await;
    // The service is gone.
    let response = share.server.local_addr();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.put(format!("http://{response}/c")).body("x");
    let refused = request.send().await.unwrap();
    assert_eq!(refused.status(), 503, "{context}");
    assert!(refused.headers().contains_key("retry-after"));
    share.server.shutdown().await;
}

#[tokio::test]
async fn files_of_the_desktop_stay_in_memory() {
    let share = Share::new().await;
    let finder = |method: &str, path: &str| {
        let request = share.request(method, path);
        request.header(
            "user-agent",
            "WebDAVFS/3.0.0 (03008000) Darwin/22.6.0 (arm64)",
        )
    };
    share
        .files
        .upload("/._stored", &b"of another program"[..])
        .await
        .unwrap();
    for path in ["/.DS_Store", "/._a.txt"] {
        let put = finder("PUT", path).body("litter").send().await.unwrap();
        assert_eq!(put.status(), 201, "{path}");
        let get = finder("GET", path).send().await.unwrap();
        assert_eq!(get.text().await.unwrap(), "litter", "{path}");
        assert!(!share.stores(path).await);
    }
    let list = finder("PROPFIND", "/")
        .header("depth", "1")
        .send()
        .await
        .unwrap();
    let list = list.text().await.unwrap();
    assert!(
        list.contains("/.DS_Store<") && list.contains("/._a.txt<"),
        "{list}"
    );
    assert!(!list.contains("/._stored<"), "{list}");
    let to = |path: &str| share.url(path);
    let moved = finder("MOVE", "/._a.txt").header("destination", to("/._b.txt"));
    assert_eq!(moved.send().await.unwrap().status(), 201);
    let moved = finder("MOVE", "/._b.txt").header("destination", to("/real"));
    assert_eq!(moved.send().await.unwrap().status(), 201);
    assert_eq!(share.content("/real").await, "litter");
    let hidden = finder("MOVE", "/real").header("destination", to("/._b.txt"));
    assert_eq!(hidden.send().await.unwrap().status(), 403);
    assert_eq!(
        finder("DELETE", "/.DS_Store")
            .send()
            .await
            .unwrap()
            .status(),
        204
    );
    assert_eq!(
        finder("GET", "/.DS_Store").send().await.unwrap().status(),
        404
    );
    let large = finder("PUT", "/._large").body(vec![0; 1024 * 1024 + 1]);
    assert_eq!(large.send().await.unwrap().status(), 507);
    // Other clients write such files to the context, and see existing ones.
    assert_eq!(share.put("/._b.txt", "kept").await.status(), 201);
    assert_eq!(
        share.paths("/").await,
        ["/", "/._b.txt", "/._stored", "/real"]
    );
    share.shutdown().await;
}

#[tokio::test]
async fn folders_with_names_of_desktop_files_are_like_any_other() {
    let share = Share::new().await;
    let finder = async |method: &str, path: &str, to: &str, body: &'static str| {
        let request = share.request(method, path).header("depth", "1");
        let request = match method {
            "MOVE" => share.request(method, path),
            _ => request,
        };
        let request = request
            .header("user-agent", "WebDAVFS/3.0.0 (03008000) Darwin/22.6.0")
            .header("destination", share.url(to));
        request.body(body).send().await.unwrap()
    };
    share.files.upload("/._cfg/data", &b"x"[..]).await.unwrap();
    let list = finder("PROPFIND", "/", "", "").await.text().await.unwrap();
    assert!(list.contains("/._cfg/<"), "{list}");
    assert_eq!(finder("PROPFIND", "/._cfg/", "", "").await.status(), 207);
    assert_eq!(finder("GET", "/._cfg/", "", "").await.status(), 405);
    assert_eq!(finder("MKCOL", "/._new/", "", "").await.status(), 201);
    let put = finder("PUT", "/._new/f", "", "one").await;
    assert_eq!(put.status(), 201);
    let moved = finder("MOVE", "/._new/", "/._other/", "").await;
    assert_eq!(moved.status(), 201);
    assert_eq!(share.content("/._other/f").await, "one");
    // A file in memory does not replace a folder.
    assert_eq!(finder("PUT", "/._f", "", "one").await.status(), 201);
    let moved = finder("MOVE", "/._f", "/._other", "").await;
    assert_eq!(moved.status(), 403);
    let delete = share.request("DELETE", "/._other/");
    let delete = delete.header("user-agent", "WebDAVFS/3.0.0");
    assert_eq!(delete.send().await.unwrap().status(), 204);
    assert!(!share.stores("/._other/f").await);
    share.shutdown().await;
}

fn resident_bytes() -> u64 {
    status_bytes("VmRSS:")
}

fn peak_resident_bytes() -> u64 {
    status_bytes("VmHWM:")
}

/// A size of this process; 0 if the system does not report it.
fn status_bytes(name: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok());
    kilobytes.unwrap_or_default() * 1024
}
