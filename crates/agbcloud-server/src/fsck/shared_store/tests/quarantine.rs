//! Contents that no file references are kept for some time, and longer while damage is reported.

use FindingKind::*;

use super::damage::filled;
use super::*;

#[tokio::test]
async fn unknown_blobs_move_to_the_quarantine() {
    let Some((store, context)) = filled().await else {
        return;
    };
    let orphan = store.upload(&large(b'o')).await.unwrap();
    let waiting = store.upload(&large(b'w')).await.unwrap();
    store
        .sql(&format!("DELETE FROM uploads WHERE blob = '{orphan}'"))
        .await;
    store.make_old(&waiting);
    store.make_old(&store.only_blob().await);
    // Another process may be writing it.
    store.assert_clean().await;
    store.make_old(&orphan);
    let expected = vec![(OrphanBlob, String::new())];
    let report = store.check().await;
    assert_eq!(store.found(FsckMode::Check).await, expected);
    assert!(!report.is_damaged());
    assert!(report.findings[0].detail.contains(&orphan));

    // It may be what is missing.
    let blob = store.only_blob().await;
    let (path, hidden) = (store.path(&blob), store.path("hidden"));
    std::fs::rename(&path, &hidden).unwrap();
    let report = store.fsck(FsckMode::Repair).await.unwrap();
    assert!(report.is_damaged() && report.findings.len() == 2);
    assert!(report.findings.iter().all(|finding| !finding.repaired));
    assert_eq!(store.found(FsckMode::Check).await.len(), 2);
    std::fs::rename(&hidden, &path).unwrap();

    assert_eq!(store.found(FsckMode::Repair).await, expected);
    let report = store.check().await;
    assert!(report.is_clean(), "{:#?}", report.findings);
    let [kept] = &report.quarantine[..] else {
        panic!("{:#?}", report.quarantine);
    };
    assert_eq!((&kept.name, kept.bytes), (&orphan, MAX_INLINE_BYTES + 1));
    // The service decides how long, and deletes nothing else afterwards.
    for (days, released) in [(2, 0), (1, 1)] {
        assert_eq!(store.release(days).await, Some(released));
        store.collect().await.unwrap();
        assert_eq!(store.path(&orphan).exists(), released == 0);
        store
            .sql("UPDATE quarantine SET since = since - interval '1 day'")
            .await;
    }
    assert!(!store.path(&orphan).exists());
    assert!(store.path(&waiting).exists() && path.exists());
    store.put(&context, "/a/large", b"now small").await.unwrap();
    store.collect().await.unwrap();
    assert!(!path.exists());
    store.assert_clean().await;
}

#[tokio::test]
async fn unused_contents_of_the_database_are_kept_in_a_blob() {
    let Some((store, _)) = filled().await else {
        return;
    };
    store
        .sql("INSERT INTO contents (tenant, bytes) SELECT pk, 'lost content' FROM tenants")
        .await;
    let expected = vec![(OrphanContent, String::new())];
    assert_eq!(store.found(FsckMode::Check).await, expected);
    assert!(store.check().await.is_damaged());
    assert_eq!(store.found(FsckMode::Repair).await, expected);
    store.assert_clean().await;
    let blob = store.text("SELECT blob FROM quarantine").await;
    assert_eq!(std::fs::read(store.path(&blob)).unwrap(), b"lost content");
}

#[tokio::test]
async fn damage_holds_the_quarantine_until_a_check_finds_none() {
    let Some((store, _)) = filled().await else {
        return;
    };
    let orphan = store.upload(&large(b'o')).await.unwrap();
    store
        .sql(&format!(
            "DELETE FROM uploads; INSERT INTO quarantine VALUES ('{orphan}', now() - interval '9 days')"
        ))
        .await;
    let blob = store.only_blob().await;
    let (path, hidden) = (store.path(&blob), store.path("hidden"));
    std::fs::rename(&path, &hidden).unwrap();
    for mode in [FsckMode::Check, FsckMode::Repair] {
        assert!(store.fsck(mode).await.unwrap().is_damaged());
        assert_eq!(store.release(7).await, None, "{mode:?}");
    }
    // Contents of deleted files are not held.
    assert_eq!(store.metadata.dead_blobs(10).await.unwrap(), [""; 0]);
    std::fs::rename(&hidden, &path).unwrap();
    assert!(store.check().await.is_clean());
    assert_eq!(store.release(10).await, Some(0));
    assert_eq!(store.release(7).await, Some(1));
    store.collect().await.unwrap();
    assert!(!store.path(&orphan).exists() && path.exists());

    // A repaired damage holds nothing.
    store.sql("UPDATE tenants SET files = 7").await;
    assert!(store.check().await.is_damaged());
    let held = "SELECT count(*)::text FROM meta WHERE name = 'hold'";
    assert_eq!(store.text(held).await, "1");
    assert!(!store.fsck(FsckMode::Repair).await.unwrap().is_damaged());
    assert_eq!(store.text(held).await, "0");
}
