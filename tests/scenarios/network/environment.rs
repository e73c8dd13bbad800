//! Proxies and certificates from environment variables, in child processes.

use std::path::Path;

use agbcloud::Client;
use tokio::process::Command;

use super::{material, round_trip, tls_service};
use crate::support::{KEY, World, proxy::TestProxy};

/// Makes the child process do its work. The value is `direct` to ignore the proxies of the environment.
const CHILD: &str = "AGB_TEST_NETWORK";

/// Variables that a test may have inherited.
const VARIABLES: [&str; 10] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// The work of the child processes: transfers a file, with a client that is configured by the environment.
#[tokio::test]
async fn child_process() {
    let Ok(mode) = std::env::var(CHILD) else {
        return;
    };
    let builder = Client::builder().retry(agbcloud::RetryPolicy::never());
    let client = match &*mode {
        "direct" => builder.no_proxy().build(),
        _ => builder.build(),
    };
    let client = match client {
        Ok(client) => client,
        Err(error) => return println!("result: not built: {}", error.kind().as_str()),
    };
    match round_trip(&client).await {
        Ok(()) => println!("result: ok"),
        Err(_) => println!("result: failed"),
    }
}

/// Runs a child process with these variables. Returns its result.
async fn run(mode: &str, endpoint: &str, variables: &[(&str, &str)]) -> String {
    let module = module_path!().split_once("::").unwrap().1;
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([
        "--exact",
        "--nocapture",
        &format!("{module}::child_process"),
    ]);
    for name in VARIABLES {
        command.env_remove(name);
    }
    let output = command
        .env(CHILD, mode)
        .env("AGB_API_KEY", KEY)
        .env("AGB_ENDPOINT", endpoint)
        .envs(variables.iter().copied())
        .output()
        .await
        .unwrap();
    let output = String::from_utf8_lossy(&output.stdout);
    // The test harness prints on the same line.
    let result = output.split_once("result: ").map(|(_, result)| result);
    let result = result.unwrap_or_else(|| panic!("no result in {output}"));
    result.lines().next().unwrap().to_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Returns the URL of a proxy that does not exist.
fn dead_proxy() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn http_proxy_applies_to_the_service_and_its_store() {
    let world = World::with(|server| server.public_url("http://store.test")).await;
    for name in ["HTTP_PROXY", "http_proxy", "ALL_PROXY"] {
        let proxy = TestProxy::to(world.server.local_addr()).await;
        let url = proxy.url_with("user:secret");
        let result = run("", "http://service.test", &[(name, &url)]).await;
        assert_eq!(result, "ok", "{name}");
        let lines = proxy.request_lines();
        for host in ["http://service.test/", "http://store.test/"] {
            assert!(lines.iter().any(|line| line.contains(host)), "{lines:?}");
        }
        let head = &proxy.heads()[0];
        assert!(head.contains("proxy-authorization: Basic "), "{head}");
    }
}

#[tokio::test]
async fn no_proxy_lists_exceptions() {
    let world = World::new().await;
    let (endpoint, dead) = (world.server.url(), dead_proxy());
    let proxied = [("HTTP_PROXY", &*dead)];
    assert_eq!(run("", endpoint, &proxied).await, "failed");
    let named = endpoint.replace("127.0.0.1", "localhost");
    // The store is 127.0.0.1.
    for (endpoint, hosts, result) in [
        (endpoint, "127.0.0.1", "ok"),
        (endpoint, "a.test, 127.0.0.0/8", "ok"),
        (endpoint, "a.test", "failed"),
        // A star is all names, and no address.
        (endpoint, "*", "failed"),
        (&named, "*,127.0.0.1", "ok"),
        (&named, "localhost,127.0.0.1", "ok"),
        (&named, "127.0.0.1", "failed"),
    ] {
        let variables = [("HTTP_PROXY", &*dead), ("NO_PROXY", hosts)];
        let actual = run("", endpoint, &variables).await;
        assert_eq!(actual, result, "{endpoint} {hosts}");
    }
    // The builder ignores the environment.
    assert_eq!(run("direct", endpoint, &proxied).await, "ok");
}

/// On other platforms the certificates of the system are verified by the system.
#[cfg(all(unix, not(target_vendor = "apple")))]
#[tokio::test]
async fn https_proxy_and_ssl_cert_file_apply_to_the_service_and_its_store() {
    let server = tls_service(|server| server.public_url("https://service.test")).await;
    let proxy = TestProxy::to(server.local_addr()).await;
    let (url, ca) = (proxy.url(), material("ca.pem"));
    let proxied = ("HTTPS_PROXY", &*url);
    let endpoint = "https://service.test";
    let trusted = [proxied, ("SSL_CERT_FILE", text(&ca))];
    assert_eq!(run("", endpoint, &trusted).await, "ok");
    let lines = proxy.request_lines();
    assert!(lines.len() >= 2, "one connection of each client");
    for line in lines {
        assert_eq!(line, "CONNECT service.test:443 HTTP/1.1");
    }
    // The authority is not one of the system.
    assert_eq!(run("", endpoint, &[proxied]).await, "failed");
}

#[cfg(all(unix, not(target_vendor = "apple")))]
#[tokio::test]
async fn ssl_cert_file_replaces_the_certificates_of_the_system() {
    let server = tls_service(|server| server).await;
    let endpoint = server.url();
    let [ca, other, missing] = ["ca.pem", "client.pem", "missing.pem"].map(material);
    let with = async |file: &Path| run("", endpoint, &[("SSL_CERT_FILE", text(file))]).await;
    assert_eq!(with(&ca).await, "ok");
    assert_eq!(with(&other).await, "failed");
    assert_eq!(with(&missing).await, "not built: configuration");
    // A folder may contain files with any name.
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(&ca, folder.path().join("company-ca.pem")).unwrap();
    let in_folder = [("SSL_CERT_DIR", text(folder.path()))];
    assert_eq!(run("", endpoint, &in_folder).await, "ok");
}
