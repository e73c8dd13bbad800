//! What the store of a test contains.

use std::path::Path;
use std::time::Duration;

use agbcloud_server::{FsckMode, fsck_storage, test_store};

/// A content that is too large for the database and becomes a blob.
pub(crate) fn large(byte: u8) -> Vec<u8> {
    vec![byte; 40_000]
}

/// The number of blobs. Blobs in memory can't be counted.
pub(crate) fn blobs(folder: &Path) -> usize {
    test_store::count_blobs(folder)
}

/// Asserts the number of blobs, unless they are in memory.
pub(crate) fn assert_blobs(folder: &Path, expected: usize) {
    if !test_store::is_memory() {
        assert_eq!(blobs(folder), expected);
    }
}

/// Waits until there is this number of blobs, unless they are in memory.
pub(crate) async fn wait_for_blobs(folder: &Path, expected: usize) {
    if !test_store::is_memory() {
        wait_for(|| blobs(folder) == expected).await;
    }
}

pub(crate) async fn wait_for(done: impl Fn() -> bool) {
    for _ in 0..500 {
        if done() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the condition is not met in time");
}

/// Checks the store that belongs to a folder, which no server uses.
pub(crate) async fn assert_clean(folder: &Path) {
    let storage = test_store::storage_in(folder);
    let report = fsck_storage(&storage, FsckMode::Check).await.unwrap();
    assert!(report.is_clean(), "{report:?}");
}
