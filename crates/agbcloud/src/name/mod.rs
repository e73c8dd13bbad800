//! Ids, names and paths: types that are valid once they exist, so that none can stand in for another and
//! nothing malformed reaches the wire.

mod path;
mod text;

pub(crate) use path::LONGEST as LONGEST_PATH;
pub use path::{FolderPath, RemotePath};
pub use text::{ContextId, ContextName, RegionId};

use crate::{Error, Result};

/// Converts what a caller gave into a checked value.
pub(crate) fn checked<T, V>(value: V) -> Result<T>
where
    V: TryInto<T>,
    V::Error: Into<Error>,
{
    value.try_into().map_err(Into::into)
}

/// What every checked text has: ways in, ways out, and no way around the check, which gives the text to keep.
macro_rules! checked_text {
    ($name:ident, $check:path) => {
        impl $name {
            #[doc = concat!("Checks and keeps the text.\n\n# Errors\n\n[`ErrorKind::InvalidArgument`]",
                            "(crate::ErrorKind::InvalidArgument) if it breaks a rule above; the message says which.")]
            pub fn new(text: impl Into<String>) -> $crate::Result<Self> {
                $check(text.into()).map(Self)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }

        impl From<&$name> for $name {
            fn from(value: &$name) -> Self {
                value.clone()
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::Error;

            fn from_str(text: &str) -> $crate::Result<Self> {
                Self::new(text)
            }
        }

        impl TryFrom<&str> for $name {
            type Error = $crate::Error;

            fn try_from(text: &str) -> $crate::Result<Self> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::Error;

            fn try_from(text: String) -> $crate::Result<Self> {
                Self::new(text)
            }
        }

        impl TryFrom<&String> for $name {
            type Error = $crate::Error;

            fn try_from(text: &String) -> $crate::Result<Self> {
                Self::new(text.as_str())
            }
        }
    };
}
use checked_text;
