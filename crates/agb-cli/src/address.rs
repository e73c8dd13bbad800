//! [`Address`]: a file or folder of a context, or a local one.

use std::{fmt, path::PathBuf, str::FromStr};

/// `NAME:/path` or `agb://NAME/path`; anything else is a local path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Remote(Remote),
    Local(PathBuf),
}

/// A path in a context. The context is a name or an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) context: String,
    /// Starts with a slash. `/` is the whole context.
    pub(crate) path: String,
}

impl Remote {
    /// The last segment; empty for the root.
    pub(crate) fn file_name(&self) -> &str {
        self.path
            .trim_end_matches('/')
            .rsplit('/')
            .next()
            .unwrap_or_default()
    }

    /// Whether the path ends with a slash and so must be a folder.
    pub(crate) fn is_folder(&self) -> bool {
        self.path.ends_with('/')
    }

    /// The path without the slash at its end.
    pub(crate) fn without_slash(&self) -> &str {
        match self.path.trim_end_matches('/') {
            "" => "/",
            path => path,
        }
    }

    /// The address of an entry of this folder.
    pub(crate) fn join(&self, name: &str) -> Self {
        Self {
            context: self.context.clone(),
            path: format!("{}/{name}", self.path.trim_end_matches('/')),
        }
    }

    /// The address of another path of the same context.
    pub(crate) fn with_path(&self, path: &str) -> Self {
        Self {
            context: self.context.clone(),
            path: path.to_owned(),
        }
    }
}

impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.context, self.path)
    }
}

impl FromStr for Remote {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse()? {
            Address::Remote(remote) => Ok(remote),
            Address::Local(_) if is_name(text) => Err(format!(
                "the context or the path is missing: NAME:/{text} or {text}:/PATH"
            )),
            Address::Local(_) => Err(match text.split_once('/') {
                Some((name, path)) if is_name(name) => {
                    format!("the context is missing: {name}:/{path}, or NAME:/{text}")
                }
                _ => format!("the context is missing: NAME:{}", absolute(text)),
            }),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix("agb://") {
            let (context, path) = rest.split_once('/').unwrap_or((rest, ""));
            return remote(context, &format!("/{path}"));
        }
        match text.split_once(':') {
            // `./a:b` is a local file, and so is `C:\a`.
            Some((context, path)) if !context.contains(['/', '\\']) && !is_drive(context, path) => {
                match path {
                    "" => remote(context, "/"),
                    path if path.starts_with('/') => remote(context, path),
                    path => Err(format!(
                        "a path in a context starts with a slash: {context}:/{path} (a local file: ./{text})"
                    )),
                }
            }
            _ => Ok(Self::Local(PathBuf::from(text))),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Remote(remote) => remote.fmt(f),
            Self::Local(path) => path.display().fmt(f),
        }
    }
}

/// Parses the address of a folder, which may be only the name of a context: its root folder.
pub(crate) fn folder(text: &str) -> Result<Remote, String> {
    match text.parse()? {
        Address::Remote(remote) => Ok(remote),
        Address::Local(_) if is_name(text) => Ok(Remote {
            context: text.to_owned(),
            path: "/".to_owned(),
        }),
        Address::Local(_) => text.parse(),
    }
}

/// Whether a text can only be the name of a context, and not a path.
pub(crate) fn is_name(text: &str) -> bool {
    is_addressable(text) && !matches!(text, "" | "." | ".." | "-")
}

/// Whether a context name can be part of an address.
pub(crate) fn is_addressable(name: &str) -> bool {
    !name.contains([':', '/', '\\'])
}

fn remote(context: &str, path: &str) -> Result<Address, String> {
    if context.is_empty() {
        return Err(format!("the context is missing: NAME:{path}"));
    }
    Ok(Address::Remote(Remote {
        context: context.to_owned(),
        path: path.to_owned(),
    }))
}

fn is_drive(context: &str, path: &str) -> bool {
    context.len() == 1
        && context.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && path.starts_with('\\')
}

fn absolute(path: &str) -> String {
    format!("/{}", path.trim_start_matches(['.', '/']))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> Address {
        text.parse().unwrap()
    }

    #[test]
    fn remote_and_local_paths_are_distinguished() {
        for (text, context, path) in [
            ("notes:/a/b", "notes", "/a/b"),
            ("notes:", "notes", "/"),
            ("agb://notes/a:b", "notes", "/a:b"),
            ("agb://notes", "notes", "/"),
            ("c:/a", "c", "/a"),
            ("my notes:/ü x", "my notes", "/ü x"),
        ] {
            let expected = Remote {
                context: context.to_owned(),
                path: path.to_owned(),
            };
            assert_eq!(parsed(text), Address::Remote(expected), "{text}");
        }
        for text in ["a/b", "./a:b", "/a:/b", "C:\\a", "-", "."] {
            assert_eq!(parsed(text), Address::Local(PathBuf::from(text)), "{text}");
        }
        for text in ["notes:a", ":/a", "agb:///a"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
        for (text, expected) in [
            ("a/b", "a:/b, or NAME:/a/b"),
            ("/a/b", "is missing: NAME:/a/b"),
            ("./a/b", "is missing: NAME:/a/b"),
        ] {
            let error = text.parse::<Remote>().unwrap_err();
            assert!(error.ends_with(expected), "{error}");
        }
    }

    #[test]
    fn a_name_is_the_root_of_a_context_where_a_folder_is_expected() {
        assert_eq!(folder("notes").unwrap().to_string(), "notes:/");
        assert_eq!(folder("notes:/a").unwrap().to_string(), "notes:/a");
        for text in ["", ".", "..", "-", "a/b", "./a", "notes:a"] {
            assert!(folder(text).is_err(), "{text}");
        }
        assert!("notes".parse::<Remote>().is_err());
    }

    proptest! {
        #[test]
        fn a_displayed_address_parses_to_itself(context in "[^:/\\\\]{2,20}", path in "(/[^/]{1,8}){0,4}") {
            let shown = Remote { context, path: format!("{path}/") };
            prop_assert_eq!(shown.to_string().parse::<Remote>().unwrap(), shown);
        }

        #[test]
        fn parsing_never_panics(text in ".*") {
            let _ = text.parse::<Address>();
        }
    }
}
