//! The ignore rules of git and of `.ignore` files.
//!
//! The rules also apply to paths that do not exist, so that both directions and deletions agree. Tests compare them with
//! `git check-ignore --no-index`. Tracked files are ignored like others.

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

use pattern::IgnorePatterns;
use repository::{GIT, GitEnvironment, GitRepository, GitSettings, worktree_of};

use crate::{Error, ErrorKind, file::local::cannot};

const DOT_IGNORE: &str = ".ignore";
const GITIGNORE: &str = ".gitignore";

/// Maximum number of folders whose rules are cached.
const MAX_CACHED: usize = 4096;

/// The ignore rules for a local folder: those of its ignore files, of the folders above it up to the root of its repository, of
/// the repository and of the user.
///
/// In nested repositories the rules of both apply: a file that either of them ignores is ignored.
#[derive(Debug)]
pub(in crate::sync) struct IgnoreRules {
    root: PathBuf,
    /// The root of the repository, or the folder itself if there is none.
    top: PathBuf,
    /// Path of the folder relative to `top`, with a trailing slash unless it is empty.
    below_top: Vec<u8>,
    environment: GitEnvironment,
    folders: Mutex<HashMap<PathBuf, Arc<FolderRules>>>,
}

/// The rules that a folder adds to those of its parent.
#[derive(Debug)]
struct FolderRules {
    above: Option<Arc<FolderRules>>,
    /// Length of its path relative to `top`, with a trailing slash.
    prefix: usize,
    dot_ignore: IgnorePatterns,
    gitignore: IgnorePatterns,
    /// Set for the root of a repository, and for `top`.
    repository: Option<RepositoryRules>,
}

/// The rules of a repository outside of its ignore files.
#[derive(Debug)]
struct RepositoryRules {
    exclude: IgnorePatterns,
    /// The rules of the user.
    global: IgnorePatterns,
    ignore_case: bool,
}

impl IgnoreRules {
    /// Blocks.
    pub(in crate::sync) fn of_folder(root: &Path) -> Self {
        Self::with(root, GitEnvironment::of_process())
    }

    fn with(root: &Path, environment: GitEnvironment) -> Self {
        // Resolves links to find the real parent folders. A path that can't be resolved fails when it is read.
        let whole = resolve_path(root).unwrap_or_else(|| root.to_owned());
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

    /// Returns the error of an unreadable file of rules outside of the folder, since the files that it ignores must not be
    /// uploaded. Blocks.
    pub(in crate::sync) fn unreadable_above(&self) -> Option<(PathBuf, Error)> {
        let above = self.root.ancestors().skip(1);
        let above = above.take_while(|above| above.starts_with(&self.top));
        let gitignores = above.map(|above| above.join(GITIGNORE));
        let first = unreadable(gitignores, LinkHandling::NotFollowed);
        let repository = GitRepository::of(&self.top);
        let settings = GitSettings::read(&self.environment, repository.as_ref());
        let others = settings.global_excludes(&self.environment, &self.top);
        let others = others
            .into_iter()
            .chain(repository.map(|own| own.exclude()));
        first.or_else(|| unreadable(others, LinkHandling::Followed))
    }

    /// Whether an entry or a folder above it is ignored. Blocks.
    pub(in crate::sync) fn ignores(&self, relative: &Path, is_folder: bool) -> bool {
        let path = self.path(relative);
        let ends = path.iter().enumerate();
        let mut ends = ends.filter_map(|(end, byte)| (*byte == b'/').then_some(end));
        let above = ends.any(|end| self.matches(&path[..end], true));
        above || self.matches(&path, is_folder)
    }

    /// Whether an entry is ignored. The folders above it must not be ignored. Blocks.
    pub(in crate::sync) fn ignores_entry(&self, relative: &Path, is_folder: bool) -> bool {
        self.matches(&self.path(relative), is_folder)
    }

    /// Returns a path relative to `top`.
    fn path(&self, relative: &Path) -> Vec<u8> {
        let mut path = self.below_top.clone();
        path.extend(bytes(relative));
        path
    }

    /// Whether a rule for the entry itself ignores it.
    fn matches(&self, path: &[u8], is_folder: bool) -> bool {
        let slash = path.iter().rposition(|byte| *byte == b'/');
        let name = slash.map_or(0, |slash| slash + 1);
        if &path[name..] == GIT.as_bytes() {
            return true;
        }
        let folder = self.folder(&path[..slash.unwrap_or(0)]);
        let above = || std::iter::successors(Some(&*folder), |folder| folder.above.as_deref());
        let mut decisions = above().filter_map(|above| {
            let within = &path[above.prefix..];
            above.dot_ignore.ignores(within, is_folder, false)
        });
        if let Some(ignored) = decisions.next() {
            return ignored;
        }
        let repositories = above().filter_map(|above| Some((above, above.repository.as_ref()?)));
        let mut ignored = repositories.map(|(root, own)| {
            let within = above().take_while(|above| above.prefix >= root.prefix);
            let path_there = &path[root.prefix..];
            let case = own.ignore_case;
            match_gitignores(within, path, is_folder, case)
                .or_else(|| own.exclude.ignores(path_there, is_folder, case))
                .or_else(|| own.global.ignores(path_there, is_folder, case))
                .unwrap_or(false)
        });
        ignored.any(|ignored| ignored)
    }

    /// Returns the rules of a folder by its path relative to `top`.
    fn folder(&self, path: &[u8]) -> Arc<FolderRules> {
        let relative = path_of(path);
        let mut cache = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = cache.get(&relative) {
            return folder.clone();
        }
        let nearest = relative.ancestors().skip(1);
        let mut missing = vec![relative.as_path()];
        let mut above = None;
        for folder in nearest {
            if let Some(folder) = cache.get(folder) {
                above = Some(folder.clone());
                break;
            }
            missing.push(folder);
        }
        if cache.len() > MAX_CACHED {
            cache.clear();
        }
        for folder in missing.into_iter().rev() {
            let rules = self.read_folder(folder, above);
            cache.insert(folder.to_owned(), rules.clone());
            above = Some(rules);
        }
        above.unwrap_or_else(|| self.read_folder(&relative, None))
    }

    fn repository_rules(
        &self,
        place: &Path,
        repository: Option<&GitRepository>,
    ) -> RepositoryRules {
        let settings = GitSettings::read(&self.environment, repository);
        let global = settings.global_excludes(&self.environment, place);
        let patterns = |file: PathBuf| read(&file, LinkHandling::Followed);
        RepositoryRules {
            exclude: repository
                .map(|own| patterns(own.exclude()))
                .unwrap_or_default(),
            global: global.map(patterns).unwrap_or_default(),
            ignore_case: settings.ignore_case,
        }
    }

    fn read_folder(&self, relative: &Path, above: Option<Arc<FolderRules>>) -> Arc<FolderRules> {
        let place = self.top.join(relative);
        let is_within = place.starts_with(&self.root);
        let dot_ignore = match is_within {
            true => read(&place.join(DOT_IGNORE), LinkHandling::Followed),
            false => IgnorePatterns::default(),
        };
        let gitignore = read(&place.join(GITIGNORE), LinkHandling::NotFollowed);
        let repository = GitRepository::of(&place);
        let begins = repository.is_some() || above.is_none();
        let repository = begins.then(|| self.repository_rules(&place, repository.as_ref()));
        match above {
            // The folder has no rules of its own.
            Some(above)
                if dot_ignore.is_empty() && gitignore.is_empty() && repository.is_none() =>
            {
                above
            }
            above => Arc::new(FolderRules {
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

/// Resolves the links in a path, the end of which need not exist. Blocks.
pub(in crate::sync) fn resolve_path(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    let mut above = path.ancestors();
    let (there, above) = above.find_map(|above| Some((above.canonicalize().ok()?, above)))?;
    let rest = path.strip_prefix(above).ok()?;
    Some(match rest.as_os_str().is_empty() {
        true => there,
        false => there.join(rest),
    })
}

/// Returns the decision of the nearest `.gitignore` file with a matching rule.
fn match_gitignores<'a>(
    mut folders: impl Iterator<Item = &'a FolderRules>,
    path: &[u8],
    is_folder: bool,
    ignore_case: bool,
) -> Option<bool> {
    folders.find_map(|folder| {
        let within = &path[folder.prefix..];
        folder.gitignore.ignores(within, is_folder, ignore_case)
    })
}

/// Whether a symbolic link to a file of rules is followed. Git does not follow one in a worktree.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LinkHandling {
    Followed,
    NotFollowed,
}

impl LinkHandling {
    fn metadata(self, file: &Path) -> io::Result<Metadata> {
        match self {
            Self::Followed => file.metadata(),
            Self::NotFollowed => file.symlink_metadata(),
        }
    }
}

/// Returns the error of an unreadable file of rules in a folder. A file that is not regular counts as unreadable: reading a pipe
/// could block forever. Blocks.
pub(in crate::sync) fn unreadable_rules(folder: &Path) -> Option<(PathBuf, Error)> {
    let exclude = || GitRepository::of(folder).map(|own| own.exclude());
    unreadable([folder.join(GITIGNORE)], LinkHandling::NotFollowed)
        .or_else(|| unreadable([folder.join(DOT_IGNORE)], LinkHandling::Followed))
        .or_else(|| unreadable(exclude(), LinkHandling::Followed))
}

fn unreadable(
    files: impl IntoIterator<Item = PathBuf>,
    links: LinkHandling,
) -> Option<(PathBuf, Error)> {
    let files = files.into_iter();
    let mut errors = files.filter_map(|file| Some((readable(&file, links).err()?, file)));
    errors.next().map(|(error, file)| (file, error))
}

/// Whether a file of rules exists. Fails if it can't be read.
fn readable(file: &Path, links: LinkHandling) -> Result<bool, Error> {
    let failed = |error| cannot("read", file, error);
    match links.metadata(file) {
        Ok(metadata) if metadata.is_file() => File::open(file).map(|_| true).map_err(failed),
        // As for git, it contains no rules.
        Ok(metadata) if metadata.is_dir() || metadata.is_symlink() => Ok(false),
        Ok(_) => {
            let message = format!("{} is not a regular file", file.display());
            Err(Error::new(ErrorKind::LocalFile, message).with_local_path(file))
        }
        Err(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Ok(false),
            _ => Err(failed(error)),
        },
    }
}

/// Reads the rules of a file. Returns none if it can't be read, which [`unreadable_rules`] reports.
fn read(file: &Path, links: LinkHandling) -> IgnorePatterns {
    let is_file = links
        .metadata(file)
        .is_ok_and(|metadata| metadata.is_file());
    let text = is_file.then(|| std::fs::read(file).ok()).flatten();
    text.map_or_else(IgnorePatterns::default, |text| IgnorePatterns::parse(&text))
}

/// Returns the bytes of a relative path with slashes between the segments.
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
