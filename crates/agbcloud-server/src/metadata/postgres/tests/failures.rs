//! Lost connections, servers that do not respond, held locks, and an exhausted pool.

use super::proxy::{Mode, Proxy};
use super::*;
use crate::metadata::StoreError;

/// Short times, so that the tests are fast.
const SHORT: &str = "sslmode=disable&operation_timeout=1.5&statement_timeout=1&lock_timeout=0.4&pool_timeout=0.3&connect_timeout=1";

async fn context(store: &Postgres, tenant: &Tenant) -> String {
    let context = store.create_context(tenant, "r", "c", Micros(1)).await;
    context.unwrap().id
}

fn assert_unavailable<T: std::fmt::Debug>(result: &Result<T>) {
    assert!(
        matches!(result, Err(StoreError::Unavailable(_))),
        "{result:?}"
    );
}

#[tokio::test]
async fn a_change_is_done_once_whatever_part_of_its_commit_is_lost() {
    let Some(url) = database() else { return };
    let proxy = Proxy::start(&url).await;
    let store = open(&with(&proxy.url(&url), "sslmode=disable")).await;
    let tenant = tenant("a");
    let context = context(&store, &tenant).await;
    for (number, mode) in [Mode::LoseCommit, Mode::LoseAnswer]
        .into_iter()
        .cycle()
        .take(6)
        .enumerate()
    {
        let key = key(&tenant, &context, &format!("/{number}"));
        let commits = store
            .number("SELECT sum(version)::bigint FROM tenants")
            .await;
        proxy.set(mode);
        // Not replaced: the first attempt is either found to be committed, or had no effect.
        assert_eq!(put(&store, &key, inline(b"x")).await, Ok(false), "{mode:?}");
        assert_eq!(proxy.mode(), Mode::Forward, "the fault happened");
        let after = store
            .number("SELECT sum(version)::bigint FROM tenants")
            .await;
        assert_eq!(after - commits, 1, "{mode:?}");
    }
    let usage = store.usage(&tenant).await.unwrap();
    assert_eq!((usage.files, usage.bytes), (6, 6));
    store.check_counts().await;
}

#[tokio::test]
async fn a_commit_in_doubt_without_a_server_is_reported_as_unknown() {
    let Some(url) = database() else { return };
    let proxy = Proxy::start(&url).await;
    let store = open(&with(&proxy.url(&url), SHORT)).await;
    let tenant = tenant("a");
    let context = context(&store, &tenant).await;
    proxy.set(Mode::LoseAnswer);
    let key = key(&tenant, &context, "/f");
    let putting = {
        let (store, key) = (store.clone(), key.clone());
        tokio::spawn(async move { put(&store, &key, inline(b"x")).await })
    };
    while proxy.mode() == Mode::LoseAnswer {
        tokio::task::yield_now().await;
    }
    proxy.set(Mode::Blackhole);
    let start = Instant::now();
    assert_eq!(putting.await.unwrap(), Err(StoreError::OutcomeUnknown));
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    // It was committed.
    proxy.set(Mode::Forward);
    assert!(store.file(&key).await.is_ok());
}

#[tokio::test]
async fn a_server_that_does_not_respond_delays_no_operation_for_long() {
    let Some(url) = database() else { return };
    let proxy = Proxy::start(&url).await;
    let store = open(&with(&proxy.url(&url), SHORT)).await;
    let tenant = tenant("a");
    let context = context(&store, &tenant).await;
    let key = key(&tenant, &context, "/f");
    for _ in 0..2 {
        put(&store, &key, inline(b"x")).await.unwrap();
        proxy.set(Mode::Blackhole);
        let start = Instant::now();
        let results = futures_util::future::join3(
            store.file(&key),
            put(&store, &key, inline(b"y")),
            store.collect_files(),
        );
        let (read, written, collected) = results.await;
        assert_unavailable(&read);
        assert_unavailable(&written);
        assert_unavailable(&collected);
        assert!(
            start.elapsed() < Duration::from_secs(5),
            "{:?}",
            start.elapsed()
        );
        proxy.set(Mode::Forward);
        // The connections that hang are replaced. The server may still hold the lock of the transaction that was cut off.
        let recovered = async { while put(&store, &key, inline(b"z")).await.is_err() {} };
        tokio::time::timeout(Duration::from_secs(10), recovered)
            .await
            .unwrap();
    }
    let opened = store.open_file(&key).await.unwrap();
    assert_eq!(opened.content, Content::Inline(Bytes::from_static(b"z")));
}

#[tokio::test]
async fn connections_that_the_server_ended_are_replaced() {
    let Some(url) = database() else { return };
    let store = open(&url).await;
    let tenant = tenant("a");
    let context = context(&store, &tenant).await;
    let key = key(&tenant, &context, "/f");
    for number in 0..10_u8 {
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                   WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid()";
        store.number(end).await;
        let written = put(&store, &key, inline(&[number])).await;
        assert_eq!(written, Ok(number > 0));
        store.number(end).await;
        assert!(store.file(&key).await.is_ok());
    }
}

#[tokio::test]
async fn a_held_lock_delays_only_its_tenant_and_not_for_long() {
    let Some(url) = database() else { return };
    let store = open(&with(&url, SHORT)).await;
    let (a, b) = (tenant("a"), tenant("b"));
    let (of_a, of_b) = (context(&store, &a).await, context(&store, &b).await);
    let held = lock(&store, &a).await;
    let start = Instant::now();
    assert_unavailable(&put(&store, &key(&a, &of_a, "/f"), inline(b"x")).await);
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
    put(&store, &key(&b, &of_b, "/f"), inline(b"x"))
        .await
        .unwrap();
    assert!(store.context_by_id(&a, &of_a).await.unwrap().is_some());
    held.finish().await.unwrap();
    put(&store, &key(&a, &of_a, "/f"), inline(b"x"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_transaction_that_stalls_is_ended_by_the_server() {
    let Some(url) = database() else { return };
    let store = open(&with(&url, SHORT)).await;
    let a = tenant("a");
    let of_a = context(&store, &a).await;
    let stalled = lock(&store, &a).await;
    // Longer than `operation_timeout`.
    tokio::time::sleep(Duration::from_millis(2000)).await;
    put(&store, &key(&a, &of_a, "/f"), inline(b"x"))
        .await
        .unwrap();
    let late = stalled.execute("UPDATE tenants SET files = 100", &[]).await;
    assert!(matches!(late, Err(Failure::Lost(_))), "{late:?}");
    drop(stalled);
    store.check_counts().await;
}

#[tokio::test]
async fn a_slow_statement_is_cancelled() {
    let Some(url) = database() else { return };
    let store = open(&with(&url, SHORT)).await;
    let session = store.begin(Access::Task, soon()).await.unwrap();
    let start = Instant::now();
    let slow = session.query("SELECT pg_sleep(30)", &[]).await;
    let unavailable = StoreError::Unavailable("a statement takes too long");
    assert_eq!(slow.err(), Some(Failure::Store(unavailable)));
    assert!(
        start.elapsed() < Duration::from_secs(3),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test]
async fn an_exhausted_pool_is_unavailable_within_its_timeout() {
    let Some(url) = database() else { return };
    let store = open(&with(&url, &format!("{SHORT}&pool_size=2"))).await;
    let a = tenant("a");
    let of_a = context(&store, &a).await;
    let held = [
        store.begin(Access::Task, soon()).await.unwrap(),
        store.begin(Access::Task, soon()).await.unwrap(),
    ];
    let start = Instant::now();
    let unavailable = StoreError::Unavailable("all connections to the database are in use");
    assert_eq!(
        store.context_by_id(&a, &of_a).await,
        Err(unavailable.clone())
    );
    let written = put(&store, &key(&a, &of_a, "/f"), inline(b"x")).await;
    assert_eq!(written, Err(unavailable));
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
    drop(held);
    put(&store, &key(&a, &of_a, "/f"), inline(b"x"))
        .await
        .unwrap();
    assert!(store.pool.open_connections() <= 2);
}

#[tokio::test]
async fn a_dropped_operation_leaves_no_open_transaction() {
    let Some(url) = database() else { return };
    let store = open(&with(&url, "pool_size=2")).await;
    let a = tenant("a");
    let of_a = context(&store, &a).await;
    let held = lock(&store, &a).await;
    for _ in 0..5 {
        // A read that is cut off after its first poll, as by a client that disconnects.
        let read = store.context_by_id(&a, &of_a);
        let _ = tokio::time::timeout(Duration::ZERO, read).await;
    }
    held.finish().await.unwrap();
    put(&store, &key(&a, &of_a, "/f"), inline(b"x"))
        .await
        .unwrap();
    let open = "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    let ended = async { while store.number(open).await > 0 {} };
    tokio::time::timeout(Duration::from_secs(5), ended)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_dropped_write_is_done_nevertheless() {
    let Some(url) = database() else { return };
    let store = open(&url).await;
    let a = tenant("a");
    let of_a = context(&store, &a).await;
    let key = key(&a, &of_a, "/f");
    let held = lock(&store, &a).await;
    let cut = tokio::time::timeout(Duration::from_millis(50), put(&store, &key, inline(b"x")));
    assert!(cut.await.is_err());
    held.finish().await.unwrap();
    let done = async { while store.file(&key).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(5), done)
        .await
        .unwrap();
    store.check_counts().await;
}

#[tokio::test]
async fn a_host_that_does_not_respond_is_skipped() {
    let Some(url) = database() else { return };
    let dead = Proxy::start(&url).await;
    dead.set(Mode::Blackhole);
    let through = dead.url(&url);
    let hosts = |url: &str| {
        url.split('@')
            .nth(1)
            .unwrap()
            .split('/')
            .next()
            .unwrap()
            .to_owned()
    };
    let both = format!("{},{}", hosts(&through), hosts(&url));
    let several = through.replace(&hosts(&through), &both);
    let store = open(&with(&several, SHORT)).await;
    let a = tenant("a");
    let of_a = context(&store, &a).await;
    put(&store, &key(&a, &of_a, "/f"), inline(b"x"))
        .await
        .unwrap();
}

#[tokio::test]
async fn a_closed_store_rejects_operations() {
    let Some(url) = database() else { return };
    let store = open(&url).await;
    let a = tenant("a");
    let of_a = context(&store, &a).await;
    store.close();
    let closed = Some(StoreError::Closed);
    assert_eq!(store.context_by_id(&a, &of_a).await.err(), closed);
    assert_eq!(
        put(&store, &key(&a, &of_a, "/f"), inline(b"x")).await.err(),
        closed
    );
    assert_eq!(store.collect_files().await.err(), closed);
}
