//! Uploads, listings, clears, deletions, restarts and old URLs in any order: after each step the service matches a simple model.
//! Uses a manual clock.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agbcloud_server::{Durability, ManualClock, Server, test_store};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::runtime::Runtime;

use crate::client::{Client, query, start_with, xml_code};
use crate::raw;
use crate::stores::{assert_clean, wait_for_blobs};

const CONTEXTS: [&str; 2] = ["c", "d"];
const PATHS: [&str; 4] = ["/a", "/b", "/x/a", "/x/y/a"];
/// Two inline contents and a blob.
const SIZES: [usize; 3] = [0, 100, 40_000];
const TTL: u64 = 3600;

#[derive(Debug, Clone)]
enum Step {
    Put(usize, usize, usize, u8),
    DeleteFile(usize, usize),
    Clear(usize),
    DeleteContext(usize),
    /// Requests a URL for a later step.
    Sign(usize, usize, bool),
    /// Uses an old URL.
    Use(prop::sample::Index, u8),
    Advance(u64),
    /// Whether the restart is graceful, and whether clears end afterwards.
    Restart(bool, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let (context, path) = (0..CONTEXTS.len(), 0..PATHS.len());
    let file = (context.clone(), path);
    prop_oneof![
        6 => (file.clone(), 0..SIZES.len(), any::<u8>())
            .prop_map(|((context, path), size, byte)| Step::Put(context, path, size, byte)),
        3 => file.clone().prop_map(|(context, path)| Step::DeleteFile(context, path)),
        2 => context.clone().prop_map(Step::Clear),
        1 => context.prop_map(Step::DeleteContext),
        4 => (file, any::<bool>()).prop_map(|((context, path), put)| Step::Sign(context, path, put)),
        6 => (any::<prop::sample::Index>(), any::<u8>()).prop_map(|(which, byte)| Step::Use(which, byte)),
        1 => (1..TTL).prop_map(Step::Advance),
        2 => any::<(bool, bool)>().prop_map(|(graceful, end)| Step::Restart(graceful, end)),
    ]
}

#[derive(Debug, Clone)]
struct Context {
    id: String,
    /// Changes with every clear, and with every context of the same name. A URL is valid for one value.
    life: u32,
    clearing: bool,
    files: BTreeMap<&'static str, Vec<u8>>,
}

struct Url {
    url: String,
    put: bool,
    context: usize,
    life: u32,
    path: &'static str,
    signed: u64,
}

struct Model<'a> {
    store: Store<'a>,
    clock: ManualClock,
    /// Seconds since the start.
    now: u64,
    server: Option<Server>,
    client: Client,
    contexts: Vec<Context>,
    urls: Vec<Url>,
    lives: u32,
}

/// The settings of the store.
#[derive(Clone, Copy)]
struct Store<'a> {
    /// `None` in memory. Such a store is not restarted.
    folder: Option<&'a Path>,
    durability: Durability,
}

/// Starts a server whose clears end immediately, or not at all.
async fn start(store: Store<'_>, clock: &ManualClock, end: bool) -> (Server, Client) {
    let delay = if end { 0 } else { 3600 };
    let builder = match store.folder {
        Some(folder) => test_store::builder_in(folder).durability(store.durability),
        None => test_store::builder(),
    };
    let builder = builder
        .clock(Arc::new(clock.clone()))
        .url_ttl(Duration::from_secs(TTL))
        .clear_delay(Duration::from_secs(delay));
    start_with(builder).await
}

impl<'a> Model<'a> {
    async fn new(store: Store<'a>) -> Self {
        let clock = ManualClock::starting_now();
        let (server, client) = start(store, &clock, false).await;
        let mut model = Self {
            store,
            clock,
            now: 0,
            server: Some(server),
            client,
            contexts: Vec::new(),
            urls: Vec::new(),
            lives: 0,
        };
        for name in CONTEXTS {
            let context = model.create(name).await;
            model.contexts.push(context);
        }
        model
    }

    async fn create(&mut self, name: &str) -> Context {
        self.lives += 1;
        Context {
            id: self.client.create(name).await,
            life: self.lives,
            clearing: false,
            files: BTreeMap::new(),
        }
    }

    /// The URL with the current port, which changes with a restart.
    fn here(&self, url: &str) -> String {
        format!("{}{}", self.client.url, raw::target(url))
    }

    async fn step(&mut self, step: &Step) {
        match *step {
            Step::Put(context, path, size, byte) => {
                let bytes = vec![byte; SIZES[size]];
                if let Some(url) = self.sign(context, path, true).await {
                    assert_eq!(self.client.put(&url, bytes.clone()).await.status(), 200);
                    self.contexts[context].files.insert(PATHS[path], bytes);
                }
            }
            Step::DeleteFile(context, path) => {
                let context = &mut self.contexts[context];
                let file = [("contextId", &*context.id), ("filePath", PATHS[path])];
                let answer = self.client.call("DeleteContextFile", &query(&file)).await;
                match context.files.remove(PATHS[path]) {
                    Some(_) => assert_eq!(answer.status, 200),
                    None => answer.assert_failure(404, "InvalidFile.NotFound", "a deletion"),
                }
            }
            Step::Clear(context) => {
                let id = self.contexts[context].id.clone();
                self.client.ok("ClearContext", &[("id", &id)]).await;
                if !self.contexts[context].clearing {
                    self.lives += 1;
                    self.contexts[context].life = self.lives;
                    self.contexts[context].clearing = true;
                    self.contexts[context].files.clear();
                }
            }
            Step::DeleteContext(context) => {
                let id = self.contexts[context].id.clone();
                self.client.ok("DeleteContext", &[("id", &id)]).await;
                let gone = [("id", &*id)];
                self.client
                    .fails("GetContext", &gone, 404, "InvalidContext.NotFound")
                    .await;
                self.contexts[context] = self.create(CONTEXTS[context]).await;
                assert_ne!(self.contexts[context].id, id);
            }
            Step::Sign(context, path, put) => {
                if let Some(url) = self.sign(context, path, put).await {
                    self.urls.push(Url {
                        url,
                        put,
                        context,
                        life: self.contexts[context].life,
                        path: PATHS[path],
                        signed: self.now,
                    });
                }
            }
            Step::Use(which, byte) => {
                if !self.urls.is_empty() {
                    self.use_url(which.index(self.urls.len()), byte).await;
                }
            }
            Step::Advance(seconds) => {
                self.clock.advance(Duration::from_secs(seconds));
                self.now += seconds;
            }
            Step::Restart(graceful, end) => self.restart(graceful, end).await,
        }
        self.check().await;
    }

    /// Requests a URL. Returns `None` if the request fails as expected.
    async fn sign(&self, context: usize, path: usize, put: bool) -> Option<String> {
        let (context, path) = (&self.contexts[context], PATHS[path]);
        let file = [("contextId", &*context.id), ("filePath", path)];
        let (call, expected) = match put {
            true if context.clearing => {
                ("GetContextFileUploadUrl", (409, "InvalidContext.Clearing"))
            }
            true => ("GetContextFileUploadUrl", (200, "ok")),
            false if context.files.contains_key(path) => ("GetContextFileDownloadUrl", (200, "ok")),
            false => ("GetContextFileDownloadUrl", (404, "InvalidFile.NotFound")),
        };
        let answer = self.client.call(call, &query(&file)).await;
        assert_eq!((answer.status.as_u16(), answer.code()), expected);
        answer.body["data"]["url"].as_str().map(str::to_owned)
    }

    async fn use_url(&mut self, which: usize, byte: u8) {
        let url = &self.urls[which];
        let here = self.here(&url.url);
        let context = &mut self.contexts[url.context];
        let valid = url.life == context.life && self.now <= url.signed + TTL;
        let bytes = vec![byte; 200];
        let response = if url.put {
            self.client.put(&here, bytes.clone()).await
        } else {
            self.client.http.get(&here).send().await.unwrap()
        };
        if !valid {
            let rejected = (403, "AccessDenied".to_owned());
            assert_eq!(xml_code(response).await, rejected);
        } else if url.put {
            assert_eq!(response.status(), 200);
            context.files.insert(url.path, bytes);
        } else if let Some(content) = context.files.get(url.path) {
            assert_eq!(response.status(), 200);
            assert_eq!(response.bytes().await.unwrap(), *content);
        } else {
            assert_eq!(xml_code(response).await, (404, "NoSuchKey".to_owned()));
        }
    }

    async fn restart(&mut self, graceful: bool, end: bool) {
        if self.store.folder.is_none() {
            return;
        }
        match self.server.take() {
            Some(server) if graceful => server.shutdown().await,
            server => drop(server),
        }
        let (server, client) = start(self.store, &self.clock, end).await;
        (self.server, self.client) = (Some(server), client);
        if end {
            for context in &mut self.contexts {
                self.client.wait_available(&context.id).await;
                context.clearing = false;
            }
            // Later clears do not end again.
            Box::pin(self.restart(graceful, false)).await;
        }
    }

    async fn check(&self) {
        for context in &self.contexts {
            let state = self.client.state(&context.id).await;
            let expected = if context.clearing {
                "clearing"
            } else {
                "available"
            };
            assert_eq!(state, expected);
            let mut found = Vec::new();
            for folder in ["/", "/x", "/x/y"] {
                let (entries, count) = self.client.list(&context.id, folder).await;
                assert_eq!(entries.len() as i64, count);
                let files = entries.into_iter().filter(|(_, kind, _)| kind == "file");
                found.extend(files.map(|(path, _, size)| (path, size as usize)));
            }
            found.sort();
            let files = context.files.iter();
            let expected: Vec<_> = files
                .map(|(path, bytes)| ((*path).to_owned(), bytes.len()))
                .collect();
            assert_eq!(found, expected);
        }
    }

    /// Asserts that all files survive a restart, and that the collector leaves no garbage.
    async fn end(mut self) {
        self.restart(true, true).await;
        self.check().await;
        let mut large = 0;
        for context in &self.contexts {
            for (path, bytes) in &context.files {
                assert_eq!(self.client.download(&context.id, path).await, *bytes);
                large += usize::from(bytes.len() > 32 * 1024);
            }
        }
        let Some(folder) = self.store.folder else {
            return;
        };
        wait_for_blobs(folder, large).await;
        if let Some(server) = self.server.take() {
            server.shutdown().await;
        }
        assert_clean(folder).await;
    }
}

#[test]
fn any_order_of_operations_matches_the_model_when_strict() {
    run(Durability::Strict);
}

#[test]
fn any_order_of_operations_matches_the_model_when_relaxed() {
    run(Durability::Relaxed);
}

#[test]
fn any_order_of_operations_matches_the_model_in_memory() {
    run(Durability::Memory);
}

fn run(durability: Durability) {
    if durability != Durability::Memory && test_store::is_skipped_in_memory() {
        return;
    }
    let runtime = Runtime::new().unwrap();
    let config = ProptestConfig {
        cases: test_store::cases(16),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&prop::collection::vec(step(), 1..40), |steps| {
            let folder = tempfile::tempdir().unwrap();
            runtime.block_on(async {
                let store = Store {
                    folder: (durability != Durability::Memory).then(|| folder.path()),
                    durability,
                };
                let mut model = Model::new(store).await;
                for step in &steps {
                    model.step(step).await;
                }
                model.end().await;
            });
            Ok(())
        })
        .unwrap();
}
