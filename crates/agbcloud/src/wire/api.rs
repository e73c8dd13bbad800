//! The operations of the API.

use std::{fmt, sync::Arc};

use futures_core::future::BoxFuture;

use super::{ContextLookup, ContextQuery, FileQuery};
use crate::{
    error::{Error, ErrorKind, Operation, Result},
    model::{
        Context, ContextId, ContextName, ContextPage, FilePage, PresignedUrl, RemotePath, Response,
    },
};

/// The future of a response.
pub type ResponseFuture<T> = BoxFuture<'static, Result<Response<T>>>;

/// The nine operations of the service, and that of its extension. One call is one attempt; pages, clears and retries are the
/// same for every implementation.
///
/// The default implementation of each method fails with [`Rejected`](ErrorKind::Rejected), which is not retried. An
/// implementation in a test overrides what it needs, and keeps compiling when an operation is added.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
pub trait ContextApi: Send + Sync {
    /// Returns one page of contexts.
    fn list_contexts(&self, query: ContextQuery) -> ResponseFuture<ContextPage> {
        let _ = query;
        unsupported(Operation::ListContexts)
    }

    /// Returns a context, and creates it if requested.
    fn get_context(&self, lookup: ContextLookup) -> ResponseFuture<Context> {
        let _ = lookup;
        unsupported(Operation::GetContext)
    }

    /// Renames a context.
    fn modify_context(&self, id: ContextId, name: ContextName) -> ResponseFuture<()> {
        let _ = (id, name);
        unsupported(Operation::ModifyContext)
    }

    /// Deletes a context.
    fn delete_context(&self, id: ContextId) -> ResponseFuture<()> {
        let _ = id;
        unsupported(Operation::DeleteContext)
    }

    /// Starts to delete the files of a context.
    fn clear_context(&self, id: ContextId) -> ResponseFuture<()> {
        let _ = id;
        unsupported(Operation::ClearContext)
    }

    /// Returns one page of a folder: its entries, and their number on all pages. The SDK sets the page number and the next
    /// page.
    fn list_files(&self, query: FileQuery) -> ResponseFuture<FilePage> {
        let _ = query;
        unsupported(Operation::DescribeContextFiles)
    }

    /// Returns a URL to write a file.
    fn upload_url(&self, context: ContextId, path: RemotePath) -> ResponseFuture<PresignedUrl> {
        let _ = (context, path);
        unsupported(Operation::GetContextFileUploadUrl)
    }

    /// Returns a URL to read a file.
    fn download_url(&self, context: ContextId, path: RemotePath) -> ResponseFuture<PresignedUrl> {
        let _ = (context, path);
        unsupported(Operation::GetContextFileDownloadUrl)
    }

    /// Returns URLs to write files: one result for each of the paths, in their order. Called only after a response has announced
    /// the extension `file-urls`.
    fn upload_urls(
        &self,
        context: ContextId,
        paths: Vec<RemotePath>,
    ) -> ResponseFuture<Vec<Result<PresignedUrl>>> {
        let _ = (context, paths);
        unsupported(Operation::GetContextFileUrls)
    }

    /// Returns URLs to read files: see [`upload_urls`](Self::upload_urls).
    fn download_urls(
        &self,
        context: ContextId,
        paths: Vec<RemotePath>,
    ) -> ResponseFuture<Vec<Result<PresignedUrl>>> {
        let _ = (context, paths);
        unsupported(Operation::GetContextFileUrls)
    }

    /// Deletes a file.
    fn delete_file(&self, context: ContextId, path: RemotePath) -> ResponseFuture<()> {
        let _ = (context, path);
        unsupported(Operation::DeleteContextFile)
    }
}

/// A replacement of the service, with a `Debug` implementation.
#[derive(Clone)]
pub(crate) struct StubApi(pub(crate) Arc<dyn ContextApi>);

impl fmt::Debug for StubApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StubApi")
    }
}

fn unsupported<T>(operation: Operation) -> ResponseFuture<T> {
    let message = format!("{operation} is not implemented by this stub");
    Box::pin(async { Err(Error::new(ErrorKind::Rejected, message)) })
}
