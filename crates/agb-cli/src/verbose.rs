//! `-v` and `-vv`: the calls of a command on stderr, from the spans of the SDK. These contain no key and no signature.

use std::{
    fmt::{self, Debug, Write},
    time::Instant,
};

use tracing::{
    Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context, SubscriberExt},
    registry::LookupSpan,
};

use crate::{clock, stderr};

/// The span of a call or a transfer, with all its attempts.
const OPERATION: &str = "agb.operation";

/// The span of one request.
const REQUEST: &str = "http";

/// Shows each call from now on; with a level above 1, each request of it too. Without `-v`, nothing is observed.
pub(crate) fn start(level: u8) {
    if level == 0 {
        return;
    }
    let subscriber = Registry::default().with(Calls {
        shows_requests: level > 1,
    });
    // Fails only if the process has a subscriber.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

struct Calls {
    shows_requests: bool,
}

/// A call or a request that is in progress.
struct Observed {
    started: Instant,
    requests: u64,
    fields: Fields,
}

#[derive(Default)]
struct Fields {
    name: String,
    url: Option<String>,
    status: Option<String>,
    error: Option<String>,
    request_id: Option<String>,
    resends: Option<String>,
    bytes: Option<String>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}");
        match field.name() {
            "otel.name" => self.name = value,
            "url.full" => self.url = Some(value),
            "http.response.status_code" => self.status = Some(value),
            "error.type" => self.error = Some(value),
            "agb.request.id" => self.request_id = Some(value),
            "http.request.resend_count" => self.resends = Some(value),
            "agb.bytes" => self.bytes = Some(value),
            _ => {}
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

fn is_observed(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && matches!(metadata.name(), OPERATION | REQUEST)
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Calls {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        is_observed(metadata)
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else {
            return;
        };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(Observed {
            started: clock::instant(),
            requests: 0,
            fields,
        });
        if span.name() != REQUEST {
            return;
        }
        let call = span.scope().skip(1).find(|span| span.name() == OPERATION);
        if let Some(call) = call
            && let Some(call) = call.extensions_mut().get_mut::<Observed>()
        {
            call.requests += 1;
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(observed) = span.extensions_mut().get_mut::<Observed>()
        {
            values.record(&mut observed.fields);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else {
            return;
        };
        let extensions = span.extensions();
        let Some(observed) = extensions.get::<Observed>() else {
            return;
        };
        match span.name() {
            REQUEST if self.shows_requests => stderr::note(observed.request()),
            OPERATION => stderr::note(observed.call()),
            _ => {}
        }
    }
}

impl Observed {
    /// `call: ListContexts 200 in 12 ms, 2 requests, request id …`
    fn call(&self) -> String {
        let mut line = format!("call: {}", self.fields.name);
        self.add_result(&mut line);
        if self.requests > 1 {
            let _ = write!(line, ", {} requests", self.requests);
        }
        if let Some(bytes) = &self.fields.bytes {
            let _ = write!(line, ", {bytes} bytes");
        }
        self.add_request_id(&mut line);
        line
    }

    /// `request: GET /sdk/ListContexts http://… 200 in 12 ms, request id …`
    fn request(&self) -> String {
        let method = self.fields.name.split(' ').next().unwrap_or_default();
        let url = self.fields.url.as_deref().unwrap_or_default();
        let mut line = format!("request: {method} {url}");
        self.add_result(&mut line);
        if let Some(resends) = &self.fields.resends {
            let _ = write!(line, ", retry {resends}");
        }
        self.add_request_id(&mut line);
        line
    }

    fn add_result(&self, line: &mut String) {
        let fields = &self.fields;
        // The type of an error with a status is the status.
        let error = fields.error.as_ref().filter(|_| fields.status.is_none());
        if let Some(result) = fields.status.as_ref().or(error) {
            let _ = write!(line, " {result}");
        }
        let _ = write!(line, " in {}", Milliseconds(self.started));
    }

    fn add_request_id(&self, line: &mut String) {
        if let Some(id) = &self.fields.request_id {
            let _ = write!(line, ", request id {id}");
        }
    }
}

/// The time since the start.
struct Milliseconds(Instant);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let elapsed = clock::instant().saturating_duration_since(self.0);
        write!(f, "{} ms", elapsed.as_millis())
    }
}
