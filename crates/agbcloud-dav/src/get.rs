//! GET and HEAD. `dav-server` would read files in pieces, each by a request, and fill missing bytes with zeros.

use std::{io, ops::Range};

use agbcloud::{PresignedUrl, RemoteFile, RemotePath};
use bytes::Bytes;
use futures_util::TryStreamExt;
use headers::{
    AcceptRanges, ContentLength, ContentRange, ETag, HeaderMapExt, IfMatch, IfModifiedSince,
    IfNoneMatch, IfRange, IfUnmodifiedSince, LastModified,
};
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body::Frame;
use http_body_util::StreamBody;

use crate::{
    failure::{Failure, is_missing_file},
    file_system::ContextFileSystem,
    location::Location,
    metadata::Metadata,
    request::Request,
    response::{self, Body},
};

/// Number of times that a range is requested again because the file has changed since its size was requested.
const ATTEMPTS: u32 = 3;

/// The part of a file that a request wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    /// To the byte before the end, or to the end of the file.
    From(u64, Option<u64>),
    Last(u64),
}

/// What the conditions of a request say about a version of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Send,
    NotModified,
    Failed,
}

impl ContextFileSystem {
    /// Responds to GET, or to HEAD.
    pub(crate) async fn get(
        &self,
        request: &Request,
        headers: &HeaderMap,
        is_head: bool,
    ) -> Result<Response<Body>, Failure> {
        let path = match &request.target {
            Location::Path { path, slash: false } => path,
            Location::Path { .. } | Location::Root => return self.get_folder(request).await,
        };
        if request.keeps_in_memory(path) {
            let Some(file) = self.session.desktop_files.get(path.as_str()) else {
                return self.get_folder(request).await;
            };
            let content = response::full(file.content);
            return Ok(whole(path, headers, &file.metadata, is_head, content));
        }
        let found = match is_head {
            true => self.head(path, headers, request).await?,
            false => self.open(path, headers).await?,
        };
        match found {
            Some(response) => Ok(response),
            None => self.get_folder(request).await,
        }
    }

    async fn head(
        &self,
        path: &RemotePath,
        headers: &HeaderMap,
        request: &Request,
    ) -> Result<Option<Response<Body>>, Failure> {
        let metadata = self.lookup_file(path, request).await;
        let metadata = metadata.map_err(|_| failure_of(request))?;
        Ok(metadata.map(|metadata| whole(path, headers, &metadata, true, response::empty())))
    }

    /// Opens a file with the metadata of the same response, so that conditions apply to the version that is sent.
    async fn open(
        &self,
        path: &RemotePath,
        headers: &HeaderMap,
    ) -> Result<Option<Response<Body>>, Failure> {
        let part = part_of(headers);
        if part != Part::Whole
            && let Some(response) = self.open_part(path, headers, part).await?
        {
            return Ok(Some(response));
        }
        let file = match self.files.open(path).await {
            Err(error) if is_missing_file(&error) => return Ok(None),
            file => file.map_err(|error| Failure::from(&error))?,
        };
        let metadata = metadata_of(&file)?;
        let content = content_of(file);
        Ok(Some(whole(path, headers, &metadata, false, content)))
    }

    /// Responds with a part of a file. Returns `None` if the whole file or its folder is wanted.
    async fn open_part(
        &self,
        path: &RemotePath,
        headers: &HeaderMap,
        part: Part,
    ) -> Result<Option<Response<Body>>, Failure> {
        let url = match self.files.download_url(path).await {
            Err(error) if is_missing_file(&error) => return Ok(None),
            url => url.map_err(|error| Failure::from(&error))?,
        };
        for _ in 0..ATTEMPTS {
            let Some(metadata) = self.first_byte(path, url.clone()).await? else {
                return Ok(None);
            };
            if !wants_part(headers, &metadata) || verdict(headers, &metadata) != Verdict::Send {
                return Ok(None);
            }
            let Some(range) = part.within(metadata.size) else {
                return Ok(Some(not_satisfiable(metadata.size)));
            };
            let opened = self.files.open(path).presigned_url(url.clone());
            let file = opened.range(range.clone()).await;
            let file = file.map_err(|error| Failure::from(&error))?;
            if metadata_of(&file)?.is_same_version(&metadata) {
                return Ok(Some(partial(path, &metadata, range, content_of(file))));
            }
        }
        let message = "the file changes too often";
        Err(Failure::new(StatusCode::SERVICE_UNAVAILABLE, message))
    }

    async fn first_byte(
        &self,
        path: &RemotePath,
        url: PresignedUrl,
    ) -> Result<Option<Metadata>, Failure> {
        let opened = self.files.open(path).presigned_url(url.clone());
        let file = match opened.range(..1).await {
            Err(error) if error.status() == Some(416) => {
                self.files.open(path).presigned_url(url).await
            }
            file => file,
        };
        match file {
            Err(error) if is_missing_file(&error) => Ok(None),
            file => metadata_of(&file.map_err(|error| Failure::from(&error))?).map(Some),
        }
    }

    /// A folder has no content: clients list it with PROPFIND.
    async fn get_folder(&self, request: &Request) -> Result<Response<Body>, Failure> {
        let folder = self.lookup(&request.target, request).await;
        match folder.map_err(|_| failure_of(request))? {
            None => Err(not_found()),
            Some(metadata) if metadata.is_folder => {
                let message =
                    "this is a folder of a WebDAV share: mount the share to see its files";
                let mut response = response::text(StatusCode::METHOD_NOT_ALLOWED, message);
                let allowed = HeaderValue::from_static("OPTIONS, PROPFIND");
                response.headers_mut().insert(header::ALLOW, allowed);
                Ok(response)
            }
            // The URL of a file with a slash at its end.
            Some(_) => Err(not_found()),
        }
    }
}

impl Part {
    /// The bytes of a file of this size; `None` if there are none.
    fn within(self, size: u64) -> Option<Range<u64>> {
        let (first, end) = match self {
            Self::Whole => (0, size),
            Self::From(first, end) => (first, end.unwrap_or(size).min(size)),
            Self::Last(count) => (size.saturating_sub(count), size),
        };
        (first < end).then_some(first..end)
    }
}

/// The requested part. Several ranges and invalid ones mean the whole file, which HTTP allows.
fn part_of(headers: &HeaderMap) -> Part {
    let mut values = headers.get_all(header::RANGE).iter();
    let value = values.next().and_then(|value| value.to_str().ok());
    let range = value.and_then(|value| value.strip_prefix("bytes="));
    let part = || {
        let (first, last) = range?.split_once('-')?;
        let number = |text: &str| {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse::<u64>().ok()).flatten()
        };
        match (first.trim(), last.trim()) {
            ("", last) => Some(Part::Last(number(last)?)),
            (first, "") => Some(Part::From(number(first)?, None)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then(|| Part::From(first, Some(last.saturating_add(1))))
            }
        }
    };
    match values.next() {
        None => part().unwrap_or(Part::Whole),
        Some(_) => Part::Whole,
    }
}

/// Whether `If-Range` allows a part of this version.
fn wants_part(headers: &HeaderMap, metadata: &Metadata) -> bool {
    if !headers.contains_key(header::IF_RANGE) {
        return true;
    }
    let modified = metadata.modified.map(LastModified::from);
    let condition = headers.typed_get::<IfRange>();
    condition.is_some_and(|condition| {
        !condition.is_modified(etag_of(metadata).as_ref(), modified.as_ref())
    })
}

fn verdict(headers: &HeaderMap, metadata: &Metadata) -> Verdict {
    let etag = etag_of(metadata);
    if let Some(condition) = headers.typed_get::<IfMatch>() {
        let passes = etag
            .as_ref()
            .is_some_and(|etag| condition.precondition_passes(etag));
        if !condition.is_any() && !passes {
            return Verdict::Failed;
        }
    } else if let Some(condition) = headers.typed_get::<IfUnmodifiedSince>() {
        let passes = |modified| condition.precondition_passes(modified);
        if !metadata.modified.is_some_and(passes) {
            return Verdict::Failed;
        }
    }
    if let Some(condition) = headers.typed_get::<IfNoneMatch>() {
        let passes = etag
            .as_ref()
            .map(|etag| condition.precondition_passes(etag));
        if passes == Some(false) || condition == IfNoneMatch::any() {
            return Verdict::NotModified;
        }
    } else if let Some(condition) = headers.typed_get::<IfModifiedSince>()
        && let Some(modified) = metadata.modified
        && !condition.is_modified(modified)
    {
        return Verdict::NotModified;
    }
    Verdict::Send
}

fn etag_of(metadata: &Metadata) -> Option<ETag> {
    metadata.etag.as_ref()?.parse().ok()
}

/// A response with the whole file, unless a condition prevents it.
fn whole(
    path: &RemotePath,
    headers: &HeaderMap,
    metadata: &Metadata,
    is_head: bool,
    content: Body,
) -> Response<Body> {
    let verdict = verdict(headers, metadata);
    let mut response = match verdict {
        Verdict::Failed => {
            let message = "the file is another version";
            return response::text(StatusCode::PRECONDITION_FAILED, message);
        }
        Verdict::NotModified => Response::new(response::empty()),
        Verdict::Send if is_head => Response::new(response::empty()),
        Verdict::Send => Response::new(content),
    };
    describe(&mut response, path, metadata);
    match verdict {
        Verdict::NotModified => *response.status_mut() = StatusCode::NOT_MODIFIED,
        _ => response
            .headers_mut()
            .typed_insert(ContentLength(metadata.size)),
    }
    response
}

fn partial(
    path: &RemotePath,
    metadata: &Metadata,
    range: Range<u64>,
    content: Body,
) -> Response<Body> {
    let mut response = Response::new(content);
    describe(&mut response, path, metadata);
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    let headers = response.headers_mut();
    headers.typed_insert(ContentLength(range.end - range.start));
    if let Ok(range) = ContentRange::bytes(range, metadata.size) {
        headers.typed_insert(range);
    }
    response
}

fn describe(response: &mut Response<Body>, path: &RemotePath, metadata: &Metadata) {
    let headers = response.headers_mut();
    headers.typed_insert(AcceptRanges::bytes());
    if let Some(etag) = etag_of(metadata) {
        headers.typed_insert(etag);
    }
    if let Some(modified) = metadata.modified {
        headers.typed_insert(LastModified::from(modified));
    }
    let guess = mime_guess::from_path(path.file_name()).first_raw();
    let content_type = HeaderValue::from_static(guess.unwrap_or("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("private, no-cache"),
    );
}

fn not_satisfiable(size: u64) -> Response<Body> {
    let message = "the file has no byte in the requested range";
    let mut response = response::text(StatusCode::RANGE_NOT_SATISFIABLE, message);
    response
        .headers_mut()
        .typed_insert(ContentRange::unsatisfied_bytes(size));
    response
}

/// The content as a body that ends with an error if the download does.
fn content_of(file: RemoteFile) -> Body {
    let frames = file.map_ok(Frame::<Bytes>::data).map_err(|error| {
        tracing::warn!(%error, "a download ended early");
        io::Error::other(error)
    });
    response::boxed(StreamBody::new(frames))
}

fn metadata_of(file: &RemoteFile) -> Result<Metadata, Failure> {
    let message = "the store does not report the size of the file";
    Metadata::of_file(file).ok_or_else(|| Failure::new(StatusCode::BAD_GATEWAY, message))
}

fn not_found() -> Failure {
    Failure::new(StatusCode::NOT_FOUND, "no such file or folder")
}

fn failure_of(request: &Request) -> Failure {
    request.failure().unwrap_or_else(not_found)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn headers(values: &[(&'static str, &str)]) -> HeaderMap {
        let values = values
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap()));
        values.collect()
    }

    #[test]
    fn a_range_selects_a_part() {
        for (value, range) in [
            ("bytes=0-0", Some(0..1)),
            ("bytes=2-", Some(2..10)),
            ("bytes=2-99", Some(2..10)),
            ("bytes=-3", Some(7..10)),
            ("bytes=-99", Some(0..10)),
            ("bytes=9-9", Some(9..10)),
            ("bytes=10-", None),
            ("bytes=-0", None),
            ("bytes=18446744073709551615-18446744073709551615", None),
            // The whole file.
            ("bytes=3-2", Some(0..10)),
            ("bytes=0-1,3-4", Some(0..10)),
            ("bytes=+1-2", Some(0..10)),
            ("lines=1-2", Some(0..10)),
            ("bytes=-", Some(0..10)),
        ] {
            assert_eq!(
                part_of(&headers(&[("range", value)])).within(10),
                range,
                "{value}"
            );
        }
    }

    #[test]
    fn conditions_are_evaluated() {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let metadata = Metadata {
            etag: Some("\"a\"".to_owned()),
            modified: Some(modified),
            ..Metadata::default()
        };
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for (name, value, expected) in [
            ("if-match", "\"a\"", Verdict::Send),
            ("if-match", "\"b\", \"a\"", Verdict::Send),
            ("if-match", "*", Verdict::Send),
            ("if-match", "\"b\"", Verdict::Failed),
            ("if-none-match", "\"a\"", Verdict::NotModified),
            ("if-none-match", "W/\"a\"", Verdict::NotModified),
            ("if-none-match", "*", Verdict::NotModified),
            ("if-none-match", "\"b\"", Verdict::Send),
            ("if-modified-since", date, Verdict::NotModified),
            ("if-unmodified-since", date, Verdict::Send),
            (
                "if-unmodified-since",
                "Sun, 06 Nov 1994 08:49:36 GMT",
                Verdict::Failed,
            ),
        ] {
            assert_eq!(
                verdict(&headers(&[(name, value)]), &metadata),
                expected,
                "{name} {value}"
            );
        }
        assert!(wants_part(&headers(&[("if-range", "\"a\"")]), &metadata));
        assert!(!wants_part(&headers(&[("if-range", "\"b\"")]), &metadata));
    }
}
