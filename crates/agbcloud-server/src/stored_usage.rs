//! Reading what tenants store from a data folder, also while a server uses it.

use std::path::Path;

use crate::data_folder::DATABASE;
use crate::error::StartError;
use crate::limits;
use crate::metadata::Usage;
use crate::metadata::sqlite::UsageReader;
use crate::signing::Signer;

/// What the tenants of a data folder store. Changes nothing in the folder, and can run while a server uses it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use agbcloud_server::{Server, StoredUsage};
///
/// let folder = tempfile::tempdir()?;
/// let server = Server::builder().data_dir(folder.path()).start().await?;
/// let usage = StoredUsage::open(folder.path())?.tenant("team-a")?;
/// assert_eq!((usage.files, usage.bytes), (0, 0));
/// # Ok(())
/// # }
/// ```
pub struct StoredUsage {
    reader: UsageReader,
    /// `None` for a store without contexts, which has no secret yet.
    signer: Option<Signer>,
}

impl StoredUsage {
    /// Opens the database of a data folder for reading.
    ///
    /// # Errors
    ///
    /// If the database can't be read: it does not exist, the user may not read it, or its schema has another version.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, StartError> {
        let reader = UsageReader::open(&folder.as_ref().join(DATABASE))?;
        let signer = reader.secret()?.as_ref().map(Signer::new);
        Ok(Self { reader, signer })
    }

    /// Returns the usage of a tenant of a key file.
    ///
    /// # Errors
    ///
    /// If the database can't be read.
    pub fn tenant(&self, name: &str) -> Result<Usage, StartError> {
        match &self.signer {
            Some(signer) => Ok(self.reader.tenant(&signer.named_tenant(name))?),
            None => Ok(Usage::default()),
        }
    }
}

impl std::fmt::Debug for StoredUsage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredUsage").finish_non_exhaustive()
    }
}

/// Parses a number of bytes as [`Limits::set`](crate::Limits::set) does: `1000`, `64k`, `10m` or `2g`.
///
/// ```
/// assert_eq!(agbcloud_server::parse_bytes("10m"), Some(10 * 1024 * 1024));
/// assert_eq!(agbcloud_server::parse_bytes("ten"), None);
/// ```
pub fn parse_bytes(text: &str) -> Option<u64> {
    limits::bytes(text)
}
