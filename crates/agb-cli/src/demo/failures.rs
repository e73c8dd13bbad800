//! Demonstrates common failures. Each must fail with the expected error kind.

use agbcloud::{Client, ContextId, Error, ErrorKind, PresignedUrl};

use super::{print, service::DemoService};
use crate::failure::Failure;

pub(super) async fn demonstrate(
    service: &DemoService,
    id: &ContextId,
    prefix: &str,
) -> Result<(), Failure> {
    unknown_context(service).await?;
    relative_path(service, id).await?;
    rejected_url(service, id).await?;
    wrong_key(service, id, prefix).await
}

async fn unknown_context(service: &DemoService) -> Result<(), Failure> {
    let unknown = ContextId::new("SdkCtx-no-such-context")?;
    let result = service.client().contexts().get(&unknown).await;
    expect("an unknown context", result, ErrorKind::NotFound)
}

async fn relative_path(service: &DemoService, id: &ContextId) -> Result<(), Failure> {
    let files = service.client().contexts().files(id);
    let result = files.read("notes.txt").await;
    expect(
        "a relative path, rejected before the request",
        result,
        ErrorKind::InvalidArgument,
    )
}

/// Uses an expired URL, or an altered one if the clock of the service can't be set.
async fn rejected_url(service: &DemoService, id: &ContextId) -> Result<(), Failure> {
    let files = service.client().contexts().files(id);
    let url = files.upload_url("/late.txt").await?;
    let (what, url) = if service.expire_urls() {
        ("a presigned URL after two hours", url)
    } else {
        (
            "a presigned URL with an altered signature (only a local service can advance its clock)",
            alter(&url)?,
        )
    };
    let upload = files.upload("/late.txt", &b"too late"[..]);
    let result = upload.presigned_url(url).await;
    expect(what, result, ErrorKind::UrlRejected)
}

/// Changes the last character, which belongs to the signature in every known scheme.
fn alter(url: &PresignedUrl) -> Result<PresignedUrl, Failure> {
    let mut text = url.as_str().to_owned();
    let last = text.pop();
    text.push(if last == Some('A') { 'B' } else { 'A' });
    Ok(PresignedUrl::new(text)?)
}

/// A service that accepts every key has no context for another key.
async fn wrong_key(service: &DemoService, id: &ContextId, prefix: &str) -> Result<(), Failure> {
    let other = Client::builder()
        .api_key(format!("wrong-{prefix}"))
        .endpoint(service.client().endpoint())
        .build()?;
    match other.contexts().get(id).await {
        Err(error) if error.kind() == ErrorKind::NotFound && !service.is_local() => {
            print_error(
                "another key, which the service accepts as another tenant",
                &error,
            );
            Ok(())
        }
        result => expect("a wrong key", result, ErrorKind::Unauthorized),
    }
}

fn expect<T>(what: &str, result: Result<T, Error>, kind: ErrorKind) -> Result<(), Failure> {
    match result {
        Ok(_) => Err(Failure::new(format!("mismatch: {what} was accepted"))),
        Err(error) => {
            print_error(what, &error);
            match error.kind() {
                actual if actual == kind => Ok(()),
                actual => Err(Failure::new(format!(
                    "mismatch: {what} failed with {actual:?} instead of {kind:?}"
                ))),
            }
        }
    }
}

fn print_error(what: &str, error: &Error) {
    print::result(format!("{what}:"), None);
    print::result(format!("  {error}"), None);
}
