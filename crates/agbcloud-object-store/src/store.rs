//! The store.

use std::{fmt, sync::Arc};

use agbcloud::Files;

use crate::conditional_writes::{Condition, ConditionSupport, ConditionalWrites};

/// Default of [`ContextStore::with_memory_limit`]: 16 MiB.
const DEFAULT_MEMORY_LIMIT: usize = 16 * 1024 * 1024;

/// The files of one context as an [`ObjectStore`](object_store::ObjectStore). Cheap to clone.
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
        match self.files.context_id() {
            Ok(id) => write!(f, "AgbCloud({id})"),
            // Each operation returns the error.
            Err(_) => f.write_str("AgbCloud(invalid context id)"),
        }
    }
}
