//! The globs of `include` and `exclude`: what has one meaning is normalised, what can never match is refused.

use std::{fmt, path::Path};

/// Why a glob of [`include`](crate::SyncDir::include) or [`exclude`](crate::SyncDir::exclude) is refused. It is the
/// [source](std::error::Error::source) of the error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GlobError {
    glob: String,
    problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    Empty,
    WholeFolder,
    LeadsOut,
    Absolute,
    Home,
    ControlCharacter,
    Backslash,
    OpenClass,
    NamedClass,
    SlashInClass,
    TakesNothingBack,
    Contradiction,
    Syntax(String),
}

impl GlobError {
    /// The glob as it was given.
    pub fn glob(&self) -> &str {
        &self.glob
    }

    /// What to write instead.
    pub fn hint(&self) -> &'static str {
        match self.problem {
            Problem::Empty => "leave the option out to take every file",
            Problem::WholeFolder => "copy no folder, or name what is in it",
            Problem::LeadsOut | Problem::Absolute | Problem::Home => {
                "write the path below the folder that is copied: /secrets, or secrets for every folder in it"
            }
            Problem::ControlCharacter => "write ? for the character",
            Problem::Backslash => {
                "write / between folders, and \\ only before one of * ? [ ] { } ! # ~ \\ and space"
            }
            Problem::OpenClass => "write \\[ for the character",
            Problem::NamedClass => "write the characters: [a-zA-Z]",
            Problem::SlashInClass => "write a glob for each folder",
            Problem::TakesNothingBack => "write the glob that it is an exception of before it",
            Problem::Contradiction => "leave one of the two out",
            Problem::Syntax(_) => "write \\ before a character that is meant itself",
        }
    }
}

impl fmt::Display for GlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let glob = &self.glob;
        match &self.problem {
            Problem::Empty => f.write_str("a glob is empty"),
            Problem::WholeFolder => write!(f, "the glob {glob:?} names the whole folder"),
            Problem::LeadsOut => write!(f, "the glob {glob:?} leads out of the folder"),
            Problem::Absolute => write!(f, "the glob {glob:?} is an absolute path"),
            Problem::Home => write!(
                f,
                "the glob {glob:?} begins with ~, which only a shell expands"
            ),
            Problem::ControlCharacter => write!(f, "the glob {glob:?} has a control character"),
            Problem::Backslash => {
                write!(
                    f,
                    "the glob {glob:?} has a \\ before a character that is not special"
                )
            }
            Problem::OpenClass => write!(f, "the glob {glob:?} has a [ without its ]"),
            Problem::NamedClass => write!(f, "the glob {glob:?} has a class with a name"),
            Problem::SlashInClass => {
                write!(
                    f,
                    "the glob {glob:?} has a / in a class, which matches nothing"
                )
            }
            Problem::TakesNothingBack => {
                write!(
                    f,
                    "the glob {glob:?} is an exception, and no glob is before it"
                )
            }
            Problem::Contradiction => write!(f, "the glob {glob:?} is both included and excluded"),
            Problem::Syntax(why) => write!(f, "the glob {glob:?} can't be read: {why}"),
        }
    }
}

impl std::error::Error for GlobError {}

/// A glob in the form that the matcher takes as a line of a `.gitignore`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Glob {
    negated: bool,
    /// Without the `!`.
    text: String,
    given: String,
}

/// Characters that a backslash may be before.
const ESCAPABLE: &[char] = &[
    '*', '?', '[', ']', '{', '}', '!', '#', '~', '\\', ' ', '-', '^', ',',
];

impl Glob {
    /// Reads a glob for files of this local folder.
    pub(super) fn new(given: &str, root: &Path) -> Result<Self, GlobError> {
        let (glob, negated) = match given.strip_prefix('!') {
            Some(rest) => (rest, true),
            None => (given, false),
        };
        let text = normalised(glob, root).map_err(|problem| GlobError {
            glob: given.to_owned(),
            problem,
        })?;
        Ok(Self {
            negated,
            text,
            given: given.to_owned(),
        })
    }

    /// All of one option. An exception of nothing is refused.
    pub(super) fn all(given: &[String], root: &Path) -> Result<Vec<Self>, GlobError> {
        let globs = given.iter().map(|glob| Self::new(glob, root));
        let globs: Vec<Self> = globs.collect::<Result<_, _>>()?;
        match globs.first() {
            Some(first) if first.negated => Err(first.error(Problem::TakesNothingBack)),
            _ => Ok(globs),
        }
    }

    /// The line of a `.gitignore`.
    pub(super) fn line(&self) -> String {
        let (negation, text) = (if self.negated { "!" } else { "" }, &self.text);
        // The matcher takes these for an exception and a comment.
        let escape = match text.starts_with(['#', '!']) && !self.negated {
            true => "\\",
            false => "",
        };
        format!("{negation}{escape}{text}")
    }

    pub(super) fn syntax(&self, why: &impl fmt::Display) -> GlobError {
        self.error(Problem::Syntax(why.to_string()))
    }

    fn error(&self, problem: Problem) -> GlobError {
        GlobError {
            glob: self.given.clone(),
            problem,
        }
    }
}

/// Refuses a glob that is included, and excluded in the end.
pub(super) fn check_contradictions(include: &[Glob], exclude: &[Glob]) -> Result<(), GlobError> {
    for glob in include.iter().filter(|glob| !glob.negated) {
        let mut same = exclude.iter().rev().filter(|other| other.text == glob.text);
        if same.next().is_some_and(|last| !last.negated) {
            return Err(glob.error(Problem::Contradiction));
        }
    }
    Ok(())
}

fn normalised(glob: &str, root: &Path) -> Result<String, Problem> {
    if glob.trim().is_empty() {
        return Err(Problem::Empty);
    }
    if glob.chars().any(char::is_control) {
        return Err(Problem::ControlCharacter);
    }
    check_characters(glob)?;
    check_place(glob, root)?;
    let anchored = glob.starts_with('/') || glob.trim_end_matches('/').contains('/');
    let only_folders = ["/", "/."].iter().any(|end| glob.ends_with(end));
    let segments = glob.split('/');
    let segments: Vec<&str> = segments
        .filter(|segment| !matches!(*segment, "" | "."))
        .collect();
    if segments.is_empty() {
        return Err(Problem::WholeFolder);
    }
    let slash = |there: bool| if there { "/" } else { "" };
    let text = format!(
        "{}{}{}",
        slash(anchored),
        segments.join("/"),
        slash(only_folders)
    );
    Ok(with_last_space(text))
}

/// The matcher drops spaces at the end, and a class is none.
fn with_last_space(mut text: String) -> String {
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

/// That it is a path below the folder.
fn check_place(glob: &str, root: &Path) -> Result<(), Problem> {
    if glob.split('/').any(|segment| segment == "..") {
        return Err(Problem::LeadsOut);
    }
    if glob == "~" || glob.starts_with("~/") {
        return Err(Problem::Home);
    }
    let drive = glob.as_bytes();
    if cfg!(windows) && drive.len() > 1 && drive[0].is_ascii_alphabetic() && drive[1] == b':' {
        return Err(Problem::Absolute);
    }
    // Another absolute path is one of a folder of that name below this one.
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
        true => Err(Problem::Absolute),
        false => Ok(()),
    }
}

/// That every backslash and every class means something.
fn check_characters(glob: &str) -> Result<(), Problem> {
    let mut rest = glob.chars();
    while let Some(character) = rest.next() {
        match character {
            '\\' if !rest.next().is_some_and(|next| ESCAPABLE.contains(&next)) => {
                return Err(Problem::Backslash);
            }
            '[' => {
                let class = rest.as_str();
                let members = class.strip_prefix(['!', '^']).unwrap_or(class);
                // A bracket that comes first is one of the class.
                let first = members.chars().next().map_or(0, char::len_utf8);
                let end = members[first..].find(']').ok_or(Problem::OpenClass)?;
                let (members, after) = members.split_at(first + end);
                if members.contains("[:") {
                    return Err(Problem::NamedClass);
                }
                if members.contains('/') {
                    return Err(Problem::SlashInClass);
                }
                if members.contains('\\') {
                    return Err(Problem::Backslash);
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

    fn line(glob: &str) -> Result<String, Problem> {
        let glob = Glob::new(glob, Path::new("/none/folder"));
        glob.map(|glob| glob.line()).map_err(|error| error.problem)
    }

    #[test]
    fn what_has_one_meaning_is_normalised() {
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
    fn what_can_never_match_is_refused_with_a_hint() {
        for (glob, problem) in [
            ("", Problem::Empty),
            ("  ", Problem::Empty),
            ("!", Problem::Empty),
            (".", Problem::WholeFolder),
            ("./", Problem::WholeFolder),
            ("/", Problem::WholeFolder),
            ("!/", Problem::WholeFolder),
            ("..", Problem::LeadsOut),
            ("../x", Problem::LeadsOut),
            ("a/../b", Problem::LeadsOut),
            ("a/..", Problem::LeadsOut),
            ("/none/folder/secrets", Problem::Absolute),
            ("/none/folder", Problem::Absolute),
            ("~/x", Problem::Home),
            ("a\tb", Problem::ControlCharacter),
            ("a\n", Problem::ControlCharacter),
            (r"a\b", Problem::Backslash),
            (r"a\", Problem::Backslash),
            (r"a\/b", Problem::Backslash),
            (r"[\]]", Problem::Backslash),
            ("[", Problem::OpenClass),
            ("[!]", Problem::OpenClass),
            ("a[]b", Problem::OpenClass),
            ("[[:alpha:]]", Problem::NamedClass),
            ("a[/]b", Problem::SlashInClass),
        ] {
            assert_eq!(line(glob), Err(problem), "{glob:?}");
            let error = Glob::new(glob, Path::new("/none/folder")).unwrap_err();
            assert!(!error.hint().is_empty() && error.to_string().contains("glob"));
            assert_eq!(error.glob(), glob);
        }
        for good in [
            "[a-c]",
            "[]]",
            "[!]a]",
            r"\[",
            "a]",
            "[ab][cd]",
            "/other/root",
        ] {
            assert!(line(good).is_ok(), "{good:?}");
        }
    }
}
