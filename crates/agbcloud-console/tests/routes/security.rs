//! What no other page, host or user can do.

use reqwest::{
    Method,
    header::{COOKIE, HOST, ORIGIN, SET_COOKIE},
};

use crate::support::{Page, TestConsole, encode, form, page};

/// Every route that changes something, or that returns a credential.
fn changes(id: &str) -> Vec<String> {
    let of = |page: &str| format!("/contexts/{id}/{page}");
    vec![
        "/contexts".to_owned(),
        of("rename"),
        of("clear"),
        of("delete"),
        of("rename-file"),
        of("delete-file"),
        of("share"),
        of("upload"),
        of("content?folder=/&name=x"),
    ]
}

fn reads(id: &str) -> Vec<String> {
    let of = |page: &str| format!("/contexts/{id}/{page}");
    vec![
        "/".to_owned(),
        format!("/contexts/{id}"),
        of("manage"),
        of("state"),
        of("confirm-clear"),
        of("confirm-delete"),
        of("file?path=/a.txt"),
        of("image?path=/a.txt"),
        of("markdown?path=/a.txt"),
        of("download?path=/a.txt"),
        of("confirm-delete-file?path=/a.txt"),
        "/metrics".to_owned(),
        "/metrics/values".to_owned(),
        "/metrics/plot/bytes".to_owned(),
    ]
}

fn assert_headers(page: &Page, path: &str) {
    let header = |name: &str| {
        page.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    };
    let policy = header("content-security-policy");
    assert!(
        policy.starts_with("default-src 'none';"),
        "{path}: {policy}"
    );
    assert!(policy.contains("frame-ancestors"), "{path}: {policy}");
    assert!(!policy.contains("script-src 'unsafe"), "{path}: {policy}");
    assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
    assert!(!header("x-frame-options").is_empty(), "{path}");
    let cache = header("cache-control");
    let is_asset = path.starts_with("/static") && page.status.is_success();
    let expected = if is_asset { "no-cache" } else { "no-store" };
    assert_eq!(cache, expected, "{path}");
    assert_eq!(header("referrer-policy"), "same-origin", "{path}");
    let resource = header("cross-origin-resource-policy");
    let expected = if is_asset {
        "cross-origin"
    } else {
        "same-origin"
    };
    assert_eq!(resource, expected, "{path}");
}

#[tokio::test]
async fn every_response_has_the_headers_and_nothing_inline() {
    let console = TestConsole::start().await;
    let (id, files) = console.context("one").await;
    files.upload("/a.txt", &b"hello"[..]).await.unwrap();
    let id = encode(id.as_str());
    let others = [
        "/none",
        "/login?token=x",
        "/static/console.css",
        "/static/none",
    ];
    for path in reads(&id).iter().map(String::as_str).chain(others) {
        let page = console.get(path).await;
        assert_headers(&page, path);
        for inline in [" style=", " onclick", "<style", "javascript:"] {
            let is_asset = path.starts_with("/static");
            assert!(
                is_asset || !page.text.contains(inline),
                "{path} has {inline}"
            );
        }
        for script in page.text.split("<script").skip(1) {
            assert!(
                script.starts_with(" src=\"/static/console.js\" defer></script>"),
                "{script}"
            );
        }
    }
    console.stop().await;
}

#[tokio::test]
async fn without_a_session_there_is_nothing_to_see() {
    let console = TestConsole::start().await;
    let (id, files) = console.context("secret-name").await;
    files
        .upload("/a.txt", &b"secret-content"[..])
        .await
        .unwrap();
    let id = encode(id.as_str());
    for cookie in ["", "agb_console_1=x", &format!("{}x", console.cookie)] {
        for path in reads(&id) {
            let request = console.http.get(format!("{}{path}", console.url));
            let page = page(request.header(COOKIE, cookie)).await;
            page.assert(401, "not signed in");
            assert!(!page.text.contains("secret"), "{path}: {}", page.text);
            assert_headers(&page, &path);
        }
        for path in changes(&id) {
            let request = console.http.post(format!("{}{path}", console.url));
            let request = request.header(COOKIE, cookie).header(ORIGIN, &console.url);
            let fields = [("csrf", console.csrf.as_str())];
            page(form(request, &fields))
                .await
                .assert(401, "not signed in");
        }
    }
    console.stop().await;
}

#[tokio::test]
async fn a_change_requires_the_token_of_the_session() {
    let console = TestConsole::start().await;
    let (id, files) = console.context("one").await;
    files.upload("/a.txt", &b"hello"[..]).await.unwrap();
    for path in changes(&encode(id.as_str())) {
        for token in ["", "x", &console.csrf[1..], &console.cookie] {
            let fields = [("csrf", token), ("name", "new"), ("path", "/a.txt")];
            let request = form(console.request(Method::POST, &path), &fields);
            let refused = page(request.header("x-csrf-token", token)).await;
            let expected: &[u16] = if path.ends_with("upload") {
                &[403, 400]
            } else {
                &[403]
            };
            assert!(
                expected.contains(&refused.status.as_u16()),
                "{path}: {}",
                refused.text
            );
            assert_headers(&refused, &path);
        }
    }
    // A form with files and a wrong token, whose order is that of the page or another one.
    for fields in [["csrf", "files"], ["files", "csrf"]] {
        let boundary = "b0undary";
        let mut body = String::new();
        for field in fields {
            let part = match field {
                "files" => "name=\"files\"; filename=\"x.txt\"\r\n\r\ncontent",
                _ => "name=\"csrf\"\r\n\r\nwrong",
            };
            body += &format!("--{boundary}\r\ncontent-disposition: form-data; {part}\r\n");
        }
        body += &format!("--{boundary}--\r\n");
        let path = format!("/contexts/{}/upload", encode(id.as_str()));
        let content_type = format!("multipart/form-data; boundary={boundary}");
        let request = console.request(Method::POST, &path).body(body);
        let refused = page(request.header("content-type", content_type)).await;
        refused.assert(403, "This form is from another session");
    }
    let names: Vec<_> = console.client.contexts().list().all().await.unwrap();
    assert_eq!(names.len(), 1);
    assert_eq!(names[0].name, "one");
    let entries = files.list().all().await.unwrap();
    assert_eq!(entries.len(), 1, "{entries:?}");
    console.stop().await;
}

#[tokio::test]
async fn a_change_requires_the_origin_of_the_console() {
    let console = TestConsole::start().await;
    let (id, _) = console.context("one").await;
    let mut paths = changes(&encode(id.as_str()));
    paths.push("/link".to_owned());
    for path in paths {
        for origin in [
            None,
            Some("null"),
            Some("http://attacker.example"),
            Some("http://127.0.0.1:1"),
        ] {
            let request = console.http.post(format!("{}{path}", console.url));
            let request = request.header(COOKIE, &console.cookie);
            let request = match origin {
                Some(origin) => request.header(ORIGIN, origin),
                None => request,
            };
            let refused = page(form(request, &[("csrf", console.csrf.as_str())])).await;
            refused.assert(403, "This request comes from another page");
            assert_headers(&refused, &path);
        }
    }
    assert!(console.client.contexts().get(&id).await.is_ok());
    assert!(console.links.lock().unwrap().is_empty());
    console.stop().await;
}

#[tokio::test]
async fn other_host_names_are_refused() {
    let console = TestConsole::start().await;
    for host in [
        "attacker.example",
        "127.0.0.1.attacker.example",
        "10.0.0.1",
        "0.0.0.0",
    ] {
        for path in ["/", "/login?token=x", "/static/console.js", "/link"] {
            let request = console.request(Method::GET, path).header(HOST, host);
            page(request)
                .await
                .assert(421, "This host name is not allowed");
        }
        // The origin of a page on that name equals its host.
        let origin = format!("http://{host}");
        let request = console.http.post(format!("{}/contexts", console.url));
        let request = request
            .header(HOST, host)
            .header(ORIGIN, origin)
            .header(COOKIE, &console.cookie);
        let fields = [("csrf", console.csrf.as_str()), ("name", "new")];
        page(form(request, &fields))
            .await
            .assert(421, "This host name is not allowed");
    }
    // A forwarded port.
    let request = console
        .request(Method::GET, "/")
        .header(HOST, "localhost:4711");
    page(request).await.assert(200, "Contexts");
    assert!(
        console
            .client
            .contexts()
            .list()
            .all()
            .await
            .unwrap()
            .is_empty()
    );
    console.stop().await;
}

#[tokio::test]
async fn a_link_works_once_and_a_new_one_goes_to_the_terminal() {
    let console = TestConsole::start().await;
    let used = page(console.http.get(&console.link)).await;
    used.assert(403, "This link does not work any more");
    assert!(used.headers.get(SET_COOKIE).is_none());
    let request = || {
        let request = console.http.post(format!("{}/link", console.url));
        page(request.header(ORIGIN, &console.url))
    };
    let shown = request().await;
    shown.assert(200, "A new link is in the terminal");
    let link = console.links.lock().unwrap()[0].clone();
    let token = link.split_once("token=").unwrap().1.to_owned();
    assert!(!shown.text.contains(&token));
    // A local process can't flood the terminal.
    request()
        .await
        .assert(429, "A link was requested a moment ago");
    assert_eq!(console.links.lock().unwrap().len(), 1);
    // A program that checks the link does not use it.
    let checked = page(console.http.head(&link)).await;
    assert_eq!(checked.status, 200);
    let signed_in = page(console.http.get(&link)).await;
    signed_in.assert(200, "Signed in");
    let cookie = signed_in.headers[SET_COOKIE].to_str().unwrap();
    for part in ["; HttpOnly", "; SameSite=Strict", "; Path=/"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(&token) && !cookie.contains(&console.cookie));
    console.stop().await;
}

#[tokio::test]
async fn invalid_addresses_and_methods_are_pages() {
    let console = TestConsole::start().await;
    let (id, _) = console.context("one").await;
    let id = encode(id.as_str());
    for path in [
        "/contexts/%FF".to_owned(),
        format!("/contexts/{id}?folder=/a&folder=/b"),
        "/login?token=a&token=b".to_owned(),
        "/static/%FF".to_owned(),
    ] {
        let refused = console.get(&path).await;
        refused.assert(400, "<h1>This address is not valid</h1>");
        assert_headers(&refused, &path);
    }
    for path in changes(&id) {
        let refused = console.get(&path).await;
        refused.assert(405, "<h1>This address does not support the request</h1>");
        assert_eq!(refused.headers["allow"], "POST", "{path}");
        assert_headers(&refused, &path);
    }
    let request = console.request(Method::POST, &format!("/contexts/{id}/upload"));
    let refused = page(request.body("csrf=x")).await;
    refused.assert(400, "<h1>The form can&#39;t be read</h1>");
    console
        .get("/static/none")
        .await
        .assert(404, "<h1>This page does not exist</h1>");
    console.stop().await;
}

#[tokio::test]
async fn only_loopback_addresses_are_listened_on() {
    let client = agbcloud::Client::builder()
        .api_key("k")
        .endpoint("http://127.0.0.1:1");
    let builder = agbcloud_console::Console::builder(client.build().unwrap());
    let refused = builder.listen("0.0.0.0:0".parse().unwrap()).bind().await;
    let refused = refused.unwrap_err();
    assert!(matches!(
        refused,
        agbcloud_console::ConsoleError::NotLoopback { .. }
    ));
    assert_eq!(refused.to_string(), "0.0.0.0:0 is not a loopback address");
}
