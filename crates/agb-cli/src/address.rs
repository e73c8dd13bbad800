//! What is named on the command line: a file of a context, or one of this machine.

use std::{fmt, path::PathBuf, str::FromStr};

/// `NAME:/path` or `agb://NAME/path`; anything else is a local path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Remote(Remote),
    Local(PathBuf),
}

/// A path in a context that is named by name or id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) context: String,
    /// Starts with a slash, and is `/` for the whole context.
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

    /// Whether it is said to be a folder: the root, or a path that ends with a slash.
    pub(crate) fn is_folder(&self) -> bool {
        self.path.ends_with('/')
    }

    /// Without the slash at the end, which paths of files have not.
    pub(crate) fn bare(&self) -> &str {
        match self.path.trim_end_matches('/') {
            "" => "/",
            path => path,
        }
    }

    /// The address of something in this folder.
    pub(crate) fn join(&self, name: &str) -> Self {
        Self {
            context: self.context.clone(),
            path: format!("{}/{name}", self.path.trim_end_matches('/')),
        }
    }

    /// The same context, another path.
    pub(crate) fn at(&self, path: &str) -> Self {
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
            Address::Local(_) => Err(format!("name a context too: NAME:{}", slashed(text))),
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
            // `./a:b` is a file here, and so is `C:\a` where there are drives.
            Some((context, path)) if !context.contains(['/', '\\']) && !is_drive(context, path) => {
                match path {
                    "" => remote(context, "/"),
                    path if path.starts_with('/') => remote(context, path),
                    path => Err(format!(
                        "a path in a context starts with a slash: {context}:/{path}; for a file here, write ./{text}"
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

/// Whether a name can stand before `:/path`.
pub(crate) fn is_name(name: &str) -> bool {
    !name.contains([':', '/', '\\'])
}

fn remote(context: &str, path: &str) -> Result<Address, String> {
    if context.is_empty() {
        return Err(format!("the name of the context is missing: NAME:{path}"));
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

fn slashed(path: &str) -> String {
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
    fn contexts_and_local_paths_are_told_apart() {
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
        assert!("a/b".parse::<Remote>().unwrap_err().ends_with("NAME:/a/b"));
    }

    proptest! {
        #[test]
        fn what_is_shown_can_be_typed(context in "[^:/\\\\]{2,20}", path in "(/[^/]{1,8}){0,4}") {
            let shown = Remote { context, path: format!("{path}/") };
            prop_assert_eq!(shown.to_string().parse::<Remote>().unwrap(), shown);
        }

        #[test]
        fn nothing_that_is_typed_is_too_much(text in ".*") {
            let _ = text.parse::<Address>();
        }
    }
}
