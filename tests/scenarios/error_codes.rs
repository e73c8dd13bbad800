//! The errors that the specification documents for each operation are those that the service returns.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::support::{KEY, World, call};

/// Errors that need a broken or overloaded service, or a client that is silent for a minute.
const NOT_PROVOKED: [&str; 4] = [
    "RequestTimeout",
    "Throttling",
    "InternalError",
    "ServiceUnavailable",
];

fn documented() -> BTreeSet<(String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/context-api.yaml");
    let spec: Value = serde_norway::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut codes = BTreeSet::new();
    for item in spec["paths"].as_object().unwrap().values() {
        for operation in item.as_object().unwrap().values() {
            for range in ["4XX", "5XX"] {
                let content = &operation["responses"][range]["content"]["application/json"];
                for code in content["examples"].as_object().unwrap().keys() {
                    codes.insert((
                        operation["operationId"].as_str().unwrap().to_owned(),
                        code.clone(),
                    ));
                }
            }
        }
    }
    codes
}

/// Returns queries with one error each, for an operation with these parameters.
fn wrong_queries(operation: &Value, parameters: &Value, id: &str) -> Vec<String> {
    let names: Vec<String> = operation["parameters"]
        .as_array()
        .unwrap()
        .iter()
        .map(|parameter| {
            let key = parameter["$ref"]
                .as_str()
                .and_then(|reference| reference.rsplit('/').next());
            let parameter = key.map_or(parameter, |key| &parameters[key]);
            parameter["name"].as_str().unwrap().to_owned()
        })
        .collect();
    let good = |name: &str| match name {
        "id" | "contextId" => id.to_owned(),
        "filePath" => "/none".to_owned(),
        "parentFolderPath" => "/".to_owned(),
        "name" => "another".to_owned(),
        "nextToken" | "loginRegionId" => String::new(),
        "allowCreate" => "false".to_owned(),
        _ => "1".to_owned(),
    };
    let query = |pairs: &[(&str, String)]| {
        pairs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join("&")
    };
    let is_get_context = names.iter().any(|name| name == "allowCreate");
    // GetContext accepts an id or a name, not both.
    let used: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| !(is_get_context && matches!(*name, "id")))
        .collect();
    let all: Vec<(&str, String)> = used.iter().map(|name| (*name, good(name))).collect();
    let mut queries = vec![
        query(&all),
        query(&[]),
        "allowCreate=true".to_owned(),
        "id=%20".to_owned(),
    ];
    for index in 0..all.len() {
        let mut without = all.clone();
        without.remove(index);
        queries.push(query(&without));
        for bad in ["%00", "nonsense", "SdkCtx-none"] {
            let mut wrong = all.clone();
            wrong[index].1 = bad.to_owned();
            queries.push(query(&wrong));
        }
    }
    queries
}

#[tokio::test]
async fn the_service_returns_exactly_the_documented_errors() {
    let world =
        World::with(|builder| builder.clear_delay(std::time::Duration::from_secs(600))).await;
    let (id, _) = world.files("one").await;
    world.files("another").await;

    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../spec/context-api.yaml");
    let spec: Value = serde_norway::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut given = BTreeSet::new();
    for (path, item) in spec["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            // Some calls rename or delete, so each operation has contexts of its own.
            let (own, _) = world.files(&format!("own-{name}")).await;
            let (clearing, _) = world.files(&format!("clearing-{name}")).await;
            world
                .client
                .contexts()
                .clear(&clearing)
                .start()
                .await
                .unwrap();
            let mut calls: Vec<(String, String, String)> = Vec::new();
            for context in [own.as_str(), clearing.as_str()] {
                for query in wrong_queries(operation, &spec["components"]["parameters"], context) {
                    calls.push((method.to_uppercase(), query, String::new()));
                }
            }
            let good = format!("id={id}&contextId={id}&filePath=/none");
            let other = if method == "get" { "POST" } else { "GET" };
            calls.push((other.to_owned(), good.clone(), String::new()));
            for body in ["{".to_owned(), "x".repeat(70_000)] {
                calls.push((method.to_uppercase(), good.clone(), body));
            }
            for (method, query, body) in calls {
                let target = format!("{path}?{query}");
                let key = format!("Bearer {KEY}");
                let answer = call(
                    &world.server,
                    &method,
                    &target,
                    &[("authorization", &key)],
                    body,
                )
                .await;
                assert!(answer.status < 500, "{method} {target}");
                if answer.status != 200 {
                    given.insert((name.to_owned(), answer.code().to_owned()));
                }
            }
            let answer = call(&world.server, &method.to_uppercase(), path, &[], "").await;
            given.insert((name.to_owned(), answer.code().to_owned()));
        }
    }
    let mut expected = documented();
    expected.retain(|(_, code)| !NOT_PROVOKED.contains(&code.as_str()));
    let undocumented: Vec<_> = given.difference(&expected).collect();
    let never_returned: Vec<_> = expected.difference(&given).collect();
    assert!(
        undocumented.is_empty(),
        "returned, not documented: {undocumented:?}"
    );
    assert!(
        never_returned.is_empty(),
        "documented, never returned: {never_returned:?}"
    );
}
