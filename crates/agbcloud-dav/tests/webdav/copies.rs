//! COPY and MOVE.

use agbcloud_server::Server;

use crate::support::Share;

#[tokio::test]
async fn files_are_copied_and_moved() {
    let share = Share::new().await;
    let large = "x".repeat(3 * 1024 * 1024);
    for content in ["small", "", &large] {
        share.put("/a", content).await;
        assert_eq!(share.transfer("COPY", "/a", "/b").await, 201);
        assert_eq!(share.content("/a").await, content);
        assert_eq!(share.transfer("MOVE", "/a", "/c%20%23").await, 201);
        assert_eq!(share.content("/b").await, content);
        assert_eq!(share.content("/c #").await, content);
        assert!(!share.stores("/a").await);
        share.status("DELETE", "/b").await;
        share.status("DELETE", "/c%20%23").await;
    }
    share.shutdown().await;
}

#[tokio::test]
async fn the_rules_for_destinations() {
    let share = Share::new().await;
    share.put("/a", "one").await;
    share.put("/b", "two").await;
    let request = share
        .request("MOVE", "/a")
        .header("destination", share.url("/b"));
    let kept = request.header("overwrite", "F").send().await.unwrap();
    assert_eq!(kept.status(), 412);
    assert_eq!(share.content("/b").await, "two");
    for (from, to, status) in [
        ("/a", "/missing/c", 409),
        ("/a", "/a", 403),
        ("/missing", "/c", 404),
        ("/", "/c", 403),
        ("/a", "/", 403),
        ("/a", "/x%5Cy", 400),
    ] {
        assert_eq!(
            share.transfer("MOVE", from, to).await,
            status,
            "{from} {to}"
        );
    }
    assert_eq!(share.transfer("MOVE", "/a", "/b").await, 204);
    assert_eq!(share.content("/b").await, "one");
    share.shutdown().await;
}

#[tokio::test]
async fn folders_are_copied_moved_and_replaced() {
    let share = Share::new().await;
    for path in ["/d/a", "/d/e/b", "/t/old", "/t/a", "/file"] {
        share.files.upload(path, path.to_owned()).await.unwrap();
    }
    share.status("MKCOL", "/d/empty").await;
    for method in ["COPY", "MOVE"] {
        assert_eq!(share.transfer(method, "/d/", "/t/").await, 409);
        assert_eq!(share.content("/t/a").await, "/t/a");
        assert_eq!(share.content("/t/old").await, "/t/old");
    }
    assert_eq!(share.status("DELETE", "/t/old").await, 204);
    assert_eq!(share.transfer("COPY", "/d/", "/t/").await, 204);
    assert_eq!(share.content("/t/a").await, "/d/a");
    assert_eq!(share.content("/t/e/b").await, "/d/e/b");
    assert!(!share.stores("/t/old").await);
    assert_eq!(
        share.paths("/t").await,
        ["/t/", "/t/a", "/t/e/", "/t/empty/"]
    );
    assert_eq!(share.transfer("MOVE", "/d", "/moved").await, 201);
    assert_eq!(share.paths("/").await, ["/", "/file", "/moved/", "/t/"]);
    assert_eq!(share.paths("/moved/").await.len(), 4);
    // A file replaces a folder, and a folder replaces a file.
    assert_eq!(share.transfer("COPY", "/file", "/t").await, 204);
    assert_eq!(share.paths("/").await, ["/", "/file", "/moved/", "/t"]);
    assert_eq!(share.transfer("MOVE", "/moved/", "/file").await, 204);
    assert_eq!(share.paths("/").await, ["/", "/file/", "/t"]);
    for to in ["/file/e/", "/file/new/"] {
        assert_eq!(share.transfer("MOVE", "/file/", to).await, 403, "{to}");
    }
    assert_eq!(share.transfer("COPY", "/file/e/", "/file").await, 403);
    assert_eq!(share.content("/file/e/b").await, "/d/e/b");
    share.shutdown().await;
}

#[tokio::test]
async fn a_file_and_a_folder_of_the_same_name_are_two() {
    let share = Share::new().await;
    share.files.upload("/x", &b"file"[..]).await.unwrap();
    share.files.upload("/x/y", &b"below"[..]).await.unwrap();
    assert_eq!(share.paths("/").await, ["/", "/x", "/x/"]);
    assert_eq!(share.paths("/x/").await, ["/x/", "/x/y"]);
    assert_eq!(share.send("GET", "/x").await.text().await.unwrap(), "file");
    assert_eq!(share.status("DELETE", "/x").await, 204);
    assert!(share.stores("/x/y").await);
    share.shutdown().await;
}

#[tokio::test]
async fn a_file_does_not_replace_a_folder_that_contains_it() {
    let share = Share::new().await;
    for path in ["/d/a", "/d/b", "/d/s/c"] {
        share.files.upload(path, path.to_owned()).await.unwrap();
    }
    for method in ["COPY", "MOVE"] {
        for (from, to) in [("/d/a", "/d"), ("/d/a", "/d/"), ("/d/s/c", "/d")] {
            let status = share.transfer(method, from, to).await;
            assert_eq!(status, 403, "{method} {from} {to}");
        }
    }
    for path in ["/d/a", "/d/b", "/d/s/c"] {
        assert_eq!(share.content(path).await, path);
    }
    assert!(!share.stores("/d").await);
    share.shutdown().await;
}

#[tokio::test]
async fn a_copy_replaces_the_file_or_the_folder_that_its_destination_selects() {
    let share = Share::new().await;
    for path in ["/x", "/x/y", "/f", "/d/y", "/d/z"] {
        share.files.upload(path, path.to_owned()).await.unwrap();
    }
    for (from, to) in [("/f", "/x/"), ("/d/", "/x")] {
        assert_eq!(share.transfer("COPY", from, to).await, 409, "{from} {to}");
        assert_eq!(share.content("/x").await, "/x");
        assert_eq!(share.content("/x/y").await, "/x/y");
    }
    assert_eq!(share.transfer("COPY", "/f", "/x").await, 204);
    assert_eq!(share.content("/x").await, "/f");
    assert_eq!(share.content("/x/y").await, "/x/y");
    assert_eq!(share.transfer("MOVE", "/d/", "/x/").await, 204);
    assert_eq!(share.content("/x").await, "/f");
    assert_eq!(share.paths("/x/").await, ["/x/", "/x/y", "/x/z"]);
    // The folder is gone: the file is another one.
    for path in ["/x/y", "/x/z"] {
        share.files.delete(path).await.unwrap();
    }
    assert_eq!(share.status("DELETE", "/x/").await, 204);
    for _ in 0..2 {
        assert_eq!(share.status("DELETE", "/x/").await, 404);
        assert_eq!(share.transfer("MOVE", "/x/", "/new").await, 404);
    }
    assert_eq!(share.content("/x").await, "/f");
    share.shutdown().await;
}

#[tokio::test]
async fn a_folder_without_its_members_replaces_a_file() {
    let share = Share::new().await;
    share.files.upload("/d/a", &b"a"[..]).await.unwrap();
    share.put("/f", "old").await;
    let copy = share.request("COPY", "/d/").header("depth", "0");
    let copy = copy.header("destination", share.url("/f"));
    assert_eq!(copy.send().await.unwrap().status(), 204);
    assert_eq!(share.paths("/").await, ["/", "/d/", "/f/"]);
    assert_eq!(share.paths("/f/").await, ["/f/"]);
    share.shutdown().await;
}

#[tokio::test]
async fn without_overwrite_nothing_is_replaced() {
    let share = Share::new().await;
    for path in ["/s/new", "/t/precious", "/f"] {
        share.files.upload(path, path.to_owned()).await.unwrap();
    }
    let values: [(&[&str], u16); 4] = [
        (&["f"], 412),
        (&["F"], 412),
        (&["F", "F"], 400),
        (&["false"], 400),
    ];
    for (values, status) in values {
        for (from, to) in [("/s/", "/t/"), ("/f", "/t"), ("/s/", "/f")] {
            let mut request = share.request("MOVE", from);
            for value in values {
                request = request.header("overwrite", *value);
            }
            let request = request.header("destination", share.url(to));
            let response = request.send().await.unwrap();
            assert_eq!(response.status(), status, "{values:?} {from} {to}");
        }
    }
    for path in ["/s/new", "/t/precious", "/f"] {
        assert_eq!(share.content(path).await, path);
    }
    share.shutdown().await;
}

#[tokio::test]
async fn a_move_is_completed_if_its_client_closes_the_connection() {
    let service = Server::builder().memory();
    let fault = "latency=1s,op=GetContextFileUploadUrl";
    let share = Share::of(service.fault(fault.parse().unwrap()), |share| {
        share.write(true)
    })
    .await;
    for path in ["/d/a", "/d/b"] {
        share.files.upload(path, path.to_owned()).await.unwrap();
    }
    let request = "MOVE /d/ HTTP/1.1\r\nhost: localhost\r\ndestination: /t/\r\n\r\n";
    share.send_and_close(request.as_bytes()).await;
    assert!(!share.stores("/t/a").await && !share.stores("/t/b").await);
    for name in ["a", "b"] {
        share.wait_until(&format!("/t/{name}"), true).await;
        share.wait_until(&format!("/d/{name}"), false).await;
    }
    share.shutdown().await;
}

/// `dav-server` deletes the destination before it copies: a failed copy would lose both.
#[tokio::test]
async fn a_copy_that_fails_keeps_the_source_and_the_destination() {
    for (fault, status) in [
        ("status=503,op=upload", 503),
        ("cut=10,op=download", 503),
        ("status=500,op=GetContextFileUploadUrl", 503),
    ] {
        let service = Server::builder().memory().start().await.unwrap();
        service.shutdown().await;
        let folder = tempfile::tempdir().unwrap();
        let plain = Server::builder().data_dir(folder.path());
        let share = Share::of(plain, |share| share.write(true)).await;
        for path in ["/a", "/b", "/d/a", "/t/a"] {
            let content = format!("{path}: more than ten bytes");
            share.files.upload(path, content).await.unwrap();
        }
        share.shutdown().await;
        let faulty = Server::builder().data_dir(folder.path());
        let faulty = faulty.fault(fault.parse().unwrap());
        let share = Share::of(faulty, |share| share.write(true)).await;
        for method in ["COPY", "MOVE"] {
            assert_eq!(share.transfer(method, "/a", "/b").await, status, "{fault}");
            assert_eq!(
                share.transfer(method, "/d/", "/t/").await,
                status,
                "{fault}"
            );
        }
        share.shutdown().await;
        let plain = Server::builder().data_dir(folder.path());
        let share = Share::of(plain, |share| share).await;
        for path in ["/a", "/b", "/d/a", "/t/a"] {
            let content = format!("{path}: more than ten bytes");
            assert_eq!(share.content(path).await, content, "{fault}");
        }
        share.shutdown().await;
    }
}

#[tokio::test]
async fn a_source_is_kept_if_its_deletion_fails() {
    let service = Server::builder().memory();
    let fault = "status=503,op=DeleteContextFile";
    let share = Share::of(service.fault(fault.parse().unwrap()), |share| {
        share.write(true)
    })
    .await;
    share.put("/a", "one").await;
    assert_eq!(share.transfer("MOVE", "/a", "/b").await, 503);
    assert_eq!(share.content("/a").await, "one");
    assert_eq!(share.content("/b").await, "one");
    share.shutdown().await;
}

#[tokio::test]
async fn the_depth_of_a_file_does_not_matter() {
    let share = Share::new().await;
    share.files.upload("/d/a", &b"x"[..]).await.unwrap();
    for (path, depth, status) in [("/d/", "0", 400), ("/d/a", "0", 201), ("/d/a", "1", 204)] {
        share.files.upload("/d/a", &b"x"[..]).await.unwrap();
        let request = share.request("MOVE", path).header("depth", depth);
        let request = request.header("destination", share.url("/b"));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), status, "{path} {depth}");
    }
    assert_eq!(share.content("/b").await, "x");
    share.shutdown().await;
}
