//! Decodes the envelopes of the generated client to a [`Response`] or an [`Error`].

use agbcloud_api::{
    ResponseValue,
    extensions::{self, FileUrlResult, GetContextFileUrlsResponse},
    types,
};

use reqwest::header::HeaderMap;

use crate::{
    error::{DecodeContext, EnvelopeStatus, Error, ErrorKind, Result, request_id},
    model::{Context, ContextPage, FileEntry, FilePage, PresignedUrl, RemotePath, Response},
};

/// The result of a call of the generated client.
pub(crate) type RawResult<T> = Result<ResponseValue<T>, agbcloud_api::Error>;

/// The fields that all envelopes have.
pub(crate) trait Envelope: Send + 'static {
    fn status(&mut self) -> EnvelopeStatus;
}

macro_rules! envelopes {
    ($($name:path),* $(,)?) => {$(
        impl Envelope for $name {
            fn status(&mut self) -> EnvelopeStatus {
                EnvelopeStatus {
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
    types::ListContextsResponse,
    types::GetContextResponse,
    types::ModifyContextResponse,
    types::DeleteContextResponse,
    types::ClearContextResponse,
    types::DescribeContextFilesResponse,
    types::GetContextFileUploadUrlResponse,
    types::GetContextFileDownloadUrlResponse,
    types::DeleteContextFileResponse,
    GetContextFileUrlsResponse,
);

/// A value in an envelope.
pub(crate) trait FromEnvelope: Sized {
    type Envelope: Envelope;

    /// Takes the value out of a successful envelope.
    fn from_envelope(envelope: Self::Envelope, context: DecodeContext<'_>) -> Result<Self>;
}

impl FromEnvelope for Context {
    type Envelope = types::GetContextResponse;

    fn from_envelope(envelope: Self::Envelope, _: DecodeContext<'_>) -> Result<Self> {
        let missing = || Error::new(ErrorKind::InvalidResponse, "the response has no context");
        envelope.data.ok_or_else(missing).and_then(Self::from_wire)
    }
}

impl FromEnvelope for FilePage {
    type Envelope = types::DescribeContextFilesResponse;

    /// The count is a field of the envelope, or of `data` if that is an object. The envelope does not contain the page number.
    fn from_envelope(envelope: Self::Envelope, _: DecodeContext<'_>) -> Result<Self> {
        let (entries, inner) = match envelope.data {
            Some(types::FileListData::Array(entries)) => (entries, None),
            Some(types::FileListData::FileListObject(object)) => {
                let count = object.count;
                (page_items(object.items, count.or(envelope.count))?, count)
            }
            None => (Vec::new(), None),
        };
        let count = envelope.count.or(inner);
        Ok(Self {
            entries: entries.into_iter().map(FileEntry::from_wire).collect(),
            page_number: 1,
            next_page: None,
            total_count: count.and_then(|count| u64::try_from(count).ok()),
            request_id: None,
        })
    }
}

impl FromEnvelope for PresignedUrl {
    type Envelope = types::GetContextFileDownloadUrlResponse;

    fn from_envelope(envelope: Self::Envelope, context: DecodeContext<'_>) -> Result<Self> {
        Self::from_wire(envelope.data, context.now())
    }
}

impl FromEnvelope for ContextPage {
    type Envelope = types::ListContextsResponse;

    /// The fields of pagination are beside `data`, or inside it if `data` is an object.
    fn from_envelope(envelope: Self::Envelope, _: DecodeContext<'_>) -> Result<Self> {
        let (contexts, inner) = match envelope.data {
            Some(types::ContextListData::Array(contexts)) => (contexts, None),
            Some(types::ContextListData::ContextListObject(mut object)) => {
                let total = object.total_count.or(envelope.total_count);
                (page_items(object.items.take(), total)?, Some(object))
            }
            None => (Vec::new(), None),
        };
        let inner = inner.unwrap_or_default();
        let non_empty = |token: Option<String>| token.filter(|token| !token.is_empty());
        let contexts = contexts.into_iter().map(Context::from_wire);
        Ok(Self {
            contexts: contexts.collect::<Result<_>>()?,
            next_token: non_empty(envelope.next_token).or(non_empty(inner.next_token)),
            max_results: envelope
                .max_results
                .or(inner.max_results)
                .and_then(|n| n.try_into().ok()),
            total_count: envelope
                .total_count
                .or(inner.total_count)
                .and_then(|n| n.try_into().ok()),
            request_id: None,
        })
    }
}

/// The items of a page that is an object. They may be absent only if the total is 0.
fn page_items<T>(items: Option<Vec<T>>, total: Option<i64>) -> Result<Vec<T>> {
    match items {
        Some(items) => Ok(items),
        None if total == Some(0) => Ok(Vec::new()),
        None => Err(Error::new(
            ErrorKind::InvalidResponse,
            "the page has no items: check that the endpoint is an AGB service",
        )),
    }
}

/// For responses without data.
pub(crate) fn ignore_data<E>(_: E, _: DecodeContext<'_>) -> Result<()> {
    Ok(())
}

/// The URL of an upload. `FromEnvelope` can't be implemented twice for the same type.
pub(crate) fn upload_url(
    envelope: types::GetContextFileUploadUrlResponse,
    context: DecodeContext<'_>,
) -> Result<PresignedUrl> {
    PresignedUrl::from_wire(envelope.data, context.now())
}

/// The URLs of many files: one result for each of the paths, in their order.
///
/// # Errors
///
/// The response has other paths: a URL must not be used for another file.
pub(crate) fn file_urls(
    envelope: GetContextFileUrlsResponse,
    paths: &[RemotePath],
    context: DecodeContext<'_>,
) -> Result<Vec<Result<PresignedUrl>>> {
    let results = envelope.data.unwrap_or_default();
    let named = results.iter().map(|result| result.file_path.as_deref());
    if !named.eq(paths.iter().map(|path| Some(path.as_str()))) {
        let message = "the response does not contain the requested paths";
        return Err(Error::new(ErrorKind::InvalidResponse, message));
    }
    let results = results.into_iter();
    Ok(results.map(|result| file_url(result, context)).collect())
}

fn file_url(result: FileUrlResult, context: DecodeContext<'_>) -> Result<PresignedUrl> {
    if result.url.is_some() || result.code.is_none() {
        let url = types::FileUrl {
            url: result.url,
            expire_time: result.expire_time,
        };
        return PresignedUrl::from_wire(Some(url), context.now());
    }
    // Classified like the response to a call for this file alone.
    let status = result
        .http_status_code
        .and_then(|code| code.try_into().ok());
    let envelope = EnvelopeStatus {
        success: Some(false),
        code: result.code,
        message: result.message,
        request_id: None,
        http_status_code: result.http_status_code,
    };
    let headers = HeaderMap::new();
    Err(Error::from_envelope(
        status.unwrap_or(200),
        &headers,
        envelope,
        context,
    ))
}

/// Whether a response announces the extension `file-urls`.
fn announces_file_urls(headers: &HeaderMap) -> bool {
    let values = headers.get_all(extensions::HEADER).iter();
    let mut texts = values.filter_map(|value| value.to_str().ok());
    texts.any(|text| extensions::announces(text, extensions::FILE_URLS))
}

/// Decodes a response. It is successful only if the status is 200, `success` is true, and the value is present.
pub(crate) async fn decode_envelope<E: Envelope, T>(
    result: RawResult<E>,
    decode: impl FnOnce(E, DecodeContext<'_>) -> Result<T>,
    context: DecodeContext<'_>,
) -> Result<Response<T>> {
    let mut response = match result {
        Ok(response) => response,
        Err(error) => return Err(Error::from_raw(error, context).await),
    };
    let envelope = Envelope::status(&mut *response);
    let status = response.status().as_u16();
    if envelope.is_empty() {
        let message = "the response reports neither success nor failure: check that the endpoint is an AGB service";
        return Err(Error::new(ErrorKind::InvalidResponse, message)
            .with_status(status)
            .with_request_id(request_id(response.headers())));
    }
    if envelope.success != Some(true) {
        return Err(Error::from_envelope(
            status,
            response.headers(),
            envelope,
            context,
        ));
    }
    let id = envelope
        .request_id
        .filter(|id| !id.is_empty())
        .or_else(|| request_id(response.headers()));
    let announces = announces_file_urls(response.headers());
    Response::new(response.into_inner(), id)
        .announcing_file_urls(announces)
        .try_map(|envelope| decode(envelope, context).map_err(|error| error.with_status(status)))
}

/// A response with status 200 and this body, for mocks.
#[cfg(test)]
pub(crate) fn answer<T>(body: serde_json::Value) -> super::ResponseFuture<T>
where
    T: FromEnvelope + Send + 'static,
    T::Envelope: serde::de::DeserializeOwned,
{
    let result = serde_json::from_value(body).map(|value| {
        let headers = reqwest::header::HeaderMap::new();
        ResponseValue::new(value, reqwest::StatusCode::OK, headers)
    });
    Box::pin(async move {
        let time = crate::clock::Time::default();
        let context = DecodeContext {
            key: "",
            time: &time,
        };
        decode_envelope(Ok(result.unwrap()), T::from_envelope, context).await
    })
}
