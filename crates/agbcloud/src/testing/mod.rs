#![doc = include_str!("../guide/testing.md")]

mod error;
mod script;

pub use error::{ErrorBuilder, error, fail};
pub use script::{Script, Step};

pub use crate::{
    clock::Clock,
    wire::{ContextApi, ContextLookup, ContextQuery, FileQuery, MockContextApi, ResponseFuture},
};

use crate::{
    FileEntry, FileKind, FilePage,
    model::{Context, ContextId, ContextPage, ContextState, Response, Timestamp},
};

/// An immediate successful response.
pub fn ok<T: Send + 'static>(value: T) -> ResponseFuture<T> {
    Box::pin(async { Ok(Response::new(value, None)) })
}

/// A time in any format of the service, for the fields of contexts and files.
pub fn timestamp(text: impl Into<String>) -> Option<Timestamp> {
    Timestamp::from_wire(Some(text.into()))
}

/// An available context. Its other fields can be set.
///
/// # Panics
///
/// If the id is invalid.
#[expect(clippy::panic, reason = "tests do not handle errors")]
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

/// The only or last page of a listing of contexts. For another page, set [`next_token`](ContextPage::next_token).
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

/// A page of a folder with `total_count` entries on all pages.
pub fn file_page(entries: Vec<FileEntry>, total_count: u64) -> FilePage {
    FilePage {
        entries,
        page_number: 1,
        next_page: None,
        total_count: Some(total_count),
        request_id: None,
    }
}
