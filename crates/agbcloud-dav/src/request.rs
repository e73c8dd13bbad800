//! What the file system must know about the request that it serves.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use agbcloud::{FileEntry, FileItems, RemotePath};
use dav_server::{DavMethod, fs::FsError};
use http::{HeaderMap, StatusCode, header};

use crate::{failure::Failure, location::Location, metadata::Metadata, session::is_desktop_file};

/// The state of one request. `dav-server` passes it to each operation of the file system as credentials.
pub(crate) type Request = Arc<RequestState>;

pub(crate) struct RequestState {
    pub(crate) method: DavMethod,
    /// The location that the URL names.
    pub(crate) target: Location,
    /// The lock tokens that the client has submitted.
    pub(crate) tokens: Vec<String>,
    /// When the request arrived.
    pub(crate) now: SystemTime,
    /// The length of the body, as announced.
    pub(crate) expected_length: Option<u64>,
    /// An existing destination may be replaced.
    pub(crate) overwrites: bool,
    /// Only the folder itself is copied, not its members.
    pub(crate) is_shallow: bool,
    /// The request has a condition on the version of its target.
    is_conditional: bool,
    /// The client is that of Finder or Explorer.
    is_desktop: bool,
    /// Properties of members of a folder are requested, not only its own.
    lists_members: bool,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    failure: Option<Failure>,
    /// The first version of the target that was seen; `None` inside if it did not exist.
    seen: Option<Option<Metadata>>,
    listing: Option<StartedListing>,
}

/// A listing whose first entry is known.
pub(crate) struct StartedListing {
    pub(crate) folder: String,
    pub(crate) first: Option<FileEntry>,
    pub(crate) rest: FileItems,
}

impl RequestState {
    pub(crate) fn new(
        method: DavMethod,
        target: Location,
        headers: &HeaderMap,
        tokens: Vec<String>,
        now: SystemTime,
    ) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let length = text("content-length").or_else(|| text("x-expected-entity-length"));
        let conditions = [
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::IF_UNMODIFIED_SINCE,
        ];
        // `If` has conditions on locks, and on ETags in brackets.
        let has_etag = text("if").is_some_and(|value| value.contains('['));
        let agent = text("user-agent").unwrap_or_default();
        let desktops = ["WebDAVFS/", "WebDAVLib/", "Microsoft-WebDAV-MiniRedir/"];
        Self {
            method,
            target,
            tokens,
            now,
            expected_length: length.and_then(|length| length.parse().ok()),
            overwrites: text("overwrite") != Some("F"),
            // A move is one of everything below.
            is_shallow: method != DavMethod::Move && text("depth") == Some("0"),
            is_conditional: has_etag || conditions.iter().any(|name| headers.contains_key(name)),
            is_desktop: desktops.iter().any(|name| agent.contains(name)),
            lists_members: method == DavMethod::PropFind && text("depth") != Some("0"),
            progress: Mutex::default(),
        }
    }

    /// Whether this is the path that the request deletes or moves.
    pub(crate) fn removes(&self, location: &Location) -> bool {
        let removes = matches!(self.method, DavMethod::Delete | DavMethod::Move);
        removes && self.target.as_str() == location.as_str()
    }

    /// Whether a file is one that Finder or Explorer writes on its own, and the client is one of them. Does not apply to folders.
    pub(crate) fn keeps_in_memory(&self, path: &RemotePath) -> bool {
        self.is_desktop && is_desktop_file(path.file_name())
    }

    pub(crate) fn lists_members_of(&self, location: &Location) -> bool {
        self.lists_members && self.target == *location
    }

    /// Whether the client sees the files that Finder and Explorer write on their own.
    pub(crate) fn is_desktop(&self) -> bool {
        self.is_desktop
    }

    /// Records why the request fails. The first failure counts.
    pub(crate) fn fail(&self, failure: Failure) -> FsError {
        let error = failure.to_fs_error();
        self.progress().failure.get_or_insert(failure);
        error
    }

    pub(crate) fn fail_with(&self, status: StatusCode, message: impl Into<String>) -> FsError {
        self.fail(Failure::new(status, message))
    }

    /// Records the error of a call. A missing file is none: often it is only what the request finds out.
    pub(crate) fn failed_call(&self, error: &agbcloud::Error) -> FsError {
        let failure = Failure::from(error);
        match failure.status {
            StatusCode::NOT_FOUND => FsError::NotFound,
            _ => self.fail(failure),
        }
    }

    pub(crate) fn failure(&self) -> Option<Failure> {
        self.progress().failure.clone()
    }

    /// Returns the error of an earlier operation of the same request. `dav-server` takes a failed lookup for a missing file:
    /// nothing may be written after it.
    pub(crate) fn check(&self) -> Result<(), FsError> {
        match &self.progress().failure {
            Some(failure) => Err(failure.to_fs_error()),
            None => Ok(()),
        }
    }

    /// Records which version of its target a request with conditions has been compared with.
    pub(crate) fn saw(&self, location: &Location, metadata: Option<&Metadata>) {
        if self.target.as_str() == location.as_str() {
            let seen = || metadata.cloned();
            self.progress().seen.get_or_insert_with(seen);
        }
    }

    /// Whether the target is a folder, as far as it was looked up.
    pub(crate) fn saw_folder(&self) -> bool {
        let progress = self.progress();
        let seen = progress.seen.as_ref().and_then(Option::as_ref);
        seen.is_some_and(|seen| seen.is_folder)
    }

    /// Whether the target did not exist when it was looked up.
    pub(crate) fn saw_nothing(&self) -> bool {
        matches!(self.progress().seen, Some(None))
    }

    /// The version of the target that a conditional write must replace; `None` if the write has no condition.
    pub(crate) fn version_to_replace(&self) -> Option<Option<Metadata>> {
        match self.is_conditional {
            true => self.progress().seen.clone(),
            false => None,
        }
    }

    pub(crate) fn keep_listing(&self, listing: StartedListing) {
        self.progress().listing = Some(listing);
    }

    pub(crate) fn take_listing(&self, folder: &str) -> Option<StartedListing> {
        let mut progress = self.progress();
        progress.listing.take_if(|listing| listing.folder == folder)
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
