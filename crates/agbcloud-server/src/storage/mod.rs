//! Where a server stores metadata and the contents of files: the URLs that select the engines, and opening them.

mod open;
mod url;

pub(crate) use self::open::{OpenStorage, open};
pub(crate) use self::url::{BlobsUrl, Engine, SecretUrl};
pub use self::url::{InvalidStorage, Storage};
