//! Checks of a store that services change.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;
use crate::metadata::postgres::Postgres;

/// Makes a random change. Most are uploads and deletions.
async fn change(store: &Store, contexts: &[String], random: &mut fastrand::Rng) {
    let context = &contexts[random.usize(..contexts.len())];
    let path = match random.u8(..3) {
        0 => format!("/{}", random.u8(..30)),
        1 => format!("/many/{:02}", random.u8(..60)),
        _ => format!(
            "/a{}/b{}/{}",
            random.u8(..3),
            random.u8(..3),
            random.u8(..4)
        ),
    };
    // The context may be clearing, and the file may not exist.
    let _ = match random.u8(..80) {
        0 => {
            let cleared = store
                .metadata
                .clear_context(&store.tenant, context, Micros(3));
            cleared.await
        }
        1..25 => {
            let path = FilePath::parse(&path).unwrap();
            let deleted = store
                .metadata
                .delete_file(&store.tenant, context, &path, Micros(3));
            deleted.await
        }
        25..35 => store.put(context, &path, &large(random.u8(..))).await,
        35..38 => store.collect().await,
        _ => store.put(context, &path, &[random.u8(..)]).await,
    };
}

#[tokio::test]
async fn a_store_is_clean_after_random_changes() {
    let Some(store) = Store::new().await else {
        return;
    };
    let mut random = fastrand::Rng::with_seed(16);
    let mut contexts = Vec::new();
    for name in ["a", "b", "c"] {
        contexts.push(store.create(name).await);
    }
    for round in 0..4 {
        for _ in 0..150 {
            change(&store, &contexts, &mut random).await;
        }
        let report = store.check().await;
        assert!(report.is_clean(), "{round} {:#?}", report.findings);
        assert!(report.files > 10 && report.bytes > 10, "{report:?}");
    }
    let deleted = store.metadata.delete_context(&store.tenant, &contexts[0]);
    deleted.await.unwrap();
    store.assert_clean().await;
    for _ in 0..20 {
        store.collect().await.unwrap();
    }
    store.assert_clean().await;
    let report = store.fsck(FsckMode::Repair).await.unwrap();
    assert!(report.is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_during_changes_reports_nothing() {
    let Some(store) = Store::new().await else {
        return;
    };
    let store = Arc::new(store);
    let mut contexts = Vec::new();
    for name in ["a", "b"] {
        contexts.push(store.create(name).await);
    }
    let stop = Arc::new(AtomicBool::new(false));
    let changes = Arc::new(AtomicU64::new(0));
    let mut writers = Vec::new();
    for seed in 0..3 {
        let (store, contexts) = (store.clone(), contexts.clone());
        let (stop, changes) = (stop.clone(), changes.clone());
        writers.push(tokio::spawn(async move {
            let mut random = fastrand::Rng::with_seed(seed);
            while !stop.load(Ordering::Relaxed) {
                change(&store, &contexts, &mut random).await;
                changes.fetch_add(1, Ordering::Relaxed);
            }
        }));
    }
    // The collector deletes blobs of the snapshot while a check reads them.
    let (collected, stopped) = (store.clone(), stop.clone());
    writers.push(tokio::spawn(async move {
        while !stopped.load(Ordering::Relaxed) {
            collected.collect().await.unwrap();
        }
    }));
    for round in 0..12 {
        let mode = match round % 3 {
            2 => FsckMode::Repair,
            _ => FsckMode::Check,
        };
        let before = changes.load(Ordering::Relaxed);
        let report = store.fsck(mode).await.unwrap();
        assert!(report.is_clean(), "{round} {:#?}", report.findings);
        while changes.load(Ordering::Relaxed) < before + 20 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.unwrap();
    }
    store.assert_clean().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repair_during_changes_leaves_correct_counts() {
    let Some(store) = Store::new().await else {
        return;
    };
    let store = Arc::new(store);
    let context = store.create("a").await;
    for number in 0..40 {
        let path = format!("/many/{number:02}");
        store.put(&context, &path, b"x").await.unwrap();
    }
    // The writer may clear its context, so that no folder is left that can be damaged.
    let unchanged = store.create("b").await;
    store.put(&unchanged, "/many/0", b"x").await.unwrap();
    let writer = {
        let (store, contexts) = (store.clone(), vec![context.clone()]);
        tokio::spawn(async move {
            let mut random = fastrand::Rng::with_seed(1);
            for _ in 0..200 {
                change(&store, &contexts, &mut random).await;
            }
        })
    };
    for damage in [
        "UPDATE trees SET files = files + 1, bytes = bytes + 1 WHERE NOT doomed",
        "UPDATE tenants SET files = files + 1, bytes = bytes + 1",
        "UPDATE entries SET child_count = child_count + 1000 WHERE folder",
    ] {
        store
            .sql(&format!("SELECT 1 FROM tenants FOR UPDATE; {damage}"))
            .await;
        let report = store.fsck(FsckMode::Repair).await.unwrap();
        assert!(!report.is_clean(), "{damage}");
    }
    writer.await.unwrap();
    store.assert_clean().await;
}

#[tokio::test]
async fn a_repair_after_a_clear_leaves_correct_counts() {
    let Some(store) = Store::in_folder().await else {
        return;
    };
    let context = store.create("a").await;
    store.put(&context, "/1", b"x").await.unwrap();
    store
        .sql("UPDATE trees SET files = files + 1, bytes = bytes + 1")
        .await;
    let database = Postgres::open_for_check(&store.url, |_| None, true)
        .await
        .unwrap();
    let damage = database.snapshot().await.unwrap().check_rows().await;
    let damage = damage.unwrap();
    assert_eq!(damage.len(), 1, "{damage:?}");
    // The wrong counts are subtracted from those of the tenant.
    let cleared = store
        .metadata
        .clear_context(&store.tenant, &context, Micros(2));
    cleared.await.unwrap();
    assert!(!store.check().await.is_clean());
    for damage in damage {
        database.repair(&damage.repair.unwrap()).await.unwrap();
    }
    store.assert_clean().await;
}
