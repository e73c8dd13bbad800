//! The position from which a listing continues.

use serde::{Deserialize, Serialize};

use super::{ContextId, FolderPath};
use crate::{
    error::{Error, Result},
    page::{DeliveredItems, PageFingerprint, Position},
};

/// The position from which a listing continues, in this process or another. `Display` writes it as a short text, `parse`
/// reads it, and serde uses the same text.
///
/// The streams of pages and of items return it from `continuation()`; pass it to `start_at` of the same kind of listing. It
/// identifies the next page and the items of that page that were delivered already, so it skips no undelivered item of the
/// page, whatever is deleted or created in between. Items that move between numbered pages can be listed twice or be
/// skipped, as between any two pages.
///
/// The text consists of ASCII letters, digits, `-`, `_` and `.`. Between two pages it has about 100 characters, and within
/// a page 8 more for each delivered item of the page. It contains the id of the context and the folder, or the page token.
///
/// ```
/// # agbcloud_doctest::run(async |client| {
/// # for name in ["one", "two"] { client.contexts().get_or_create(name).await?; }
/// let mut contexts = client.contexts().list().by_item();
/// let first = contexts.next().await.expect("there are two")?;
/// let saved = contexts.continuation().map(|position| position.to_string());
///
/// // Later, in another process:
/// if let Some(saved) = saved {
///     let mut rest = client.contexts().list().start_at(saved).by_item();
///     let second = rest.next().await.expect("one is left")?;
///     assert_ne!(first.id, second.id);
/// }
/// # Ok(()) });
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Continuation(pub(super) AnyPosition);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AnyPosition {
    Contexts(ContextPosition),
    Files(FilePosition),
}

/// A position in a listing of contexts, independent of the page size.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct ContextPosition {
    /// `None` at the start.
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    /// Delivered items behind the token.
    #[serde(skip)]
    pub(crate) delivered: DeliveredItems,
}

/// A position in a listing of files. A page number is meaningful only with its page size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FilePosition {
    #[serde(rename = "c")]
    pub(crate) context: ContextId,
    #[serde(rename = "f")]
    pub(crate) folder: FolderPath,
    #[serde(rename = "p")]
    pub(crate) page: u32,
    #[serde(rename = "s")]
    pub(crate) page_size: u32,
    /// Items on the previous pages as counted, since a service may return fewer than requested.
    #[serde(rename = "b")]
    pub(crate) before: u64,
    /// Whether `before` is the requested number rather than the counted one.
    #[serde(rename = "a", default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) assumed: bool,
    /// Items on the largest previous page.
    #[serde(rename = "l", default)]
    pub(crate) largest: u64,
    /// Fingerprint of the previous page.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    pub(crate) last: Option<PageFingerprint>,
    /// Delivered items of the page.
    #[serde(skip)]
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
