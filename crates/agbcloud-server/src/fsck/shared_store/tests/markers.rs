//! A database and a store of blobs of different stores or times are reported, and accepted on request.

use super::*;
use crate::markers::SharedMarker;

/// Asserts that a problem of the markers is found, and that only [`FsckMode::Accept`] repairs it, so that a service starts.
async fn assert_mismatch(store: &Store, kind: FindingKind) {
    for mode in [FsckMode::Check, FsckMode::Repair, FsckMode::Check] {
        let report = store.fsck(mode).await.unwrap();
        assert!(report.is_damaged());
        assert_eq!(report.findings.len(), 1, "{:#?}", report.findings);
        assert_eq!(report.findings[0].kind, kind);
    }
    let refused = open_storage(store.storage.clone(), Durability::Strict).await;
    assert!(refused.is_err());
    let report = store.fsck(FsckMode::Accept).await.unwrap();
    assert!(!report.is_damaged() && report.findings[0].repaired);
    store.assert_clean().await;
    let opened = open_storage(store.storage.clone(), Durability::Strict).await;
    opened.unwrap();
    store.assert_clean().await;
}

#[tokio::test]
async fn mismatches_are_found_and_accepted() {
    let Some(store) = Store::new().await else {
        return;
    };
    let context = store.create("c").await;
    store.put(&context, "/f", &large(b'f')).await.unwrap();
    let marker = || async { store.blobs.shared_marker().await.unwrap().unwrap() };
    let before = marker().await;

    let newer = SharedMarker {
        sequence: before.sequence + 5,
        ..before
    };
    store.blobs.write_shared_marker(newer).await.unwrap();
    assert_mismatch(&store, FindingKind::StoreMismatch).await;
    assert!(marker().await.sequence > newer.sequence);
    assert_eq!(marker().await.store, before.store);

    let other = SharedMarker {
        store: [9; 16],
        sequence: 1,
    };
    store.blobs.write_shared_marker(other).await.unwrap();
    assert_mismatch(&store, FindingKind::StoreMismatch).await;
    assert_eq!(marker().await.store, before.store);

    std::fs::remove_file(store.path("mark")).unwrap();
    assert_mismatch(&store, FindingKind::StoreMismatch).await;

    std::fs::write(store.path("mark"), "damaged").unwrap();
    assert_mismatch(&store, FindingKind::Database).await;
}

#[tokio::test]
async fn a_damaged_marker_of_the_database_is_replaced() {
    let Some(store) = Store::new().await else {
        return;
    };
    let before = store.blobs.shared_marker().await.unwrap().unwrap();
    for damage in ["DELETE FROM marker", "UPDATE marker SET store = 'x'"] {
        store.sql(damage).await;
        let found = store.found(FsckMode::Check).await;
        assert_eq!(found, [(FindingKind::Database, String::new())], "{damage}");
        let report = store.fsck(FsckMode::Accept).await.unwrap();
        assert!(report.findings[0].repaired, "{damage}");
        store.assert_clean().await;
        let after = store.blobs.shared_marker().await.unwrap().unwrap();
        assert_eq!(after.store, before.store, "{damage}");
        assert!(after.sequence > before.sequence, "{damage}");
    }
}
