//! What a few mistakes look like: each must fail, in the right way.

use agbcloud::{Client, ContextId, Error, ErrorKind, PresignedUrl};

use super::{service::Service, story::ensure, tell};
use crate::exit::Failure;

pub(super) async fn show(service: &Service, id: &ContextId, prefix: &str) -> Result<(), Failure> {
    unknown_context(service).await?;
    relative_path(service, id).await?;
    dead_url(service, id).await?;
    wrong_key(service, id, prefix).await
}

async fn unknown_context(service: &Service) -> Result<(), Failure> {
    let unknown = ContextId::new("SdkCtx-no-such-context")?;
    let outcome = service.client().contexts().get(&unknown).await;
    expect(
        "a context that does not exist",
        outcome,
        ErrorKind::NotFound,
    )
}

async fn relative_path(service: &Service, id: &ContextId) -> Result<(), Failure> {
    let outcome = service
        .client()
        .contexts()
        .files(id)
        .read("notes.txt")
        .await;
    expect(
        "a relative path, refused before it is sent",
        outcome,
        ErrorKind::InvalidArgument,
    )
}

/// An expired URL, or where the service's clock is not ours, an altered one.
async fn dead_url(service: &Service, id: &ContextId) -> Result<(), Failure> {
    let files = service.client().contexts().files(id);
    let url = files.upload_url("/late.txt").await?.into_inner();
    let (what, url) = if service.let_urls_expire() {
        ("a presigned URL two hours later", url)
    } else {
        (
            "a presigned URL whose signature was altered (only our own service's clock can be set forward)",
            altered(&url)?,
        )
    };
    let outcome = files
        .upload("/late.txt", &b"too late"[..])
        .presigned_url(url)
        .await;
    expect(what, outcome, ErrorKind::UrlRejected)
}

/// The same URL with another last character: the signature's, in every scheme that we know.
fn altered(url: &PresignedUrl) -> Result<PresignedUrl, Failure> {
    let mut text = url.as_str().to_owned();
    let last = text.pop();
    text.push(if last == Some('A') { 'B' } else { 'A' });
    Ok(PresignedUrl::new(text)?)
}

/// A service that takes every key shows another key nothing of ours instead.
async fn wrong_key(service: &Service, id: &ContextId, prefix: &str) -> Result<(), Failure> {
    let key = format!("wrong-{prefix}");
    let stranger = Client::builder()
        .api_key(key)
        .endpoint(service.client().endpoint())
        .build()?;
    match stranger.contexts().get(id).await {
        Err(error) if error.kind() == ErrorKind::NotFound && !service.is_own() => {
            shown(
                "another key, which this service takes for a tenant of its own",
                &error,
            );
            Ok(())
        }
        outcome => expect("a wrong key", outcome, ErrorKind::Unauthorized),
    }
}

fn expect<T>(what: &str, outcome: Result<T, Error>, kind: ErrorKind) -> Result<(), Failure> {
    match outcome {
        Ok(_) => Err(Failure::new(format!("mismatch: {what} was accepted"))),
        Err(error) => {
            shown(what, &error);
            ensure(error.kind() == kind, || {
                format!("{what} gave {:?}, not {kind:?}", error.kind())
            })
        }
    }
}

fn shown(what: &str, error: &Error) {
    tell::result(format!("{what}:"), None);
    tell::result(format!("  {error}"), None);
}
