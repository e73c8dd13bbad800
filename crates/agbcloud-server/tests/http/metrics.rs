//! The monitoring endpoints.

use std::collections::BTreeSet;

use agbcloud_server::{Server, test_store};

use crate::client::{Client, start, start_with};

async fn monitored() -> (Server, Client, String) {
    let builder = test_store::builder().metrics_listen("127.0.0.1:0".parse().unwrap());
    let (server, client) = start_with(builder).await;
    let url = format!("http://{}", server.metrics_addr().unwrap());
    (server, client, url)
}

/// Returns the value of the line with this prefix.
fn value(text: &str, start: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with(start));
    let line = line.unwrap_or_else(|| panic!("no {start} in {text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn requests_bytes_and_connections_are_counted() {
    let (_server, client, url) = monitored().await;
    let id = client.create("c").await;
    client.upload(&id, "/secret-path", vec![7; 100_000]).await;
    client.download(&id, "/secret-path").await;
    client
        .fails(
            "GetContext",
            &[("id", "no")],
            404,
            "InvalidContext.NotFound",
        )
        .await;
    let response = client.http.get(format!("{url}/metrics")).send().await;
    let response = response.unwrap();
    let kind = response.headers()["content-type"].to_str().unwrap();
    assert!(kind.starts_with("application/openmetrics-text"), "{kind}");
    let text = response.text().await.unwrap();
    for (labels, count) in [
        (r#"operation="GetContext",status="2xx""#, 1),
        (r#"operation="GetContext",status="4xx""#, 1),
        (r#"operation="upload",status="2xx""#, 1),
        (r#"operation="download",status="2xx""#, 1),
    ] {
        let line = format!("agb_requests_total{{{labels}}}");
        assert_eq!(value(&text, &line), count, "{text}");
    }
    let durations = r#"agb_request_duration_seconds_count{operation="GetContext"}"#;
    assert_eq!(value(&text, durations), 2);
    assert!(value(&text, "agb_received_bytes_total") > 100_000);
    assert!(value(&text, "agb_sent_bytes_total") > 100_000);
    assert!(value(&text, "agb_connections ") >= 1);
    value(&text, "agb_collection_backlog ");
    assert!(text.ends_with("# EOF\n"));
    // Metrics contain no tenants, contexts or paths.
    for secret in [&id, "secret-path", &client.key, "signature"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn all_metrics_are_documented() {
    let (_server, client, url) = monitored().await;
    client.create("c").await;
    let response = client.http.get(format!("{url}/metrics")).send().await;
    let text = response.unwrap().text().await.unwrap();
    let shown = |line: &str| -> Vec<String> {
        let cell = line.split('|').nth(1).unwrap();
        let names = cell.split('`').skip(1).step_by(2);
        names
            .map(|name| name.trim_end_matches("_total").to_owned())
            .collect()
    };
    let documented = |page: &str| -> BTreeSet<String> {
        page.lines()
            .filter(|line| line.starts_with("| `agb_"))
            .flat_map(shown)
            .collect()
    };
    let always = documented(include_str!("../../../../docs/running.md"));
    // Those of replicas. A data folder has only some of them.
    let replicas = documented(include_str!("../../../../docs/operating.md"));
    let reported: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| line.split(' ').next().unwrap().to_owned())
        .collect();
    assert_eq!(always.difference(&reported).collect::<Vec<_>>(), [""; 0]);
    let all: BTreeSet<_> = always.union(&replicas).cloned().collect();
    assert_eq!(reported.difference(&all).collect::<Vec<_>>(), [""; 0]);
}

#[tokio::test]
async fn only_the_monitoring_listener_serves_health_and_readiness() {
    let (_server, client, url) = monitored().await;
    let get = async |url: String| client.http.get(url).send().await.unwrap().status();
    for path in ["/health", "/ready", "/metrics"] {
        assert_eq!(get(format!("{url}{path}")).await, 200, "{path}");
        assert_eq!(get(format!("{}{path}", client.url)).await, 404, "{path}");
    }
    for path in ["/", "/sdk/ListContexts", "/objects/v1/a/b"] {
        assert_eq!(get(format!("{url}{path}")).await, 404, "{path}");
    }
}

#[tokio::test]
async fn monitoring_is_disabled_by_default() {
    let (server, _) = start().await;
    assert_eq!(server.metrics_addr(), None);
}

#[tokio::test]
async fn a_shutdown_ends_both_listeners() {
    let (server, client, url) = monitored().await;
    server.shutdown().await;
    assert!(
        client
            .http
            .get(format!("{url}/health"))
            .send()
            .await
            .is_err()
    );
}
