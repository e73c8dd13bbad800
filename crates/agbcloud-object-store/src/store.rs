//! The store.

use std::{fmt, ops::Range, sync::Arc};

use agbcloud::Files;
use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, stream::BoxStream};
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, RenameOptions, Result, path::Path,
};

use crate::{
    conditional_writes::{Condition, ConditionSupport, ConditionalWrites},
    error::not_implemented,
    multipart::SpooledUpload,
};

/// Default of [`ContextStore::with_memory_limit`]: 16 MiB.
const DEFAULT_MEMORY_LIMIT: usize = 16 * 1024 * 1024;

/// Number of concurrent deletions of a stream.
const CONCURRENT_DELETIONS: usize = 10;

/// The files of one context as an [`ObjectStore`]. Cheap to clone.
///
/// ```
/// # agbcloud_doctest::run_with_context(async |client, context, files| {
/// use std::sync::Arc;
///
/// use agbcloud_object_store::ContextStore;
/// use object_store::{ObjectStore, ObjectStoreExt, path::Path};
///
/// let files = client.contexts().files(&context.id);
/// let store: Arc<dyn ObjectStore> = Arc::new(ContextStore::new(files));
/// store.put(&Path::from("data/a.txt"), "hello".into()).await?;
/// assert_eq!(store.get_range(&Path::from("data/a.txt"), 1..3).await?, "el");
/// # Ok(()) });
/// ```
#[derive(Debug, Clone)]
pub struct ContextStore {
    files: Files,
    memory_limit: usize,
    conditional_writes: ConditionalWrites,
    support: Arc<ConditionSupport>,
}

impl ContextStore {
    /// Returns the store of these files.
    pub fn new(files: Files) -> Self {
        Self {
            files,
            memory_limit: DEFAULT_MEMORY_LIMIT,
            conditional_writes: ConditionalWrites::default(),
            support: Arc::default(),
        }
    }

    /// Maximum number of bytes of a multipart upload or a copy in memory. A larger content is in a temporary file until it
    /// is uploaded. Defaults to 16 MiB.
    #[must_use]
    pub fn with_memory_limit(mut self, bytes: usize) -> Self {
        self.memory_limit = bytes;
        self
    }

    /// Whether conditional writes are available. Defaults to [`ConditionalWrites::Detect`].
    #[must_use]
    pub fn with_conditional_writes(mut self, conditional_writes: ConditionalWrites) -> Self {
        self.conditional_writes = conditional_writes;
        self
    }

    /// Returns the files of the context.
    pub fn files(&self) -> &Files {
        &self.files
    }

    pub(crate) fn memory_limit(&self) -> usize {
        self.memory_limit
    }

    pub(crate) async fn supports(&self, condition: Condition) -> agbcloud::Result<bool> {
        self.support
            .supports(self.conditional_writes, condition, &self.files)
            .await
    }
}

impl From<Files> for ContextStore {
    fn from(files: Files) -> Self {
        Self::new(files)
    }
}

impl fmt::Display for ContextStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AgbCloud({})", self.files.context_id())
    }
}

#[async_trait]
impl ObjectStore for ContextStore {
    async fn put_opts(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        self.put(location, payload, options).await
    }

    async fn put_multipart_opts(
        &self,
        location: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        if !options.attributes.is_empty() {
            return Err(not_implemented("attributes"));
        }
        crate::location::file_path(location)?;
        Ok(Box::new(SpooledUpload::new(self.clone(), location.clone())))
    }

    async fn get_opts(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        self.get(location, options).await
    }

    async fn get_ranges(&self, location: &Path, ranges: &[Range<u64>]) -> Result<Vec<Bytes>> {
        self.get_parts(location, ranges).await
    }

    fn delete_stream(
        &self,
        locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        let store = self.clone();
        locations
            .map(move |location| {
                let store = store.clone();
                async move {
                    let location = location?;
                    store.delete_file(&location).await?;
                    Ok(location)
                }
            })
            .buffered(CONCURRENT_DELETIONS)
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.list_all(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.list_folder(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.copy_file(from, to, options).await
    }

    async fn rename_opts(&self, from: &Path, to: &Path, options: RenameOptions) -> Result<()> {
        self.rename_file(from, to, options).await
    }
}
