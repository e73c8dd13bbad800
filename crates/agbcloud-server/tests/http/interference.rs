//! Isolation of tenants: the responses to one tenant do not depend on another.

use std::sync::Arc;
use std::time::Duration;

use agbcloud_server::{ManualClock, Server, test_store};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use tokio::runtime::Runtime;

use crate::client::{Client, encode};

/// A step of a tenant. Numbers select one of its own contexts, or one of the other tenant.
#[derive(Debug, Clone)]
enum Step {
    Create(&'static str),
    Find(&'static str),
    List(u8),
    Own(u8, Call),
    Foreign(u8, Call),
    Upload(u8, &'static str),
    Download(u8, &'static str),
}

/// A call on a context: the operation, the name of its id parameter, and the rest of the query.
#[derive(Debug, Clone)]
struct Call(&'static str, &'static str, String);

fn call() -> impl Strategy<Value = Call> {
    let path = prop::sample::select(vec!["/f", "/d/f", "/none", "bad"]);
    let name = prop::sample::select(vec!["one", "two", "three", ""]);
    let plain = prop::sample::select(vec!["GetContext", "DeleteContext", "ClearContext"]);
    let files = prop::sample::select(vec![
        "GetContextFileUploadUrl",
        "GetContextFileDownloadUrl",
        "DeleteContextFile",
    ]);
    prop_oneof![
        plain.prop_map(|operation| Call(operation, "id", String::new())),
        name.prop_map(|name| Call("ModifyContext", "id", format!("&name={name}"))),
        Just(Call("DescribeContextFiles", "contextId", String::new())),
        (files, path).prop_map(|(operation, path)| Call(
            operation,
            "contextId",
            format!("&filePath={}", encode(path))
        )),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let name = || prop::sample::select(vec!["one", "two", "three"]);
    let path = || prop::sample::select(vec!["/f", "/d/f"]);
    prop_oneof![
        3 => name().prop_map(Step::Create),
        1 => name().prop_map(Step::Find),
        2 => (1_u8..4).prop_map(Step::List),
        3 => (any::<u8>(), call()).prop_map(|(which, call)| Step::Own(which, call)),
        4 => (any::<u8>(), call()).prop_map(|(which, call)| Step::Foreign(which, call)),
        3 => (any::<u8>(), path()).prop_map(|(which, path)| Step::Upload(which, path)),
        2 => (any::<u8>(), path()).prop_map(|(which, path)| Step::Download(which, path)),
    ]
}

/// A tenant with the contexts that it created and all its responses.
struct Tenant {
    client: Client,
    contexts: Vec<String>,
    answers: Vec<String>,
}

/// A well-formed id that no context has.
const UNKNOWN_ID: &str = "SdkCtx-00000000000000000000";

impl Tenant {
    fn new(server: &Server, key: &str) -> Self {
        Self {
            client: Client::new(server.url(), key),
            contexts: Vec::new(),
            answers: Vec::new(),
        }
    }

    fn own(&self, which: u8) -> String {
        let count = self.contexts.len().max(1);
        let chosen = self.contexts.get(usize::from(which) % count);
        chosen.map_or(UNKNOWN_ID, String::as_str).to_owned()
    }

    /// Executes a step. `foreign` are the contexts of the other tenant, if there is one.
    async fn execute(&mut self, step: &Step, foreign: &[String]) {
        match step {
            Step::Create(name) => {
                let answer = self
                    .call("GetContext", &format!("name={name}&allowCreate=true"))
                    .await;
                let id = answer["data"]["id"].as_str().unwrap().to_owned();
                if !self.contexts.contains(&id) {
                    self.contexts.push(id);
                }
            }
            Step::Find(name) => drop(self.call("GetContext", &format!("name={name}")).await),
            Step::List(size) => {
                let mut query = format!("maxResults={size}");
                while let Some(token) = self.call("ListContexts", &query).await["nextToken"]
                    .as_str()
                    .map(encode)
                {
                    query = format!("maxResults={size}&nextToken={token}");
                }
            }
            Step::Own(which, call) => {
                let id = self.own(*which);
                self.on(&id, call).await;
                if call.0 == "ClearContext"
                    && self
                        .client
                        .call("GetContext", &format!("id={id}"))
                        .await
                        .status
                        == 200
                {
                    self.client.wait_available(&id).await;
                }
            }
            Step::Foreign(which, call) => {
                let chosen = foreign.get(usize::from(*which) % foreign.len().max(1));
                let id = chosen.map_or(UNKNOWN_ID, String::as_str).to_owned();
                self.on(&id, call).await;
            }
            Step::Upload(which, path) => {
                let url = self.url("GetContextFileUploadUrl", *which, path).await;
                if let Some(url) = url {
                    let response = self.client.put(&url, *path).await;
                    self.answers.push(response.status().to_string());
                }
            }
            Step::Download(which, path) => {
                let url = self.url("GetContextFileDownloadUrl", *which, path).await;
                if let Some(url) = url {
                    let response = self.client.http.get(url).send().await.unwrap();
                    self.answers.push(response.status().to_string());
                    self.answers.push(response.text().await.unwrap());
                }
            }
        }
    }

    async fn on(&mut self, id: &str, call: &Call) {
        let Call(operation, parameter, rest) = call;
        self.call(operation, &format!("{parameter}={id}{rest}"))
            .await;
    }

    async fn url(&mut self, operation: &str, which: u8, path: &str) -> Option<String> {
        let id = self.own(which);
        let query = format!("contextId={id}&filePath={path}");
        let answer = self.call(operation, &query).await;
        answer["data"]["url"].as_str().map(str::to_owned)
    }

    /// Calls an operation and records the response without random values.
    async fn call(&mut self, operation: &str, query: &str) -> Value {
        let answer = self.client.call(operation, query).await;
        let headers: Vec<_> = answer
            .headers
            .iter()
            .filter(|(name, _)| !["x-request-id", "date"].contains(&name.as_str()))
            .collect();
        let mut shown = answer.body.clone();
        self.hide(&mut shown);
        self.answers
            .push(format!("{operation} {} {headers:?} {shown}", answer.status));
        answer.body
    }

    /// Replaces ids by the numbers of contexts, and other random values by placeholders.
    fn hide(&self, value: &mut Value) {
        match value {
            Value::Array(values) => values.iter_mut().for_each(|value| self.hide(value)),
            Value::Object(fields) => {
                for (name, value) in fields.iter_mut() {
                    match (name.as_str(), &value) {
                        ("id", Value::String(id)) => {
                            let number = self.contexts.iter().position(|own| own == id);
                            *value = number.map_or("new".into(), Value::from);
                        }
                        ("requestId" | "fileId" | "nextToken" | "url", Value::String(text)) => {
                            *value = text.len().into();
                        }
                        _ => self.hide(value),
                    }
                }
            }
            _ => {}
        }
    }
}

/// Executes the steps of the participating tenants and returns the responses of each.
async fn run(steps: &[(bool, Step)], participates: [bool; 2]) -> [Vec<String>; 2] {
    let clock = ManualClock::new(std::time::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    let builder = test_store::builder().clock(Arc::new(clock.clone()));
    let server = builder.start().await.unwrap();
    let mut first = Tenant::new(&server, "key-of-the-first");
    let mut second = Tenant::new(&server, "key-of-the-second");
    for (is_second, step) in steps {
        // Gives each context another creation time.
        clock.advance(Duration::from_secs(1));
        if participates[usize::from(*is_second)] {
            let (actor, other) = match is_second {
                true => (&mut second, &first),
                false => (&mut first, &second),
            };
            actor.execute(step, &other.contexts).await;
        }
    }
    [first.answers, second.answers]
}

#[test]
fn responses_do_not_depend_on_other_tenants() {
    let runtime = Runtime::new().unwrap();
    let steps = prop::collection::vec((any::<bool>(), step()), 1..40);
    let config = ProptestConfig {
        cases: test_store::cases(64),
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&steps, |steps| {
            runtime.block_on(async {
                let [first, second] = run(&steps, [true, true]).await;
                let [alone, _] = run(&steps, [true, false]).await;
                assert_eq!(first, alone, "the first");
                let [_, alone] = run(&steps, [false, true]).await;
                assert_eq!(second, alone, "the second");
            });
            Ok(())
        })
        .unwrap();
}

/// Verifies that the property detects a difference: two clients with the same key see each other.
#[test]
fn the_comparison_detects_shared_contexts() {
    let runtime = Runtime::new().unwrap();
    let create = (false, Step::Create("one"));
    let list = (false, Step::List(1));
    let answers = |steps: &[(bool, Step)]| runtime.block_on(run(steps, [true, true]));
    let [seen, _] = answers(&[create, list.clone()]);
    let [unseen, _] = answers(&[(true, Step::Create("one")), list]);
    assert_ne!(seen.last(), unseen.last());
}
