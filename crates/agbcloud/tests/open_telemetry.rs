//! Spans as `tracing-opentelemetry` exports them.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers are outside of test functions"
)]

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use agbcloud::Client;
use agbcloud_server::Server;
use opentelemetry::{
    SpanId, Value,
    propagation::TextMapPropagator,
    trace::{SpanKind, TracerProvider as _},
};
use opentelemetry_http::HeaderInjector;
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{InMemorySpanExporter, SdkTracerProvider, SpanData},
};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;

const FILES: usize = 30;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_of_a_folder_is_one_trace() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    // All threads export: this file has one test.
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer)).unwrap();

    let server = Server::builder().start().await.unwrap();
    let headers = Arc::new(Mutex::new(Vec::new()));
    let client = client(&server, headers.clone());
    let context = client.contexts().get_or_create("my-project").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    for number in 0..FILES {
        std::fs::write(folder.path().join(format!("{number}.txt")), "hello").unwrap();
    }
    let files = client.contexts().files(context.id);
    let report = files.upload_dir(folder.path(), "/docs").await.unwrap();
    assert_eq!(report.transferred, FILES as u64);

    let spans = exporter.get_finished_spans().unwrap();
    let spans: HashMap<SpanId, SpanData> = spans
        .into_iter()
        .map(|span| (span.span_context.span_id(), span))
        .collect();
    let folder_span = only(&spans, "UploadDir");
    let trace = folder_span.span_context.trace_id();
    let uploads = named(&spans, "Upload");
    assert_eq!(uploads.len(), FILES);
    for upload in uploads {
        assert_eq!(upload.span_context.trace_id(), trace);
        assert_eq!(
            upload.parent_span_id,
            folder_span.span_context.span_id(),
            "a file is a child of its folder"
        );
    }
    let puts = named(&spans, "PUT");
    assert_eq!(puts.len(), FILES);
    let port = i64::from(
        server
            .url()
            .rsplit(':')
            .next()
            .unwrap()
            .parse::<u16>()
            .unwrap(),
    );
    for put in &puts {
        assert_eq!(put.span_kind, SpanKind::Client);
        assert_eq!(put.span_context.trace_id(), trace);
        assert_eq!(spans[&put.parent_span_id].name, "Upload");
        assert_eq!(attribute(put, "http.response.status_code"), Value::I64(200));
        assert_eq!(attribute(put, "server.port"), Value::I64(port));
        assert_eq!(attribute(put, "http.request.method"), "PUT".into());
        let url = attribute(put, "url.full").to_string();
        assert!(url.ends_with("?REDACTED"), "{url}");
    }
    assert_eq!(
        attribute(folder_span, "agb.files.transferred"),
        Value::I64(FILES as i64)
    );

    // Each request names its own span as the parent of what the service does.
    let headers = headers.lock().unwrap();
    let parent = |header: &String| SpanId::from_hex(header.split('-').nth(2).unwrap()).unwrap();
    let parents: Vec<SpanId> = headers.iter().map(parent).collect();
    for put in puts {
        assert!(parents.contains(&put.span_context.span_id()));
    }
    for parent in parents {
        assert_eq!(spans[&parent].span_kind, SpanKind::Client);
    }
}

/// A client that sends its trace, and keeps each `traceparent`.
fn client(server: &Server, headers: Arc<Mutex<Vec<String>>>) -> Client {
    Client::builder()
        .api_key("any")
        .endpoint(server.url())
        .on_request(move |request| {
            let context = tracing::Span::current().context();
            let mut injector = HeaderInjector(request.headers_mut());
            TraceContextPropagator::new().inject_context(&context, &mut injector);
            let header = request.headers_mut()["traceparent"].to_str().unwrap();
            headers.lock().unwrap().push(header.to_owned());
        })
        .build()
        .unwrap()
}

fn named<'a>(spans: &'a HashMap<SpanId, SpanData>, name: &str) -> Vec<&'a SpanData> {
    spans.values().filter(|span| span.name == name).collect()
}

fn only<'a>(spans: &'a HashMap<SpanId, SpanData>, name: &str) -> &'a SpanData {
    let found = named(spans, name);
    assert_eq!(found.len(), 1, "{name}");
    found[0]
}

fn attribute(span: &SpanData, key: &str) -> Value {
    let found = span
        .attributes
        .iter()
        .find(|found| found.key.as_str() == key);
    found.map(|found| found.value.clone()).unwrap()
}
