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
