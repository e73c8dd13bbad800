//! What a service in a test answers with.

use super::Answer;
use crate::{
    Context, ContextId, ContextPage, ContextState, Error, ErrorKind, FileEntry, FileKind, FilePage,
    Response, Timestamp,
};

/// A good answer, at once.
pub fn ok<T: Send + 'static>(value: T) -> Answer<T> {
    Box::pin(async { Ok(Response::new(value, None)) })
}

/// A failure, at once. The SDK tries again after those that pass, as after any: see
/// [`RetryPolicy`](crate::RetryPolicy).
pub fn fails<T>(kind: ErrorKind, message: &str) -> Answer<T> {
    let error = Error::new(kind, message);
    Box::pin(async { Err(error) })
}

/// A failure with one of the service's codes, at once: the SDK looks at `InvalidFile.NotFound` and the like where not
/// to find something has a meaning.
pub fn fails_with_code<T>(kind: ErrorKind, code: &str, message: &str) -> Answer<T> {
    let error = Error::new(kind, message).with_code(code);
    Box::pin(async { Err(error) })
}

/// A time in any form that services use, for the fields of contexts and files.
pub fn timestamp(text: impl Into<String>) -> Option<Timestamp> {
    Timestamp::from_wire(Some(text.into()))
}

/// A context that is available. Its other fields can be set.
///
/// # Panics
///
/// If the id is none: empty, or with characters that an id can't have.
#[allow(clippy::panic)] // For tests, where an error to handle would be in the way.
pub fn context(id: &str, name: &str) -> Context {
    let id = ContextId::new(id).unwrap_or_else(|error| panic!("{error}"));
    Context {
        id,
        name: name.to_owned(),
        state: ContextState::Available,
        created_at: None,
        last_used_at: None,
        os_type: None,
    }
}

/// The only page of a listing of contexts; the last of several, if its
/// [`next_token`](ContextPage::next_token) is not set.
pub fn context_page(contexts: Vec<Context>) -> ContextPage {
    ContextPage {
        contexts,
        next_token: None,
        max_results: None,
        total_count: None,
        request_id: None,
    }
}

/// A file of this size. Its other fields can be set.
pub fn file(path: &str, size: u64) -> FileEntry {
    FileEntry {
        size: Some(size),
        ..entry(path, FileKind::File)
    }
}

/// A folder.
pub fn folder(path: &str) -> FileEntry {
    entry(path, FileKind::Folder)
}

fn entry(path: &str, kind: FileKind) -> FileEntry {
    FileEntry {
        id: None,
        name: path.rsplit('/').next().unwrap_or_default().to_owned(),
        path: path.to_owned(),
        kind,
        size: None,
        created_at: None,
        modified_at: None,
        status: None,
        etag: None,
        crc64: None,
    }
}

/// A page of a folder that has so many entries over all pages.
pub fn file_page(entries: Vec<FileEntry>, total_count: u64) -> FilePage {
    FilePage {
        entries,
        page_number: 1,
        next_page: None,
        total_count: Some(total_count),
        request_id: None,
    }
}
