//! One call: from the raw client's result to a [`Response`] or an [`Error`].

use agbcloud_api::types;

use super::Answer;
use crate::{
    Agb, Error, Operation, Response, Result,
    error::{Verdict, request_id},
};

/// What all answers have in common.
pub(crate) trait Envelope: Send + 'static {
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

/// Makes one call. It succeeded only if the status is 200 and the envelope says so.
pub(crate) async fn call<T: Envelope>(
    agb: &Agb,
    operation: Operation,
    answer: impl FnOnce(&dyn super::Wire) -> Answer<'static, T>,
) -> Result<Response<T>> {
    let result = judge(agb, answer(&*agb.0.wire).await).await;
    match result {
        Ok(response) => {
            tracing::debug!(%operation, request_id = response.request_id(), "done");
            Ok(response)
        }
        Err(error) => {
            tracing::debug!(
                %operation,
                status = error.status(),
                code = error.code(),
                request_id = error.request_id(),
                "failed"
            );
            Err(error.with_operation(operation))
        }
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
