//! The files among the local ones that say what is left out: those of git, and `.ignore`.

use std::{
    collections::HashMap,
    fs::File,
    io,
    path::{Path, PathBuf},
};

use ignore::{
    Match,
    gitignore::{Gitignore, GitignoreBuilder},
};

use crate::{Error, ErrorKind, file::local::cannot};

/// Where they are in a folder. What one of the first says counts before what the next say, wherever they are.
const NAMES: [&str; 3] = [".ignore", ".gitignore", ".git/info/exclude"];

/// What git never lists: a folder, or in a submodule a file.
pub(super) const GIT: &str = ".git";

/// Why the rules of a folder can't be known, if they can't: what they leave out must not be sent. A pipe would be waited
/// for without end. Blocks.
pub(super) fn unknown(folder: &Path) -> Option<(PathBuf, Error)> {
    let files = NAMES.iter().map(|name| folder.join(name));
    let mut unknown = files.filter_map(|file| Some((readable(&file).err()?, file)));
    unknown.next().map(|(error, file)| (file, error))
}

/// Whether there is a file of rules, and it can be read.
fn readable(file: &Path) -> Result<bool, Error> {
    let failed = |error| cannot("read", file, error);
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => File::open(file).map(|_| true).map_err(failed),
        // As for git, one of that name has no rules.
        Ok(metadata) if metadata.is_dir() => Ok(false),
        Ok(_) => {
            let message = format!("{} is not a regular file", file.display());
            Err(Error::new(ErrorKind::LocalFile, message))
        }
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(false),
            _ => Err(failed(error)),
        },
    }
}

/// The rules of the folders below one, for paths that are not there and so not met when they are gone through.
pub(super) struct Ignored {
    root: PathBuf,
    folders: HashMap<PathBuf, [Gitignore; NAMES.len()]>,
}

impl Ignored {
    pub(super) fn below(root: PathBuf) -> Self {
        Self {
            root,
            folders: HashMap::new(),
        }
    }

    /// Whether a file of this path would be left out if it was there. Blocks.
    pub(super) fn leaves_out(&mut self, relative: &Path) -> bool {
        let mut path = PathBuf::new();
        let mut segments = relative.iter().peekable();
        while let Some(segment) = segments.next() {
            path.push(segment);
            let folder = segments.peek().is_some();
            // What is in a folder that is left out is not taken in again.
            if segment == GIT || self.says(&path, folder).is_ignore() {
                return true;
            }
        }
        false
    }

    /// What the rules say of a path, the nearest first.
    fn says(&mut self, path: &Path, folder: bool) -> Match<()> {
        let whole = self.root.join(path);
        for kind in 0..NAMES.len() {
            for above in path.ancestors().skip(1) {
                let said = self.of(above)[kind].matched(&whole, folder).map(|_| ());
                if !said.is_none() {
                    return said;
                }
            }
        }
        Match::None
    }

    fn of(&mut self, folder: &Path) -> &[Gitignore; NAMES.len()] {
        let whole = self.root.join(folder);
        let read = || NAMES.map(|name| rules(&whole, &whole.join(name)));
        self.folders.entry(folder.to_owned()).or_insert_with(read)
    }
}

/// Those of a file; a line that makes no sense says nothing.
fn rules(folder: &Path, file: &Path) -> Gitignore {
    if !readable(file).unwrap_or(false) {
        return Gitignore::empty();
    }
    let mut builder = GitignoreBuilder::new(folder);
    let _ = builder.add(file);
    builder.build().unwrap_or_else(|_| Gitignore::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        folder
    }

    /// What is not there is judged as what is there is by the walk.
    #[test]
    fn what_is_not_there_is_left_out_as_if_it_was() {
        let rules = [
            (".gitignore", "*.log\n/build/\n!keep.log\n"),
            (".ignore", "*.secret\n"),
            (".git/info/exclude", "*.mine\n"),
            ("deep/.gitignore", "!wanted.log\n/only-here\n"),
        ];
        let paths = [
            "a.log",
            "keep.log",
            "build/out",
            "deep/build/out",
            "a.secret",
            "deep/a.mine",
            "deep/wanted.log",
            "deep/other.log",
            "only-here",
            "deep/only-here",
            ".git/config",
            "sub/.git",
            "a.txt",
            "build",
            "none/b.log",
            "none/b.txt",
        ];
        for path in paths {
            let (with, without) = (folder(&rules), folder(&rules));
            let file = with.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            let _ = std::fs::write(&file, "");
            let walker = ignore::WalkBuilder::new(with.path())
                .standard_filters(false)
                .git_ignore(true)
                .git_exclude(true)
                .ignore(true)
                .require_git(false)
                .filter_entry(|entry| entry.file_name() != GIT)
                .build();
            let met = walker.flatten().any(|entry| entry.path() == file);
            let mut ignored = Ignored::below(without.path().to_owned());
            assert_eq!(ignored.leaves_out(Path::new(path)), !met, "{path}");
        }
    }

    #[test]
    fn rules_that_can_not_be_read_are_told() {
        let plain = folder(&[(".gitignore", "a"), (".ignore/is-a-folder", "")]);
        assert!(unknown(plain.path()).is_none());
        #[cfg(unix)]
        for name in NAMES {
            let odd = folder(&[(".git/info/other", "")]);
            let _listener = std::os::unix::net::UnixListener::bind(odd.path().join(name)).unwrap();
            let (file, error) = unknown(odd.path()).unwrap();
            assert_eq!(file, odd.path().join(name));
            assert_eq!(error.kind(), ErrorKind::LocalFile);
            assert!(!Ignored::below(odd.path().to_owned()).leaves_out(Path::new("a")));
        }
    }
}
