//! The files of a context.

use crate::{
    Client, ContextId, Error, Operation, PresignedUrl, RemotePath, Result,
    client::{Request, call},
    error::in_operation,
    model::checked,
    transfer::Store,
    wire::ContextApi,
};

/// The files of one context. Cheap to clone. From [`Contexts::files`](crate::Contexts::files).
#[derive(Debug, Clone)]
pub struct Files {
    pub(crate) client: Client,
    /// An invalid id is the error of each call.
    pub(crate) context: Result<ContextId>,
}

impl Files {
    pub(crate) fn new(client: Client, context: Result<ContextId>) -> Self {
        Self { client, context }
    }

    /// Returns the id of the context.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the id is not a valid [`ContextId`].
    pub fn context_id(&self) -> Result<&ContextId> {
        self.context.as_ref().map_err(Clone::clone)
    }

    /// Requests a URL that grants anyone read access to a file until it expires.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// # files.upload("/data/a.txt", &b"hello"[..]).await?;
    /// let url = files.download_url("/data/a.txt").await?;
    /// println!("valid until {:?}: {}", url.expires_at(), url.as_str());
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the path is not a valid [`RemotePath`],
    /// [`NotFound`](crate::ErrorKind::NotFound) if the context or the file does not exist,
    /// [`InsecureUrl`](crate::ErrorKind::InsecureUrl) if an https endpoint returns an http URL, and those of any call.
    #[doc(alias = "get_file_download_url")]
    #[doc(alias = "GetContextFileDownloadUrl")]
    pub fn download_url(
        &self,
        path: impl TryInto<RemotePath, Error: Into<Error>>,
    ) -> Request<PresignedUrl> {
        self.url_request(Operation::GetContextFileDownloadUrl, checked(path))
    }

    /// Requests a URL that grants anyone write access to a file until it expires, by a PUT request with `Content-Length` and
    /// without `Content-Type`.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let url = files.upload_url("/data/a.txt").await?;
    /// files.upload("/data/a.txt", &b"hello"[..]).presigned_url(url).await?;
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the path is not a valid [`RemotePath`],
    /// [`NotFound`](crate::ErrorKind::NotFound) if the context does not exist,
    /// [`Conflict`](crate::ErrorKind::Conflict) while the context is being cleared,
    /// [`InsecureUrl`](crate::ErrorKind::InsecureUrl) if an https endpoint returns an http URL, and those of any call.
    #[doc(alias = "get_file_upload_url")]
    #[doc(alias = "GetContextFileUploadUrl")]
    pub fn upload_url(
        &self,
        path: impl TryInto<RemotePath, Error: Into<Error>>,
    ) -> Request<PresignedUrl> {
        self.url_request(Operation::GetContextFileUploadUrl, checked(path))
    }

    /// Requests a URL by the operation for uploads or that for downloads.
    pub(super) fn url_request(
        &self,
        operation: Operation,
        path: Result<RemotePath>,
    ) -> Request<PresignedUrl> {
        let arguments = (self.clone(), path);
        Request::new(
            arguments,
            move |(Self { client, context }, path)| async move {
                let context = context.map_err(in_operation(operation))?;
                let at = |error: Error| {
                    error
                        .with_operation(operation)
                        .with_context(context.as_str())
                };
                let path = path.map_err(at)?;
                let what = (operation, &context, &path);
                let send = |api: &dyn ContextApi| match operation {
                    Operation::GetContextFileUploadUrl => {
                        api.upload_url(context.clone(), path.clone())
                    }
                    _ => api.download_url(context.clone(), path.clone()),
                };
                let answer = call(&client, what, send).await?;
                match client.check_url(answer.get_ref()) {
                    Ok(()) => Ok(answer),
                    Err(error) => {
                        let id = answer.request_id().map(str::to_owned);
                        Err(at(error).with_path(path.as_str()).with_request_id(id))
                    }
                }
            },
        )
    }

    pub(super) fn store(&self) -> &Store {
        self.client.store()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        ErrorKind,
        testing::{Script, Step},
    };

    #[tokio::test]
    async fn an_http_url_from_an_https_endpoint_is_rejected_unless_allowed() {
        let answer = |url: &str| Step::ok(json!({"url": url, "expireTime": 3600}));
        let plain = "http://store.example/f?signature=secret-1";
        for (endpoint, url, allowed, good) in [
            ("https://a.example", plain, false, false),
            ("HTTPS://a.example/x", plain, false, false),
            ("a.example", plain, false, false),
            ("https://a.example", plain, true, true),
            ("http://a.example", plain, false, true),
            ("https://a.example", "https://store.example/f", false, true),
            ("https://a.example", "http://127.0.0.1:1/f", false, true),
        ] {
            let steps = [answer(url), answer(url), answer(url), answer(url)];
            let builder = Client::builder()
                .stub(Script::new(steps))
                .endpoint(endpoint);
            let client = builder.allow_insecure_urls(allowed).build().unwrap();
            let files = client.contexts().files(ContextId::new("SdkCtx-1").unwrap());
            let mut kinds = vec![
                files.download_url("/f").await.err(),
                files.upload_url("/f").await.err(),
            ];
            if !good {
                kinds.push(files.read("/f").await.err());
                kinds.push(files.upload("/f", &b"x"[..]).await.err());
            }
            for error in kinds {
                let kind = error.as_ref().map(Error::kind);
                assert_eq!(
                    kind,
                    (!good).then_some(ErrorKind::InsecureUrl),
                    "{endpoint} {url}"
                );
                assert!(!format!("{error:?}").contains("secret-1"));
            }
        }
    }
}
