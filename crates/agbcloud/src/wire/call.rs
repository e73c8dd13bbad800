//! One call: from the raw client's result to a [`Response`] or an [`Error`].

use agbcloud_api::types;

use super::Answer;
use crate::{
    Agb, Attempt, Error, ErrorKind, Operation, Response, Result,
    error::{Verdict, request_id},
    retry,
};

/// What all answers have in common.
pub(crate) trait Envelope: Default + Send + 'static {
    fn verdict(&mut self) -> Verdict;
}

macro_rules! envelopes {
    ($($name:ident),* $(,)?) => {$(
        impl Envelope for types::$name {
            fn verdict(&mut self) -> Verdict {
                Verdict {
                    success: self.success,
                    code: self.code.take(),
                    message: self.message.take(),
                    request_id: self.request_id.take(),
                    http_status_code: self.http_status_code,
                }
            }
        }
    )*};
}

envelopes!(
    ListContextsResponse,
    GetContextResponse,
    ModifyContextResponse,
    DeleteContextResponse,
    ClearContextResponse,
    DescribeContextFilesResponse,
    GetContextFileUploadUrlResponse,
    GetContextFileDownloadUrlResponse,
    DeleteContextFileResponse,
);

/// Makes a call, as often as the client's policy allows. It succeeded only if the status is 200 and the
/// envelope says so.
pub(crate) async fn call<T: Envelope>(
    agb: &Agb,
    operation: Operation,
    send: impl Fn(&dyn super::Wire) -> Answer<'static, T>,
) -> Result<Response<T>> {
    let once = |before: &[Attempt]| {
        let may_be_gone = operation.removes() && before.iter().any(Attempt::may_be_done);
        let answer = send(&*agb.0.wire);
        async move {
            let result = judge(agb, answer.await).await;
            tell(operation, &result);
            match result {
                Err(error) if may_be_gone && is_gone(operation, &error) => {
                    let id = error.request_id().map(str::to_owned);
                    Ok(Response::new(T::default(), id))
                }
                result => result,
            }
        }
    };
    let result = retry::run(agb.retrying(), once).await;
    result.map_err(|error| error.with_operation(operation))
}

/// Whether what was to be removed is not there: an earlier try has removed it, only its answer was lost.
fn is_gone(operation: Operation, error: &Error) -> bool {
    let file = operation == Operation::DeleteContextFile;
    error.kind() == ErrorKind::NotFound && (!file || is_missing_file(error))
}

/// Whether the file is missing, and not its context.
pub(crate) fn is_missing_file(error: &Error) -> bool {
    error.kind() == ErrorKind::NotFound
        && error
            .code()
            .is_some_and(|code| code.starts_with("InvalidFile"))
}

fn tell<T>(operation: Operation, result: &Result<Response<T>>) {
    match result {
        Ok(response) => {
            tracing::debug!(%operation, request_id = response.request_id(), "done");
        }
        Err(error) => tracing::debug!(
            %operation,
            status = error.status(),
            code = error.code(),
            request_id = error.request_id(),
            "failed"
        ),
    }
}

async fn judge<T: Envelope>(agb: &Agb, result: super::RawResult<T>) -> Result<Response<T>> {
    let key = agb.0.api_key.expose();
    let mut response = match result {
        Ok(response) => response,
        Err(error) => return Err(Error::from_raw(error, key).await),
    };
    let verdict = response.verdict();
    if verdict.success != Some(true) {
        let status = response.status().as_u16();
        return Err(Error::from_verdict(
            status,
            response.headers(),
            verdict,
            key,
        ));
    }
    let id = verdict
        .request_id
        .filter(|id| !id.is_empty())
        .or_else(|| request_id(response.headers()));
    Ok(Response::new(response.into_inner(), id))
}
