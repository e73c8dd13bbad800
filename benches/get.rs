//! Compares `GetContext` by the generated client, the SDK and plain reqwest, against the same local service.

use agbcloud::{Client, ContextId};
use agbcloud_server::Server;
use criterion::{Criterion, criterion_group, criterion_main};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use tokio::runtime::Runtime;

const KEY: &str = "bench-key";
const NAME: &str = "bench";

/// The service on its own runtime, so that it shares no threads with the clients.
struct Service {
    _runtime: Runtime,
    server: Server,
    id: ContextId,
}

fn service() -> Service {
    let runtime = Runtime::new().unwrap();
    let (server, id) = runtime.block_on(async {
        let server = Server::builder()
            .memory()
            .api_key(KEY)
            .start()
            .await
            .unwrap();
        let client = Client::builder()
            .api_key(KEY)
            .endpoint(server.url())
            .build()
            .unwrap();
        let id = client.contexts().get_or_create(NAME).await.unwrap().id;
        (server, id)
    });
    Service {
        _runtime: runtime,
        server,
        id,
    }
}

fn http() -> reqwest::Client {
    let authorization = HeaderValue::from_str(&format!("Bearer {KEY}")).unwrap();
    let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization)]);
    reqwest::Client::builder()
        .default_headers(headers)
        .build()
        .unwrap()
}

fn get(c: &mut Criterion) {
    let Service {
        _runtime,
        server,
        id,
    } = service();
    let clients = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let mut group = c.benchmark_group("get");

    let (client, url) = (http(), format!("{}/sdk/GetContext?id={id}", server.url()));
    group.bench_function("plain reqwest", |b| {
        b.to_async(&clients).iter(|| async {
            let answer = client
                .get(&url)
                .send()
                .await
                .unwrap()
                .bytes()
                .await
                .unwrap();
            let answer: serde_json::Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!(answer["data"]["name"], NAME);
        });
    });

    let hook = agbcloud_api::RequestHook::default();
    let raw = agbcloud_api::Client::new_with_client(server.url(), http(), hook);
    group.bench_function("agbcloud-api", |b| {
        b.to_async(&clients).iter(|| async {
            let answer = raw
                .get_context()
                .id(id.as_str())
                .send()
                .await
                .unwrap()
                .into_inner();
            assert_eq!(answer.data.unwrap().name.as_deref(), Some(NAME));
        });
    });

    let client = Client::builder()
        .api_key(KEY)
        .endpoint(server.url())
        .build()
        .unwrap();
    let contexts = client.contexts();
    group.bench_function("agbcloud", |b| {
        b.to_async(&clients).iter(|| async {
            assert_eq!(contexts.get(&id).await.unwrap().name, NAME);
        });
    });
    group.finish();
}

criterion_group!(benches, get);
criterion_main!(benches);
