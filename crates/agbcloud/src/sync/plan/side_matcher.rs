//! Matching the files of both sides while they are found.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    decision::Decision,
    local_walk::LocalEntry,
    name_clash::RemoteNames,
    remote_files::{RemoteIdentity, RemoteIndex, SeenPaths},
};
use crate::{
    Error, FileEntry, RemotePath,
    file::local::LocalIdentity,
    sync::{change::Change, options::SyncOptions, paths},
};

/// Maximum number of local files that wait for the listing.
const MAX_WAITING: usize = 16 * 1024;

/// A local file that can be uploaded.
pub(super) struct UploadCandidate {
    pub(super) relative: String,
    pub(super) path: PathBuf,
    pub(super) remote: RemotePath,
    pub(super) identity: LocalIdentity,
    pub(super) executable: bool,
}

/// Returns the local files that can be uploaded, ordered by path, and the decisions about the other entries.
pub(super) fn candidates(
    options: &SyncOptions,
    entries: Vec<LocalEntry>,
) -> (Vec<UploadCandidate>, Vec<Decision>) {
    let (mut files, mut others) = (Vec::new(), Vec::new());
    for entry in entries {
        let (path, identity, executable) = match entry {
            LocalEntry::File {
                relative,
                identity,
                executable,
                ..
            } => (relative, identity, executable),
            LocalEntry::Skipped(entry) => {
                others.push(Decision::Skipped(entry));
                continue;
            }
            LocalEntry::Failed { relative, error } => {
                others.push(Decision::failed(relative.to_string_lossy(), None, error));
                continue;
            }
        };
        let names = paths::from_local(&path)
            .and_then(|relative| Ok((paths::to_remote(&options.remote, &relative)?, relative)));
        match names {
            Ok((remote, relative)) => files.push(UploadCandidate {
                relative,
                path: options.local.join(path),
                remote,
                identity,
                executable,
            }),
            Err(error) => {
                let upload = Some(Change::Upload);
                others.push(Decision::failed(path.to_string_lossy(), upload, error));
            }
        }
    }
    files.sort_unstable_by(|one, other| one.relative.cmp(&other.relative));
    (files, others)
}

/// What happens to remote files without a local file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unmatched {
    /// They are dropped, and the listing ends when all local files are matched.
    Dropped,
    /// They are counted in a complete listing, as far as the globs include them.
    Counted,
}

/// Matches local and remote files by path. Contains the files that were found on one side only.
pub(super) struct SideMatcher {
    unmatched: Unmatched,
    /// Number of remote files.
    remote_files: u64,
    /// Number of remote files without a local file.
    remote_only: u64,
    remote: RemoteIndex,
    names: RemoteNames,
    /// Local files, ordered by path: files that are only on the local side are uploaded in this order.
    waiting: BTreeMap<String, UploadCandidate>,
    /// The listing has returned a result.
    has_listed: bool,
    listing_ended: bool,
    walk_ended: bool,
}

pub(super) type MatchedFile = (UploadCandidate, Option<RemoteIdentity>);

impl SideMatcher {
    pub(super) fn new(unmatched: Unmatched) -> Self {
        Self {
            unmatched,
            remote_files: 0,
            remote_only: 0,
            remote: RemoteIndex::new(),
            names: RemoteNames::new(),
            waiting: BTreeMap::new(),
            has_listed: false,
            listing_ended: false,
            walk_ended: false,
        }
    }

    /// Whether the rest of the listing is needed. Its first result always is, since it may be an error.
    pub(super) fn needs_remote(&self) -> bool {
        let all_matched = self.has_listed && self.walk_ended && self.waiting.is_empty();
        !self.listing_ended && (self.unmatched == Unmatched::Counted || !all_matched)
    }

    pub(super) fn needs_local(&self) -> bool {
        !self.walk_ended && (self.listing_ended || self.waiting.len() < MAX_WAITING)
    }

    pub(super) fn end_local(&mut self) -> Vec<LocalEntry> {
        self.walk_ended = true;
        Vec::new()
    }

    /// Adds remote entries, none at the end of the listing. Returns the files that can be decided.
    pub(super) fn add_remote(
        &mut self,
        options: &SyncOptions,
        entries: &[FileEntry],
    ) -> Vec<MatchedFile> {
        self.has_listed = true;
        if entries.is_empty() {
            self.listing_ended = true;
            let only_local = std::mem::take(&mut self.waiting).into_values();
            return only_local.map(|file| (file, None)).collect();
        }
        let mut matched = Vec::new();
        for entry in entries {
            let path = entry.path.trim_end_matches('/');
            let Some(relative) = paths::relative_to(&options.remote, path) else {
                continue;
            };
            self.names.add(relative, entry.is_folder());
            if entry.is_folder() {
                continue;
            }
            let is_counted = self.unmatched == Unmatched::Counted;
            if is_counted && !options.filter.includes(Path::new(relative)) {
                continue;
            }
            self.remote_files += 1;
            let remote = RemoteIdentity::of(entry);
            match self.waiting.remove(relative) {
                Some(file) => matched.push((file, Some(remote))),
                None => {
                    self.remote_only += 1;
                    let below = format!("{relative}/");
                    let mut waiting = self.waiting.range(below.clone()..);
                    if waiting
                        .next()
                        .is_some_and(|(path, _)| path.starts_with(&below))
                    {
                        self.names.add_file(relative);
                    }
                    if !self.walk_ended {
                        self.remote.insert(relative, remote);
                    }
                }
            }
        }
        matched
    }

    /// Adds local files. Returns those that can be decided.
    pub(super) fn add_local(
        &mut self,
        files: Vec<UploadCandidate>,
        mut seen: Option<&mut SeenPaths>,
    ) -> Vec<MatchedFile> {
        let mut matched = Vec::new();
        for file in files {
            if let Some(seen) = &mut seen {
                seen.insert(&file.relative);
            }
            for (slash, _) in file.relative.match_indices('/') {
                let folder = &file.relative[..slash];
                if self.remote.contains(folder) {
                    self.names.add_file(folder);
                }
            }
            match self.remote.remove(&file.relative) {
                None if !self.listing_ended => {
                    self.waiting.insert(file.relative.clone(), file);
                }
                remote => {
                    self.remote_only -= u64::from(remote.is_some());
                    matched.push((file, remote));
                }
            }
        }
        matched
    }

    /// Returns the error of a local file that can't be new in the context, since a name in its path is a file and a folder.
    pub(super) fn name_clash(&self, relative: &str) -> Option<Error> {
        self.names.error_of(relative)
    }

    /// Number of remote files, after the listing has ended.
    pub(super) fn remote_files(&self) -> u64 {
        self.remote_files
    }

    /// Number of remote files without a local file, after both sides have ended. A file that was listed twice counts.
    pub(super) fn remote_only(&self) -> u64 {
        self.remote_only
    }
}
