//! Where a listing goes on.

use serde::{Deserialize, Serialize};

use super::had::{Had, Mark};
use crate::{ContextId, Error, FolderPath, Result};

/// Where a listing that was broken off goes on, in this process or another: keep it in any format of serde.
///
/// From `continuation()` of the streams of pages and of items; for `start_at` of the same kind of listing. It
/// names the page that comes next and those of its items that the caller has had, so it never passes over an item of it
/// that the caller has not had, whatever was deleted or made meanwhile. What moves from one numbered page to
/// another can come twice or be passed over, as it can between any two pages. For each item that was had of the page it
/// takes 16 characters.
///
/// A listing of contexts can also go on at the bare text of a page token, which turns into this.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let service = agbcloud_server::Server::builder().start().await?;
/// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
/// # client.contexts().get_or_create("one").await?;
/// # client.contexts().get_or_create("two").await?;
/// let mut contexts = client.contexts().list().by_item();
/// let first = contexts.next().await.expect("there are two")?;
/// let kept = serde_json::to_string(&contexts.continuation())?;
///
/// // Later, elsewhere:
/// if let Some(place) = serde_json::from_str::<Option<agbcloud::Continuation>>(&kept)? {
///     let mut rest = client.contexts().list().start_at(place).by_item();
///     let second = rest.next().await.expect("one is left")?;
///     assert_ne!(first.id, second.id);
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Continuation(Place);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Place {
    Contexts(ContextPlace),
    Files(FilePlace),
}

/// A place in a listing of contexts. It is the same place whatever the page size.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct ContextPlace {
    /// `None` is the start.
    pub(crate) token: Option<String>,
    /// Items behind the token that the caller has had.
    #[serde(default)]
    pub(crate) had: Had,
}

/// A place in a listing of files. A page's number says something only with the page size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FilePlace {
    pub(crate) context: ContextId,
    pub(crate) folder: FolderPath,
    pub(crate) page: u32,
    pub(crate) page_size: u32,
    /// Items on the pages before, counted as they came: a service may give fewer on a page than were asked for.
    pub(crate) before: u64,
    /// That is the number that was asked for: what came is not known.
    #[serde(default)]
    pub(crate) assumed: bool,
    /// Items of the largest page before.
    #[serde(default)]
    pub(crate) largest: u64,
    /// What was on the page before.
    #[serde(default)]
    pub(crate) last: Option<Mark>,
    /// Items of the page that the caller has had.
    #[serde(default)]
    pub(crate) had: Had,
}

impl Continuation {
    /// The place behind these items of the same page.
    pub(crate) fn after(mut self, items: &Had) -> Self {
        let had = match &mut self.0 {
            Place::Contexts(place) => &mut place.had,
            Place::Files(place) => &mut place.had,
        };
        had.join(items);
        self
    }

    pub(crate) fn in_contexts(self) -> Result<ContextPlace> {
        match self.0 {
            Place::Contexts(place) => Ok(place),
            Place::Files(_) => Err(Error::invalid_argument(
                "this continuation is one of a listing of files; a listing of contexts can't go on there",
            )),
        }
    }

    pub(crate) fn in_files(self, context: &ContextId, folder: &FolderPath) -> Result<FilePlace> {
        match self.0 {
            Place::Files(place) if place.context == *context && place.folder == *folder => {
                Ok(place)
            }
            Place::Files(_) => Err(Error::invalid_argument(
                "this continuation is one of another folder: list the folder that it was made in",
            )),
            Place::Contexts(_) => Err(Error::invalid_argument(
                "this continuation is one of a listing of contexts; a listing of files can't go on there",
            )),
        }
    }
}

impl From<ContextPlace> for Continuation {
    fn from(place: ContextPlace) -> Self {
        Self(Place::Contexts(place))
    }
}

impl From<FilePlace> for Continuation {
    fn from(place: FilePlace) -> Self {
        Self(Place::Files(place))
    }
}

/// The text of a page token of a listing of contexts; the empty text is the start.
impl From<String> for Continuation {
    fn from(token: String) -> Self {
        let token = Some(token).filter(|token| !token.is_empty());
        let place = ContextPlace {
            token,
            ..ContextPlace::default()
        };
        place.into()
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
