//! The globs of `include` and `exclude`: normalized, and rejected if they can never match.

use std::{fmt, path::Path};

/// Why a glob of [`include`](crate::SyncDir::include) or [`exclude`](crate::SyncDir::exclude) is invalid. It is the
/// [source](std::error::Error::source) of the error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobError {
    glob: String,
    problem: GlobProblem,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum GlobProblem {
    Empty,
    WholeFolder,
    Outside,
    Absolute,
    Home,
    ControlCharacter,
    Backslash,
    UnclosedClass,
    NamedClass,
    SlashInClass,
    FirstNegated,
    Contradiction,
    Syntax(String),
}

impl GlobError {
    /// Returns the invalid glob.
    pub fn glob(&self) -> &str {
        &self.glob
    }

    /// Returns what to write instead.
    pub fn hint(&self) -> &'static str {
        self.problem.texts().1
    }
}

impl GlobProblem {
    /// Returns what is wrong with the glob, and what to write instead.
    fn texts(&self) -> (&str, &'static str) {
        const PATH: &str =
            "write the path relative to the folder: /secrets, or secrets at any depth";
        match self {
            Self::Empty => ("is empty", "omit the option to include every file"),
            Self::WholeFolder => ("names the whole folder", "name the files in the folder"),
            Self::Outside => ("is outside of the folder", PATH),
            Self::Absolute => ("is an absolute path", PATH),
            Self::Home => ("starts with ~, which only a shell expands", PATH),
            Self::ControlCharacter => ("contains a control character", "write ? for the character"),
            Self::Backslash => (
                "contains a \\ before a character that is not special",
                "write / between folders, and \\ only before one of * ? [ ] { } ! # ~ \\ and space",
            ),
            Self::UnclosedClass => ("contains a [ without a ]", "write \\[ for the character"),
            Self::NamedClass => ("contains a named class", "write the characters: [a-zA-Z]"),
            Self::SlashInClass => (
                "contains a / in a class, which never matches",
                "write one glob for each folder",
            ),
            Self::FirstNegated => (
                "is an exception without a glob before it",
                "write the glob that it is an exception to before it",
            ),
            Self::Contradiction => ("is both included and excluded", "omit one of the two"),
            Self::Syntax(why) => (why, "write \\ before a literal special character"),
        }
    }
}

impl fmt::Display for GlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the glob {:?} {}", self.glob, self.problem.texts().0)
    }
}

impl std::error::Error for GlobError {}

/// A glob as a line of a `.gitignore`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NormalizedGlob {
    negated: bool,
    /// Without the `!`.
    text: String,
    given: String,
}

/// Characters that a backslash may escape.
const ESCAPABLE: &[char] = &[
    '*', '?', '[', ']', '{', '}', '!', '#', '~', '\\', ' ', '-', '^', ',',
];

impl NormalizedGlob {
    /// Parses a glob for a local folder.
    pub(super) fn new(given: &str, root: &Path) -> Result<Self, GlobError> {
        let (glob, negated) = match given.strip_prefix('!') {
            Some(rest) => (rest, true),
            None => (given, false),
        };
        let text = normalize(glob, root).map_err(|problem| GlobError {
            glob: given.to_owned(),
            problem,
        })?;
        Ok(Self {
            negated,
            text,
            given: given.to_owned(),
        })
    }

    /// Parses the globs of one option. The first one must not be an exception.
    pub(super) fn all(given: &[String], root: &Path) -> Result<Vec<Self>, GlobError> {
        let globs = given.iter().map(|glob| Self::new(glob, root));
        let globs: Vec<Self> = globs.collect::<Result<_, _>>()?;
        match globs.first() {
            Some(first) if first.negated => Err(first.error(GlobProblem::FirstNegated)),
            _ => Ok(globs),
        }
    }

    /// Returns the line of a `.gitignore`.
    pub(super) fn line(&self) -> String {
        let (negation, text) = (if self.negated { "!" } else { "" }, &self.text);
        // The matcher would parse them as an exception or a comment.
        let escape = match text.starts_with(['#', '!']) && !self.negated {
            true => "\\",
            false => "",
        };
        format!("{negation}{escape}{text}")
    }

    pub(super) fn syntax(&self, why: &impl fmt::Display) -> GlobError {
        self.error(GlobProblem::Syntax(format!("is invalid: {why}")))
    }

    fn error(&self, problem: GlobProblem) -> GlobError {
        GlobError {
            glob: self.given.clone(),
            problem,
        }
    }
}

/// Rejects a glob that is both included and excluded.
pub(super) fn check_contradictions(
    include: &[NormalizedGlob],
    exclude: &[NormalizedGlob],
) -> Result<(), GlobError> {
    for glob in include.iter().filter(|glob| !glob.negated) {
        let mut same = exclude.iter().rev().filter(|other| other.text == glob.text);
        if same.next().is_some_and(|last| !last.negated) {
            return Err(glob.error(GlobProblem::Contradiction));
        }
    }
    Ok(())
}

fn normalize(glob: &str, root: &Path) -> Result<String, GlobProblem> {
    if glob.trim().is_empty() {
        return Err(GlobProblem::Empty);
    }
    if glob.chars().any(char::is_control) {
        return Err(GlobProblem::ControlCharacter);
    }
    check_characters(glob)?;
    check_location(glob, root)?;
    let anchored = glob.starts_with('/') || glob.trim_end_matches('/').contains('/');
    let only_folders = ["/", "/."].iter().any(|end| glob.ends_with(end));
    let segments = glob.split('/');
    let segments: Vec<&str> = segments
        .filter(|segment| !matches!(*segment, "" | "."))
        .collect();
    if segments.is_empty() {
        return Err(GlobProblem::WholeFolder);
    }
    let slash = |there: bool| if there { "/" } else { "" };
    let text = format!(
        "{}{}{}",
        slash(anchored),
        segments.join("/"),
        slash(only_folders)
    );
    Ok(keep_trailing_space(text))
}

/// Turns a trailing space into a class, since the matcher drops trailing spaces.
fn keep_trailing_space(mut text: String) -> String {
    match text.pop() {
        Some(last) if last.is_whitespace() => {
            let escapes = text.len() - text.trim_end_matches('\\').len();
            if escapes % 2 == 1 {
                text.pop();
            }
            format!("{text}[{last}]")
        }
        Some(last) => {
            text.push(last);
            text
        }
        None => text,
    }
}

/// Checks that the glob is a path below the folder.
fn check_location(glob: &str, root: &Path) -> Result<(), GlobProblem> {
    if glob.split('/').any(|segment| segment == "..") {
        return Err(GlobProblem::Outside);
    }
    if glob == "~" || glob.starts_with("~/") {
        return Err(GlobProblem::Home);
    }
    let drive = glob.as_bytes();
    if cfg!(windows) && drive.len() > 1 && drive[0].is_ascii_alphabetic() && drive[1] == b':' {
        return Err(GlobProblem::Absolute);
    }
    // A leading slash anchors a glob at the folder, so only a path that starts with that of the folder is taken for
    // absolute.
    let Some(first) = glob
        .strip_prefix('/')
        .and_then(|rest| rest.split('/').next())
    else {
        return Ok(());
    };
    let is_within = |root: &Path| root.parent().is_some() && Path::new(glob).starts_with(root);
    let absolute = std::path::absolute(root).is_ok_and(|root| is_within(&root))
        || root.canonicalize().is_ok_and(|root| is_within(&root));
    match absolute && root.join(first).symlink_metadata().is_err() {
        true => Err(GlobProblem::Absolute),
        false => Ok(()),
    }
}

/// Checks the escapes and the classes.
fn check_characters(glob: &str) -> Result<(), GlobProblem> {
    let mut rest = glob.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' if !rest.next().is_some_and(|next| ESCAPABLE.contains(&next)) => {
                return Err(GlobProblem::Backslash);
            }
            '[' => {
                let class = rest.as_str();
                let members = class.strip_prefix(['!', '^']).unwrap_or(class);
                // A bracket at the start is a member of the class.
                let first = members.chars().next().map_or(0, char::len_utf8);
                let end = members[first..]
                    .find(']')
                    .ok_or(GlobProblem::UnclosedClass)?;
                let (members, after) = members.split_at(first + end);
                if members.contains("[:") {
                    return Err(GlobProblem::NamedClass);
                }
                if members.contains('/') {
                    return Err(GlobProblem::SlashInClass);
                }
                if members.contains('\\') {
                    return Err(GlobProblem::Backslash);
                }
                rest = after[1..].chars();
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(glob: &str) -> Result<String, GlobProblem> {
        let glob = NormalizedGlob::new(glob, Path::new("/none/folder"));
        glob.map(|glob| glob.line()).map_err(|error| error.problem)
    }

    #[test]
    fn globs_are_normalized() {
        for (glob, expected) in [
            ("secrets", "secrets"),
            ("./secrets", "/secrets"),
            (".//././secrets/", "/secrets/"),
            ("a//b", "/a/b"),
            ("//a", "/a"),
            ("a/./b", "/a/b"),
            ("a/", "a/"),
            ("a//", "a/"),
            ("a/.", "/a/"),
            ("#recycle", "\\#recycle"),
            ("!#recycle", "!#recycle"),
            ("!!x", "!!x"),
            ("./#x", "/#x"),
            ("a ", "a[ ]"),
            (r"a\ ", "a[ ]"),
            (" a", " a"),
            ("a\u{a0}", "a[\u{a0}]"),
            (r"a\\", r"a\\"),
            ("./*.log", "/*.log"),
            ("**/x", "/**/x"),
            (".env", ".env"),
            ("...", "..."),
            (r"\~/x", r"/\~/x"),
        ] {
            assert_eq!(line(glob), Ok(expected.to_owned()), "{glob:?}");
        }
    }

    #[test]
    fn a_glob_that_can_never_match_is_an_error_with_a_hint() {
        for (glob, problem) in [
            ("", GlobProblem::Empty),
            ("  ", GlobProblem::Empty),
            ("!", GlobProblem::Empty),
            (".", GlobProblem::WholeFolder),
            ("./", GlobProblem::WholeFolder),
            ("/", GlobProblem::WholeFolder),
            ("!/", GlobProblem::WholeFolder),
            ("..", GlobProblem::Outside),
            ("../x", GlobProblem::Outside),
            ("a/../b", GlobProblem::Outside),
            ("a/..", GlobProblem::Outside),
            ("/none/folder/secrets", GlobProblem::Absolute),
            ("/none/folder", GlobProblem::Absolute),
            ("~/x", GlobProblem::Home),
            ("a\tb", GlobProblem::ControlCharacter),
            ("a\n", GlobProblem::ControlCharacter),
            (r"a\b", GlobProblem::Backslash),
            (r"a\", GlobProblem::Backslash),
            (r"a\/b", GlobProblem::Backslash),
            (r"[\]]", GlobProblem::Backslash),
            ("[", GlobProblem::UnclosedClass),
            ("[!]", GlobProblem::UnclosedClass),
            ("a[]b", GlobProblem::UnclosedClass),
            ("[[:alpha:]]", GlobProblem::NamedClass),
            ("a[/]b", GlobProblem::SlashInClass),
        ] {
            assert_eq!(line(glob), Err(problem), "{glob:?}");
            let error = NormalizedGlob::new(glob, Path::new("/none/folder")).unwrap_err();
            assert!(!error.hint().is_empty() && error.to_string().contains("glob"));
            assert_eq!(error.glob(), glob);
        }
        for valid in [
            "[a-c]",
            "[]]",
            "[!]a]",
            r"\[",
            "a]",
            "[ab][cd]",
            "/other/root",
        ] {
            assert!(line(valid).is_ok(), "{valid:?}");
        }
    }
}
