//! The same random operations on SQLite and on PostgreSQL have the same results.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::runtime::Runtime;

use super::*;
use crate::metadata::sqlite::Sqlite;
use crate::metadata::{ContextCursor, EntityTags};
use crate::names::FolderPath;

#[derive(Debug, Clone)]
enum Step {
    Create(u8),
    Rename(u8, u8),
    DeleteContext(u8),
    Clear(u8),
    Touch(u8),
    /// The context, the path, the size, whether the content is a blob, and the condition.
    Put(u8, usize, u8, bool, u8),
    /// Puts files with consecutive names.
    PutRun(u8, u8, u8),
    DeleteRun(u8, u8, u8),
    DeleteFile(u8, usize),
    /// A page of a folder.
    List(u8, usize, u8, u8),
    Contexts(u8),
    Collect,
}

const PATHS: [&str; 9] = [
    "/a", "/a/b", "/a/b/c", "/b", "/B", "/ü", "/d/e/f/g", "/d/e/x", "/010/y",
];
const FOLDERS: [&str; 6] = ["/", "/a", "/a/b", "/d/e", "/d", "/missing"];

fn step() -> impl Strategy<Value = Step> {
    let context = 0_u8..3;
    prop_oneof![
        2 => context.clone().prop_map(Step::Create),
        1 => (context.clone(), 0_u8..4).prop_map(|(id, name)| Step::Rename(id, name)),
        1 => context.clone().prop_map(Step::DeleteContext),
        1 => context.clone().prop_map(Step::Clear),
        1 => context.clone().prop_map(Step::Touch),
        8 => (context.clone(), 0..PATHS.len(), any::<u8>(), any::<bool>(), 0_u8..6)
            .prop_map(|(id, path, size, blob, condition)| Step::Put(id, path, size, blob, condition)),
        3 => (context.clone(), 0_u8..40, 0_u8..40).prop_map(|(id, first, many)| Step::PutRun(id, first, many)),
        2 => (context.clone(), 0_u8..40, 0_u8..40).prop_map(|(id, first, many)| Step::DeleteRun(id, first, many)),
        5 => (context.clone(), 0..PATHS.len()).prop_map(|(id, path)| Step::DeleteFile(id, path)),
        4 => (context.clone(), 0..FOLDERS.len(), 0_u8..50, 1_u8..20)
            .prop_map(|(id, folder, offset, limit)| Step::List(id, folder, offset, limit)),
        1 => (1_u8..4).prop_map(Step::Contexts),
        1 => Just(Step::Collect),
    ]
}

/// One of the engines, with the ids of its contexts.
struct Engine {
    store: Arc<dyn Metadata>,
    tenant: Tenant,
    ids: [String; 3],
    blobs: u32,
}

const QUOTAS: Quotas = Quotas {
    tenant_bytes: Some(9000),
    tenant_files: Some(90),
    context_bytes: Some(6000),
    context_files: Some(60),
};

impl Engine {
    fn new(store: Arc<dyn Metadata>) -> Self {
        Self {
            store,
            tenant: tenant("a"),
            ids: std::array::from_fn(|number| format!("none-{number}")),
            blobs: 0,
        }
    }

    async fn key(&self, context: u8, path: &str) -> FileKey {
        let id = &self.ids[usize::from(context)];
        let mut key = key(&self.tenant, id, path);
        if let Some(found) = self.store.context_by_id(&self.tenant, id).await.unwrap() {
            key.generation = found.generation;
        }
        key
    }

    async fn put(
        &mut self,
        key: &FileKey,
        bytes: &[u8],
        as_blob: bool,
        conditions: Conditions,
        now: Micros,
    ) -> String {
        let file = match as_blob {
            true => {
                self.blobs += 1;
                let name = format!("00/{}", self.blobs);
                self.store.register_upload(&upload(&name)).await.unwrap();
                blob(&name, bytes)
            }
            false => inline(bytes),
        };
        let size = bytes.len() as u64;
        let prepared = self.store.prepare_upload(key, size, &QUOTAS).await;
        let prepared = prepared.map(|prepared| prepared.replaced);
        let stored = self
            .store
            .put_file(key, file, conditions, &QUOTAS, now)
            .await;
        let opened = self
            .store
            .open_file(key)
            .await
            .map(|opened| (opened.file, opened.content));
        format!("{prepared:?} {stored:?} {opened:?}")
    }

    /// Checks that several files by one call are the same as one by one.
    async fn check_file_batch(&self, key: &FileKey) {
        let at = |path: &&str| FileKey {
            path: FilePath::parse(path).unwrap(),
            ..key.clone()
        };
        let mut keys: Vec<_> = PATHS.iter().map(at).collect();
        // Twice the same, and in another order.
        keys.extend(PATHS.iter().rev().map(at));
        let mut files = Vec::new();
        for key in &keys {
            files.push(self.store.file(key).await);
        }
        assert_eq!(self.store.files(keys.clone()).await, files);
        keys[0].generation += 1;
        let stale = self.store.file(&keys[0]).await;
        assert_eq!(self.store.files(keys[..1].to_vec()).await, [stale]);
    }

    /// Applies a step. Returns its results without random parts.
    async fn apply(&mut self, step: &Step, now: Micros) -> String {
        let (store, tenant) = (self.store.clone(), self.tenant.clone());
        let tenant = &tenant;
        match *step {
            Step::Create(number) => {
                let name = format!("c{number}");
                let created = store.create_context(tenant, "r", &name, now).await.unwrap();
                let found = store.context_by_name(tenant, "r", &name).await.unwrap();
                assert_eq!(found.as_ref(), Some(&created));
                self.ids[usize::from(number)] = created.id.clone();
                format!(
                    "{:?}",
                    (
                        created.name,
                        created.state,
                        created.generation,
                        created.create_time,
                        created.last_used
                    )
                )
            }
            Step::Rename(number, name) => {
                let id = &self.ids[usize::from(number)];
                format!(
                    "{:?}",
                    store
                        .rename_context(tenant, id, &format!("c{name}"), now)
                        .await
                )
            }
            Step::DeleteContext(number) => {
                let id = &self.ids[usize::from(number)];
                format!("{:?}", store.delete_context(tenant, id).await)
            }
            Step::Clear(number) => {
                let id = &self.ids[usize::from(number)];
                format!("{:?}", store.clear_context(tenant, id, now).await)
            }
            Step::Touch(number) => {
                let id = &self.ids[usize::from(number)];
                store.touch_context(tenant, id, now).await.unwrap();
                let found = store.context_by_id(tenant, id).await.unwrap();
                format!(
                    "{:?}",
                    found.map(|found| (found.state, found.generation, found.last_used))
                )
            }
            Step::Put(number, path, size, as_blob, condition) => {
                let key = self.key(number, PATHS[path]).await;
                let tags = |file: crate::metadata::File| EntityTags::List(vec![file.etag]);
                let conditions = match condition {
                    0 => Conditions {
                        if_none_match: Some(EntityTags::Any),
                        ..Conditions::default()
                    },
                    1 => Conditions {
                        if_match: Some(EntityTags::Any),
                        ..Conditions::default()
                    },
                    2 => Conditions {
                        if_match: store.file(&key).await.ok().map(tags),
                        ..Conditions::default()
                    },
                    _ => Conditions::default(),
                };
                self.put(
                    &key,
                    &vec![size; usize::from(size) * 4],
                    as_blob,
                    conditions,
                    now,
                )
                .await
            }
            Step::PutRun(number, first, many) => {
                let mut results = String::new();
                for name in first..first + many {
                    let key = self.key(number, &format!("/{name:03}")).await;
                    results += &self
                        .put(&key, b"run", name % 7 == 0, Conditions::default(), now)
                        .await;
                }
                results
            }
            Step::DeleteRun(number, first, many) => {
                let mut results = String::new();
                for name in first..first + many {
                    let key = self.key(number, &format!("/{name:03}")).await;
                    let deleted = store
                        .delete_file(tenant, &key.context, &key.path, now)
                        .await;
                    results += &format!("{deleted:?} ");
                }
                results
            }
            Step::DeleteFile(number, path) => {
                let key = self.key(number, PATHS[path]).await;
                let deleted = store
                    .delete_file(tenant, &key.context, &key.path, now)
                    .await;
                self.check_file_batch(&key).await;
                format!("{deleted:?} {:?}", store.file(&key).await)
            }
            Step::List(number, folder, offset, limit) => {
                let id = &self.ids[usize::from(number)];
                let folder = FolderPath::parse(FOLDERS[folder]).unwrap();
                let page = store
                    .list_files(tenant, id, &folder, i64::from(offset), u32::from(limit))
                    .await;
                let page = page.map(|page| {
                    let entries: Vec<_> = page
                        .entries
                        .into_iter()
                        .map(|entry| {
                            (
                                entry.name,
                                entry.folder,
                                entry.size,
                                entry.created,
                                entry.modified,
                                entry.etag,
                                entry.crc64,
                            )
                        })
                        .collect();
                    (entries, page.count)
                });
                format!("{page:?}")
            }
            Step::Contexts(limit) => {
                let (mut after, mut all) = (None, Vec::new());
                loop {
                    let page = store
                        .list_contexts(tenant, after.clone(), u32::from(limit))
                        .await
                        .unwrap();
                    after = page.contexts.last().map(|last| ContextCursor {
                        create_time: last.create_time,
                        id: last.id.clone(),
                    });
                    all.extend(
                        page.contexts
                            .into_iter()
                            .map(|found| (found.name, found.create_time, found.last_used)),
                    );
                    if !page.more {
                        return format!("{all:?} {}", page.total);
                    }
                }
            }
            Step::Collect => {
                while store.collect_files().await.unwrap() {}
                let clears = store.finished_clears().await.unwrap();
                for clear in &clears {
                    store.finish_clear(clear).await.unwrap();
                }
                let mut dead = store.dead_blobs(1000).await.unwrap();
                dead.sort();
                store.remove_dead_blobs(dead.clone()).await.unwrap();
                format!(
                    "{} {dead:?} {:?}",
                    clears.len(),
                    store.referenced_blobs(String::new(), 1000).await
                )
            }
        }
    }
}

#[test]
fn both_engines_have_the_same_results() {
    let Some(url) = database() else { return };
    let runtime = Runtime::new().unwrap();
    let config = ProptestConfig {
        cases: 16,
        failure_persistence: None,
        max_shrink_iters: 100,
        ..ProptestConfig::default()
    };
    let store = runtime.block_on(open(&url));
    let tables = "TRUNCATE tenants, trees, contexts, entries, contents, block_sums, segments, uploads, dead_blobs, quarantine";
    TestRunner::new(config)
        .run(&prop::collection::vec(step(), 1..60), |steps| {
            runtime.block_on(async {
                store.sql(tables).await.unwrap();
                store.keys.forget(&tenant("a"));
                let (sqlite, _) = Sqlite::memory(Secret([1; 32])).await.unwrap();
                let mut sqlite = Engine::new(Arc::new(sqlite));
                let mut postgres = Engine::new(store.clone());
                for (number, step) in steps.iter().enumerate() {
                    let now = Micros(1000 + number as i64);
                    let expected = sqlite.apply(step, now).await;
                    let found = postgres.apply(step, now).await;
                    prop_assert_eq!(found, expected, "{:?}", step);
                    let (found, expected) = (
                        postgres.store.usage(&postgres.tenant).await,
                        sqlite.store.usage(&sqlite.tenant).await,
                    );
                    prop_assert_eq!(found, expected, "{:?}", step);
                }
                store.check_counts().await;
                Ok(())
            })
        })
        .unwrap();
}
