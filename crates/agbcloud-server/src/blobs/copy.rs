//! What copies of a whole store need: blobs in one piece, under keys that exist already.

use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use object_store::GetResultPayload;
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::task::spawn_blocking;

use super::{BlobError, Blobs, Chunks};

/// Size of a read in bytes.
const READ_BYTES: u64 = 1024 * 1024;

impl Blobs {
    /// Opens a folder of blobs for reading. Creates nothing: without the folder, all blobs are missing.
    pub(crate) fn existing(folder: &Path) -> io::Result<Self> {
        let store: Arc<dyn ObjectStore> = match folder.is_dir() {
            true => Arc::new(LocalFileSystem::new_with_prefix(folder).map_err(io::Error::other)?),
            false => Arc::new(InMemory::new()),
        };
        Self::new(store, None, Some(folder.to_owned())).map_err(io::Error::other)
    }

    /// Streams a whole blob without a check.
    pub(crate) async fn read_unchecked(&self, blob: &str) -> Result<Chunks, BlobError> {
        let result = self.store.get(&self.key(blob)).await?;
        Ok(match result.payload {
            GetResultPayload::File(file, _) => read_file(file),
            GetResultPayload::Stream(stream) => stream.map_err(BlobError::from).boxed(),
        })
    }
}

/// Streams a file from its current position.
pub(crate) fn read_file(file: impl Read + Send + 'static) -> Chunks {
    let chunks = stream::try_unfold(file, |mut file| async move {
        let read = spawn_blocking(move || {
            let mut bytes = Vec::new();
            (&mut file).take(READ_BYTES).read_to_end(&mut bytes)?;
            Ok::<_, io::Error>((Bytes::from(bytes), file))
        });
        let (bytes, file) = read
            .await
            .map_err(|error| io::Error::new(ErrorKind::Interrupted, error))??;
        Ok((!bytes.is_empty()).then_some((bytes, file)))
    });
    chunks.boxed()
}
