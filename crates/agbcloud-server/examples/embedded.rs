//! The service in a test: several servers, a manual clock, and an injected fault.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use agbcloud_server::{ManualClock, Server};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let clock = ManualClock::starting_now();
    // Each server has its own port, store and secret, and leaves nothing behind.
    let server = Server::builder()
        .memory()
        .clock(Arc::new(clock.clone()))
        .start()
        .await?;
    let flaky = Server::builder()
        .memory()
        .fault("status=503,times=1,retry-after=0".parse()?)
        .start()
        .await?;

    let http = reqwest::Client::new();
    let list = |server: &Server| {
        let url = format!("{}/sdk/ListContexts", server.url());
        http.get(url).bearer_auth("any-key").send()
    };
    assert_eq!(list(&flaky).await?.status(), 503);
    assert_eq!(list(&flaky).await?.status(), 200);

    // An SDK would use `server.url()` as its endpoint. This example uses plain HTTP.
    let call = async |method, target: &str| {
        let url = format!("{}/sdk/{target}", server.url());
        let request = http.request(method, url).bearer_auth("any-key");
        let answer = request.send().await?.bytes().await?;
        Ok::<serde_json::Value, Box<dyn Error>>(serde_json::from_slice(&answer)?)
    };
    let created = call(
        reqwest::Method::GET,
        "GetContext?name=mine&allowCreate=true",
    )
    .await?;
    let id = created["data"]["id"].as_str().ok_or("no id")?;
    let target = format!("GetContextFileUploadUrl?contextId={id}&filePath=/a.txt");
    let signed = call(reqwest::Method::POST, &target).await?;
    let url = signed["data"]["url"].as_str().ok_or("no URL")?;
    assert_eq!(http.put(url).body("hello").send().await?.status(), 200);

    // The URL expires without waiting for two hours.
    clock.advance(Duration::from_secs(2 * 3600));
    assert_eq!(http.put(url).body("hello").send().await?.status(), 403);

    // Waits for requests in progress. Dropping a server would abort them.
    server.shutdown().await;
    flaky.shutdown().await;
    println!("two servers started and stopped");
    Ok(())
}
