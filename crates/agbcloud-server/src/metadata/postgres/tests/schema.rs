//! Opening, migrations, and row-level security.

use futures_util::future::join_all;

use super::*;
use crate::metadata::StoreError;
use crate::metadata::postgres::schema::VERSION;

#[tokio::test]
async fn eight_processes_create_one_schema() {
    let Some(url) = database() else { return };
    let opened = join_all((0..8).map(|number| {
        let url = &url;
        async move {
            let secret = Secret([number; 32]);
            let opened = Postgres::open(url, |_| None, Durability::Strict, secret).await;
            let opened = opened.unwrap();
            (opened.secret.0, opened.marker, opened.confirmed)
        }
    }))
    .await;
    assert!(opened.iter().all(|one| *one == opened[0]), "{opened:?}");
}

#[tokio::test]
async fn a_newer_schema_is_rejected_unless_this_version_can_work_with_it() {
    let Some(url) = database() else { return };
    let store = open(&url).await;
    let set = |name: &str, value: i64| {
        format!(
            "INSERT INTO meta VALUES ('{name}', '{value}') ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        )
    };
    for (version, readable_by, opens) in [
        (VERSION, VERSION, true),
        (VERSION + 1, VERSION, true),
        (VERSION + 1, VERSION + 1, false),
    ] {
        store.sql(&set("schema_version", version)).await.unwrap();
        store.sql(&set("readable_by", readable_by)).await.unwrap();
        match try_open(&url).await {
            Ok(_) => assert!(opens),
            Err(OpenError::NewerSchema(found)) => assert!(!opens && found == version),
            Err(other) => panic!("{other}"),
        }
        let stored = store
            .number("SELECT value::bigint FROM meta WHERE name = 'schema_version'")
            .await;
        assert_eq!(stored, version);
    }
}

/// After a failover to a server that lacks the row, or after the database was replaced.
#[tokio::test]
async fn the_key_of_a_lost_tenant_is_not_given_to_another_tenant() {
    let Some(url) = database() else { return };
    let (replica, other) = (open(&url).await, open(&url).await);
    let (lost, new) = (tenant("lost"), tenant("new"));
    replica
        .create_context(&lost, "r", "of lost", Micros(1))
        .await
        .unwrap();
    other
        .sql(
            "DELETE FROM contexts; DELETE FROM entries; DELETE FROM trees; DELETE FROM tenants;
             ALTER SEQUENCE tenants_pk_seq RESTART",
        )
        .await
        .unwrap();
    let context = other
        .create_context(&new, "r", "of new", Micros(2))
        .await
        .unwrap();
    assert_eq!(
        replica.context_by_id(&lost, &context.id).await.unwrap(),
        None
    );
    let page = replica.list_contexts(&lost, None, 10).await.unwrap();
    assert_eq!(page.contexts, []);
    // The positive control: the other replica serves it to its tenant, and the lost tenant can write again.
    assert!(
        other
            .context_by_id(&new, &context.id)
            .await
            .unwrap()
            .is_some()
    );
    replica
        .create_context(&lost, "r", "again", Micros(3))
        .await
        .unwrap();
    let page = replica.list_contexts(&new, None, 10).await.unwrap();
    assert_eq!(page.contexts, [context]);
}

#[tokio::test]
async fn a_running_replica_changes_nothing_in_a_schema_that_is_too_new() {
    let Some(url) = database() else { return };
    let (store, tenant) = (open(&url).await, tenant("a"));
    let context = store
        .create_context(&tenant, "r", "c", Micros(1))
        .await
        .unwrap();
    let file = key(&tenant, &context.id, "/f");
    put(&store, &file, inline(b"x")).await.unwrap();
    let set = |version: i64| {
        format!(
            "UPDATE meta SET value = '{version}' WHERE name IN ('schema_version', 'readable_by')"
        )
    };
    let too_new = StoreError::Unavailable("it has a newer schema");
    store.sql(&set(VERSION + 1)).await.unwrap();
    let written = put(&store, &file, inline(b"y")).await;
    assert_eq!(written, Err(too_new.clone()));
    let cleared = store.clear_context(&tenant, &context.id, Micros(2)).await;
    assert_eq!(cleared, Err(too_new.clone()));
    assert_eq!(store.collect_files().await, Err(too_new.clone()));
    assert_eq!(store.dead_blobs(1).await, Err(too_new.clone()));
    assert_eq!(store.expired_uploads(1).await, Err(too_new));
    store.sql(&set(VERSION)).await.unwrap();
    put(&store, &file, inline(b"z")).await.unwrap();
    assert_eq!(store.collect_files().await, Ok(false));
}

#[tokio::test]
async fn a_lost_secret_is_not_replaced() {
    let Some(url) = database() else { return };
    let store = open(&url).await;
    store
        .sql("DELETE FROM meta WHERE name = 'secret'")
        .await
        .unwrap();
    assert!(try_open(&url).await.is_ok());
    store
        .create_context(&tenant("a"), "r", "c", Micros(1))
        .await
        .unwrap();
    store
        .sql("DELETE FROM meta WHERE name = 'secret'")
        .await
        .unwrap();
    let error = try_open(&url).await.err().unwrap().to_string();
    assert!(error.contains("secret is missing"), "{error}");
}

#[tokio::test]
async fn row_level_security_is_a_wall_between_tenants() {
    let Some(url) = database() else { return };
    let store = open(&url).await;
    for name in ["a", "b"] {
        let tenant = tenant(name);
        let context = store
            .create_context(&tenant, "r", "c", Micros(1))
            .await
            .unwrap();
        put(&store, &key(&tenant, &context.id, "/f"), inline(b"x"))
            .await
            .unwrap();
        put(&store, &key(&tenant, &context.id, "/g"), inline(b"y"))
            .await
            .unwrap();
    }
    let a = store.key(&tenant("a"), soon()).await.unwrap().unwrap();
    let b = store.key(&tenant("b"), soon()).await.unwrap().unwrap();
    let visible = async |access: Access<'_>, table: &str| -> i64 {
        let session = store.begin(access, soon()).await.unwrap();
        let rows = session
            .query_last(&format!("SELECT count(*) FROM {table}"), &[])
            .await;
        rows.unwrap()[0].get(0)
    };
    for (table, of_each) in [
        ("tenants", 1),
        ("contexts", 1),
        ("trees", 1),
        ("entries", 3),
        ("contents", 2),
    ] {
        assert_eq!(visible(Access::Task, table).await, 2 * of_each, "{table}");
        for key in [a, b] {
            assert_eq!(visible(Access::Read(key), table).await, of_each, "{table}");
        }
        // A tenant that does not exist.
        assert_eq!(visible(Access::Read(-1), table).await, 0, "{table}");
    }
    // Without a tenant and a role, as after a forgotten setting, nothing is visible.
    let session = store.begin(Access::Tenant("nobody"), soon()).await.unwrap();
    let entries = session.query("SELECT 1 FROM entries", &[]).await.unwrap();
    let tenants = session.query("SELECT 1 FROM tenants", &[]).await.unwrap();
    assert!(entries.is_empty() && tenants.is_empty());
    session.finish().await.unwrap();
    // Rows of others can neither be created nor taken over.
    for change in [
        format!("INSERT INTO contents (tenant, bytes) VALUES ({b}, '')"),
        format!("UPDATE contents SET tenant = {b}"),
    ] {
        let session = store.begin(Access::Write(a), soon()).await.unwrap();
        let error = session.execute(&change, &[]).await.unwrap_err();
        assert!(
            matches!(&error, Failure::Store(crate::metadata::StoreError::Failed(reason)) if reason.contains("42501")),
            "{error:?}"
        );
    }
    let session = store.begin(Access::Write(a), soon()).await.unwrap();
    let changed = session
        .execute(&format!("DELETE FROM contents WHERE tenant = {b}"), &[])
        .await;
    assert_eq!(changed, Ok(0));
}

#[tokio::test]
async fn settings_end_with_their_transaction() {
    let Some(url) = database() else { return };
    let store = open(&with(&url, "pool_size=2")).await;
    let context = store
        .create_context(&tenant("a"), "r", "c", Micros(1))
        .await
        .unwrap();
    let id = &context.id;
    for _ in 0..4 {
        assert!(
            store
                .context_by_id(&tenant("a"), id)
                .await
                .unwrap()
                .is_some()
        );
        assert!(
            store
                .context_by_id(&tenant("b"), id)
                .await
                .unwrap()
                .is_none()
        );
    }
    store
        .create_context(&tenant("b"), "r", "c", Micros(1))
        .await
        .unwrap();
    assert!(
        store
            .context_by_id(&tenant("b"), id)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn an_unreachable_server_is_reported_without_the_password() {
    let url = "postgres://agb:hidden@127.0.0.1:1,127.0.0.1:2/agb?sslmode=disable";
    let error = try_open(url).await.err().unwrap().to_string();
    assert!(
        error.contains("127.0.0.1:2") && !error.contains("hidden"),
        "{error}"
    );
}
