//! The costs of statements: they do not depend on the number of rows.

use super::*;
use crate::metadata::offset_index::{EntryKey, MAX_UNINDEXED};
use crate::metadata::postgres::connection::Value;
use crate::metadata::postgres::folders;
use crate::metadata::postgres::offset_index::OffsetIndex;
use crate::metadata::postgres::{deletion_queue, uploads};
use crate::names::FolderPath;

const FILES: i64 = 100_000;

/// A context with many files in its root folder, and its tree.
async fn large_folder(store: &Postgres, tenant: &Tenant) -> (String, i64) {
    let context = store
        .create_context(tenant, "r", "c", Micros(1))
        .await
        .unwrap()
        .id;
    let tree = store.number("SELECT tree FROM contexts").await;
    let key = store.key(tenant, soon()).await.unwrap().unwrap();
    store
        .sql(&format!(
            "INSERT INTO entries (tenant, tree, parent, name, folder, id, created, modified, size, etag)
             SELECT {key}, {tree}, '/', to_char(n, 'FM000000'), false, 'file-' || n, 1, 1, 1, 'tag'
             FROM generate_series(1, {FILES}) AS n;
             UPDATE entries SET child_count = {FILES} WHERE tree = {tree} AND parent = '';
             UPDATE trees SET files = {FILES}, bytes = {FILES};
             UPDATE tenants SET files = {FILES}, bytes = {FILES}"
        ))
        .await
        .unwrap();
    let session = lock(store, tenant).await;
    let index = OffsetIndex {
        session: &session,
        tenant: key,
        tree,
        path: "/",
    };
    let last = EntryKey::file(&format!("{FILES:06}"));
    index.insert(&last, FILES).await.unwrap();
    commit(session).await.unwrap();
    (context, tree)
}

/// The number of pages that a plan reads.
fn buffers(plan: &str) -> u64 {
    let line = plan
        .lines()
        .find(|line| line.trim_start().starts_with("Buffers: shared"));
    let numbers = line.unwrap_or_default().split(['=', ' ']);
    numbers
        .filter_map(|number| number.parse::<u64>().ok())
        .sum()
}

#[tokio::test]
async fn a_page_costs_the_same_at_any_offset() {
    let Some(url) = database() else { return };
    let (store, tenant) = (open(&url).await, tenant("a"));
    let (context, tree) = large_folder(&store, &tenant).await;
    let root = FolderPath::parse("/").unwrap();
    let key = store.key(&tenant, soon()).await.unwrap().unwrap();
    // With and without statistics.
    for analyze in [false, true] {
        if analyze {
            store
                .sql("ANALYZE entries; ANALYZE segments")
                .await
                .unwrap();
        }
        for offset in [0, 1, 777, FILES / 2, FILES - 10] {
            let page = store
                .list_files(&tenant, &context, &root, offset, 10)
                .await
                .unwrap();
            assert_eq!((page.count, page.entries.len()), (FILES, 10));
            assert_eq!(page.entries[0].name, format!("{:06}", offset + 1));

            let session = store.begin(Access::Snapshot(key), soon()).await.unwrap();
            let index = OffsetIndex {
                session: &session,
                tenant: key,
                tree,
                path: "/",
            };
            let (start, skip) = index.seek(offset, FILES).await.unwrap();
            assert!(skip <= MAX_UNINDEXED, "{skip}");
            let plan = session
                .explain(
                    folders::LIST,
                    &[
                        Value::Int(key),
                        Value::Int(tree),
                        Value::Text("/"),
                        Value::Text(&start.name),
                        Value::Bool(start.folder),
                        Value::Int(10),
                        Value::Int(skip),
                    ],
                )
                .await
                .unwrap();
            session.finish().await.unwrap();
            assert!(plan.contains("Index Scan using entries_pkey"), "{plan}");
            assert!(
                !plan.contains("Seq Scan") && !plan.contains("Sort"),
                "{plan}"
            );
            assert!((1..30).contains(&buffers(&plan)), "{plan}");
        }
    }
}

#[tokio::test]
async fn changes_of_a_large_folder_read_few_rows() {
    let Some(url) = database() else { return };
    let (store, tenant) = (open(&url).await, tenant("a"));
    let (context, _) = large_folder(&store, &tenant).await;
    let reads = "SELECT (sum(seq_tup_read) + sum(idx_tup_fetch))::bigint FROM pg_stat_user_tables";
    // The server adds up the work of a connection when that ends.
    store.pool.discard_idle();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = store.number(reads).await;
    for number in 0..20 {
        let path = format!("/{number:06}-new");
        let key = key(&tenant, &context, &path);
        put(&store, &key, inline(b"x")).await.unwrap();
        store.open_file(&key).await.unwrap();
        store.usage(&tenant).await.unwrap();
        store
            .delete_file(&tenant, &context, &key.path, Micros(3))
            .await
            .unwrap();
    }
    store
        .clear_context(&tenant, &context, Micros(4))
        .await
        .unwrap();
    store.pool.discard_idle();
    tokio::time::sleep(Duration::from_millis(500)).await;
    let after = store.number(reads).await;
    let each = (after - before) / 20;
    assert!((1..500).contains(&each), "{each} rows for each file");
}

#[tokio::test]
async fn claims_do_not_read_what_is_not_due() {
    let Some(url) = database() else { return };
    let store = open(&url).await;
    store
        .sql(&format!(
            "INSERT INTO dead_blobs (blob, not_before)
             SELECT 'later-' || n, clock_timestamp() + interval '1 day' FROM generate_series(1, {FILES}) AS n;
             INSERT INTO uploads (blob, expires)
             SELECT 'later-' || n, clock_timestamp() + interval '1 day' FROM generate_series(1, {FILES}) AS n;
             INSERT INTO dead_blobs (blob) SELECT 'due-' || n FROM generate_series(1, {FILES} / 10) AS n;
             INSERT INTO uploads (blob, expires) VALUES ('due', clock_timestamp());
             INSERT INTO entries (tenant, tree, parent, name, folder, id, created, modified, size, etag, blob)
             SELECT 1, 1, '/', 'n' || n, false, '', 1, 1, 1, '', 'file-' || n FROM generate_series(1, {FILES}) AS n"
        ))
        .await
        .unwrap();
    // With and without statistics.
    for analyze in [false, true] {
        if analyze {
            store
                .sql("ANALYZE dead_blobs; ANALYZE uploads; ANALYZE entries")
                .await
                .unwrap();
        }
        for claim in [&deletion_queue::claim(), uploads::CLAIM] {
            let session = store.begin(Access::Task, soon()).await.unwrap();
            let limits = [Value::Int(100), Value::Int(1000)];
            let plan = session.explain(claim, &limits).await.unwrap();
            session.roll_back().await;
            assert!(!plan.contains("Seq Scan on entries"), "{plan}");
            let removed = plan.split("Removed by Filter: ").skip(1);
            let removed: usize = removed
                .filter_map(|rest| rest.split('\n').next()?.trim().parse::<usize>().ok())
                .sum();
            assert!(removed < 100, "{plan}");
        }
    }
    assert_eq!(store.dead_blobs(1000).await.unwrap().len(), 1000);
    let expired = store.expired_uploads(10).await.unwrap();
    assert_eq!(expired, [upload("due")]);
}

#[tokio::test]
async fn a_large_tree_is_deleted_in_batches_that_use_its_index() {
    let Some(url) = database() else { return };
    let (store, tenant) = (open(&url).await, tenant("a"));
    let (context, tree) = large_folder(&store, &tenant).await;
    let key = store.key(&tenant, soon()).await.unwrap().unwrap();
    store
        .clear_context(&tenant, &context, Micros(4))
        .await
        .unwrap();
    assert!(store.collect_files().await.unwrap());
    let left = store
        .number(&format!("SELECT count(*) FROM entries WHERE tree = {tree}"))
        .await;
    assert_eq!(left, FILES + 1 - 500);
    let session = store.begin(Access::Task, soon()).await.unwrap();
    let plan = session
        .explain(
            "DELETE FROM entries WHERE ctid = ANY(ARRAY(
                 SELECT ctid FROM entries WHERE tenant = $1 AND tree = $2 LIMIT 500))",
            &[Value::Int(key), Value::Int(tree)],
        )
        .await
        .unwrap();
    assert!(plan.contains("Tid Scan on entries"), "{plan}");
    assert!(!plan.contains("Seq Scan"), "{plan}");
}
