//! Leases of uploads, and the deletion of blobs by several replicas.

use super::*;
use crate::metadata::StoreError;

const EXPIRE: &str = "UPDATE uploads SET expires = clock_timestamp() - interval '1 second'";

#[tokio::test]
async fn a_claimed_upload_can_not_be_published_or_renewed() {
    let Some(url) = database() else { return };
    let (store, other) = (open(&url).await, open(&url).await);
    let tenant = tenant("a");
    let context = store
        .create_context(&tenant, "r", "c", Micros(1))
        .await
        .unwrap();
    let key = key(&tenant, &context.id, "/f");
    // Never registered.
    let unknown = put(&store, &key, blob("00/unknown", b"x")).await;
    assert_eq!(unknown, Err(StoreError::UploadExpired));

    for name in ["00/late", "00/in-time"] {
        store.register_upload(&upload(name)).await.unwrap();
    }
    store.sql(EXPIRE).await.unwrap();
    // Expired and not claimed: a late renewal still helps.
    store.renew_upload(&upload("00/in-time")).await.unwrap();
    let multipart = UploadId {
        multipart: Some("m".to_owned()),
        ..upload("00/late")
    };
    store.renew_upload(&multipart).await.unwrap();
    assert_eq!(other.expired_uploads(10).await.unwrap(), []);
    store
        .sql(&format!("{EXPIRE} WHERE blob = '00/late'"))
        .await
        .unwrap();
    assert_eq!(
        other.expired_uploads(10).await.unwrap(),
        std::slice::from_ref(&multipart)
    );
    // Claimed for a minute.
    assert_eq!(store.expired_uploads(10).await.unwrap(), []);
    let late = put(&store, &key, blob("00/late", b"x")).await;
    assert_eq!(late, Err(StoreError::UploadExpired));
    assert_eq!(
        store.renew_upload(&multipart).await,
        Err(StoreError::UploadExpired)
    );
    assert_eq!(put(&store, &key, blob("00/in-time", b"x")).await, Ok(false));
    assert_eq!(store.number("SELECT count(*) FROM uploads").await, 1);

    let names = vec!["00/late".to_owned(), "00/in-time".to_owned()];
    other
        .discard_uploads(names, Duration::from_secs(3600))
        .await
        .unwrap();
    assert_eq!(store.number("SELECT count(*) FROM uploads").await, 0);
    assert_eq!(store.deletion_backlog(10).await, Ok(1));
    // Not before the time in quarantine is over.
    assert_eq!(store.dead_blobs(10).await.unwrap(), [""; 0]);
    store
        .sql("UPDATE dead_blobs SET not_before = clock_timestamp()")
        .await
        .unwrap();
    assert_eq!(store.dead_blobs(10).await.unwrap(), ["00/late"]);
}

#[tokio::test]
async fn a_forgotten_upload_is_not_collected() {
    let Some(url) = database() else { return };
    let store = open(&url).await;
    store.register_upload(&upload("00/x")).await.unwrap();
    store.forget_upload("00/x").await.unwrap();
    store.sql(EXPIRE).await.unwrap();
    assert_eq!(store.expired_uploads(10).await.unwrap(), []);
}

#[tokio::test]
async fn replicas_collect_trees_and_blobs_together() {
    let Some(url) = database() else { return };
    let replicas = [open(&url).await, open(&url).await, open(&url).await];
    let (store, tenant) = (&replicas[0], tenant("a"));
    for name in 0..12 {
        let name = name.to_string();
        let context = store
            .create_context(&tenant, "r", &name, Micros(1))
            .await
            .unwrap();
        for file in 0..10 {
            let blob_name = format!("00/{name}-{file}");
            store.register_upload(&upload(&blob_name)).await.unwrap();
            let key = key(&tenant, &context.id, &format!("/d{}/{file}", file % 3));
            put(store, &key, blob(&blob_name, b"x")).await.unwrap();
        }
        match name.len() {
            1 => store
                .clear_context(&tenant, &context.id, Micros(2))
                .await
                .unwrap(),
            _ => store.delete_context(&tenant, &context.id).await.unwrap(),
        }
    }
    store.check_counts().await;
    let tasks: Vec<_> = replicas
        .iter()
        .map(|replica| {
            let replica = replica.clone();
            tokio::spawn(async move {
                let mut claimed = Vec::new();
                loop {
                    let collected = replica.collect_files().await.unwrap();
                    for clear in replica.finished_clears().await.unwrap() {
                        replica.finish_clear(&clear).await.unwrap();
                    }
                    let dead = replica.dead_blobs(7).await.unwrap();
                    if !collected && dead.is_empty() {
                        return claimed;
                    }
                    claimed.extend(dead);
                }
            })
        })
        .collect();
    let mut claimed = Vec::new();
    for task in tasks {
        claimed.extend(task.await.unwrap());
    }
    // What a replica had locked when others looked may be left.
    while store.collect_files().await.unwrap() {}
    for clear in store.finished_clears().await.unwrap() {
        store.finish_clear(&clear).await.unwrap();
    }
    claimed.extend(store.dead_blobs(1000).await.unwrap());
    claimed.sort();
    let all = claimed.len();
    claimed.dedup();
    assert_eq!((all, claimed.len()), (120, 120));
    store.remove_dead_blobs(claimed).await.unwrap();
    assert_eq!(store.deletion_backlog(10).await, Ok(0));
    let left = "SELECT (SELECT count(*) FROM trees WHERE doomed) + (SELECT count(*) FROM entries WHERE NOT folder)";
    assert_eq!(store.number(left).await, 0);
    let clearing = "SELECT count(*) FROM contexts WHERE state = 'clearing'";
    assert_eq!(store.number(clearing).await, 0);
    store.check_counts().await;
}

#[tokio::test]
async fn a_referenced_blob_is_not_dead() {
    let Some(url) = database() else { return };
    let (store, tenant) = (open(&url).await, tenant("a"));
    let context = store
        .create_context(&tenant, "r", "c", Micros(1))
        .await
        .unwrap();
    store.register_upload(&upload("00/live")).await.unwrap();
    put(
        &store,
        &key(&tenant, &context.id, "/f"),
        blob("00/live", b"x"),
    )
    .await
    .unwrap();
    store
        .sql("INSERT INTO dead_blobs (blob) VALUES ('00/live'), ('00/dead')")
        .await
        .unwrap();
    assert_eq!(store.dead_blobs(10).await.unwrap(), ["00/dead"]);
    let both = vec!["00/dead".to_owned(), "00/live".to_owned()];
    store.remove_dead_blobs(both.clone()).await.unwrap();
    assert_eq!(store.deletion_backlog(10).await, Ok(1));
    assert_eq!(store.unreferenced_blobs(both).await.unwrap(), ["00/dead"]);
    assert_eq!(
        store.referenced_blobs(String::new(), 10).await.unwrap(),
        ["00/live"]
    );
}
