//! An object store that is a function, for tests.

use std::{fmt, future::poll_fn, pin::pin, sync::Arc};

use bytes::{Bytes, BytesMut};
use http_body::Body as _;
use reqwest::{Body, Request, Response};

use crate::error::{Error, Result};

type Answer = dyn Fn(http::Request<Bytes>) -> Result<http::Response<Bytes>> + Send + Sync;

/// Replaces the requests to presigned URLs.
#[derive(Clone)]
pub(crate) struct StubStore(Arc<Answer>);

impl StubStore {
    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn new(
        answer: impl Fn(http::Request<Bytes>) -> Result<http::Response<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(answer))
    }

    pub(super) async fn answer(&self, request: Request) -> Result<Response> {
        let request = http::Request::<Body>::try_from(request).map_err(Error::from_transport)?;
        let (head, body) = request.into_parts();
        let body = read(body).await.map_err(Error::from_transport)?;
        let response = (self.0)(http::Request::from_parts(head, body))?;
        Ok(response.into())
    }
}

async fn read(body: Body) -> Result<Bytes, reqwest::Error> {
    let mut body = pin!(body);
    let mut bytes = BytesMut::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        if let Ok(chunk) = frame?.into_data() {
            bytes.extend_from_slice(&chunk);
        }
    }
    Ok(bytes.freeze())
}

impl fmt::Debug for StubStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StubStore")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use reqwest::{Method, StatusCode};
    use serde_json::json;

    use super::*;
    use crate::{
        Client, ErrorKind, UploadSource,
        lock::lock,
        testing::{Script, Step, error},
    };

    /// A client of a store that keeps the last upload, and fails once for each failure.
    fn client(failures: Vec<Result<StatusCode, ErrorKind>>) -> Client {
        let url = json!({"url": "https://store.test/a?signature=1", "expireTime": 3600});
        let state = Mutex::new((failures, Bytes::new()));
        let store = move |request: http::Request<Bytes>| {
            let (failures, content) = &mut *lock(&state);
            if let Some(failure) = failures.pop() {
                let mut response = http::Response::new(Bytes::new());
                *response.status_mut() = failure.map_err(|kind| Error::from(error(kind)))?;
                return Ok(response);
            }
            if request.method() == Method::PUT {
                *content = request.into_body();
                return Ok(http::Response::default());
            }
            Ok::<_, Error>(http::Response::new(content.clone()))
        };
        let script = Script::new([]).then_always(Step::ok(url));
        let builder = Client::builder().stub(script).stub_store(store);
        builder.build().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn transfers_use_the_stub_and_are_retried() {
        let unavailable = Ok(StatusCode::SERVICE_UNAVAILABLE);
        let failures = vec![unavailable, Err(ErrorKind::Connection)];
        let files = client(failures).contexts().files("SdkCtx-1");
        let sent = files.upload("/a", "hello").await.unwrap();
        assert_eq!(sent.bytes, 5);
        let longer = UploadSource::reader_to_end(&b"hello again"[..]);
        files.upload("/a", longer).await.unwrap();
        assert_eq!(files.read("/a").await.unwrap(), b"hello again"[..]);
        let file = files.open("/a").await.unwrap();
        assert_eq!(file.size(), Some(11));
        assert_eq!(file.text().await.unwrap(), "hello again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_of_the_stub_is_that_of_the_transfer() {
        let files = client(vec![Ok(StatusCode::FORBIDDEN); 4])
            .contexts()
            .files("SdkCtx-1");
        let error = files.read("/a").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UrlRejected);
    }
}
