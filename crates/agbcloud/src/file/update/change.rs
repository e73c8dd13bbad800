//! What an update does with a file.

use bytes::Bytes;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What the function of [`Files::update`](crate::Files::update) decides. Converts from contents, and from results of them.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileChange {
    /// Write this content.
    Write(Bytes),
    /// Leave the file as it is, or missing.
    Keep,
    /// End the update with this error.
    Fail(Cause),
}

impl From<Bytes> for FileChange {
    fn from(content: Bytes) -> Self {
        Self::Write(content)
    }
}

impl From<Vec<u8>> for FileChange {
    fn from(content: Vec<u8>) -> Self {
        Self::Write(content.into())
    }
}

impl From<String> for FileChange {
    fn from(content: String) -> Self {
        Self::Write(content.into())
    }
}

impl From<&'static [u8]> for FileChange {
    fn from(content: &'static [u8]) -> Self {
        Self::Write(Bytes::from_static(content))
    }
}

impl From<&'static str> for FileChange {
    fn from(content: &'static str) -> Self {
        content.as_bytes().into()
    }
}

impl<C: Into<FileChange>, E: Into<Cause>> From<std::result::Result<C, E>> for FileChange {
    fn from(result: std::result::Result<C, E>) -> Self {
        match result {
            Ok(change) => change.into(),
            Err(error) => Self::Fail(error.into()),
        }
    }
}
