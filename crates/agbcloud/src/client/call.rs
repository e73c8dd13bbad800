//! Calls of the service: with retries and tracing.

use std::time::Duration;

use agbcloud_api::with_request_timeout;

use super::Client;
use crate::{
    error::{Attempt, Error, ErrorDetail, ErrorKind, Operation, Result},
    model::{Context, ContextId, RemotePath, Response},
    retry, trace,
    wire::{ContextApi, ContextLookup, ResponseFuture},
};

/// The operation of a call, and its context.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation,
    pub(crate) context: Option<&'a ContextId>,
    /// The file or folder, for errors.
    pub(crate) path: Option<&'a str>,
    /// Maximum time with all attempts, where that is less than the deadline of the retry policy.
    pub(crate) limit: Option<Duration>,
}

impl From<Operation> for Call<'_> {
    fn from(operation: Operation) -> Self {
        Self {
            operation,
            context: None,
            path: None,
            limit: None,
        }
    }
}

impl<'a> From<(Operation, &'a ContextId)> for Call<'a> {
    fn from((operation, context): (Operation, &'a ContextId)) -> Self {
        Self {
            context: Some(context),
            ..Self::from(operation)
        }
    }
}

impl<'a> From<(Operation, &'a ContextId, &'a RemotePath)> for Call<'a> {
    fn from((operation, context, path): (Operation, &'a ContextId, &'a RemotePath)) -> Self {
        Self {
            path: Some(path.as_str()),
            ..Self::from((operation, context))
        }
    }
}

/// Calls the service.
pub(crate) async fn call<T>(
    client: &Client,
    call: impl Into<Call<'_>>,
    send: impl Fn(&dyn ContextApi) -> ResponseFuture<T>,
) -> Result<Response<T>> {
    run(client, call.into(), send, |_, error| Err(error)).await
}

/// Calls the service to remove something. If a retry does not find it, the removal succeeds: an earlier attempt has removed
/// it, and only its response was lost.
pub(crate) async fn remove(
    client: &Client,
    call: impl Into<Call<'_>>,
    send: impl Fn(&dyn ContextApi) -> ResponseFuture<()>,
) -> Result<Response<()>> {
    let call = call.into();
    let forgive = |failed: &[Attempt], error: Error| {
        if failed.iter().any(Attempt::may_be_done) && is_gone(call.operation, &error) {
            Ok(Response::new((), error.request_id().map(str::to_owned)))
        } else {
            Err(error)
        }
    };
    run(client, call, send, forgive).await
}

/// Gets a context, and creates it if the lookup requests that.
pub(crate) async fn get_context(
    client: &Client,
    lookup: ContextLookup,
) -> Result<Response<Context>> {
    let context = match &lookup {
        ContextLookup::Id(id) => Some(id),
        ContextLookup::Name { .. } => None,
    };
    let what = Call {
        context,
        ..Call::from(Operation::GetContext)
    };
    call(client, what, |api| api.get_context(lookup.clone())).await
}

async fn run<T>(
    client: &Client,
    call: Call<'_>,
    send: impl Fn(&dyn ContextApi) -> ResponseFuture<T>,
    forgive: impl Fn(&[Attempt], Error) -> Result<Response<T>>,
) -> Result<Response<T>> {
    let Call {
        operation,
        context,
        path,
        limit,
    } = call;
    let retries = client.retry_context();
    let policy = limit.map(|limit| retries.policy.clone().within(limit));
    let retries = match &policy {
        Some(policy) => retries.with(policy),
        None => retries,
    };
    let once = |failed: &[Attempt]| {
        let span = trace::call_span(operation, client.endpoint_parts(), failed.len());
        let sent = with_request_timeout(client.0.timeout, send(&*client.0.api));
        trace::instrument(sent, span)
    };
    // Boxed, so that the futures of callers stay small: this one holds a request and its retries, about 4 KiB.
    let attempts = Box::pin(async {
        let result = retry::run(retries, once, forgive).await;
        result.map_err(|error| {
            let error = error.with_operation(operation);
            let context = context.map(ContextId::as_str);
            let error = context.into_iter().fold(error, Error::with_context);
            path.into_iter().fold(error, Error::with_path)
        })
    });
    let attempts = async {
        let response = attempts.await?;
        if response.announces_file_urls() {
            client.0.file_urls.announced(client.time().now());
        }
        Ok(response)
    };
    trace::instrument(attempts, trace::operation_span(operation, context)).await
}

/// Whether the context or file of a removal does not exist.
fn is_gone(operation: Operation, error: &Error) -> bool {
    match operation {
        Operation::DeleteContextFile => is_missing_file(error),
        _ => error.kind() == ErrorKind::NotFound,
    }
}

/// Whether the file is missing, and not its context.
pub(crate) fn is_missing_file(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound && error.detail() != Some(ErrorDetail::ContextNotFound)
}
