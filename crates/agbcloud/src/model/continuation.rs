//! The position from which a listing continues.

use serde::{Deserialize, Serialize};

use super::{ContextId, FolderPath};
use crate::{
    error::{Error, Result},
    page::{DeliveredItems, PageFingerprint, Position},
};

/// The position from which a listing continues, in this process or another. Serialize it with any serde format.
///
/// The streams of pages and of items return it from `continuation()`; pass it to `start_at` of the same kind of listing. It
/// identifies the next page and the items of that page that were delivered already, so it skips no undelivered item of the
/// page, whatever is deleted or created in between. Items that move between numbered pages can be listed twice or be
/// skipped, as between any two pages. It takes 16 characters for each delivered item of the page.
///
/// A listing of contexts can also continue from the text of a page token, which converts to a continuation.
///
/// ```
/// # agbcloud_doctest::run(async |client| {
/// # for name in ["one", "two"] { client.contexts().get_or_create(name).await?; }
/// let mut contexts = client.contexts().list().by_item();
/// let first = contexts.next().await.expect("there are two")?;
/// let saved = serde_json::to_string(&contexts.continuation())?;
///
/// // Later, in another process:
/// if let Some(position) = serde_json::from_str::<Option<agbcloud::Continuation>>(&saved)? {
///     let mut rest = client.contexts().list().start_at(position).by_item();
///     let second = rest.next().await.expect("one is left")?;
///     assert_ne!(first.id, second.id);
/// }
/// # Ok(()) });
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continuation(AnyPosition);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AnyPosition {
    Contexts(ContextPosition),
    Files(FilePosition),
}

/// A position in a listing of contexts, independent of the page size.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct ContextPosition {
    /// `None` at the start.
    pub(crate) token: Option<String>,
    /// Delivered items behind the token.
    #[serde(default)]
    pub(crate) delivered: DeliveredItems,
}

/// A position in a listing of files. A page number is meaningful only with its page size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FilePosition {
    pub(crate) context: ContextId,
    pub(crate) folder: FolderPath,
    pub(crate) page: u32,
    pub(crate) page_size: u32,
    /// Items on the previous pages as counted, since a service may return fewer than requested.
    pub(crate) before: u64,
    /// Whether `before` is the requested number rather than the counted one.
    #[serde(default)]
    pub(crate) assumed: bool,
    /// Items on the largest previous page.
    #[serde(default)]
    pub(crate) largest: u64,
    /// Fingerprint of the previous page.
    #[serde(default)]
    pub(crate) last: Option<PageFingerprint>,
    /// Delivered items of the page.
    #[serde(default)]
    pub(crate) delivered: DeliveredItems,
}

impl Position for Continuation {
    fn after(mut self, items: &DeliveredItems) -> Self {
        let delivered = match &mut self.0 {
            AnyPosition::Contexts(position) => &mut position.delivered,
            AnyPosition::Files(position) => &mut position.delivered,
        };
        delivered.extend(items);
        self
    }
}

impl Continuation {
    pub(crate) fn in_contexts(self) -> Result<ContextPosition> {
        match self.0 {
            AnyPosition::Contexts(position) => Ok(position),
            AnyPosition::Files(_) => Err(Error::invalid_argument(
                "the continuation is of a listing of files, not of contexts",
            )),
        }
    }

    pub(crate) fn in_files(self, context: &ContextId, folder: &FolderPath) -> Result<FilePosition> {
        match self.0 {
            AnyPosition::Files(position)
                if position.context == *context && position.folder == *folder =>
            {
                Ok(position)
            }
            AnyPosition::Files(_) => Err(Error::invalid_argument(
                "the continuation is of another folder",
            )),
            AnyPosition::Contexts(_) => Err(Error::invalid_argument(
                "the continuation is of a listing of contexts, not of files",
            )),
        }
    }
}

impl From<ContextPosition> for Continuation {
    fn from(position: ContextPosition) -> Self {
        Self(AnyPosition::Contexts(position))
    }
}

impl From<FilePosition> for Continuation {
    fn from(position: FilePosition) -> Self {
        Self(AnyPosition::Files(position))
    }
}

/// Converts a page token of a listing of contexts. The empty text is the start.
impl From<String> for Continuation {
    fn from(token: String) -> Self {
        let token = Some(token).filter(|token| !token.is_empty());
        let position = ContextPosition {
            token,
            ..ContextPosition::default()
        };
        position.into()
    }
}

/// See `From<String>`.
impl From<&String> for Continuation {
    fn from(token: &String) -> Self {
        token.clone().into()
    }
}

/// See `From<String>`.
impl From<&str> for Continuation {
    fn from(token: &str) -> Self {
        token.to_owned().into()
    }
}
