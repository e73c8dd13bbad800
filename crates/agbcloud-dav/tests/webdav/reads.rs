//! GET and HEAD.

use agbcloud_server::Server;

use crate::support::Share;

#[tokio::test]
async fn a_file_is_read_whole_and_by_ranges() {
    let share = Share::new().await;
    share
        .files
        .upload("/a.txt", &b"0123456789"[..])
        .await
        .unwrap();
    let whole = share.send("GET", "/a.txt").await;
    let headers = whole.headers().clone();
    assert_eq!(headers["content-type"], "text/plain");
    assert_eq!(headers["content-length"], "10");
    assert!(headers.contains_key("last-modified") && headers.contains_key("etag"));
    // A browser must not run what a file contains.
    assert!(
        headers["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("sandbox")
    );
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(whole.text().await.unwrap(), "0123456789");
    for (range, status, content_range, content) in [
        ("bytes=2-4", 206, "bytes 2-4/10", "234"),
        ("bytes=7-", 206, "bytes 7-9/10", "789"),
        ("bytes=-2", 206, "bytes 8-9/10", "89"),
        ("bytes=-20", 206, "bytes 0-9/10", "0123456789"),
        ("bytes=5-99", 206, "bytes 5-9/10", "56789"),
        ("bytes=0-1,4-5", 200, "", "0123456789"),
    ] {
        let request = share.request("GET", "/a.txt").header("range", range);
        let part = request.send().await.unwrap();
        assert_eq!(part.status().as_u16(), status, "{range}");
        let found = part.headers().get("content-range");
        let found = found.map_or("", |value| value.to_str().unwrap());
        assert_eq!(found, content_range, "{range}");
        assert_eq!(part.text().await.unwrap(), content, "{range}");
    }
    let request = share.request("GET", "/a.txt").header("range", "bytes=10-");
    let outside = request.send().await.unwrap();
    assert_eq!(outside.status(), 416);
    assert_eq!(outside.headers()["content-range"], "bytes */10");
    let head = share.send("HEAD", "/a.txt").await;
    assert_eq!(head.headers()["content-length"], "10");
    assert_eq!(head.headers()["etag"], headers["etag"]);
    share.shutdown().await;
}

#[tokio::test]
async fn an_empty_file_is_read() {
    let share = Share::new().await;
    share.files.upload("/empty", &b""[..]).await.unwrap();
    assert_eq!(share.send("GET", "/empty").await.text().await.unwrap(), "");
    assert_eq!(share.status("HEAD", "/empty").await, 200);
    let request = share.request("GET", "/empty").header("range", "bytes=0-");
    assert_eq!(request.send().await.unwrap().status(), 416);
    assert_eq!(share.paths("/").await, ["/", "/empty"]);
    share.shutdown().await;
}

#[tokio::test]
async fn conditions_of_reads() {
    let share = Share::new().await;
    let uploaded = share.files.upload("/a", &b"one"[..]).await.unwrap();
    let etag = uploaded.etag.unwrap();
    for (name, value, status) in [
        ("if-none-match", etag.as_str(), 304),
        ("if-none-match", "\"other\"", 200),
        ("if-match", &etag, 200),
        ("if-match", "\"other\"", 412),
        ("if-match", "other", 412),
    ] {
        let request = share.request("GET", "/a").header(name, value);
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{name} {value}");
    }
    let part = share.request("GET", "/a").header("range", "bytes=1-");
    let part = part.header("if-range", "\"other\"").send().await.unwrap();
    assert_eq!(part.status(), 200);
    share.shutdown().await;
}

#[tokio::test]
async fn folders_and_missing_files_have_no_content() {
    let share = Share::new().await;
    share.files.upload("/d/a", &b"one"[..]).await.unwrap();
    for (path, status) in [
        ("/", 405),
        ("/d", 405),
        ("/d/", 405),
        ("/missing", 404),
        ("/d/a/", 404),
        ("/a%5Cb", 404),
        ("/%FF", 404),
    ] {
        assert_eq!(share.status("GET", path).await, status, "{path}");
        assert_eq!(share.status("HEAD", path).await, status, "{path}");
    }
    share.shutdown().await;
}

#[tokio::test]
async fn a_download_that_fails_is_not_taken_for_the_whole() {
    let service = Server::builder().memory();
    let service = service.fault("cut=300000,op=download".parse().unwrap());
    let share = Share::of(service, |share| share).await;
    let content = vec![7; 1_000_000];
    share.files.upload("/a", content).await.unwrap();
    let response = share.send("GET", "/a").await;
    assert_eq!(response.status(), 200);
    assert!(response.bytes().await.is_err());
    share.shutdown().await;
}

#[tokio::test]
async fn an_overloaded_service_is_reported_with_the_time_to_wait() {
    let service = Server::builder().memory();
    let fault = "status=503,op=GetContextFileDownloadUrl,retry-after=7";
    let share = Share::of(service.fault(fault.parse().unwrap()), |share| {
        share.write(true)
    })
    .await;
    share.files.upload("/a", &b"one"[..]).await.unwrap();
    for method in ["GET", "HEAD", "PROPFIND", "DELETE", "PROPPATCH", "LOCK"] {
        let request = share.request(method, "/a").header("depth", "0");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 503, "{method}");
        assert_eq!(response.headers()["retry-after"], "7", "{method}");
    }
    // The lookup fails, so that nothing is known about the file: it must not be replaced.
    let response = share.put("/a", "two").await;
    assert_eq!(response.status(), 503);
    let listed = share.files.stat("/a").await.unwrap();
    assert_eq!(listed.size, Some(3));
    share.shutdown().await;
}
