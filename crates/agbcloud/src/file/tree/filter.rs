//! Which files of a tree take part.

use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use crate::{Error, Result};

/// Globs as in a `.gitignore`, on paths relative to the folder.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    /// `None` takes everything in.
    include: Option<Gitignore>,
    exclude: Gitignore,
}

impl Filter {
    pub(super) fn new(include: &[String], exclude: &[String]) -> Result<Self> {
        Ok(Self {
            include: match include {
                [] => None,
                globs => Some(matcher(globs)?),
            },
            exclude: matcher(exclude)?,
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

fn matcher(globs: &[String]) -> Result<Gitignore> {
    let mut builder = GitignoreBuilder::new("");
    for glob in globs {
        check(glob)?;
        builder.add_line(None, glob).map_err(refused)?;
    }
    builder.build().map_err(refused)
}

/// Git takes what makes no sense for a name that no file has, which would be no help here.
fn check(glob: &str) -> Result<()> {
    let message = match glob.trim() {
        "" => "a glob must not be empty".to_owned(),
        _ if has_open_class(glob) => {
            format!(
                "a glob can't be read: {glob:?} has a [ without its ], write \\[ for the character"
            )
        }
        _ => return Ok(()),
    };
    Err(Error::invalid_argument(message))
}

fn has_open_class(glob: &str) -> bool {
    let mut rest = glob.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' => drop(rest.next()),
            '[' => {
                let class = rest.as_str().trim_start_matches(['!', '^']);
                // A bracket that comes first is one of the class.
                let first = class.chars().next().map_or(0, char::len_utf8);
                let Some(end) = class[first..].find(']') else {
                    return true;
                };
                rest = class[first + end + 1..].chars();
            }
            _ => {}
        }
    }
    false
}

fn refused(error: ignore::Error) -> Error {
    Error::invalid_argument(format!("a glob can't be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> Filter {
        let texts = |globs: &[&str]| globs.iter().map(|&glob| glob.into()).collect::<Vec<_>>();
        Filter::new(&texts(include), &texts(exclude)).unwrap()
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
        for bad in ["{a", "[", "[!]", "a[]b", "", " ", "a/[b/c"] {
            assert!(Filter::new(&[bad.into()], &[]).is_err(), "{bad:?}");
            assert!(Filter::new(&[], &[bad.into()]).is_err(), "{bad:?}");
        }
        for good in ["[a-c]", "[]]", "[!]a]", r"\[", "a]", "[ab][cd]"] {
            assert!(Filter::new(&[good.into()], &[]).is_ok(), "{good:?}");
        }
    }
}
