//! The files that a sync includes.

mod gitignore;
mod glob;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use ignore::gitignore::{Gitignore, GitignoreBuilder};

pub(super) use gitignore::{IgnoreRules, resolve_path, unreadable_rules};
pub use glob::GlobError;

use glob::{NormalizedGlob, check_contradictions};

use crate::{Error, Result};

/// How a sync treats symbolic links in the local folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Symlinks {
    /// Skips and [reports](crate::SyncReport::skipped_entries) them.
    #[default]
    Skip,
    /// Copies the files and folders that they point to. A link to a folder above it is a failure.
    Follow,
    /// Reports each as a failure.
    Refuse,
}

/// Decides which entries a sync includes.
#[derive(Debug, Clone)]
pub(super) struct EntryFilter {
    pub(super) globs: GlobFilter,
    pub(super) symlinks: Symlinks,
    /// The rules of git, if they apply.
    pub(super) ignore_rules: Option<Arc<IgnoreRules>>,
    /// The path of the state file, if it is in the folder. It is not copied.
    pub(super) state: Option<PathBuf>,
}

impl EntryFilter {
    /// Whether the globs include a file.
    pub(super) fn includes(&self, relative: &Path) -> bool {
        self.globs.includes(relative) && self.state.as_deref() != Some(relative)
    }

    /// Whether the rules of git apply and ignore a file. Blocks.
    pub(super) fn git_ignores(&self, relative: &Path) -> bool {
        let rules = self.ignore_rules.as_ref();
        rules.is_some_and(|rules| rules.ignores(relative, false))
    }
}

/// The files that [`include`](crate::SyncDir::include) and [`exclude`](crate::SyncDir::exclude) select, for programs that list
/// files themselves: globs in the syntax of `.gitignore`, for paths relative to a folder.
///
/// ```
/// use agbcloud::GlobFilter;
///
/// let filter = GlobFilter::new(&["*.rs".into()], &["target/".into()], "project")?;
/// assert!(filter.includes("src/main.rs"));
/// assert!(!filter.includes("target/debug/build.rs"));
/// # Ok::<(), agbcloud::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct GlobFilter {
    /// `None` includes everything.
    include: Option<Gitignore>,
    exclude: Gitignore,
}

impl GlobFilter {
    /// Parses the globs. Without `include`, all files are included that are not excluded. The local folder is used to explain
    /// a glob that is an absolute path.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for an invalid glob. The source is a
    /// [`GlobError`](crate::GlobError).
    pub fn new(include: &[String], exclude: &[String], root: impl AsRef<Path>) -> Result<Self> {
        let root = root.as_ref();
        let globs = |given| NormalizedGlob::all(given, root).map_err(invalid_glob);
        let (include, exclude) = (globs(include)?, globs(exclude)?);
        check_contradictions(&include, &exclude).map_err(invalid_glob)?;
        Ok(Self {
            include: match &include[..] {
                [] => None,
                globs => Some(matcher(globs)?),
            },
            exclude: matcher(&exclude)?,
        })
    }

    /// Whether a file is included. As with git, a file in an excluded folder can't be included again.
    pub fn includes(&self, relative: impl AsRef<Path>) -> bool {
        let relative = relative.as_ref();
        // The matcher panics for an absolute path.
        if relative.has_root() {
            return false;
        }
        let excluded = self.exclude.matched(relative, false).is_ignore()
            || relative
                .parent()
                .is_some_and(|folder| self.excludes_folder(folder));
        !excluded && self.is_included(relative, false)
    }

    /// Whether a folder is included.
    pub(super) fn includes_folder(&self, relative: &Path) -> bool {
        let excluded = relative.has_root() || self.excludes_folder(relative);
        !excluded && self.is_included(relative, true)
    }

    fn is_included(&self, relative: &Path, is_folder: bool) -> bool {
        let matches = |globs: &Gitignore| {
            let matched = globs.matched_path_or_any_parents(relative, is_folder);
            matched.is_ignore()
        };
        self.include.as_ref().is_none_or(matches)
    }

    /// Whether a folder is excluded with everything in it.
    pub(super) fn excludes_folder(&self, folder: &Path) -> bool {
        let folders = folder.ancestors();
        let mut folders = folders.take_while(|folder| !folder.as_os_str().is_empty());
        folders.any(|folder| self.exclude.matched(folder, true).is_ignore())
    }
}

fn matcher(globs: &[NormalizedGlob]) -> Result<Gitignore> {
    let mut builder = GitignoreBuilder::new("");
    for glob in globs {
        let added = builder.add_line(None, &glob.line());
        added.map_err(|error| invalid_glob(glob.syntax(&without_glob(&error))))?;
    }
    builder.build().map_err(|error| {
        Error::invalid_argument(format!("invalid globs: {error}")).with_source(error)
    })
}

fn invalid_glob(error: GlobError) -> Error {
    Error::invalid_argument(error.to_string()).with_source(error)
}

/// Returns an error without the glob, which the message contains already.
fn without_glob(error: &ignore::Error) -> &dyn std::fmt::Display {
    match error {
        ignore::Error::Glob { err, .. } => err,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> GlobFilter {
        let texts = |globs: &[&str]| globs.iter().map(|&glob| glob.into()).collect::<Vec<_>>();
        GlobFilter::new(&texts(include), &texts(exclude), Path::new("")).unwrap()
    }

    #[test]
    fn globs_match_as_in_a_gitignore() {
        let filter = filter(&["*.rs", "/docs/"], &["target/", "**/secret.rs"]);
        for (path, taken) in [
            ("a.rs", true),
            ("deep/b.rs", true),
            ("docs/guide.md", true),
            ("other/docs/guide.md", false),
            ("a.txt", false),
            ("target/a.rs", false),
            ("deep/target/a.rs", false),
            ("deep/secret.rs", false),
        ] {
            assert_eq!(filter.includes(Path::new(path)), taken, "{path}");
        }
        assert!(filter.excludes_folder(Path::new("deep/target")));
        assert!(!filter.excludes_folder(Path::new("deep")));
    }

    #[test]
    fn a_file_in_an_excluded_folder_is_not_included_again() {
        let filter = filter(
            &[],
            &["build/", "!build/keep", "!build/deep/", "*.log", "!a.log"],
        );
        for (path, taken) in [
            ("build/keep", false),
            ("build/deep/x", false),
            ("src/build/deep/x", false),
            ("a.log", true),
            ("x/a.log", true),
            ("b.log", false),
        ] {
            assert_eq!(filter.includes(Path::new(path)), taken, "{path}");
        }
        assert!(filter.excludes_folder(Path::new("build/deep")));
    }

    #[test]
    fn all_but_some_files_can_be_excluded() {
        let filter = filter(&[], &["*", "!keep"]);
        assert!(filter.includes(Path::new("keep")));
        assert!(!filter.includes(Path::new("other")) && !filter.includes(Path::new("other/keep")));
    }

    #[test]
    fn without_globs_everything_is_included() {
        assert!(filter(&[], &[]).includes(Path::new("a/b")));
    }

    #[test]
    fn an_invalid_glob_is_an_error() {
        let new = |include: &[&str], exclude: &[&str]| {
            let texts = |globs: &[&str]| globs.iter().map(|&glob| glob.into()).collect::<Vec<_>>();
            GlobFilter::new(&texts(include), &texts(exclude), Path::new(""))
        };
        for bad in ["{a", "[", "a[]b", "", " ", "a/[b/c", "[z-a]", "../x", "!x"] {
            for made in [new(&[bad], &[]), new(&[], &[bad])] {
                let error = made.unwrap_err();
                assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument, "{bad:?}");
                let source = std::error::Error::source(&error).unwrap();
                assert!(source.is::<GlobError>(), "{bad:?}");
            }
        }
        assert!(new(&["x", "*.rs"], &["./y", "x"]).is_err(), "x is excluded");
        assert!(new(&["a//b"], &["/a/b"]).is_err(), "it is the same path");
        assert!(new(&["x"], &["x", "!x"]).is_ok());
        assert!(new(&["*.rs", "!a.rs"], &["*", "!keep"]).is_ok());
    }

    /// A path, a glob without wildcards for it, and whether the glob matches only folders and is anchored.
    fn plain() -> impl Strategy<Value = (Vec<String>, String, [bool; 2])> {
        let name = "[a-c#!~. _$,'é日-]{1,4}";
        let is_name = |name: &String| !matches!(name.as_str(), "." | "..");
        let names = prop::collection::vec(name.prop_filter("no name", is_name), 1..4);
        let between = prop::collection::vec(prop::sample::select(vec!["/", "//", "/./"]), 3);
        let begins = prop::sample::select(vec!["", "./", "/", "//", ".//"]);
        let ends = prop::sample::select(vec!["", "/", "/."]);
        (names, between, begins, ends).prop_map(|(names, between, begins, ends)| {
            let mut glob = begins.to_owned();
            for (at, name) in names.iter().enumerate() {
                if at > 0 {
                    glob += between[at - 1];
                }
                glob += name;
            }
            let anchored = names.len() > 1 || !begins.is_empty() || ends == "/.";
            (names, glob + ends, [!ends.is_empty(), anchored])
        })
    }

    proptest! {
        #[test]
        fn a_glob_without_wildcards_excludes_its_path_and_no_other((names, glob, [only_folders, anchored]) in plain()) {
            let Ok(filter) = GlobFilter::new(&[], std::slice::from_ref(&glob), Path::new("")) else {
                // It is an exception without a glob before it, the home folder, or only spaces.
                prop_assert!(glob.starts_with(['!', '~']) || glob.trim().is_empty(), "{glob:?}");
                return Ok(());
            };
            let path = names.join("/");
            let excludes = |path: &str| !filter.includes(Path::new(path));
            prop_assert!(excludes(&format!("{path}/in/it")), "{glob:?}");
            prop_assert_eq!(excludes(&path), !only_folders, "{:?}", glob);
            prop_assert!(filter.excludes_folder(Path::new(&path)));
            prop_assert_eq!(excludes(&format!("z/{path}/x")), !anchored, "{:?}", glob);
            for other in [format!("{path}z/x"), format!("z{path}/x"), format!("{path} /x")] {
                prop_assert!(!excludes(&other), "{glob:?} excludes {other:?}");
            }
        }
    }
}
