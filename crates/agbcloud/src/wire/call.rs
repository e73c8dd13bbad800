//! One call: as many tries as the client's policy allows, told to whoever traces.

use std::time::Duration;

use super::{Answer, ContextApi};
use crate::{
    Attempt, Client, ContextId, Error, ErrorDetail, ErrorKind, Operation, Response, Result, retry,
    trace,
};

/// What is called, and on what.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) operation: Operation,
    pub(crate) context: Option<&'a ContextId>,
    /// How long it may take with all its tries, where that is less than the client's policy says.
    pub(crate) limit: Option<Duration>,
}

impl From<Operation> for Call<'_> {
    fn from(operation: Operation) -> Self {
        Self {
            operation,
            context: None,
            limit: None,
        }
    }
}

impl<'a> From<(Operation, &'a ContextId)> for Call<'a> {
    fn from((operation, context): (Operation, &'a ContextId)) -> Self {
        Self {
            operation,
            context: Some(context),
            limit: None,
        }
    }
}

/// Makes a call.
pub(crate) async fn call<T>(
    client: &Client,
    what: impl Into<Call<'_>>,
    send: impl Fn(&dyn ContextApi) -> Answer<T>,
) -> Result<Response<T>> {
    run(client, what.into(), send, |_, error| Err(error)).await
}

/// Makes a call that removes something: not to find it on a retry is success, since an earlier try has removed it and
/// only its answer was lost.
pub(crate) async fn remove(
    client: &Client,
    what: impl Into<Call<'_>>,
    send: impl Fn(&dyn ContextApi) -> Answer<()>,
) -> Result<Response<()>> {
    let what = what.into();
    let forgive = |before: &[Attempt], error: Error| {
        if before.iter().any(Attempt::may_be_done) && is_gone(what.operation, &error) {
            Ok(Response::new((), error.request_id().map(str::to_owned)))
        } else {
            Err(error)
        }
    };
    run(client, what, send, forgive).await
}

async fn run<T>(
    client: &Client,
    what: Call<'_>,
    send: impl Fn(&dyn ContextApi) -> Answer<T>,
    forgive: impl Fn(&[Attempt], Error) -> Result<Response<T>>,
) -> Result<Response<T>> {
    let Call {
        operation,
        context,
        limit,
    } = what;
    let policy = limit.map(|limit| client.retrying().policy.clone().within(limit));
    let once = |before: &[Attempt]| {
        let span = trace::call(operation, client.endpoint_parts(), before.len());
        trace::told(send(&*client.0.api), span)
    };
    let tries = async {
        let with = match &policy {
            Some(policy) => client.retrying().with(policy),
            None => client.retrying(),
        };
        let result = retry::run(with, once, forgive).await;
        result.map_err(|error| error.with_operation(operation))
    };
    trace::told(tries, trace::operation(operation, context)).await
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
