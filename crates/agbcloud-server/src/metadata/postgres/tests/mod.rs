//! Tests with a real server: the one that `AGB_TEST_POSTGRES` names. Without it they are skipped.

// The attribute lets clippy allow `unwrap` in these modules.
#[cfg(test)]
mod concurrency;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod plans;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod round_trips;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod uploads;
#[cfg(test)]
mod versions;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::connection::{Access, Failure, Session};
use super::{OpenError, Opened, Postgres, commit};
use crate::checksums::{Checksums, Hasher};
use crate::durability::Durability;
use crate::metadata::{Conditions, Content, FileKey, Metadata, NewFile, Quotas, Result, UploadId};
use crate::names::FilePath;
use crate::signing::{Secret, Tenant};
use crate::system::clock::Micros;
use crate::test_store;

/// Returns the URL of an empty database. `None` if no server is configured.
fn database() -> Option<String> {
    if std::env::var_os("AGB_TEST_POSTGRES").is_none() {
        println!("skipped: AGB_TEST_POSTGRES is not set");
        return None;
    }
    Some(test_store::new_database())
}

async fn try_open(url: &str) -> Result<Opened, OpenError> {
    Postgres::open(url, |_| None, Durability::Strict, Secret([1; 32])).await
}

async fn open(url: &str) -> Arc<Postgres> {
    Arc::new(try_open(url).await.unwrap().store)
}

/// Adds parameters to a URL.
fn with(url: &str, parameters: &str) -> String {
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{parameters}")
}

fn tenant(name: &str) -> Tenant {
    Tenant::from(name)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

impl Postgres {
    /// Runs statements as a background task.
    async fn sql(&self, statements: &str) -> Result<(), Failure> {
        let session = self.begin(Access::Task, soon()).await?;
        session.push(statements);
        commit(session).await
    }

    /// Returns the number in the first column of the first row.
    async fn number(&self, query: &str) -> i64 {
        let session = self.begin(Access::Task, soon()).await.unwrap();
        let row = session.query_opt(query, &[]).await.unwrap().unwrap();
        commit(session).await.unwrap();
        row.get(0)
    }

    /// Asserts that all kept counts match the rows.
    async fn check_counts(&self) {
        for (what, query) in [
            (
                "files and bytes of trees",
                "SELECT count(*) FROM trees WHERE NOT doomed AND (files, bytes) <>
                     (SELECT count(*), coalesce(sum(size), 0) FROM entries WHERE tree = trees.pk AND NOT folder)",
            ),
            (
                "counts of tenants",
                "SELECT count(*) FROM tenants WHERE (contexts, files, bytes) <>
                     (SELECT count(*), coalesce(sum(files), 0), coalesce(sum(bytes), 0)
                      FROM contexts JOIN trees ON trees.pk = tree WHERE contexts.tenant = tenants.pk)",
            ),
            (
                "children of folders",
                "SELECT count(*) FROM entries AS above WHERE folder AND child_count <>
                     (SELECT count(*) FROM entries AS below WHERE below.tree = above.tree AND below.name <> ''
                      AND below.parent = CASE above.parent WHEN '' THEN '/' WHEN '/' THEN '/' || above.name
                                         ELSE above.parent || '/' || above.name END)",
            ),
            (
                "inline contents",
                "SELECT count(*) FROM contents WHERE NOT EXISTS (SELECT 1 FROM entries WHERE inline = contents.pk)",
            ),
            (
                "blobs both referenced and dead",
                "SELECT count(*) FROM dead_blobs JOIN entries USING (blob)",
            ),
            (
                "segments",
                "SELECT count(*) FROM segments WHERE entries <>
                     (SELECT count(*) FROM entries AS e WHERE e.tree = segments.tree AND e.parent = segments.parent
                        AND e.name <> '' AND (e.name, e.folder) >= (segments.name, segments.folder)
                        AND NOT EXISTS (SELECT 1 FROM segments AS next
                            WHERE next.tree = segments.tree AND next.parent = segments.parent
                              AND next.level = segments.level
                              AND (next.name, next.folder) > (segments.name, segments.folder)
                              AND (next.name, next.folder) <= (e.name, e.folder)))",
            ),
        ] {
            assert_eq!(self.number(query).await, 0, "wrong: {what}");
        }
    }
}

fn key(tenant: &Tenant, context: &str, path: &str) -> FileKey {
    FileKey {
        tenant: tenant.clone(),
        context: context.to_owned(),
        generation: 1,
        path: FilePath::parse(path).unwrap(),
    }
}

fn checksums(bytes: &[u8]) -> Checksums {
    let mut hasher = Hasher::new();
    hasher.update(bytes);
    hasher.finish()
}

fn inline(bytes: &[u8]) -> NewFile {
    NewFile {
        checksums: checksums(bytes),
        content: Content::Inline(Bytes::copy_from_slice(bytes)),
        blocks: None,
    }
}

fn blob(name: &str, bytes: &[u8]) -> NewFile {
    NewFile {
        checksums: checksums(bytes),
        content: Content::Blob(name.to_owned()),
        blocks: None,
    }
}

fn upload(blob: &str) -> UploadId {
    UploadId {
        blob: blob.to_owned(),
        multipart: None,
    }
}

async fn put(store: &Postgres, key: &FileKey, file: NewFile) -> Result<bool> {
    let quotas = Quotas::default();
    store
        .put_file(key, file, Conditions::default(), &quotas, Micros(1))
        .await
}

/// Begins a transaction that locks a tenant's row.
async fn lock(store: &Postgres, tenant: &Tenant) -> Session {
    let key = store.key(tenant, soon()).await.unwrap().unwrap();
    let session = store.begin(Access::Write(key), soon()).await.unwrap();
    super::tenant_row::TenantRow::lock(&session, key)
        .await
        .unwrap()
        .unwrap();
    session
}
