//! LOCK and UNLOCK.

use crate::support::Share;

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
