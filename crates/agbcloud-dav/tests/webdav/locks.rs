//! LOCK and UNLOCK.

use reqwest::RequestBuilder;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Hook, Share};

const LOCK: &str = "<D:lockinfo xmlns:D='DAV:'><D:lockscope><D:exclusive/></D:lockscope>\
                    <D:locktype><D:write/></D:locktype><D:owner>me</D:owner></D:lockinfo>";

#[tokio::test]
async fn a_lock_excludes_other_clients() {
    let share = Share::new().await;
    share.put("/a", "one").await;
    let lock = async |path: &str| {
        let request = share.request("LOCK", path).header("timeout", "Second-60");
        request.body(LOCK).send().await.unwrap()
    };
    let locked = lock("/a").await;
    assert_eq!(locked.status(), 200);
    let token = locked.headers()["lock-token"].to_str().unwrap().to_owned();
    assert_eq!(lock("/a").await.status(), 423);
    assert_eq!(share.put("/a", "theirs").await.status(), 423);
    assert_eq!(share.status("DELETE", "/a").await, 423);
    assert_eq!(share.transfer("MOVE", "/a", "/b").await, 423);
    let own = share
        .request("PUT", "/a")
        .header("if", format!("({token})"));
    assert_eq!(own.body("mine").send().await.unwrap().status(), 204);
    assert_eq!(share.content("/a").await, "mine");
    let unlock = share.request("UNLOCK", "/a").header("lock-token", &token);
    assert_eq!(unlock.send().await.unwrap().status(), 204);
    assert_eq!(share.put("/a", "theirs").await.status(), 204);
    share.shutdown().await;
}

#[tokio::test]
async fn a_lock_creates_a_missing_file_and_replaces_none() {
    let share = Share::new().await;
    let lock = share
        .request("LOCK", "/new")
        .body(LOCK)
        .send()
        .await
        .unwrap();
    assert_eq!(lock.status(), 201);
    assert_eq!(share.content("/new").await, "");
    let missing = share
        .request("LOCK", "/d/new")
        .body(LOCK)
        .send()
        .await
        .unwrap();
    assert_eq!(missing.status(), 409);
    // The root, whose lock `dav-server` removes with a panic.
    for _ in 0..2 {
        let lock = share.request("LOCK", "/").body(LOCK).header("depth", "0");
        let lock = lock.send().await.unwrap();
        assert_eq!(lock.status(), 200);
        let unlock = share.request("UNLOCK", "/");
        let unlock = unlock.header("lock-token", &lock.headers()["lock-token"]);
        assert_eq!(unlock.send().await.unwrap().status(), 204);
    }
    assert_eq!(share.send("OPTIONS", "/").await.headers()["dav"], "1, 2");
    share.shutdown().await;
}

#[tokio::test]
async fn a_lock_of_depth_0_protects_the_list_of_members() {
    let share = Share::new().await;
    for path in ["/l/x", "/l/y", "/out"] {
        share.files.upload(path, &b"x"[..]).await.unwrap();
    }
    let token = share.lock("/l/", "0").await;
    assert_eq!(share.put("/l/new", "x").await.status(), 423);
    assert_eq!(share.status("MKCOL", "/l/new/").await, 423);
    assert_eq!(share.status("LOCK", "/l/new").await, 423);
    assert_eq!(share.status("DELETE", "/l/x").await, 423);
    for (method, from, to) in [
        ("MOVE", "/l/x", "/new"),
        ("MOVE", "/l/x", "/l/new"),
        ("MOVE", "/out", "/l/new"),
        ("COPY", "/out", "/l/new"),
    ] {
        assert_eq!(share.transfer(method, from, to).await, 423, "{from} {to}");
    }
    // Contents of members may change, and members of members.
    assert_eq!(share.put("/l/x", "two").await.status(), 204);
    assert_eq!(share.transfer("COPY", "/l/x", "/copy").await, 201);
    let own = |method: &str, path: &str| {
        let tag = share.url("/l/");
        let request = share.request(method, path);
        request.header("if", format!("<{tag}> ({token})"))
    };
    let put = own("PUT", "/l/new").body("x").send().await.unwrap();
    assert_eq!(put.status(), 201);
    let delete = own("DELETE", "/l/new").send().await.unwrap();
    assert_eq!(delete.status(), 204);
    assert_eq!(share.put("/l/new", "x").await.status(), 423);
    share.shutdown().await;
}

#[tokio::test]
async fn a_move_that_fails_keeps_the_locks_of_its_destination() {
    let share = Share::new().await;
    for path in ["/d/a", "/d/b", "/c"] {
        share.files.upload(path, &b"x"[..]).await.unwrap();
    }
    let token = share.lock("/d/", "infinity").await;
    let transfer = async |from: &str, to: &str| {
        let request = share.request("MOVE", from);
        let request = request.header("destination", share.url(to));
        let request = request.header("if", format!("<{}> ({token})", share.url("/d/")));
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(transfer("/d/a", "/d/").await, 403);
    assert_eq!(share.put("/d/b", "theirs").await.status(), 423);
    // The lock ends with the folder that it locked.
    assert_eq!(transfer("/c", "/d").await, 204);
    assert_eq!(share.put("/d", "theirs").await.status(), 204);
    share.shutdown().await;
}

#[tokio::test]
async fn a_large_owner_is_refused() {
    let share = Share::new().await;
    share.put("/a", "one").await;
    for (owner, status) in [
        ("x".repeat(2000), 507),
        ("<x/>".repeat(100), 507),
        ("x".repeat(500), 200),
    ] {
        let body = LOCK.replace(">me<", &format!(">{owner}<"));
        let request = share.request("LOCK", "/a").body(body);
        assert_eq!(request.send().await.unwrap().status(), status);
    }
    share.shutdown().await;
}

#[tokio::test]
async fn locks_end_with_their_files() {
    let share = Share::new().await;
    let own = |method: &str, path: &str, token: &str| {
        let request = share.request(method, path);
        let request = request.header("destination", share.url("/b"));
        request.header("if", format!("({token})"))
    };
    for method in ["DELETE", "MOVE"] {
        let token = share.lock("/a", "0").await;
        let removed = own(method, "/a", &token).send().await.unwrap();
        assert!(removed.status().is_success(), "{method}");
        assert_eq!(share.put("/a", "theirs").await.status(), 201);
        assert_eq!(share.status("DELETE", "/a").await, 204);
    }
    share.shutdown().await;
}

#[tokio::test]
async fn only_the_token_of_a_lock_of_the_path_meets_a_condition() {
    let share = Share::new().await;
    share.put("/doc", "old").await;
    share.put("/other", "other").await;
    let other = share.lock("/other", "0").await;
    let unlocked = share.lock("/doc", "0").await;
    let unlock = share
        .request("UNLOCK", "/doc")
        .header("lock-token", &unlocked);
    assert_eq!(unlock.send().await.unwrap().status(), 204);
    // Another client saves once the lock has ended.
    assert_eq!(share.put("/doc", "theirs").await.status(), 204);
    let conditional = |method: &str, path: &str, condition: &str| {
        let request = share.request(method, path).header("if", condition);
        request.header("destination", share.url("/new"))
    };
    let unknown = "<urn:uuid:00000000-0000-0000-0000-000000000000>";
    for token in [unlocked.as_str(), &other, unknown] {
        for method in ["PUT", "DELETE", "MOVE", "PROPPATCH"] {
            let request = conditional(method, "/doc", &format!("({token})"));
            let request = match method {
                "PUT" => request.body("mine"),
                _ => request,
            };
            assert_eq!(
                request.send().await.unwrap().status(),
                412,
                "{method} {token}"
            );
        }
        assert_eq!(share.content("/doc").await, "theirs");
        let put = conditional("PUT", "/doc", &format!("(Not {token})"));
        assert_eq!(put.body("theirs").send().await.unwrap().status(), 204);
    }
    // A token of the destination, with its URL.
    let tag = share.url("/other");
    let request = share.request("MOVE", "/doc");
    let request = request.header("if", format!("<{tag}> ({other})"));
    let request = request.header("destination", &tag);
    assert_eq!(request.send().await.unwrap().status(), 204);
    assert_eq!(share.content("/other").await, "theirs");
    share.shutdown().await;
}

/// A PUT whose head the server has checked, and whose body it waits for.
struct SlowPut(TcpStream);

impl SlowPut {
    async fn start(share: &Share, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(share.server.local_addr()).await.unwrap();
        let head = format!(
            "PUT {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\nexpect: 100-continue\r\n\
             content-length: 4\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let expected = "HTTP/1.1 100 Continue\r\n\r\n";
        let mut answer = vec![0; expected.len()];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(String::from_utf8(answer).unwrap(), expected);
        Self(stream)
    }

    /// Sends the body, and returns the response.
    async fn finish(mut self) -> String {
        self.0.write_all(b"slow").await.unwrap();
        let mut answer = Vec::new();
        self.0.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    }
}

#[tokio::test]
async fn a_lock_that_begins_during_an_upload_protects_the_file() {
    let share = Share::new().await;
    share.status("MKCOL", "/d/").await;
    share.put("/d/a", "old").await;
    for (file, locked, depth) in [
        ("/d/a", "/d/a", "0"),
        ("/d/new", "/d/new", "0"),
        ("/d/a", "/d/", "infinity"),
        ("/d/more", "/d/", "0"),
    ] {
        let slow = SlowPut::start(&share, file, "").await;
        let token = share.lock(locked, depth).await;
        let own = |request: RequestBuilder| {
            request.header("if", format!("<{}> ({token})", share.url(locked)))
        };
        let saved = own(share.request("PUT", file)).body("saved").send().await;
        assert!(saved.unwrap().status().is_success(), "{file}");
        let answer = slow.finish().await;
        assert!(
            answer.starts_with("HTTP/1.1 423"),
            "{file} {locked}: {answer}"
        );
        assert_eq!(share.content(file).await, "saved");
        let unlock = share.request("UNLOCK", locked).header("lock-token", &token);
        assert_eq!(unlock.send().await.unwrap().status(), 204);
    }
    share.shutdown().await;
}

#[tokio::test]
async fn an_upload_whose_lock_has_ended_changes_nothing() {
    let share = Share::new().await;
    share.put("/a", "old").await;
    let token = share.lock("/a", "0").await;
    let slow = SlowPut::start(&share, "/a", &format!("if: ({token})\r\n")).await;
    let unlock = share.request("UNLOCK", "/a").header("lock-token", &token);
    assert_eq!(unlock.send().await.unwrap().status(), 204);
    assert_eq!(share.put("/a", "theirs").await.status(), 204);
    let answer = slow.finish().await;
    assert!(answer.starts_with("HTTP/1.1 412"), "{answer}");
    assert_eq!(share.content("/a").await, "theirs");
    share.shutdown().await;
}

/// The locks of a write have been checked, and its content is being stored.
#[tokio::test(flavor = "multi_thread")]
async fn no_lock_begins_while_a_file_is_stored() {
    for (method, path, status) in [("PUT", "/a", 204), ("COPY", "/b", 204), ("MOVE", "/b", 204)] {
        let hook = Hook::default();
        let share = Share::with_hook(hook.clone()).await;
        share.put("/a", "old").await;
        share.put("/b", "other").await;
        let lock = share.request("LOCK", "/a").body(LOCK);
        hook.at_upload(1, move || {
            Box::pin(async move {
                assert_eq!(lock.send().await.unwrap().status(), 423);
            })
        });
        let request = share.request(method, path);
        let request = match method {
            "PUT" => request.body("new"),
            _ => request.header("destination", share.url("/a")),
        };
        assert_eq!(request.send().await.unwrap().status(), status, "{method}");
        assert!(hook.is_done());
        share.lock("/a", "0").await;
        share.shutdown().await;
    }
}
