//! The nine operations.

use std::{fmt, sync::Arc};

use futures_core::future::BoxFuture;

use super::{ContextLookup, ContextQuery, FileQuery};
use crate::{
    Context, ContextId, ContextName, ContextPage, Error, ErrorKind, FilePage, Operation,
    PresignedUrl, RemotePath, Response, Result,
};

/// An answer on its way.
pub type Answer<T> = BoxFuture<'static, Result<Response<T>>>;

/// The nine operations of the service, as the SDK calls them: one call is one try. What the SDK does with them
/// (pages, clears, retries) is the same whoever answers.
///
/// Every method has a body that fails with an error of kind [`Rejected`](ErrorKind::Rejected), which is not tried
/// again: a service in a test answers what its test needs, and an operation that is added later breaks none.
#[cfg_attr(any(test, feature = "test-util"), mockall::automock)]
pub trait ContextApi: Send + Sync {
    /// One page of contexts.
    fn list_contexts(&self, query: ContextQuery) -> Answer<ContextPage> {
        let _ = query;
        unanswered(Operation::ListContexts)
    }

    /// One context, made if that is asked for.
    fn get_context(&self, lookup: ContextLookup) -> Answer<Context> {
        let _ = lookup;
        unanswered(Operation::GetContext)
    }

    /// Gives a context another name.
    fn modify_context(&self, id: ContextId, name: ContextName) -> Answer<()> {
        let _ = (id, name);
        unanswered(Operation::ModifyContext)
    }

    /// Deletes a context.
    fn delete_context(&self, id: ContextId) -> Answer<()> {
        let _ = id;
        unanswered(Operation::DeleteContext)
    }

    /// Starts to delete the files of a context.
    fn clear_context(&self, id: ContextId) -> Answer<()> {
        let _ = id;
        unanswered(Operation::ClearContext)
    }

    /// One page of a folder: its entries and their count over all pages. Which page it is and whether there is a next
    /// one is not asked here; the SDK tells by the count.
    fn list_files(&self, query: FileQuery) -> Answer<FilePage> {
        let _ = query;
        unanswered(Operation::DescribeContextFiles)
    }

    /// A URL by which a file can be written.
    fn upload_url(&self, context: ContextId, path: RemotePath) -> Answer<PresignedUrl> {
        let _ = (context, path);
        unanswered(Operation::GetContextFileUploadUrl)
    }

    /// A URL by which a file can be read.
    fn download_url(&self, context: ContextId, path: RemotePath) -> Answer<PresignedUrl> {
        let _ = (context, path);
        unanswered(Operation::GetContextFileDownloadUrl)
    }

    /// Deletes a file.
    fn delete_file(&self, context: ContextId, path: RemotePath) -> Answer<()> {
        let _ = (context, path);
        unanswered(Operation::DeleteContextFile)
    }
}

/// A service that was given to a client.
#[derive(Clone)]
pub(crate) struct Stub(pub(crate) Arc<dyn ContextApi>);

impl fmt::Debug for Stub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stub")
    }
}

fn unanswered<T>(operation: Operation) -> Answer<T> {
    let message = format!("this service does not answer {operation}");
    Box::pin(async { Err(Error::new(ErrorKind::Rejected, message)) })
}
