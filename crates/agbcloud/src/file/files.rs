//! The files of a context.

use super::transfer::{PresignedUrl, Store};
use crate::{
    Client, ContextId, Error, Operation, RemotePath, Response, Result, name::checked, wire::call,
};

/// The files of one context. Cheap to clone. From [`Contexts::files`](crate::Contexts::files).
#[derive(Debug, Clone)]
pub struct Files {
    pub(crate) client: Client,
    pub(crate) context: ContextId,
}

impl Files {
    pub(crate) fn new(client: Client, context: ContextId) -> Self {
        Self { client, context }
    }

    /// Returns the id of the context.
    pub fn context_id(&self) -> &ContextId {
        &self.context
    }

    /// Requests a URL that grants anyone read access to a file until it expires.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// # files.upload("/data/a.txt", &b"hello"[..]).await?;
    /// let url = files.download_url("/data/a.txt").await?;
    /// println!("valid until {:?}: {}", url.expires_at(), url.as_str());
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the path is not a valid [`RemotePath`],
    /// [`NotFound`](crate::ErrorKind::NotFound) if the context or the file does not exist,
    /// [`InsecureUrl`](crate::ErrorKind::InsecureUrl) if an https endpoint returns an http URL, and those of any call.
    #[doc(alias = "get_file_download_url")]
    #[doc(alias = "GetContextFileDownloadUrl")]
    pub async fn download_url(
        &self,
        path: impl TryInto<RemotePath, Error: Into<Error>>,
    ) -> Result<Response<PresignedUrl>> {
        let operation = Operation::GetContextFileDownloadUrl;
        let path = checked(path).map_err(|error| error.with_operation(operation))?;
        let what = (operation, &self.context);
        let answer = call(&self.client, what, |api| {
            api.download_url(self.context.clone(), path.clone())
        })
        .await?;
        self.check_url(operation, answer)
    }

    /// Requests a URL that grants anyone write access to a file until it expires, by a PUT request with `Content-Length` and
    /// without `Content-Type`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// let url = files.upload_url("/data/a.txt").await?;
    /// files.upload("/data/a.txt", &b"hello"[..]).presigned_url(url.into_inner()).await?;
    /// # Ok(())
    /// # }
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
    pub async fn upload_url(
        &self,
        path: impl TryInto<RemotePath, Error: Into<Error>>,
    ) -> Result<Response<PresignedUrl>> {
        let operation = Operation::GetContextFileUploadUrl;
        let path = checked(path).map_err(|error| error.with_operation(operation))?;
        let what = (operation, &self.context);
        let answer = call(&self.client, what, |api| {
            api.upload_url(self.context.clone(), path.clone())
        })
        .await?;
        self.check_url(operation, answer)
    }

    fn check_url(
        &self,
        operation: Operation,
        answer: Response<PresignedUrl>,
    ) -> Result<Response<PresignedUrl>> {
        match self.client.check_url(&answer) {
            Ok(()) => Ok(answer),
            Err(error) => Err(error
                .with_operation(operation)
                .with_request_id(answer.request_id().map(str::to_owned))),
        }
    }

    pub(super) fn store(&self) -> &Store {
        &self.client.0.store
    }
}
