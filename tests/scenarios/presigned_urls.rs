//! Presigned URLs as any HTTP client uses them: method, expiry, signature.

use std::time::Duration;

use agbcloud::{ErrorKind, PresignedUrl};

use crate::support::World;

async fn put(url: &str, body: &str) -> (u16, String) {
    let response = reqwest::Client::new()
        .put(url)
        .body(body.to_owned())
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

async fn get(url: &str) -> (u16, String) {
    get_with(&reqwest::Client::new(), url).await
}

async fn get_with(client: &reqwest::Client, url: &str) -> (u16, String) {
    let response = client.get(url).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn a_url_is_valid_for_one_method() {
    let world = World::new().await;
    let (_, files) = world.files("one").await;
    let up = files.upload_url("/a").await.unwrap().as_str().to_owned();
    assert_eq!(put(&up, "hello").await.0, 200);
    let down = files.download_url("/a").await.unwrap().as_str().to_owned();
    assert_eq!(get(&down).await, (200, "hello".to_owned()));

    assert_eq!(put(&down, "other").await.0, 403);
    assert_eq!(get(&up).await.0, 403);
    for method in ["POST", "DELETE", "PATCH"] {
        for url in [&up, &down] {
            let request = reqwest::Client::new().request(method.parse().unwrap(), url);
            let status = request.send().await.unwrap().status().as_u16();
            assert!((400..500).contains(&status), "{method}: {status}");
        }
    }
    assert_eq!(
        get(&down).await,
        (200, "hello".to_owned()),
        "nothing was changed"
    );
}

#[tokio::test]
async fn a_url_with_an_altered_character_is_refused() {
    let world = World::new().await;
    let (_, files) = world.files("one").await;
    files.upload("/a", &b"hello"[..]).await.unwrap();
    let down = files.download_url("/a").await.unwrap().as_str().to_owned();
    let start = world.server.url().len() + 1;
    let client = reqwest::Client::new();
    for index in start..down.len() {
        for other in ['A', 'b', '7', '-', '='] {
            let mut altered: Vec<char> = down.chars().collect();
            if altered[index] == other {
                continue;
            }
            altered[index] = other;
            let (status, body) = get_with(&client, &altered.iter().collect::<String>()).await;
            assert!(
                (400..500).contains(&status),
                "character {index} to {other}: {status}"
            );
            assert!(!body.contains("hello"));
        }
    }
    for altered in [
        format!("{down}&x=1"),
        format!("{down}A"),
        down[..down.len() - 1].to_owned(),
    ] {
        assert_eq!(get(&altered).await.0, 403, "{altered}");
    }
    assert_eq!(get(&down).await.0, 200);
}

#[tokio::test]
async fn a_url_expires_at_its_expire_time() {
    let world = World::with(|builder| builder.url_ttl(Duration::from_secs(60))).await;
    let (_, files) = world.files("one").await;
    let up = files.upload_url("/a").await.unwrap();
    let left = up
        .expires_at()
        .unwrap()
        .duration_since(std::time::SystemTime::now())
        .unwrap();
    assert!((50..=61).contains(&left.as_secs()), "{left:?}");
    world.clock.advance(Duration::from_secs(59));
    files
        .upload("/a", &b"in time"[..])
        .presigned_url(up.clone())
        .await
        .unwrap();
    world.clock.advance(Duration::from_secs(2));
    let error = files
        .upload("/a", &b"too late"[..])
        .presigned_url(up.clone())
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::UrlRejected, Some("AccessDenied"))
    );
    assert!(error.message().contains("expired"), "{error}");
    assert!(!format!("{error:?}").contains(up.as_str().rsplit('=').next().unwrap()));
    assert_eq!(files.read("/a").await.unwrap(), b"in time"[..]);
}

#[tokio::test]
async fn an_early_refusal_of_a_large_upload_has_a_reason() {
    let world = World::new().await;
    let (_, files) = world.files("one").await;
    let up = files.upload_url("/a").await.unwrap();
    world.clock.advance(Duration::from_secs(7200));
    let error = files
        .upload("/a", vec![0; 48 << 20])
        .presigned_url(up)
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.code()),
        (ErrorKind::UrlRejected, Some("AccessDenied"))
    );
}

#[tokio::test]
async fn urls_of_a_deleted_context_are_refused() {
    let world = World::new().await;
    let (id, files) = world.files("one").await;
    files.upload("/a", &b"a"[..]).await.unwrap();
    let (up, down) = (
        files.upload_url("/b").await.unwrap(),
        files.download_url("/a").await.unwrap(),
    );
    world.client.contexts().delete(&id).await.unwrap();
    world.client.contexts().get_or_create("one").await.unwrap();
    assert!((400..500).contains(&put(up.as_str(), "b").await.0));
    assert!((400..500).contains(&get(down.as_str()).await.0));
}

#[tokio::test]
async fn downloads_are_inert_in_a_browser() {
    let world = World::new().await;
    let (_, files) = world.files("one").await;
    files
        .upload("/page.html", &b"<script>alert(1)</script>"[..])
        .await
        .unwrap();
    let url = files.download_url("/page.html").await.unwrap();
    let response = reqwest::get(url.as_str()).await.unwrap();
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert!(header("content-disposition").starts_with("attachment"));
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("content-type"), "application/octet-stream");
    assert!(header("content-security-policy").contains("sandbox"));
}

#[tokio::test]
async fn a_given_url_needs_no_api_key() {
    let world = World::new().await;
    let (_, files) = world.files("one").await;
    files.upload("/a", &b"hello"[..]).await.unwrap();
    let text = files.download_url("/a").await.unwrap().as_str().to_owned();
    let url = PresignedUrl::new(text).unwrap();
    assert_eq!(
        files.read("/ignored").presigned_url(url).await.unwrap(),
        b"hello"[..]
    );
}
