//! No output, log or error of the SDK, the service and their libraries contains an API key or a signature.

use std::{
    io,
    sync::{Arc, Mutex},
};

use agbcloud::{Client, ContextId, Error, PresignedUrl, RetryPolicy};
use tracing_subscriber::fmt::MakeWriter;

use crate::{
    support::scripted_server::ScriptedServer,
    support::{KEY, World, subscribe},
};

/// Records the log at all levels.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Returns all text that can be obtained from an error.
fn all_text(error: &Error) -> String {
    let mut text = format!("{error}\n{error:?}\n{error:#?}\n{:?}\n", error.body_start());
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text += &format!("{error}\n{error:?}\n");
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn no_error_or_log_contains_a_key_or_a_signature() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let guard = subscribe(subscriber);

    let world = World::new().await;
    let (id, files) = world.files("one").await;
    files.upload("/a", &b"hello"[..]).await.unwrap();
    let url = files.download_url("/a").await.unwrap();
    let mut secrets = vec![
        KEY.to_owned(),
        "wrong-key-42".to_owned(),
        "secret-signature".to_owned(),
        "very+secret/one".to_owned(),
        "very%2Bsecret%2Fone".to_owned(),
    ];
    secrets.push(url.as_str().rsplit('=').next().unwrap().to_owned());

    let mut text = format!(
        "{:?}\n{:?}\n{url}\n{url:?}\n{files:?}\n",
        world.client, world.server
    );
    for error in control_failures(&world, &id)
        .await
        .into_iter()
        .chain(transfer_failures(&world, &url).await)
    {
        text += &all_text(&error);
    }
    drop(guard);
    text += &String::from_utf8_lossy(&log.0.lock().unwrap());
    assert!(text.contains("TRACE"), "the log was not captured");
    for secret in secrets {
        let found = text.lines().find(|line| line.contains(&secret));
        assert_eq!(found, None, "{secret}");
    }
}

async fn control_failures(world: &World, id: &ContextId) -> Vec<Error> {
    let contexts = world.client.contexts();
    let wrong = Client::builder()
        .api_key("wrong-key-42")
        .endpoint(world.server.url())
        .build()
        .unwrap();
    let mut errors = vec![
        contexts
            .get(ContextId::new("SdkCtx-none").unwrap())
            .await
            .unwrap_err(),
        contexts.get_or_create("").await.unwrap_err(),
        contexts
            .list()
            .start_at_token("nonsense")
            .send()
            .await
            .unwrap_err(),
        contexts.files(id).read("/none").await.unwrap_err(),
        wrong.contexts().get(id).await.unwrap_err(),
        Client::builder()
            .api_key("wrong-key-42\u{7}")
            .build()
            .unwrap_err(),
        Client::builder()
            .api_key("wrong-key-42")
            .endpoint("https://user:wrong-key-42@a")
            .build()
            .unwrap_err(),
    ];
    // A gateway that echoes the request as JSON, as HTML and as plain text.
    let echo = format!("authorization: Bearer {KEY}");
    let json = format!(r#"{{"success":false,"code":"Echo","message":"{echo}"}}"#);
    for (status, body) in [
        (400, json.as_str()),
        (502, echo.as_str()),
        (200, echo.as_str()),
    ] {
        let answer = format!(
            "HTTP/1.1 {status} Echo\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let service = ScriptedServer::new([&answer]).await;
        let endpoint = &service.endpoint;
        let builder = Client::builder()
            .api_key(KEY)
            .endpoint(endpoint)
            .retry(RetryPolicy::never());
        errors.push(
            builder
                .build()
                .unwrap()
                .contexts()
                .get(id)
                .await
                .unwrap_err(),
        );
    }
    // A response with a URL that is truncated or cannot be parsed.
    for rest in ["\",\"exp", "\",\"expireTime\":{}}}", "\"]}"] {
        let body = format!(
            "{{\"success\":true,\"data\":{{\"url\":\"https://a.example/b?Expires=1&Signature=secret-signature{rest}"
        );
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 200\r\n\r\n{body:199}\n");
        let cut = format!("HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n{body}");
        for answer in [answer, cut] {
            let service = ScriptedServer::new([&answer]).await;
            let builder = Client::builder()
                .api_key(KEY)
                .endpoint(&service.endpoint)
                .retry(RetryPolicy::never());
            let client = builder.build().unwrap();
            errors.push(
                client
                    .contexts()
                    .files(id)
                    .upload_url("/a")
                    .await
                    .unwrap_err(),
            );
        }
    }
    errors
}

async fn transfer_failures(world: &World, url: &PresignedUrl) -> Vec<Error> {
    let (_, files) = world.files("one").await;
    let mut errors = vec![
        files
            .upload("/a", &b"x"[..])
            .presigned_url(url.clone())
            .await
            .unwrap_err(),
    ];
    // A store that repeats the request in every field.
    let query = "Expires=1&amp;Signature=very%2Bsecret%2Fone";
    let body = format!(
        "<Error><Code>No.very+secret/one</Code><Message>GET /object?{query} has expired (very+secret/one)</Message>\
         <RequestId>r very%2Bsecret%2Fone</RequestId>\
         <SignatureProvided>secret-signature</SignatureProvided></Error>"
    );
    let refusal = format!(
        "HTTP/1.1 403 No\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    for answer in [
        refusal.as_str(),
        "",
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello",
    ] {
        let store = ScriptedServer::new([answer, answer]).await;
        let url = format!(
            "{}/object?Expires=1&Signature=very%2Bsecret%2Fone",
            store.endpoint
        );
        let url = PresignedUrl::new(url).unwrap();
        errors.push(
            files
                .read("/a")
                .presigned_url(url.clone())
                .await
                .unwrap_err(),
        );
        // The last response is valid for an upload, which needs no body.
        errors.extend(files.upload("/a", &b"x"[..]).presigned_url(url).await.err());
    }
    errors
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        let target = elsewhere.local_addr().unwrap();
        let moved = format!(
            "HTTP/1.1 {status} Moved\r\nlocation: http://{target}/sdk/x\r\ncontent-length: 0\r\n\r\n"
        );
        let service = ScriptedServer::new([&moved, &moved, &moved, &moved]).await;
        let builder = Client::builder().api_key(KEY).endpoint(&service.endpoint);
        let client = builder.retry(RetryPolicy::never()).build().unwrap();
        let id = ContextId::new("SdkCtx-1").unwrap();
        let files = client.contexts().files(&id);
        client.contexts().get(&id).await.unwrap_err();
        client.contexts().delete(&id).await.unwrap_err();
        let url = PresignedUrl::new(format!("{}/f?signature=secret-1", service.endpoint)).unwrap();
        files
            .read("/f")
            .presigned_url(url.clone())
            .await
            .unwrap_err();
        let sent = files.upload("/f", &b"x"[..]).presigned_url(url).await;
        sent.unwrap_err();
        assert!(elsewhere.accept().is_err(), "{status} was followed");
    }
}
