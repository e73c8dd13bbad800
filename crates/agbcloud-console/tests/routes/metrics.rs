//! Plots of the metrics of a service.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use agbcloud_server::Server;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};

use crate::support::TestConsole;

#[tokio::test]
async fn metrics_of_the_service_are_plotted() {
    let server = Server::builder().metrics_listen("127.0.0.1:0".parse().unwrap());
    let console = TestConsole::with(server, |server, builder| {
        builder
            .metrics_url(format!("http://{}/metrics", server.metrics_addr().unwrap()))
            .sample_interval(Duration::from_millis(50))
    })
    .await;
    let (_, files) = console.context("one").await;
    files.upload("/a.txt", "x".repeat(2048)).await.unwrap();
    let mut values = String::new();
    for _ in 0..200 {
        values = console.get("/metrics/values").await.text;
        if values.contains("\"bytes\":\"Last 2.0 KiB") && values.contains("\"latency\":\"Last") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(values.contains("\"contexts\":\"Last 1,"), "{values}");
    assert!(values.contains("\"bytes\":\"Last 2.0 KiB"), "{values}");
    assert!(values.contains("\"requests\":\"Last "), "{values}");
    assert!(values.contains("\"errors\":\"Last 0.0/s"), "{values}");
    assert!(values.contains("\"problem\":\"\""), "{values}");
    console
        .get("/metrics")
        .await
        .assert(200, "Stored bytes of all keys");
    for name in [
        "contexts",
        "bytes",
        "requests",
        "errors",
        "latency",
        "tail-latency",
    ] {
        let plot = console.get(&format!("/metrics/plot/{name}")).await;
        assert_eq!(plot.headers["content-type"], "image/svg+xml");
        plot.assert(200, "<svg xmlns=");
    }
    console
        .get("/metrics/plot/bytes")
        .await
        .assert(200, "<polyline");
    console
        .get("/metrics/plot/none")
        .await
        .assert(404, "There are no metrics");
    console.stop().await;
}

#[tokio::test]
async fn unreachable_metrics_are_reported() {
    let console = TestConsole::with(Server::builder(), |_, builder| {
        builder.metrics_url("http://127.0.0.1:1/metrics")
    })
    .await;
    let mut text = String::new();
    for _ in 0..200 {
        text = console.get("/metrics").await.text;
        if text.contains("can&#39;t be read") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(
        text.contains("the metrics at http://127.0.0.1:1/metrics can&#39;t be read")
            && text.contains("(os error "),
        "{text}"
    );
    console.stop().await;
}

/// A service that closes a connection when its second request arrives, as after the time that it keeps idle ones.
#[tokio::test]
async fn each_reading_has_a_connection_of_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/metrics", listener.local_addr().unwrap());
    let (readings, reused) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let counts = (readings.clone(), reused.clone());
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (readings, reused) = counts.clone();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut line = String::new();
                while stream.read_line(&mut line).await.unwrap() > 2 {
                    line.clear();
                }
                let response = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n#\n";
                stream.write_all(response).await.unwrap();
                readings.fetch_add(1, Ordering::Relaxed);
                if stream.read_u8().await.is_ok() {
                    reused.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let console = TestConsole::with(Server::builder(), |_, builder| {
        builder
            .metrics_url(url)
            .sample_interval(Duration::from_millis(10))
    })
    .await;
    for _ in 0..200 {
        if readings.load(Ordering::Relaxed) >= 5 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(readings.load(Ordering::Relaxed) >= 5);
    assert_eq!(reused.load(Ordering::Relaxed), 0);
    let values = console.get("/metrics/values").await.text;
    assert!(values.contains("\"problem\":\"\""), "{values}");
    console.stop().await;
}

#[tokio::test]
async fn without_a_url_there_are_no_metrics() {
    let console = TestConsole::start().await;
    console
        .get("/metrics")
        .await
        .assert(404, "There are no metrics");
    assert!(!console.get("/").await.text.contains("href=\"/metrics\""));
    console.stop().await;
}

#[tokio::test]
async fn only_http_urls_of_metrics_are_accepted() {
    for url in [
        "",
        "https://a.example",
        "file:///etc/passwd",
        "http://user@a.example",
    ] {
        let client = agbcloud::Client::builder()
            .api_key("k")
            .endpoint("http://127.0.0.1:1");
        let builder = agbcloud_console::Console::builder(client.build().unwrap());
        assert!(builder.metrics_url(url).bind().await.is_err(), "{url}");
    }
}
