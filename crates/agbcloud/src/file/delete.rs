//! Deleting one file.

use std::future::IntoFuture;

use futures_core::future::BoxFuture;

use crate::{
    Client, ContextId, Operation, RemotePath, Response, Result,
    client::{is_missing_file, remove},
};

/// A deletion that has not been sent: await it. From [`Files::delete`](crate::Files::delete).
#[derive(Debug)]
#[must_use = "a deletion does nothing until it is awaited"]
pub struct DeleteFile {
    client: Client,
    context: ContextId,
    path: Result<RemotePath>,
    missing_ok: bool,
}

impl DeleteFile {
    pub(super) fn new(client: Client, context: ContextId, path: Result<RemotePath>) -> Self {
        Self {
            client,
            context,
            path,
            missing_ok: false,
        }
    }

    /// Whether it is fine that there is no such file; otherwise that is an error of kind
    /// [`NotFound`](crate::ErrorKind::NotFound). A missing context is an error either way.
    pub fn missing_ok(mut self, ok: bool) -> Self {
        self.missing_ok = ok;
        self
    }

    async fn send(self) -> Result<Response<()>> {
        let operation = Operation::DeleteContextFile;
        let path = self.path.map_err(|error| error.with_operation(operation))?;
        let context = self.context;
        let result = remove(&self.client, (operation, &context), |api| {
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
    type Output = Result<Response<()>>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}
