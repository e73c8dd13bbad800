//! Which files of a tree take part.

use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::glob::{Glob, GlobError, check_contradictions};
use crate::{Error, Result};

/// Globs as in a `.gitignore`, on paths relative to the folder.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    /// `None` takes everything in.
    include: Option<Gitignore>,
    exclude: Gitignore,
}

impl Filter {
    /// For files of this local folder. Blocks as long as looking at a folder takes.
    pub(super) fn new(include: &[String], exclude: &[String], root: &Path) -> Result<Self> {
        let globs = |given| Glob::all(given, root).map_err(refused);
        let (include, exclude) = (globs(include)?, globs(exclude)?);
        check_contradictions(&include, &exclude).map_err(refused)?;
        Ok(Self {
            include: match &include[..] {
                [] => None,
                globs => Some(matcher(globs)?),
            },
            exclude: matcher(&exclude)?,
        })
    }

    /// Whether a file takes part. What lies in an excluded folder does not, whatever is said of the file itself, as with
    /// git: a folder is not gone through for that.
    pub(super) fn takes(&self, relative: &Path) -> bool {
        // The matcher has no answer for it but a panic.
        if relative.has_root() {
            return false;
        }
        let included = |globs: &Gitignore| {
            let matched = globs.matched_path_or_any_parents(relative, false);
            matched.is_ignore()
        };
        let excluded = self.exclude.matched(relative, false).is_ignore()
            || relative
                .parent()
                .is_some_and(|folder| self.leaves_out(folder));
        !excluded && self.include.as_ref().is_none_or(included)
    }

    /// Whether a folder would take part if it was a file.
    pub(super) fn takes_folder(&self, relative: &Path) -> bool {
        let included = |globs: &Gitignore| {
            let matched = globs.matched_path_or_any_parents(relative, true);
            matched.is_ignore()
        };
        let rooted = relative.has_root() || self.leaves_out(relative);
        !rooted && self.include.as_ref().is_none_or(included)
    }

    /// Whether a folder can be passed over with all that is in it.
    pub(super) fn leaves_out(&self, folder: &Path) -> bool {
        let folders = folder.ancestors();
        let mut folders = folders.take_while(|folder| !folder.as_os_str().is_empty());
        folders.any(|folder| self.exclude.matched(folder, true).is_ignore())
    }
}

fn matcher(globs: &[Glob]) -> Result<Gitignore> {
    let mut builder = GitignoreBuilder::new("");
    for glob in globs {
        let added = builder.add_line(None, &glob.line());
        added.map_err(|error| refused(glob.syntax(&inner(&error))))?;
    }
    builder.build().map_err(|error| {
        Error::invalid_argument(format!("the globs can't be read: {error}")).with_source(error)
    })
}

fn refused(error: GlobError) -> Error {
    Error::invalid_argument(error.to_string()).with_source(error)
}

/// An error without the glob, which is named anyway.
fn inner(error: &ignore::Error) -> &dyn std::fmt::Display {
    match error {
        ignore::Error::Glob { err, .. } => err,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let texts = |globs: &[&str]| globs.iter().map(|&glob| glob.into()).collect::<Vec<_>>();
        Filter::new(&texts(include), &texts(exclude), Path::new("")).unwrap()
    }

    #[test]
    fn globs_are_those_of_gitignore() {
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
            assert_eq!(filter.takes(Path::new(path)), taken, "{path}");
        }
        assert!(filter.leaves_out(Path::new("deep/target")));
        assert!(!filter.leaves_out(Path::new("deep")));
    }

    #[test]
    fn what_is_in_an_excluded_folder_is_not_taken_in_again() {
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
            assert_eq!(filter.takes(Path::new(path)), taken, "{path}");
        }
        assert!(filter.leaves_out(Path::new("build/deep")));
    }

    #[test]
    fn all_but_some_can_be_excluded() {
        let filter = filter(&[], &["*", "!keep"]);
        assert!(filter.takes(Path::new("keep")));
        assert!(!filter.takes(Path::new("other")) && !filter.takes(Path::new("other/keep")));
    }

    #[test]
    fn without_globs_everything_takes_part() {
        assert!(filter(&[], &[]).takes(Path::new("a/b")));
    }

    #[test]
    fn a_glob_that_makes_no_sense_is_refused() {
        let new = |include: &[&str], exclude: &[&str]| {
            let texts = |globs: &[&str]| globs.iter().map(|&glob| glob.into()).collect::<Vec<_>>();
            Filter::new(&texts(include), &texts(exclude), Path::new(""))
        };
        for bad in ["{a", "[", "a[]b", "", " ", "a/[b/c", "[z-a]", "../x", "!x"] {
            for made in [new(&[bad], &[]), new(&[], &[bad])] {
                let error = made.unwrap_err();
                assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument, "{bad:?}");
                let source = std::error::Error::source(&error).unwrap();
                assert!(source.is::<GlobError>(), "{bad:?}");
            }
        }
        assert!(
            new(&["x", "*.rs"], &["./y", "x"]).is_err(),
            "nothing is left of x"
        );
        assert!(new(&["a//b"], &["/a/b"]).is_err(), "nor of the same path");
        assert!(new(&["x"], &["x", "!x"]).is_ok());
        assert!(new(&["*.rs", "!a.rs"], &["*", "!keep"]).is_ok());
    }

    /// A path without anything special, a way to write it, and whether that is of a folder and of one place.
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
        /// What is accepted and has no wildcards excludes what it names, and nothing else.
        #[test]
        fn a_plain_glob_excludes_the_path_that_it_names((names, glob, [only_folders, anchored]) in plain()) {
            let Ok(filter) = Filter::new(&[], std::slice::from_ref(&glob), Path::new("")) else {
                // An exception of nothing, the home folder, or nothing but spaces.
                prop_assert!(glob.starts_with(['!', '~']) || glob.trim().is_empty(), "{glob:?}");
                return Ok(());
            };
            let path = names.join("/");
            let excludes = |path: &str| !filter.takes(Path::new(path));
            prop_assert!(excludes(&format!("{path}/in/it")), "{glob:?}");
            prop_assert_eq!(excludes(&path), !only_folders, "{:?}", glob);
            prop_assert!(filter.leaves_out(Path::new(&path)));
            prop_assert_eq!(excludes(&format!("z/{path}/x")), !anchored, "{:?}", glob);
            for other in [format!("{path}z/x"), format!("z{path}/x"), format!("{path} /x")] {
                // A name of one segment may come again in the other one.
                prop_assert!(!excludes(&other), "{glob:?} excludes {other:?}");
            }
        }
    }
}
