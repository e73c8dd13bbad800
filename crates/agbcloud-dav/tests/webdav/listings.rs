//! PROPFIND and PROPPATCH.

use agbcloud_server::Server;

use crate::support::Share;

#[tokio::test]
async fn a_folder_is_listed_with_its_properties() {
    let share = Share::new().await;
    share
        .files
        .upload("/d/a b #?%.txt", &b"hello"[..])
        .await
        .unwrap();
    share.files.upload("/d/e/f", &b"x"[..]).await.unwrap();
    let list = share.list("/d").await;
    let etag = share
        .files
        .stat("/d/a b #?%.txt")
        .await
        .unwrap()
        .etag
        .unwrap();
    for part in [
        "<D:href>/d/a%20b%20%23%3F%25.txt</D:href>",
        "<D:href>/d/e/</D:href>",
        "<D:getcontentlength>5</D:getcontentlength>",
        "<D:getcontenttype>text/plain</D:getcontenttype>",
        &format!("<D:getetag>{}</D:getetag>", etag.replace('"', "&quot;")),
    ] {
        let plain = part.replace("&quot;", "\"");
        assert!(
            list.contains(part) || list.contains(&plain),
            "{part}: {list}"
        );
    }
    assert!(!list.contains("/d/e/f"));
    for (path, status) in [("/missing", 404), ("/d/a", 404), ("/%FF", 404)] {
        let request = share.request("PROPFIND", path).header("depth", "1");
        assert_eq!(
            request.send().await.unwrap().status().as_u16(),
            status,
            "{path}"
        );
    }
    share.shutdown().await;
}

#[tokio::test]
async fn the_etag_of_a_listing_is_that_of_the_file() {
    let share = Share::new().await;
    share.put("/a", "one").await;
    let etag = share.send("HEAD", "/a").await.headers()["etag"]
        .to_str()
        .unwrap()
        .to_owned();
    for depth in ["0", "1"] {
        let request = share.request("PROPFIND", "/a").header("depth", depth);
        let list = request.send().await.unwrap().text().await.unwrap();
        assert!(
            list.replace("&quot;", "\"").contains(&format!(">{etag}<")),
            "{list}"
        );
    }
    share.shutdown().await;
}

#[tokio::test]
async fn the_depth_is_limited() {
    let share = Share::new().await;
    share.files.upload("/d/e/f", &b"x"[..]).await.unwrap();
    let request = share.request("PROPFIND", "/").header("depth", "infinity");
    let response = request.header("x-litmus", "1").send().await.unwrap();
    assert_eq!(response.status(), 403);
    assert!(
        response
            .text()
            .await
            .unwrap()
            .contains("propfind-finite-depth")
    );
    let list = share.send("PROPFIND", "/").await.text().await.unwrap();
    assert!(list.contains("<D:href>/</D:href>") && list.contains("<D:href>/d/</D:href>"));
    assert!(!list.contains("/d/e/"));
    for depth in ["2", "1,noroot", ""] {
        let request = share.request("PROPFIND", "/").header("depth", depth);
        assert_eq!(request.send().await.unwrap().status(), 400, "{depth}");
    }
    share.shutdown().await;
}

#[tokio::test]
async fn a_large_folder_is_listed_page_by_page() {
    let share = Share::new().await;
    for number in 0..2300 {
        share
            .files
            .upload(format!("/d/{number}"), &b"x"[..])
            .await
            .unwrap();
    }
    share.status("MKCOL", "/d/empty").await;
    assert_eq!(share.paths("/d").await.len(), 2302);
    share.shutdown().await;
}

/// A program that mirrors the share would delete its copies of the files that are not listed.
#[tokio::test]
async fn a_listing_that_fails_does_not_look_complete() {
    let fault = "status=503,op=DescribeContextFiles";
    let service = Server::builder().memory();
    let share = Share::of(service.fault(fault.parse().unwrap()), |share| share).await;
    let request = share.request("PROPFIND", "/").header("depth", "1");
    assert_eq!(request.send().await.unwrap().status(), 503);
    share.shutdown().await;

    // Only the second page fails.
    let fault = "status=503,op=DescribeContextFiles,rate=0.5,seed=SEED";
    let mut cut = 0;
    for seed in 0..12 {
        let fault = fault.replace("SEED", &seed.to_string());
        let service = Server::builder().memory().fault(fault.parse().unwrap());
        let share = Share::of(service, |share| share).await;
        for number in 0..1001 {
            share
                .files
                .upload(format!("/{number}"), &b"x"[..])
                .await
                .unwrap();
        }
        let request = share.request("PROPFIND", "/").header("depth", "1");
        let response = request.send().await.unwrap();
        if response.status() == 207 {
            match response.text().await {
                Ok(list) => assert_eq!(list.matches("<D:href>").count(), 1002),
                Err(_) => cut += 1,
            }
        }
        share.shutdown().await;
        if cut > 0 {
            return;
        }
    }
    panic!("no listing failed at its second page");
}

#[tokio::test]
async fn properties_are_kept_while_the_server_runs() {
    let share = Share::new().await;
    share.put("/a", "one").await;
    let patch = async |body: String| {
        let request = share.request("PROPPATCH", "/a").body(body);
        request.send().await.unwrap().text().await.unwrap()
    };
    let set = |value: &str| {
        format!(
            "<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop><x xmlns='urn:x'>{value}</x>\
             </D:prop></D:set></D:propertyupdate>"
        )
    };
    assert!(patch(set("one &amp; two")).await.contains("200 OK"));
    assert!(share.list("/").await.contains("one &amp; two"));
    assert_eq!(share.transfer("MOVE", "/a", "/b").await, 201);
    assert!(share.list("/b").await.contains("one &amp; two"));
    assert_eq!(share.transfer("MOVE", "/b", "/a").await, 201);
    let live = "<D:propertyupdate xmlns:D='DAV:'><D:set><D:prop><D:getlastmodified>x</D:getlastmodified>\
                </D:prop></D:set></D:propertyupdate>";
    assert!(patch(live.to_owned()).await.contains("403 Forbidden"));
    assert_eq!(share.status("DELETE", "/a").await, 204);
    share.put("/a", "two").await;
    assert!(!share.list("/").await.contains("one &amp; two"));
    share.shutdown().await;
}

#[tokio::test]
async fn a_resource_without_a_requested_property_has_a_status() {
    let share = Share::new().await;
    share.put("/a", "one").await;
    let body = "<D:propfind xmlns:D='DAV:'><D:prop><D:quota-used-bytes/><x xmlns='urn:x'/></D:prop></D:propfind>";
    let request = share.request("PROPFIND", "/").header("depth", "1");
    let response = request.body(body).send().await.unwrap();
    assert_eq!(response.status(), 207);
    let list = response.text().await.unwrap();
    let responses: Vec<&str> = list.split("<D:response>").skip(1).collect();
    assert_eq!(responses.len(), 2, "{list}");
    for response in responses {
        assert!(
            response.contains("<D:status>HTTP/1.1 200 OK</D:status>"),
            "{response}"
        );
    }
    share.shutdown().await;
}

#[tokio::test]
async fn the_methods_of_a_resource_are_listed() {
    let share = Share::new().await;
    share.put("/a", "one").await;
    let allowed = async |path: &str| {
        let options = share.send("OPTIONS", path).await;
        options.headers()["allow"].to_str().unwrap().to_owned()
    };
    for path in ["/a", "/"] {
        let allowed = allowed(path).await;
        assert!(allowed.contains("PROPFIND,PROPPATCH,COPY"), "{allowed}");
    }
    assert_eq!(allowed("/missing").await, "OPTIONS,MKCOL,PUT,LOCK");
    let head = "OPTIONS * HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let answer = share.send_raw(head.as_bytes()).await;
    assert!(answer.contains(",MKCOL,DELETE,"), "{answer}");
    share.shutdown().await;
}
