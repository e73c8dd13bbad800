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

use super::range_reader::RangeReader;
use super::{BlobError, Blobs, Chunks, Upload};

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
        if self.folder.is_none() {
            return self.read_object(blob).await;
        }
        let result = self.store.get(&self.key(blob)).await?;
        Ok(match result.payload {
            GetResultPayload::File(file, _) => read_file(file),
            GetResultPayload::Stream(stream) => stream.map_err(BlobError::from).boxed(),
        })
    }

    /// Starts a blob of `size` bytes with a key of another store. Replaces a blob with this key.
    pub(crate) async fn upload_as(&self, blob: &str, size: u64) -> Result<Upload, BlobError> {
        self.upload_to(blob.to_owned(), size).await
    }

    async fn read_object(&self, blob: &str) -> Result<Chunks, BlobError> {
        let (store, key) = (self.store.clone(), self.key(blob));
        let size = store.head(&key).await?.size;
        if size == 0 {
            return Ok(stream::empty().boxed());
        }
        let object = RangeReader::open(store, key, size, 0..size, self.metrics()).await?;
        let chunks = stream::try_unfold((object, size), |(mut object, left)| async move {
            let length = usize::try_from(left.min(READ_BYTES)).map_err(io::Error::other)?;
            if length == 0 {
                return Ok(None);
            }
            let bytes = object.read(length).await?;
            Ok(Some((bytes, (object, left - length as u64))))
        });
        Ok(chunks.boxed())
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
