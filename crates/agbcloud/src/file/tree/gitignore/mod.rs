//! Which local paths git ignores, and which an `.ignore` file names.
//!
//! One engine answers for paths that are there and for those that are not, so that both directions and deletions agree. It is
//! held against `git check-ignore --no-index` by the tests; tracked files are ignored like others.

mod pattern;
mod repository;
mod wildmatch;

use std::{
    collections::HashMap,
    fs::{File, Metadata},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use pattern::Patterns;
use repository::{Environment, Repository, Settings, worktree_of};

use crate::{Error, ErrorKind, file::local::cannot};

const DOT_IGNORE: &str = ".ignore";
const GITIGNORE: &str = ".gitignore";

/// What git never lists: a folder, or in a submodule a file.
pub(super) const GIT: &str = ".git";

/// Folders whose rules are kept in memory.
const KEPT: usize = 4096;

/// The rules that hold below a local folder: those of its ignore files, of the folders above it up to the root of the
/// repository that it is in, of the repository and of the user.
///
/// In a repository that lies in another, the rules of both hold: what either of them ignores is ignored.
#[derive(Debug)]
pub(super) struct Ignores {
    root: PathBuf,
    /// The root of the repository that the folder is in; the folder itself if there is none.
    top: PathBuf,
    /// The path of the folder below that, with a slash at the end if it is not the same.
    below_top: Vec<u8>,
    environment: Environment,
    folders: Mutex<HashMap<PathBuf, Arc<Folder>>>,
}

/// The rules that a folder adds to those of the folders above it.
#[derive(Debug)]
struct Folder {
    above: Option<Arc<Folder>>,
    /// Bytes of its path below the top, with the slash at its end.
    prefix: usize,
    dot_ignore: Patterns,
    gitignore: Patterns,
    /// If a repository begins here, and for the top.
    repository: Option<Own>,
}

/// What holds in a repository beside its ignore files.
#[derive(Debug)]
struct Own {
    exclude: Patterns,
    /// Those of the user.
    global: Patterns,
    ignore_case: bool,
}

impl Ignores {
    /// Blocks.
    pub(super) fn below(root: &Path) -> Self {
        Self::with(root, Environment::of_process())
    }

    fn with(root: &Path, environment: Environment) -> Self {
        // A link is no folder above; what can't be resolved fails when it is read.
        let whole = resolved(root).unwrap_or_else(|| root.to_owned());
        let top = worktree_of(&whole).unwrap_or(&whole).to_owned();
        let mut below_top = bytes(whole.strip_prefix(&top).unwrap_or(Path::new("")));
        if !below_top.is_empty() {
            below_top.push(b'/');
        }
        Self {
            root: whole,
            top,
            below_top,
            environment,
            folders: Mutex::default(),
        }
    }

    /// Why the rules of the folders above and of the user can't be known, if they can't: what they ignore must not be sent.
    /// Blocks.
    pub(super) fn unknown_above(&self) -> Option<(PathBuf, Error)> {
        let above = self.root.ancestors().skip(1);
        let above = above.take_while(|above| above.starts_with(&self.top));
        let gitignores = above.map(|above| above.join(GITIGNORE));
        let first_unknown = unreadable(gitignores, Links::Refused);
        let repository = Repository::of(&self.top);
        let settings = Settings::read(&self.environment, repository.as_ref());
        let others = settings.global_excludes(&self.environment, &self.top);
        let others = others
            .into_iter()
            .chain(repository.map(|own| own.exclude()));
        first_unknown.or_else(|| unreadable(others, Links::Followed))
    }

    /// Whether an entry of this path below the folder is ignored, itself or with a folder above it. Blocks.
    pub(super) fn ignores(&self, relative: &Path, is_folder: bool) -> bool {
        let path = self.path(relative);
        let ends = path.iter().enumerate();
        let mut ends = ends.filter_map(|(end, byte)| (*byte == b'/').then_some(end));
        let above = ends.any(|end| self.decides(&path[..end], true));
        above || self.decides(&path, is_folder)
    }

    /// The same for an entry in a folder that is not ignored. Blocks.
    pub(super) fn ignores_entry(&self, relative: &Path, is_folder: bool) -> bool {
        self.decides(&self.path(relative), is_folder)
    }

    /// The path below the top.
    fn path(&self, relative: &Path) -> Vec<u8> {
        let mut path = self.below_top.clone();
        path.extend(bytes(relative));
        path
    }

    /// Whether an entry is ignored by what the folders above it say of the entry itself.
    fn decides(&self, path: &[u8], is_folder: bool) -> bool {
        let slash = path.iter().rposition(|byte| *byte == b'/');
        let name = slash.map_or(0, |slash| slash + 1);
        if &path[name..] == GIT.as_bytes() {
            return true;
        }
        let folder = self.folder(&path[..slash.unwrap_or(0)]);
        let above = || std::iter::successors(Some(&*folder), |folder| folder.above.as_deref());
        let mut said = above().filter_map(|above| {
            let within = &path[above.prefix..];
            above.dot_ignore.ignores(within, is_folder, false)
        });
        if let Some(ignored) = said.next() {
            return ignored;
        }
        let repositories = above().filter_map(|above| Some((above, above.repository.as_ref()?)));
        let mut ignored = repositories.map(|(root, own)| {
            let within = above().take_while(|above| above.prefix >= root.prefix);
            let path_there = &path[root.prefix..];
            let case = own.ignore_case;
            of_gitignores(within, path, is_folder, case)
                .or_else(|| own.exclude.ignores(path_there, is_folder, case))
                .or_else(|| own.global.ignores(path_there, is_folder, case))
                .unwrap_or(false)
        });
        ignored.any(|ignored| ignored)
    }

    /// The rules that hold in a folder, by its path below the top.
    fn folder(&self, path: &[u8]) -> Arc<Folder> {
        let relative = path_of(path);
        let mut known = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = known.get(&relative) {
            return folder.clone();
        }
        let nearest = relative.ancestors().skip(1);
        let mut missing = vec![relative.as_path()];
        let mut above = None;
        for folder in nearest {
            if let Some(folder) = known.get(folder) {
                above = Some(folder.clone());
                break;
            }
            missing.push(folder);
        }
        if known.len() > KEPT {
            known.clear();
        }
        for folder in missing.into_iter().rev() {
            let made = self.read_folder(folder, above);
            known.insert(folder.to_owned(), made.clone());
            above = Some(made);
        }
        above.unwrap_or_else(|| self.read_folder(&relative, None))
    }

    fn own(&self, place: &Path, repository: Option<&Repository>) -> Own {
        let settings = Settings::read(&self.environment, repository);
        let global = settings.global_excludes(&self.environment, place);
        let patterns = |file: PathBuf| read(&file, Links::Followed);
        Own {
            exclude: repository
                .map(|own| patterns(own.exclude()))
                .unwrap_or_default(),
            global: global.map(patterns).unwrap_or_default(),
            ignore_case: settings.ignore_case,
        }
    }

    fn read_folder(&self, relative: &Path, above: Option<Arc<Folder>>) -> Arc<Folder> {
        let place = self.top.join(relative);
        let is_within = place.starts_with(&self.root);
        let dot_ignore = match is_within {
            true => read(&place.join(DOT_IGNORE), Links::Followed),
            false => Patterns::default(),
        };
        let gitignore = read(&place.join(GITIGNORE), Links::Refused);
        let repository = Repository::of(&place);
        let begins = repository.is_some() || above.is_none();
        let repository = begins.then(|| self.own(&place, repository.as_ref()));
        match above {
            // It adds nothing.
            Some(above)
                if dot_ignore.is_empty() && gitignore.is_empty() && repository.is_none() =>
            {
                above
            }
            above => Arc::new(Folder {
                above,
                prefix: match bytes(relative).len() {
                    0 => 0,
                    length => length + 1,
                },
                dot_ignore,
                gitignore,
                repository,
            }),
        }
    }
}

/// A path without links, the end of which need not exist. Blocks.
pub(super) fn resolved(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    let mut above = path.ancestors();
    let (there, above) = above.find_map(|above| Some((above.canonicalize().ok()?, above)))?;
    let rest = path.strip_prefix(above).ok()?;
    Some(match rest.as_os_str().is_empty() {
        true => there,
        false => there.join(rest),
    })
}

/// What the ignore files of git say of a path, the nearest first.
fn of_gitignores<'a>(
    mut folders: impl Iterator<Item = &'a Folder>,
    path: &[u8],
    is_folder: bool,
    ignore_case: bool,
) -> Option<bool> {
    folders.find_map(|folder| {
        let within = &path[folder.prefix..];
        folder.gitignore.ignores(within, is_folder, ignore_case)
    })
}

/// Whether a link to a file of rules counts: git does not follow one in a worktree.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Links {
    Followed,
    Refused,
}

impl Links {
    fn metadata(self, file: &Path) -> io::Result<Metadata> {
        match self {
            Self::Followed => file.metadata(),
            Self::Refused => file.symlink_metadata(),
        }
    }
}

/// Why the rules of a folder can't be known, if they can't: what they ignore must not be sent. A pipe would be waited for
/// without end. Blocks.
pub(super) fn unknown(folder: &Path) -> Option<(PathBuf, Error)> {
    let exclude = || Repository::of(folder).map(|own| own.exclude());
    unreadable([folder.join(GITIGNORE)], Links::Refused)
        .or_else(|| unreadable([folder.join(DOT_IGNORE)], Links::Followed))
        .or_else(|| unreadable(exclude(), Links::Followed))
}

fn unreadable(files: impl IntoIterator<Item = PathBuf>, links: Links) -> Option<(PathBuf, Error)> {
    let files = files.into_iter();
    let mut unknown = files.filter_map(|file| Some((readable(&file, links).err()?, file)));
    unknown.next().map(|(error, file)| (file, error))
}

/// Whether there is a file of rules, and it can be read.
fn readable(file: &Path, links: Links) -> Result<bool, Error> {
    let failed = |error| cannot("read", file, error);
    match links.metadata(file) {
        Ok(metadata) if metadata.is_file() => File::open(file).map(|_| true).map_err(failed),
        // As for git, one of that name has no rules.
        Ok(metadata) if metadata.is_dir() || metadata.is_symlink() => Ok(false),
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

/// The rules of a file; none if it can't be read, which [`unknown`] reports.
fn read(file: &Path, links: Links) -> Patterns {
    let is_file = links
        .metadata(file)
        .is_ok_and(|metadata| metadata.is_file());
    let text = is_file.then(|| std::fs::read(file).ok()).flatten();
    text.map_or_else(Patterns::default, |text| Patterns::parse(&text))
}

/// A relative path with slashes between its segments.
fn bytes(relative: &Path) -> Vec<u8> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;

        relative.as_os_str().as_bytes().to_owned()
    }
    #[cfg(not(unix))]
    {
        let path = relative.to_string_lossy().into_owned();
        path.replace(std::path::MAIN_SEPARATOR, "/").into_bytes()
    }
}

fn path_of(bytes: &[u8]) -> PathBuf {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;

        std::ffi::OsStr::from_bytes(bytes).into()
    }
    #[cfg(not(unix))]
    {
        String::from_utf8_lossy(bytes).into_owned().into()
    }
}

#[cfg(test)]
mod tests;
