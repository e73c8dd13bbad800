//! Headers that users add to requests.

use agbcloud::{ClientBuilder, ContextId, ErrorKind, PresignedUrl, RequestTarget};

use super::builder;
use crate::support::scripted_server::ScriptedServer;

const REJECTED: &str = "HTTP/1.1 400 Bad\r\ncontent-length: 0\r\n\r\n";

/// Sends one request to the service and one to the object store. Returns their heads in lower case.
async fn heads(settings: impl FnOnce(ClientBuilder) -> ClientBuilder) -> [String; 2] {
    let server = ScriptedServer::new([REJECTED, REJECTED]).await;
    let client = settings(builder(&server.endpoint)).build().unwrap();
    let id = ContextId::new("SdkCtx-1").unwrap();
    client.contexts().delete(&id).await.unwrap_err();
    let upload = client.contexts().files(&id).upload("/a", &b"hello"[..]);
    let url = PresignedUrl::new(server.url()).unwrap();
    upload.presigned_url(url).await.unwrap_err();
    let requests = server.requests();
    assert!(requests[0].starts_with("POST /sdk/DeleteContext?"));
    assert!(requests[1].starts_with("PUT /object?signature="));
    [&requests[0], &requests[1]].map(|request| request.to_ascii_lowercase())
}

fn count(head: &str, header: &str) -> usize {
    head.lines()
        .filter(|line| line.starts_with(&format!("{header}:")))
        .count()
}

#[tokio::test]
async fn the_user_agent_has_the_suffix_for_both() {
    let agent = format!("user-agent: agbcloud-rs/{}", env!("CARGO_PKG_VERSION"));
    for head in heads(|builder| builder).await {
        assert!(head.contains(&format!("{agent}\r\n")), "{head}");
    }
    for head in heads(|builder| builder.user_agent_suffix("my-agent/1.2")).await {
        assert!(
            head.contains(&format!("{agent} my-agent/1.2\r\n")),
            "{head}"
        );
    }
}

#[tokio::test]
async fn default_headers_are_sent_to_the_service_only() {
    let [service, store] = heads(|builder| {
        builder
            .default_header("X-Team", "agents")
            .default_header("x-tag", "a")
            .default_header("x-tag", "b")
    })
    .await;
    assert!(service.contains("x-team: agents\r\n"), "{service}");
    assert_eq!(count(&service, "x-tag"), 2, "{service}");
    assert_eq!(count(&service, "authorization"), 1, "{service}");
    for header in ["x-team", "x-tag", "authorization"] {
        assert_eq!(count(&store, header), 0, "{store}");
    }
}

#[tokio::test]
async fn the_hook_adds_headers_to_both() {
    let [service, store] = heads(|builder| {
        builder
            .default_header("x-team", "agents")
            .on_request(|request| {
                let target = match request.target() {
                    RequestTarget::Service => "service",
                    _ => "store",
                };
                let target = format!("{target} {} {}", request.method(), request.host());
                let headers = request.headers_mut();
                let had_team = headers.contains_key("x-team");
                headers.insert("x-target", target.parse().unwrap());
                headers.insert("x-had-team", had_team.to_string().parse().unwrap());
                headers.insert("traceparent", "00-1-2-01".parse().unwrap());
            })
    })
    .await;
    assert!(
        service.contains("x-target: service post 127.0.0.1\r\n"),
        "{service}"
    );
    assert!(service.contains("x-had-team: true\r\n"), "{service}");
    assert!(
        store.contains("x-target: store put 127.0.0.1\r\n"),
        "{store}"
    );
    assert!(store.contains("x-had-team: false\r\n"), "{store}");
    for head in [service, store] {
        assert!(head.contains("traceparent: 00-1-2-01\r\n"), "{head}");
    }
}

#[tokio::test]
async fn the_hook_can_not_change_what_a_signature_or_the_sdk_depends_on() {
    let names = [
        "authorization",
        "content-length",
        "content-type",
        "content-md5",
        "date",
        "host",
        "if-match",
        "proxy-authorization",
        "range",
        "transfer-encoding",
        "user-agent",
        "x-amz-meta-a",
        "x-oss-meta-a",
    ];
    let plain = heads(|builder| builder).await;
    let hooked = heads(|builder| {
        builder.on_request(move |request| {
            for name in names {
                let headers = request.headers_mut();
                headers.insert(name, "7".parse().unwrap());
            }
        })
    })
    .await;
    let [service, store] = hooked;
    for name in names {
        assert_eq!(count(&plain[1], name), count(&store, name), "{name}");
        assert!(
            !store.contains(&format!("{name}: 7\r\n")),
            "{name}: {store}"
        );
    }
    assert!(
        service.contains("authorization: bearer test-key"),
        "{service}"
    );
}

#[test]
fn invalid_headers_are_errors_without_their_value() {
    for (name, value) in [
        ("Authorization", "secret"),
        ("content-type", "secret"),
        ("Host", "secret"),
        ("if-match", "secret"),
        ("proxy-authorization", "secret"),
        ("a b", "secret"),
        ("x-team", "secret\n"),
    ] {
        let builder = builder("http://127.0.0.1:8780").default_header(name, value);
        assert!(!format!("{builder:?}").contains("secret"));
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
        assert!(
            !format!("{error} {error:?}").contains("secret"),
            "{error:?}"
        );
    }
    for suffix in ["", "a\nb", "ä"] {
        let builder = builder("http://127.0.0.1:8780").user_agent_suffix(suffix);
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Configuration);
    }
}
