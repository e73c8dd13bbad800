//! Several replicas and requests at the same time.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::*;
use crate::metadata::{EntityTags, StoreError};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_creates_make_one_context() {
    let Some(url) = database() else { return };
    let replicas = [open(&url).await, open(&url).await];
    let tenant = tenant("a");
    let created = join_all((0..40).map(|number| {
        let (replica, tenant) = (&replicas[number % 2], &tenant);
        let name = format!("c{}", number % 4);
        async move { replica.create_context(tenant, "r", &name, Micros(5)).await }
    }));
    let ids: BTreeSet<String> = created
        .await
        .into_iter()
        .map(|context| context.unwrap().id)
        .collect();
    assert_eq!(ids.len(), 4);
    let page = replicas[0].list_contexts(&tenant, None, 100).await.unwrap();
    assert_eq!((page.contexts.len(), page.total), (4, 4));
    // Unique create times, so that the order is that of creation.
    let times: BTreeSet<Micros> = page
        .contexts
        .iter()
        .map(|context| context.create_time)
        .collect();
    assert_eq!(times.len(), 4);
    replicas[0].check_counts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_conditional_creations_wins() {
    let Some(url) = database() else { return };
    let replicas = [open(&url).await, open(&url).await];
    let tenant = tenant("a");
    let context = replicas[0]
        .create_context(&tenant, "r", "c", Micros(1))
        .await
        .unwrap();
    let new = Conditions {
        if_none_match: Some(EntityTags::Any),
        ..Conditions::default()
    };
    let key = key(&tenant, &context.id, "/f");
    let results = join_all((0_u8..40).map(|number| {
        let (replica, key, new) = (&replicas[usize::from(number % 2)], &key, new.clone());
        async move {
            let quotas = Quotas::default();
            replica
                .put_file(key, inline(&[number]), new, &quotas, Micros(2))
                .await
        }
    }))
    .await;
    let won: Vec<usize> = (0..40).filter(|number| results[*number].is_ok()).collect();
    assert_eq!(won.len(), 1, "{results:?}");
    assert!(
        results
            .iter()
            .all(|result| matches!(result, Ok(false) | Err(StoreError::Precondition)))
    );
    let opened = replicas[1].open_file(&key).await.unwrap();
    assert_eq!(
        opened.content,
        Content::Inline(Bytes::from(vec![won[0] as u8]))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_compare_and_swap_counter_loses_no_update() {
    let Some(url) = database() else { return };
    let replicas = [open(&url).await, open(&url).await];
    let tenant = tenant("a");
    let context = replicas[0]
        .create_context(&tenant, "r", "c", Micros(1))
        .await
        .unwrap();
    let key = key(&tenant, &context.id, "/counter");
    put(&replicas[0], &key, inline(b"0")).await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|number| {
            let (replica, key) = (replicas[number % 2].clone(), key.clone());
            tokio::spawn(async move {
                let mut done = 0;
                while done < 10 {
                    let opened = replica.open_file(&key).await.unwrap();
                    let Content::Inline(bytes) = opened.content else {
                        panic!()
                    };
                    let count: u32 = std::str::from_utf8(&bytes).unwrap().parse().unwrap();
                    let condition = Conditions {
                        if_match: Some(EntityTags::List(vec![opened.file.etag])),
                        ..Conditions::default()
                    };
                    let next = inline((count + 1).to_string().as_bytes());
                    let quotas = Quotas::default();
                    match replica
                        .put_file(&key, next, condition, &quotas, Micros(2))
                        .await
                    {
                        Ok(replaced) => {
                            assert!(replaced);
                            done += 1;
                        }
                        Err(error) => assert_eq!(error, StoreError::Precondition),
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let opened = replicas[0].open_file(&key).await.unwrap();
    assert_eq!(opened.content, Content::Inline(Bytes::from_static(b"80")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn quotas_are_exact_across_replicas() {
    let Some(url) = database() else { return };
    let replicas = [open(&url).await, open(&url).await];
    let tenant = tenant("a");
    let mut contexts = Vec::new();
    for name in ["a", "b"] {
        let context = replicas[0]
            .create_context(&tenant, "r", name, Micros(1))
            .await;
        contexts.push(context.unwrap().id);
    }
    let quotas = Quotas {
        tenant_files: Some(30),
        tenant_bytes: Some(250),
        context_files: Some(20),
        ..Quotas::default()
    };
    let results = join_all((0..80).map(|number: usize| {
        let (replica, tenant) = (&replicas[number % 2], &tenant);
        let key = key(tenant, &contexts[number / 2 % 2], &format!("/{number}"));
        async move {
            let file = inline(&[7; 10]);
            replica
                .put_file(&key, file, Conditions::default(), &quotas, Micros(2))
                .await
        }
    }))
    .await;
    let stored = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!(stored, 25);
    assert!(
        results
            .iter()
            .all(|result| matches!(result, Ok(false) | Err(StoreError::QuotaExceeded(_))))
    );
    let usage = replicas[1].usage(&tenant).await.unwrap();
    assert_eq!((usage.files, usage.bytes), (25, 250));
    replicas[0].check_counts().await;
    // What is cleared does not count.
    replicas[0]
        .clear_context(&tenant, &contexts[0], Micros(3))
        .await
        .unwrap();
    let cleared = replicas[1].usage(&tenant).await.unwrap();
    assert!(cleared.files < 25 && cleared.bytes == 10 * cleared.files);
    replicas[0].check_counts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn puts_deletes_and_clears_keep_the_counts() {
    let Some(url) = database() else { return };
    let replicas = [open(&url).await, open(&url).await];
    let mut contexts = Vec::new();
    for name in ["a", "b"] {
        let tenant = tenant(name);
        let context = replicas[0]
            .create_context(&tenant, "r", "c", Micros(1))
            .await;
        contexts.push((tenant, context.unwrap().id));
    }
    let tasks: Vec<_> = (0..12_u64)
        .map(|seed| {
            let replica = replicas[seed as usize % 2].clone();
            let (tenant, context) = contexts[seed as usize / 2 % 2].clone();
            tokio::spawn(async move {
                let mut random = fastrand::Rng::with_seed(seed);
                for _ in 0..60 {
                    let found = replica
                        .context_by_id(&tenant, &context)
                        .await
                        .unwrap()
                        .unwrap();
                    let path = format!("/{}/{}", random.u8(..3), random.u8(..30));
                    let mut key = key(&tenant, &context, &path);
                    key.generation = found.generation;
                    let outcome = match random.u8(..40) {
                        0 => replica.clear_context(&tenant, &context, Micros(3)).await,
                        1..=12 => {
                            let path = &key.path;
                            replica
                                .delete_file(&tenant, &context, path, Micros(4))
                                .await
                        }
                        _ => {
                            let size = usize::from(random.u8(..50));
                            put(&replica, &key, inline(&vec![1; size])).await.map(drop)
                        }
                    };
                    assert!(
                        matches!(
                            outcome,
                            Ok(()) | Err(StoreError::Stale | StoreError::NoFile)
                        ),
                        "{outcome:?}"
                    );
                    if random.u8(..10) == 0 {
                        replica.collect_files().await.unwrap();
                        for clear in replica.finished_clears().await.unwrap() {
                            replica.finish_clear(&clear).await.unwrap();
                        }
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    replicas[0].check_counts().await;
    while replicas[0].collect_files().await.unwrap() {}
    replicas[0].check_counts().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_page_is_one_snapshot() {
    let Some(url) = database() else { return };
    let (store, tenant) = (open(&url).await, tenant("a"));
    let context = store
        .create_context(&tenant, "r", "c", Micros(1))
        .await
        .unwrap()
        .id;
    let root = crate::names::FolderPath::parse("/").unwrap();
    let writer = {
        let (store, tenant, context) = (store.clone(), tenant.clone(), context.clone());
        tokio::spawn(async move {
            for round in 0..6 {
                for number in 0..40 {
                    let key = key(&tenant, &context, &format!("/{number:02}"));
                    match round % 2 {
                        0 => drop(put(&store, &key, inline(b"x")).await.unwrap()),
                        _ => store
                            .delete_file(&tenant, &context, &key.path, Micros(2))
                            .await
                            .unwrap(),
                    }
                }
            }
        })
    };
    while !writer.is_finished() {
        let page = store
            .list_files(&tenant, &context, &root, 0, 1000)
            .await
            .unwrap();
        assert_eq!(page.entries.len() as i64, page.count);
        let after = store
            .list_files(&tenant, &context, &root, 17, 1000)
            .await
            .unwrap();
        assert_eq!(after.entries.len() as i64, (after.count - 17).max(0));
    }
    writer.await.unwrap();
    assert_eq!(store.number("SELECT count(*) FROM segments").await, 0);
}
