//! Names that are a file and a folder in the context, which a local folder can't have.

use std::collections::{HashMap, HashSet};

use super::remote_files::SeenPaths;
use crate::{
    Error, ErrorDetail, ErrorKind, FileEntry, Result,
    file::local::blocking,
    sync::{options::SyncOptions, paths},
};

/// Finds such names in a listing. The file is downloaded, and not the contents of the folder; the other way round if the
/// local side has the folder.
///
/// Takes 8 bytes for each entry of the folder that is listed. In a recursive listing a name may be found too late: then one
/// of the two fails when it is written.
pub(super) struct NameClashes {
    /// The folder that is listed.
    folder: Option<String>,
    files: SeenPaths,
    folders: SeenPaths,
    found: HashMap<String, Copied>,
}

/// Which of the two is copied.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Copied {
    File,
    Folder,
}

impl NameClashes {
    pub(super) fn new() -> Self {
        Self {
            folder: None,
            files: SeenPaths::new(false),
            folders: SeenPaths::new(false),
            found: HashMap::new(),
        }
    }

    /// Processes the next entries of the listing, before any of them is decided.
    pub(super) async fn add(&mut self, options: &SyncOptions, entries: &[FileEntry]) -> Result<()> {
        for entry in entries {
            let path = entry.path.trim_end_matches('/');
            let Some(relative) = paths::relative_to(&options.remote, path) else {
                continue;
            };
            let folder = parent(relative);
            if self.folder.as_deref() != Some(folder) {
                self.folder = Some(folder.to_owned());
                self.files = SeenPaths::new(false);
                self.folders = SeenPaths::new(false);
            }
            let (own, other) = match entry.is_folder() {
                true => (&mut self.folders, &self.files),
                false => (&mut self.files, &self.folders),
            };
            own.insert(relative);
            let filter = &options.filter;
            if !other.contains(relative) || !filter.includes(relative.as_ref()) {
                continue;
            }
            let Ok(local) = paths::to_local(relative) else {
                continue;
            };
            let local = options.local.join(local);
            let is_folder =
                blocking(move || Ok(local.symlink_metadata().is_ok_and(|it| it.is_dir())));
            let copied = match is_folder.await? {
                true => Copied::Folder,
                false => Copied::File,
            };
            self.found.insert(relative.to_owned(), copied);
        }
        Ok(())
    }

    /// Returns the error of a file that is not downloaded.
    pub(super) fn error_of(&self, options: &SyncOptions, relative: &str) -> Option<Error> {
        if self.found.is_empty() {
            return None;
        }
        if self.found.get(relative) == Some(&Copied::Folder) {
            let message =
                format!("{relative} is also a folder, and only its contents can be local");
            return Some(clash(options, message, relative, ""));
        }
        let mut above = std::iter::successors(Some(relative), |path| Some(parent(path)))
            .skip(1)
            .take_while(|path| !path.is_empty());
        let file = above.find(|path| self.found.get(*path) == Some(&Copied::File))?;
        let message = format!("{file} is also a file, and only the file can be local");
        Some(clash(options, message, file, "/"))
    }
}

/// The path of the folder above; empty for the root.
fn parent(relative: &str) -> &str {
    relative.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// The error about a name. With a slash at its end, the folder is not copied.
fn clash(options: &SyncOptions, message: String, relative: &str, slash: &str) -> Error {
    let error = Error::new(ErrorKind::Conflict, message).with_detail(ErrorDetail::FileAndFolder);
    match (
        options.files.context_id(),
        paths::to_remote(&options.remote, relative),
    ) {
        (Ok(id), Ok(path)) => error
            .with_context(id.as_str())
            .with_path(&format!("{path}{slash}")),
        _ => error,
    }
}

/// The names of the remote side of an upload.
pub(super) struct RemoteNames {
    /// The folders, also those that are implied by their files.
    folders: SeenPaths,
    /// Files whose names are those of local folders.
    files: HashSet<String>,
}

impl RemoteNames {
    pub(super) fn new() -> Self {
        Self {
            folders: SeenPaths::new(false),
            files: HashSet::new(),
        }
    }

    /// Adds an entry by its path relative to the folder.
    pub(super) fn add(&mut self, relative: &str, is_folder: bool) {
        if is_folder {
            self.folders.insert(relative);
        }
        let mut folder = parent(relative);
        while !folder.is_empty() && self.folders.insert(folder) {
            folder = parent(folder);
        }
    }

    /// Adds a file whose name is that of a local folder.
    pub(super) fn add_file(&mut self, relative: &str) {
        self.files.insert(relative.to_owned());
    }

    /// Returns the error of a new file that would have the name of a folder, or be below a file.
    pub(super) fn error_of(&self, relative: &str) -> Option<Error> {
        let message = if self.folders.contains(relative) {
            format!("the context has a folder {relative}")
        } else {
            let mut above = std::iter::successors(Some(relative), |path| Some(parent(path)))
                .skip(1)
                .take_while(|path| !path.is_empty());
            let file = above.find(|path| self.files.contains(*path))?;
            format!("the context has a file {file}")
        };
        let error = Error::new(ErrorKind::Conflict, message);
        Some(error.with_detail(ErrorDetail::FileAndFolder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_must_not_have_the_name_of_a_folder_or_be_below_a_file() {
        let mut names = RemoteNames::new();
        names.add("a/b/c", false);
        names.add("empty", true);
        names.add("file", false);
        names.add_file("file");
        for (path, is_clash) in [
            ("a", true),
            ("a/b", true),
            ("a/b/c", false),
            ("a/new", false),
            ("empty", true),
            ("file", false),
            ("file/new", true),
            ("file/deep/new", true),
            ("filed/new", false),
        ] {
            assert_eq!(names.error_of(path).is_some(), is_clash, "{path}");
        }
    }
}
