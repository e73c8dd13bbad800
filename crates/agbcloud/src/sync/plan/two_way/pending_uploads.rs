//! Uploads whose names are taken by files of the context.

use std::collections::HashSet;

use super::super::{
    change_list::ChangeList,
    decision::{Decision, PlannedChange},
};
use crate::{Error, ErrorDetail, ErrorKind, sync::change::Change};

/// Uploads that would make a name in the context both a file and a folder, unless the files in the way are deleted by the same
/// sync.
#[derive(Default)]
pub(super) struct PendingUploads {
    planned: ChangeList,
    paths: HashSet<String>,
    /// The folders above the paths.
    folders: HashSet<String>,
    /// Files of the context below a path, or with the name of a folder.
    in_the_way: HashSet<String>,
}

impl PendingUploads {
    pub(super) fn push(&mut self, planned: &PlannedChange) {
        self.folders
            .extend(folders_above(&planned.path).map(str::to_owned));
        self.paths.insert(planned.path.clone());
        self.planned.push(planned);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty()
    }

    /// Adds a file of the context.
    pub(super) fn add_remote(&mut self, relative: &str) {
        let is_below = || folders_above(relative).any(|folder| self.paths.contains(folder));
        if !self.is_empty() && (self.folders.contains(relative) || is_below()) {
            self.in_the_way.insert(relative.to_owned());
        }
    }

    /// Removes a file of the context, which is deleted.
    pub(super) fn delete_remote(&mut self, relative: &str) {
        self.in_the_way.remove(relative);
    }

    /// Returns the uploads, and the failures of those whose names are still taken.
    pub(super) fn decide(self) -> impl Iterator<Item = Decision> {
        let taken: HashSet<String> = self
            .in_the_way
            .iter()
            .flat_map(|file| folders_above(file))
            .map(str::to_owned)
            .collect();
        let planned: Vec<PlannedChange> = self.planned.iter().collect();
        planned.into_iter().map(move |planned| {
            let is_file = |folder: &&str| self.in_the_way.contains(*folder);
            let file = folders_above(&planned.path).find(is_file);
            let message = match file {
                Some(file) => format!("the context has a file {file}"),
                None if taken.contains(&planned.path) => {
                    format!("the context has a folder {}", planned.path)
                }
                None => return Decision::Change(planned),
            };
            let error = Error::new(ErrorKind::Conflict, message);
            let error = error.with_detail(ErrorDetail::FileAndFolder);
            Decision::failed(planned.path, Some(Change::Upload), error)
        })
    }
}

/// The folders above a path.
fn folders_above(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(slash, _)| &path[..slash])
}
