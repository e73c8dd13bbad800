//! Whether the store behind the presigned URLs evaluates conditions of uploads.

use agbcloud::{ErrorKind, Files};
use bytes::Bytes;
use tokio::sync::OnceCell;

use crate::error::is_precondition;

/// Prefix of the files that test the store.
const TEST_FILE: &str = "/.agbcloud-object-store-test-";

/// An ETag that no content has.
const NO_ETAG: &str = "\"ffffffffffffffffffffffffffffffff\"";

/// Whether [`PutMode::Create`](object_store::PutMode::Create), [`PutMode::Update`](object_store::PutMode::Update) and
/// copies to a new file are available.
///
/// A store that does not know the conditions of an upload ignores them: it answers 200 and replaces the file, which
/// damages a table of Delta or Lance. The wire does not report whether the store behind a presigned URL knows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ConditionalWrites {
    /// Tests the store before the first conditional write: uploads a file `/.agbcloud-object-store-test-…` of one byte,
    /// with a condition that is false, and deletes it. If the store ignores or rejects the condition, the write returns
    /// [`NotImplemented`](object_store::Error::NotImplemented). Clones of a [`ContextStore`](crate::ContextStore) share
    /// the result. The default.
    #[default]
    Detect,
    /// Relies on the store without a test. `agb serve` evaluates conditions.
    Assume,
    /// Returns [`NotImplemented`](object_store::Error::NotImplemented).
    Disabled,
}

/// The results of the tests.
#[derive(Debug, Default)]
pub(crate) struct ConditionSupport {
    if_absent: OnceCell<bool>,
    if_match: OnceCell<bool>,
}

/// The condition of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    IfAbsent,
    IfMatch,
}

impl ConditionSupport {
    pub(crate) async fn supports(
        &self,
        mode: ConditionalWrites,
        condition: Condition,
        files: &Files,
    ) -> agbcloud::Result<bool> {
        match (mode, condition) {
            (ConditionalWrites::Disabled, _) => Ok(false),
            (ConditionalWrites::Assume, _) => Ok(true),
            (ConditionalWrites::Detect, Condition::IfAbsent) => {
                let supported = self.if_absent.get_or_try_init(|| tests_if_absent(files));
                supported.await.copied()
            }
            (ConditionalWrites::Detect, Condition::IfMatch) => {
                let supported = self.if_match.get_or_try_init(|| tests_if_match(files));
                supported.await.copied()
            }
        }
    }
}

async fn tests_if_absent(files: &Files) -> agbcloud::Result<bool> {
    with_test_file(files, async |path| {
        files.upload(path, Bytes::from_static(b"0")).await?;
        let replaced = files.upload(path, Bytes::from_static(b"1")).if_absent();
        evaluated(replaced.await.map(|_| ()))
    })
    .await
}

async fn tests_if_match(files: &Files) -> agbcloud::Result<bool> {
    with_test_file(files, async |path| {
        files.upload(path, Bytes::from_static(b"0")).await?;
        let replaced = files.upload(path, Bytes::from_static(b"1"));
        evaluated(replaced.if_match(NO_ETAG).await.map(|_| ()))
    })
    .await
}

/// Runs a test with a path of its own, and deletes the file.
async fn with_test_file(
    files: &Files,
    test: impl AsyncFnOnce(&str) -> agbcloud::Result<bool>,
) -> agbcloud::Result<bool> {
    let path = format!("{TEST_FILE}{:016x}", fastrand::u64(..));
    let result = test(&path).await;
    let deleted = files.delete(path.as_str()).missing_ok(true).await;
    let supported = result?;
    deleted?;
    Ok(supported)
}

/// Whether the store evaluated a condition that is false.
fn evaluated(outcome: agbcloud::Result<()>) -> agbcloud::Result<bool> {
    match outcome {
        Ok(()) => Ok(false),
        Err(error) if is_precondition(&error) => Ok(true),
        // Refused as a header that the store does not support.
        Err(error)
            if error.kind() == ErrorKind::Rejected && matches!(error.status(), Some(400 | 501)) =>
        {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
