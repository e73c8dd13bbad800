//! Tracing spans of a client, with names of OpenTelemetry.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex},
};

use agbcloud::{Client, ContextId, RetryPolicy};
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

use crate::{
    support::scripted_server::ScriptedServer,
    support::{KEY, World, subscribe},
};

/// A recorded span: its fields, and the name of its parent.
#[derive(Debug, Clone, Default)]
struct RecordedSpan {
    name: &'static str,
    parent: Option<&'static str>,
    /// The field `otel.name` of the closest parent that has one.
    parent_otel_name: Option<String>,
    fields: BTreeMap<&'static str, String>,
    /// The fields that `tracing-opentelemetry` exports as integers.
    integers: BTreeMap<&'static str, i64>,
    /// The fields that it exports as strings although they are numbers.
    unsigned: Vec<&'static str>,
}

impl RecordedSpan {
    fn get(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(String::as_str)
    }
}

impl Visit for RecordedSpan {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.insert(field.name(), value.to_string());
        self.integers.insert(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, _: u64) {
        self.unsigned.push(field.name());
    }
}

/// Records every span of the SDK when it closes.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<RecordedSpan>>>);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        let mut seen = RecordedSpan {
            name: span.name(),
            parent: span.parent().map(|parent| parent.name()),
            parent_otel_name: span.parent().and_then(|parent| {
                let extensions = parent.extensions();
                let recorded = extensions.get::<RecordedSpan>()?;
                recorded.get("otel.name").map(str::to_owned)
            }),
            ..RecordedSpan::default()
        };
        attributes.record(&mut seen);
        span.extensions_mut().insert(seen);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let span = context.span(id).unwrap();
        if let Some(seen) = span.extensions_mut().get_mut::<RecordedSpan>() {
            values.record(seen);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let span = context.span(&id).unwrap();
        if span.metadata().target().starts_with("agbcloud::") {
            let seen = span.extensions_mut().remove::<RecordedSpan>().unwrap();
            self.0.lock().unwrap().push(seen);
        }
    }
}

/// Returns the spans of the work, in the order in which they close.
async fn spans_of(work: impl AsyncFnOnce()) -> Vec<RecordedSpan> {
    let spans = Spans::default();
    let guard = subscribe(tracing_subscriber::registry().with(spans.clone()));
    work().await;
    drop(guard);
    let spans = spans.0.lock().unwrap().clone();
    for span in &spans {
        assert!(span.unsigned.is_empty(), "{span:?}");
    }
    spans
}

#[tokio::test]
async fn a_call_has_an_operation_span_with_a_request_span() {
    let world = World::new().await;
    let (id, _) = world.files("one").await;
    let mut answered = None;
    let spans = spans_of(async || {
        let get = world.client.contexts().get(&id);
        let context = get.with_response().await.unwrap();
        answered = context.request_id().map(str::to_owned);
    })
    .await;

    let [http, operation] = &spans[..] else {
        panic!("{spans:#?}")
    };
    let (host, port) = world.server.url()["http://".len()..]
        .split_once(':')
        .unwrap();
    let full = format!("{}/sdk/GetContext", world.server.url());
    assert_eq!((http.name, http.parent), ("http", Some("agb.operation")));
    for (field, value) in [
        ("otel.name", "GET /sdk/GetContext"),
        ("otel.kind", "client"),
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("url.template", "/sdk/GetContext"),
        ("url.full", full.as_str()),
        ("server.address", host),
        ("server.port", port),
        ("agb.request.id", answered.as_deref().unwrap()),
    ] {
        assert_eq!(http.get(field), Some(value), "{field}");
    }
    assert_eq!(http.integers["http.response.status_code"], 200);
    assert_eq!(http.integers["server.port"], port.parse::<i64>().unwrap());
    for absent in [
        "error.type",
        "otel.status_code",
        "http.request.resend_count",
    ] {
        assert_eq!(http.get(absent), None, "{absent}");
    }
    assert_eq!(operation.get("otel.name"), Some("GetContext"));
    assert_eq!(operation.get("agb.context.id"), Some(id.as_str()));
    assert_eq!(operation.get("agb.request.id"), answered.as_deref());
}

#[tokio::test]
async fn retries_are_numbered_and_failures_have_an_error_type() {
    let busy = "HTTP/1.1 503 Busy\r\nx-request-id: busy\r\ncontent-length: 0\r\n\r\n";
    let service = ScriptedServer::new([busy, ""]).await;
    let client = Client::builder()
        .api_key(KEY)
        .endpoint(&service.endpoint)
        .retry(RetryPolicy::default().max_attempts(2).backoff(
            std::time::Duration::from_millis(1),
            std::time::Duration::from_millis(1),
        ))
        .build()
        .unwrap();
    let spans = spans_of(async || {
        let id = ContextId::new("SdkCtx-1").unwrap();
        client.contexts().delete(&id).await.unwrap_err();
    })
    .await;

    let [first, second, operation] = &spans[..] else {
        panic!("{spans:#?}")
    };
    assert_eq!(first.get("http.request.resend_count"), None);
    assert_eq!(first.get("http.response.status_code"), Some("503"));
    assert_eq!(first.get("error.type"), Some("503"));
    assert_eq!(first.get("agb.request.id"), Some("busy"));
    assert_eq!(second.integers["http.request.resend_count"], 1);
    assert_eq!(first.integers["http.response.status_code"], 503);
    assert_eq!(second.get("http.response.status_code"), None);
    for span in [second, operation] {
        assert_eq!(span.get("error.type"), Some("connection"));
        assert_eq!(span.get("otel.status_code"), Some("ERROR"));
    }
    assert_eq!(operation.get("agb.operation"), Some("DeleteContext"));
}

#[tokio::test]
async fn transfer_spans_have_an_address_and_no_signature() {
    let world = World::new().await;
    let (id, files) = world.files("one").await;
    let spans = spans_of(async || {
        files.upload("/a.txt", &b"hello"[..]).await.unwrap();
        files.read("/a.txt").await.unwrap();
    })
    .await;

    let names: Vec<_> = spans
        .iter()
        .filter_map(|span| span.get("otel.name"))
        .collect();
    assert_eq!(
        names,
        [
            "POST /sdk/GetContextFileUploadUrl",
            "GetContextFileUploadUrl",
            "PUT",
            "Upload",
            "POST /sdk/GetContextFileDownloadUrl",
            "GetContextFileDownloadUrl",
            "GET",
            "Download"
        ]
    );
    for (at, operation) in [(2, "Upload"), (6, "Download")] {
        let url = spans[at].get("url.full").unwrap();
        assert!(
            url.starts_with(&format!("{}/objects/", world.server.url())),
            "{url}"
        );
        assert!(url.ends_with("?REDACTED"), "{url}");
        assert_eq!(spans[at].get("http.response.status_code"), Some("200"));
        assert_eq!(spans[at + 1].get("agb.operation"), Some(operation));
        assert_eq!(spans[at + 1].get("agb.context.id"), Some(id.as_str()));
    }
}

#[tokio::test]
async fn a_resent_transfer_is_numbered() {
    let busy = "HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n";
    let found = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
    let stored = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    let store = ScriptedServer::new([busy, found, busy, busy, stored]).await;
    let pause = std::time::Duration::from_millis(1);
    let client = Client::builder()
        .api_key(KEY)
        .endpoint(&store.endpoint)
        .retry(RetryPolicy::default().backoff(pause, pause))
        .build()
        .unwrap();
    let files = client.contexts().files(ContextId::new("SdkCtx-1").unwrap());
    let url = || agbcloud::PresignedUrl::new(store.url()).unwrap();
    let spans = spans_of(async || {
        let read = files.read("/a").presigned_url(url()).await.unwrap();
        assert_eq!(&read[..], b"ok");
        files
            .upload("/a", &b"ok"[..])
            .presigned_url(url())
            .await
            .unwrap();
    })
    .await;
    let resends: Vec<_> = spans
        .iter()
        .filter(|span| span.name == "http")
        .map(|span| {
            let resends = span.integers.get("http.request.resend_count");
            (span.get("otel.name").unwrap(), resends.copied())
        })
        .collect();
    assert_eq!(
        resends,
        [
            ("GET", None),
            ("GET", Some(1)),
            ("PUT", None),
            ("PUT", Some(1)),
            ("PUT", Some(2))
        ]
    );
}

#[tokio::test]
async fn files_of_a_folder_are_children_of_its_span() {
    let spans = spans_of(async || {
        let world = World::new().await;
        let (_, files) = world.files("one").await;
        let [here, back] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        for number in 0..40 {
            std::fs::write(here.path().join(number.to_string()), "content").unwrap();
        }
        files.upload_dir(here.path(), "/direct").await.unwrap();
        let plan = files.upload_dir(here.path(), "/planned").plan().await;
        plan.unwrap().run().await.unwrap();
        let download = files.download_dir("/direct", back.path());
        download.delete(true).await.unwrap();
        files.delete_dir("/direct").await.unwrap();
    })
    .await;
    let children = |parent: &str, name: &str| {
        let is_child = |span: &&RecordedSpan| {
            span.parent_otel_name.as_deref() == Some(parent) && span.get("otel.name") == Some(name)
        };
        spans.iter().filter(is_child).count()
    };
    assert_eq!(children("UploadDir", "Upload"), 80);
    assert_eq!(children("DownloadDir", "Download"), 40);
    assert_eq!(children("DeleteDir", "DeleteContextFile"), 40);
    assert!(children("PlanUploadDir", "DescribeContextFiles") > 0);
    // Apart from the set-up of this test, only the folders are roots.
    let roots: Vec<_> = spans
        .iter()
        .filter(|span| span.parent.is_none())
        .filter_map(|span| span.get("otel.name"))
        .collect();
    assert_eq!(
        roots,
        [
            "GetContext",
            "UploadDir",
            "PlanUploadDir",
            "UploadDir",
            "DownloadDir",
            "DeleteDir"
        ]
    );
    let counts: Vec<_> = spans
        .iter()
        .filter(|span| span.parent.is_none() && span.integers.contains_key("agb.bytes"))
        .map(|span| {
            let fields = [
                "agb.files.transferred",
                "agb.files.deleted",
                "agb.files.failed",
                "agb.bytes",
            ];
            fields.map(|field| span.integers[field])
        })
        .collect();
    let copied = [40, 0, 0, 280];
    assert_eq!(counts, [copied, copied, copied, [0, 40, 0, 0]]);
}
