//! Where a server stores metadata and the contents of files: the URLs that select the engines, and opening them.

mod open;
#[cfg(feature = "postgres")]
mod open_postgres;
mod url;

pub(crate) use self::open::{OpenStorage, open, open_keys};
#[cfg(feature = "postgres")]
pub(crate) use self::url::BlobsUrl;
pub(crate) use self::url::{Engine, SecretUrl};
pub use self::url::{InvalidStorage, Storage};
