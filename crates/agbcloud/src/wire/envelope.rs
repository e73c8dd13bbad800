//! From what the raw client gives to a [`Response`] or an [`Error`].

use agbcloud_api::{ResponseValue, types};

use crate::{
    PresignedUrl, Response, Result,
    error::{Error, ErrorKind, Reading, Verdict, request_id},
};

/// What the raw client gives.
pub(crate) type RawResult<T> = Result<ResponseValue<T>, agbcloud_api::Error>;

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

/// A value that an answer holds.
pub(crate) trait FromEnvelope: Sized {
    type Envelope: Envelope;

    /// Takes the value out of an answer that succeeded.
    fn from_envelope(envelope: Self::Envelope, reading: Reading<'_>) -> Result<Self>;
}

/// For answers that say no more than that it is done.
pub(crate) fn nothing<E>(_: E, _: Reading<'_>) -> Result<()> {
    Ok(())
}

/// An answer with a URL for writing: the one shape that stands beside its twin for reading.
pub(crate) fn upload_url(
    envelope: types::GetContextFileUploadUrlResponse,
    reading: Reading<'_>,
) -> Result<PresignedUrl> {
    PresignedUrl::from_wire(envelope.data, reading.now())
}

/// Judges an answer: it succeeded only if the status is 200, the envelope says so, and the value is there.
pub(crate) async fn judge<E: Envelope, T>(
    result: RawResult<E>,
    read: impl FnOnce(E, Reading<'_>) -> Result<T>,
    reading: Reading<'_>,
) -> Result<Response<T>> {
    let mut response = match result {
        Ok(response) => response,
        Err(error) => return Err(Error::from_raw(error, reading).await),
    };
    let verdict = response.verdict();
    let status = response.status().as_u16();
    if verdict.is_none() {
        let message = "the answer says neither that the call succeeded nor why it failed: is the endpoint that of the \
                       service?";
        return Err(Error::new(ErrorKind::InvalidResponse, message)
            .with_status(status)
            .with_request_id(request_id(response.headers())));
    }
    if verdict.success != Some(true) {
        return Err(Error::from_verdict(
            status,
            response.headers(),
            verdict,
            reading,
        ));
    }
    let id = verdict
        .request_id
        .filter(|id| !id.is_empty())
        .or_else(|| request_id(response.headers()));
    Response::new(response.into_inner(), id)
        .try_map(|envelope| read(envelope, reading).map_err(|error| error.with_status(status)))
}
