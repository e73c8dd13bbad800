//! Deleting one file.

use std::future::IntoFuture;

use futures_core::future::BoxFuture;

use super::files::Files;
use crate::{
    Client, ContextId, Error, Operation, RemotePath, Response, Result,
    client::{is_missing_file, remove},
    error::in_operation,
    model::checked,
};

impl Files {
    /// Deletes a file. Await the result, or allow the file to be [missing](DeleteFile::missing_ok) before.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// # files.upload("/data/a.txt", &b"hello"[..]).await?;
    /// files.delete("/data/a.txt").await?;
    /// files.delete("/data/a.txt").missing_ok(true).await?;
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) if the path is not a valid [`RemotePath`],
    /// [`NotFound`](crate::ErrorKind::NotFound) if the context does not exist, or the file does not exist and
    /// [`missing_ok`](DeleteFile::missing_ok) is not set, and those of any call.
    #[doc(alias = "delete_file")]
    #[doc(alias = "DeleteContextFile")]
    pub fn delete(&self, path: impl TryInto<RemotePath, Error: Into<Error>>) -> DeleteFile {
        DeleteFile {
            client: self.client.clone(),
            context: self.context.clone(),
            path: checked(path),
            missing_ok: false,
        }
    }
}

/// A deletion that has not been sent. Await it. From [`Files::delete`].
#[derive(Debug, Clone)]
#[must_use = "a deletion does nothing until it is awaited"]
pub struct DeleteFile {
    client: Client,
    context: Result<ContextId>,
    path: Result<RemotePath>,
    missing_ok: bool,
}

impl DeleteFile {
    /// Whether a missing file is accepted. Defaults to `false`, which makes it an error of kind
    /// [`NotFound`](crate::ErrorKind::NotFound). A missing context is always an error.
    pub fn missing_ok(mut self, ok: bool) -> Self {
        self.missing_ok = ok;
        self
    }

    /// Deletes the file.
    ///
    /// # Errors
    ///
    /// Those of [`Files::delete`].
    pub async fn send(self) -> Result<()> {
        self.with_response().await?;
        Ok(())
    }

    /// Sends it and returns the value with the request id.
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send).
    pub async fn with_response(self) -> Result<Response<()>> {
        let operation = Operation::DeleteContextFile;
        let context = self.context.map_err(in_operation(operation))?;
        let path = self.path.map_err(|error| {
            let error = error.with_operation(operation);
            error.with_context(context.as_str())
        })?;
        let result = remove(&self.client, (operation, &context, &path), |api| {
            api.delete_file(context.clone(), path.clone())
        });
        match result.await {
            Err(error) if self.missing_ok && is_missing_file(&error) => {
                Ok(Response::new((), error.request_id().map(str::to_owned)))
            }
            result => result,
        }
    }
}

impl IntoFuture for DeleteFile {
    type Output = Result<()>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
