//! What a sync does with one file.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize, de::IntoDeserializer};

use crate::{Error, Result};

/// A change to one file. serde uses names such as `delete_remote`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Change {
    /// Uploads the file.
    Upload,
    /// Downloads the file.
    Download,
    /// Deletes the file in the context.
    DeleteRemote,
    /// Deletes the local file.
    DeleteLocal,
}

impl Change {
    pub(super) fn is_deletion(self) -> bool {
        matches!(self, Self::DeleteRemote | Self::DeleteLocal)
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Upload => "upload",
            Self::Download => "download",
            Self::DeleteRemote => "delete remote",
            Self::DeleteLocal => "delete local",
        })
    }
}

/// Parses what `Display` writes, and the names of serde.
impl FromStr for Change {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        named(&text.replace(' ', "_"), "unknown change")
    }
}

/// Parses the name of a variant.
pub(super) fn named<'a, T: Deserialize<'a>>(name: &'a str, message: &str) -> Result<T> {
    let name: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
        name.into_deserializer();
    T::deserialize(name).map_err(|error| Error::invalid_argument(message).with_source(error))
}
