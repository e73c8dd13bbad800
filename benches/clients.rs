//! Compares clients for `cargo xtask bench`: GetContext, pages, and streams of pages with latency.
//!
//! `clients get|pages|streams ROUNDS MILLISECONDS` starts services in this process. In each round all clients of a job run
//! one after the other for this time, starting with a different one each round. Prints a line of JSON for each, with the
//! seconds of one call.

#![expect(clippy::disallowed_methods, reason = "measures real time")]

use std::{
    future::Future,
    num::NonZeroU32,
    time::{Duration, Instant},
};

use agbcloud::{Client, Files};
use agbcloud_api::types::DescribeContextFilesResponse;
use agbcloud_benches::{Error, KEY, PlainClient};
use agbcloud_server::Server;
use futures_util::future::LocalBoxFuture;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

const NAME: &str = "bench";
const FOLDER: &str = "/data";
/// Number of files in the folder that is listed, also in the names of jobs.
const FILES: u32 = 2000;
/// Pages of a stream.
const STREAM_PAGES: u32 = 20;
/// Time that the caller takes for each page of a stream.
const WORK: Duration = Duration::from_millis(10);

fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [group, rounds, milliseconds] = &arguments[..] else {
        return Err("usage: clients get|pages|streams ROUNDS MILLISECONDS".into());
    };
    let (rounds, time) = (
        rounds.parse()?,
        Duration::from_millis(milliseconds.parse()?),
    );
    let clients = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match group.as_str() {
        "get" => {
            let service = Service::start(&clients, None)?;
            run(&clients, rounds, time, vec![get(&service)?])
        }
        "pages" => {
            let service = Service::start(&clients, None)?;
            let body = clients.block_on(service.page_body())?;
            let mut jobs = vec![decode(&body)];
            for size in [100, 1000] {
                jobs.push(pages(&service, size)?);
            }
            run(&clients, rounds, time, jobs)
        }
        "streams" => {
            let services = [
                (0, Service::start(&clients, None)?),
                (
                    20,
                    Service::start(&clients, Some("latency=20ms,op=DescribeContextFiles"))?,
                ),
            ];
            let jobs = services
                .iter()
                .map(|(latency, service)| streams(service, *latency));
            run(&clients, rounds, time, jobs.collect())
        }
        _ => Err(format!("unknown group {group}").into()),
    }
}

/// A service with data, on its own runtime, so that it shares no threads with the clients.
struct Service {
    _runtime: Runtime,
    server: Server,
    id: String,
    files: Files,
    plain: PlainClient,
}

impl Service {
    fn start(clients: &Runtime, fault: Option<&str>) -> Result<Self, Error> {
        let runtime = Runtime::new()?;
        let mut server = Server::builder().memory().api_key(KEY);
        if let Some(fault) = fault {
            server = server.fault(fault.parse()?);
        }
        let server = runtime.block_on(server.start())?;
        let client = Client::builder()
            .api_key(KEY)
            .endpoint(server.url())
            .build()?;
        let contexts = client.contexts();
        let context = clients.block_on(contexts.get_or_create(NAME).into_future())?;
        let files = contexts.files(&context.id);
        clients.block_on(async {
            for n in 0..FILES {
                files
                    .upload(format!("{FOLDER}/file-{n:05}").as_str(), &b"x"[..])
                    .await?;
            }
            Ok::<_, Error>(())
        })?;
        Ok(Self {
            plain: PlainClient::new(server.url(), KEY, context.id.as_str())?,
            id: context.id.to_string(),
            files,
            server,
            _runtime: runtime,
        })
    }

    /// The generated client.
    fn generated(&self) -> Result<agbcloud_api::Client, Error> {
        let authorization = HeaderValue::from_str(&format!("Bearer {KEY}"))?;
        let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization)]);
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .build()?;
        let hook = agbcloud_api::RequestHook::default();
        Ok(agbcloud_api::Client::new_with_client(
            self.server.url(),
            http,
            hook,
        ))
    }

    /// The body of a page of 1,000 files.
    async fn page_body(&self) -> Result<Vec<u8>, Error> {
        Ok(serde_json::to_vec(
            &self.plain.page(FOLDER, 1, 1000).await?,
        )?)
    }
}

type Call<'a> = Box<dyn Fn() -> LocalBoxFuture<'a, Result<(), Error>> + 'a>;

/// Something that several clients do.
struct Job<'a> {
    name: String,
    clients: Vec<(&'static str, Call<'a>)>,
}

impl<'a> Job<'a> {
    fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            clients: Vec::new(),
        }
    }

    fn client<F: Future<Output = Result<(), Error>> + 'a>(
        mut self,
        name: &'static str,
        call: impl Fn() -> F + 'a,
    ) -> Self {
        self.clients
            .push((name, Box::new(move || Box::pin(call()))));
        self
    }
}

/// All rounds of all jobs, after one that warms up.
fn run(clients: &Runtime, rounds: usize, time: Duration, jobs: Vec<Job<'_>>) -> Result<(), Error> {
    for round in 0..=rounds {
        for job in &jobs {
            let count = job.clients.len();
            let mut values = vec![0.0; count];
            for step in 0..count {
                let at = (step + round) % count;
                let call = &job.clients[at].1;
                let start = Instant::now();
                let mut calls = 0_u32;
                clients.block_on(async {
                    while calls == 0 || start.elapsed() < time {
                        call().await?;
                        calls += 1;
                    }
                    Ok::<_, Error>(())
                })?;
                values[at] = start.elapsed().as_secs_f64() / f64::from(calls);
            }
            if round > 0 {
                for ((client, _), value) in job.clients.iter().zip(values) {
                    println!(
                        "{}",
                        json!({ "job": job.name, "client": client, "value": value })
                    );
                }
            }
        }
    }
    Ok(())
}

fn get(service: &Service) -> Result<Job<'_>, Error> {
    let generated = service.generated()?;
    let client = Client::builder()
        .api_key(KEY)
        .endpoint(service.server.url())
        .build()?;
    let id: agbcloud::ContextId = service.id.parse()?;
    let get = move || {
        let (contexts, id) = (client.contexts(), id.clone());
        async move { check(contexts.get(&id).await?.name == NAME) }
    };
    let generated = move || {
        let call = generated.clone();
        async move {
            let response = call.get_context().id(service.id.as_str()).send().await?;
            let data = response.into_inner().data.ok_or("no data")?;
            check(data.name.as_deref() == Some(NAME))
        }
    };
    Ok(Job::new("GetContext")
        .client("plain loop", || async {
            check(service.plain.context().await?["data"]["name"] == NAME)
        })
        .client("agbcloud-api", generated)
        .client("agbcloud", get))
}

fn decode(body: &[u8]) -> Job<'_> {
    Job::new("decode a page of 1,000 files")
        .client("plain loop", move || async move {
            let page: Value = serde_json::from_slice(body)?;
            check(page["data"].as_array().map(Vec::len) == Some(1000))
        })
        .client("agbcloud-api", move || async move {
            let page: DescribeContextFilesResponse = serde_json::from_slice(body)?;
            check(page.data.is_some())
        })
}

fn pages(service: &Service, size: u32) -> Result<Job<'_>, Error> {
    let generated = service.generated()?;
    let generated = move || {
        let call = generated.clone();
        async move {
            let mut listed = 0;
            for number in 1..=FILES / size {
                let page = call
                    .describe_context_files()
                    .context_id(service.id.as_str())
                    .parent_folder_path(FOLDER)
                    .page_number(NonZeroU32::new(number).ok_or("page 0")?)
                    .page_size(NonZeroU32::new(size).ok_or("size 0")?)
                    .send()
                    .await?;
                check(page.into_inner().data.is_some())?;
                listed += size;
            }
            check(listed == FILES)
        }
    };
    let by_page = move || async move {
        let mut pages = service
            .files
            .list()
            .folder(FOLDER)
            .page_size(size)
            .by_page();
        let mut listed = 0;
        while let Some(page) = pages.next().await {
            listed += page?.entries.len();
        }
        check(listed == FILES as usize)
    };
    Ok(Job::new(format!("list 2,000 files by pages of {size}"))
        .client("plain loop", move || async move {
            let mut listed = 0;
            for number in 1..=FILES / size {
                let page = service.plain.page(FOLDER, number, size).await?;
                listed += page["data"].as_array().map_or(0, Vec::len);
            }
            check(listed == FILES as usize)
        })
        .client("agbcloud-api", generated)
        .client("agbcloud", by_page))
}

fn streams(service: &Service, latency: u32) -> Job<'_> {
    let size = FILES / STREAM_PAGES;
    let stream = move |prefetch| async move {
        let list = service.files.list().folder(FOLDER).page_size(size);
        let mut pages = list.prefetch(prefetch).by_page();
        let mut listed = 0;
        while let Some(page) = pages.next().await {
            listed += page?.entries.len();
            tokio::time::sleep(WORK).await;
        }
        check(listed == FILES as usize)
    };
    Job::new(format!(
        "{STREAM_PAGES} pages of {size}, {latency} ms of latency"
    ))
    .client("plain loop", move || async move {
        for number in 1..=STREAM_PAGES {
            let page = service.plain.page(FOLDER, number, size).await?;
            check(page["data"].as_array().map(Vec::len) == Some(size as usize))?;
            tokio::time::sleep(WORK).await;
        }
        Ok(())
    })
    .client("agbcloud", move || stream(false))
    .client("agbcloud, prefetch", move || stream(true))
}

fn check(correct: bool) -> Result<(), Error> {
    match correct {
        true => Ok(()),
        false => Err("unexpected response".into()),
    }
}
