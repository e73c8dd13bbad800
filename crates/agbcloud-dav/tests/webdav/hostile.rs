//! Requests that no client sends by mistake.

use agbcloud_dav::{DavServer, DavServerBuilder, StartError};
use agbcloud_server::Server;

use crate::support::Share;

#[tokio::test]
async fn web_pages_reach_nothing() {
    let share = Share::new().await;
    share.files.upload("/a", &b"a secret"[..]).await.unwrap();
    let rebound = "GET /a HTTP/1.1\r\nhost: attacker.example:8785\r\nconnection: close\r\n\r\n";
    let answer = share.send_raw(rebound.as_bytes()).await;
    assert!(
        answer.starts_with("HTTP/1.1 421") && !answer.contains("secret"),
        "{answer}"
    );
    let request = share
        .request("PUT", "/a")
        .header("origin", "https://attacker.example");
    assert_eq!(request.body("two").send().await.unwrap().status(), 403);
    let request = share
        .request("COPY", "/a")
        .header("destination", "http://other.example/b");
    assert_eq!(request.send().await.unwrap().status(), 502);
    assert_eq!(share.content("/a").await, "a secret");
    let request = share.request("GET", "/a");
    let script = request
        .header("sec-fetch-site", "cross-site")
        .header("sec-fetch-mode", "no-cors");
    assert_eq!(script.send().await.unwrap().status(), 403);
    for method in ["GET", "OPTIONS", "PROPFIND", "DELETE"] {
        let response = share.send(method, "/a").await;
        let policy = response.headers().get("cross-origin-resource-policy");
        assert_eq!(policy.unwrap(), "same-origin", "{method}");
    }
    share.shutdown().await;
}

#[tokio::test]
async fn a_destination_is_on_the_server_of_the_request() {
    let share = Share::of(Server::builder().memory(), |share| {
        share.write(true).host("nas.local")
    })
    .await;
    share.put("/a", "one").await;
    let own = share.server.local_addr();
    for (destination, status) in [
        (format!("http://localhost:{}/b", own.port()), 502),
        ("http://127.0.0.1:1/b".to_owned(), 502),
        (format!("https://{own}/b"), 502),
        ("http://other.example/b c".to_owned(), 502),
        ("http://[/b".to_owned(), 400),
        ("b".to_owned(), 400),
        (format!("http://{own}/b"), 201),
        ("https://nas.local/c".to_owned(), 201),
        ("/d".to_owned(), 201),
    ] {
        let request = share.request("COPY", "/a");
        let request = request.header("destination", &destination);
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{destination}");
    }
    assert_eq!(share.paths("/").await, ["/", "/a", "/b", "/c", "/d"]);
    share.shutdown().await;
}

#[tokio::test]
async fn malformed_conditions_change_nothing() {
    let share = Share::new().await;
    share.put("/a", "one").await;
    for (name, value) in [
        ("if", "(<urn:uuid:a"),
        ("if", "([\"a\""),
        ("if", "([\"])"),
        ("if", ""),
        ("if-match", "\""),
        ("if-none-match", "\",\""),
        ("depth", "2"),
    ] {
        for method in ["PUT", "DELETE", "PROPPATCH", "LOCK"] {
            let request = share.request(method, "/a").header(name, value);
            let status = request.send().await.unwrap().status();
            assert_eq!(status, 400, "{method} {name}: {value}");
        }
    }
    assert_eq!(share.content("/a").await, "one");
    share.shutdown().await;
}

#[tokio::test]
async fn a_password_is_required() {
    let service = Server::builder().memory();
    let share = Share::of(service, |share| share.password("secret").write(true)).await;
    let refused = share.put("/a", "one").await;
    assert_eq!(refused.status(), 401);
    assert!(
        refused.headers()["www-authenticate"]
            .to_str()
            .unwrap()
            .starts_with("Basic")
    );
    for (password, status) in [("wrong", 401), ("secret", 201)] {
        let request = share.request("PUT", "/a").basic_auth("any", Some(password));
        assert_eq!(
            request.body("x").send().await.unwrap().status().as_u16(),
            status
        );
    }
    let everywhere = DavServer::builder(share.files.clone()).listen(([0, 0, 0, 0], 0).into());
    let error = everywhere.clone().start().await.unwrap_err();
    assert!(matches!(error, StartError::PasswordRequired { .. }));
    let error = everywhere.clone().password("").start().await.unwrap_err();
    assert!(matches!(error, StartError::EmptyPassword));
    assert!(!format!("{:?}", everywhere.password("secret")).contains("secret"));
    let error = DavServer::builder(share.files.clone()).listen(share.server.local_addr());
    assert!(matches!(
        error.start().await,
        Err(StartError::Listen { .. })
    ));
    share.shutdown().await;
}

#[tokio::test]
async fn xml_is_limited() {
    let share = Share::new().await;
    share.put("/a", "one").await;
    let deep = "<a>".repeat(20_000);
    let large = format!("<a>{}</a>", "x".repeat(70_000));
    let entities = "<!DOCTYPE a [<!ENTITY b \"xxxxxxxxxx\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">\
                    <!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;&c;\"><!ENTITY e \"&d;&d;&d;&d;&d;&d;&d;&d;\">]><a>&e;&e;&e;</a>";
    let namespaces = |count: usize, elements: usize| {
        let declared = (0..count).map(|number| format!(" xmlns:n{number:x}='b'"));
        let declared: String = declared.collect();
        let elements = "<x/>".repeat(elements);
        format!("<propfind xmlns='DAV:'{declared}><prop>{elements}</prop></propfind>")
    };
    for method in ["PROPFIND", "PROPPATCH", "LOCK"] {
        for (body, statuses) in [
            (deep.as_str(), &[400][..]),
            (&large, &[413]),
            (entities, &[400]),
            ("<!DOCTYPE a><a/>", &[400]),
            (&namespaces(1500, 6000), &[400]),
            (&namespaces(0, 6000), &[400]),
            (&namespaces(500, 500), &[400]),
            ("<", &[400, 415]),
            ("\u{0}", &[400, 415]),
        ] {
            let request = share
                .request(method, "/a")
                .header("depth", "0")
                .body(body.to_owned());
            let status = request.send().await.unwrap().status().as_u16();
            assert!(statuses.contains(&status), "{method} {status}");
        }
    }
    for (properties, status) in [(100, 207), (101, 400)] {
        let request = share.request("PROPFIND", "/a").header("depth", "0");
        let request = request.body(namespaces(5, properties));
        assert_eq!(request.send().await.unwrap().status(), status);
    }
    assert_eq!(share.status("GET", "/a").await, 200);
    share.shutdown().await;
}

#[tokio::test]
async fn malformed_requests_are_refused() {
    let share = Share::new().await;
    for (request, status) in [
        (
            "GET /../../etc/passwd HTTP/1.1\r\nhost: localhost\r\n",
            "400",
        ),
        ("GET /a%2F..%2Fb HTTP/1.1\r\nhost: localhost\r\n", "400"),
        ("GET /a%00b HTTP/1.1\r\nhost: localhost\r\n", "400"),
        ("GET / HTTP/1.1\r\n", "400"),
        (
            "GET / HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n",
            "400",
        ),
        (
            "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n",
            "501",
        ),
        (
            "PATCH /a HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n",
            "405",
        ),
        (
            "REPORT / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n",
            "405",
        ),
        ("BREW / HTTP/1.1\r\nhost: localhost\r\n", "501"),
        ("MKCOL /%FF HTTP/1.1\r\nhost: localhost\r\n", "400"),
        ("MOVE /a HTTP/1.1\r\nhost: localhost\r\n", "400"),
    ] {
        let bytes = format!("{request}connection: close\r\n\r\n");
        let answer = share.send_raw(bytes.as_bytes()).await;
        let found = answer.split(' ').nth(1).unwrap_or_default();
        assert_eq!(found, status, "{request}: {answer}");
    }
    let long = format!("/{}", "x".repeat(1024));
    assert_eq!(share.put(&long, "x").await.status(), 414);
    let longest = &long[..1024];
    assert_eq!(share.put(longest, "x").await.status(), 201);
    assert_eq!(share.paths("/").await, ["/", longest]);
    share.shutdown().await;
}

#[tokio::test]
async fn names_survive_every_method() {
    let share = Share::new().await;
    for name in [
        "a b",
        "50%25",
        "%2541",
        "%C3%BC%F0%9F%99%80",
        "h%23sh",
        "q%3Fx",
        "a;b=c",
        "a&amp;b",
        "a'b",
        "a%22b",
        "a+b",
        "%5Bx%5D",
        "%3Cscript%3E",
        "~t",
        "%20lead",
        "trail%20",
        "a%7Cb",
        "CON",
        "%E2%80%AEtxt",
        "%EF%BF%BF",
    ] {
        let url = format!("/{}", name.replace(' ', "%20"));
        assert_eq!(share.put(&url, name).await.status(), 201, "{name}");
        assert_eq!(share.send("GET", &url).await.text().await.unwrap(), name);
        let path = share.files.list().all().await.unwrap().remove(0).path;
        let listed = share.paths("/").await.remove(1);
        // The listed URL is another spelling of the same path.
        assert_eq!(
            share.send("GET", &listed).await.text().await.unwrap(),
            name,
            "{path}"
        );
        assert_eq!(
            share.transfer("MOVE", &listed, &format!("{listed}2")).await,
            201,
            "{path}"
        );
        assert_eq!(share.content(&format!("{path}2")).await, name);
        assert_eq!(
            share.status("DELETE", &format!("{url}2")).await,
            204,
            "{name}"
        );
    }
    share.shutdown().await;
}

/// A client that reads a response before it has sent its body must know that it can't use the connection again.
#[tokio::test]
async fn a_refusal_before_the_body_closes_the_connection() {
    let password = |share: DavServerBuilder| share.write(true).password("secret");
    let refusing = Share::of(Server::builder().memory(), password).await;
    let read_only = Share::of(Server::builder().memory(), |share| share).await;
    let writable = Share::new().await;
    for (share, head, status) in [
        (&refusing, "PUT /a HTTP/1.1\r\n", "401"),
        (&read_only, "PUT /a HTTP/1.1\r\n", "403"),
        (&writable, "PUT /a HTTP/1.1\r\noverwrite: X\r\n", "400"),
        (&writable, "PUT /d/a HTTP/1.1\r\n", "409"),
        (&writable, "PUT /a HTTP/1.1\r\nif-match: *\r\n", "412"),
    ] {
        let head = format!("{head}host: localhost\r\ncontent-length: 100000000\r\n\r\n");
        let answer = share.send_raw(head.as_bytes()).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        // The text of the error.
        let (_, text) = answer.split_once("\r\n\r\n").unwrap();
        assert!(text.len() > 10, "{answer}");
    }
    for share in [refusing, read_only, writable] {
        share.shutdown().await;
    }
}

#[tokio::test]
async fn errors_have_a_text() {
    let share = Share::new().await;
    share.put("/a", "one").await;
    share.put("/b", "two").await;
    share.lock("/a", "0").await;
    for (method, path, status) in [
        ("PROPFIND", "/missing", 404),
        ("DELETE", "/missing", 404),
        ("MKCOL", "/b", 405),
        ("MKCOL", "/d/e", 409),
        ("DELETE", "/a", 423),
        ("LOCK", "/a", 400),
        ("UNLOCK", "/a", 400),
    ] {
        let response = share.send(method, path).await;
        assert_eq!(response.status(), status, "{method} {path}");
        let text = response.text().await.unwrap();
        assert!(text.len() > 10, "{method} {path}: {text}");
    }
    share.shutdown().await;
}
