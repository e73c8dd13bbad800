//! What a service does on one try.

use std::time::Duration;

use futures_util::stream;
use serde::Serialize;
use serde_json::json;

use crate::{Error, ErrorKind};

/// What a scripted service does on one try: an answer, or one of the ways not to give one. For a
/// [`Script`](super::Script).
///
/// ```
/// use agbcloud::testing::Step;
///
/// let steps = [
///     Step::connection_reset(),
///     Step::status(503).header("retry-after", "2"),
///     Step::status(502).header("content-type", "text/html").body("<html>Bad Gateway</html>"),
///     Step::failure(404, "InvalidContext.NotFound", "no such context"),
///     Step::ok(serde_json::json!({"id": "SdkCtx-1", "name": "my-project"})),
/// ];
/// ```
#[derive(Debug, Clone)]
#[must_use = "a step does nothing until a script has it"]
pub struct Step {
    does: Does,
    after: Duration,
}

#[derive(Debug, Clone)]
enum Does {
    Answers(Box<HttpAnswer>),
    Refuses,
    Resets,
    IsSilent,
}

#[derive(Debug, Clone)]
struct HttpAnswer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    truncated: bool,
}

impl Step {
    fn new(does: Does) -> Self {
        Self {
            does,
            after: Duration::ZERO,
        }
    }

    /// Answers with this status and no body.
    pub fn status(status: u16) -> Self {
        Self::new(Does::Answers(Box::new(HttpAnswer {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            truncated: false,
        })))
    }

    /// Answers with status 200 and this as JSON: a whole envelope.
    pub fn json(envelope: impl Serialize) -> Self {
        // What can't be written as JSON shows itself as an answer that is not JSON.
        let body = serde_json::to_vec(&envelope).unwrap_or_else(|error| error.to_string().into());
        Self::status(200)
            .header("content-type", "application/json")
            .body(body)
    }

    /// Succeeds with this as the `data` of the envelope.
    pub fn ok(data: impl Serialize) -> Self {
        #[derive(Serialize)]
        struct Envelope<T> {
            success: bool,
            code: &'static str,
            data: T,
        }
        Self::json(Envelope {
            success: true,
            code: "ok",
            data,
        })
    }

    /// Fails with this status and, in the envelope, this code and message.
    pub fn failure(status: u16, code: &str, message: &str) -> Self {
        let envelope = json!({"success": false, "code": code, "message": message});
        Self::json(envelope).with_status(status)
    }

    /// Lets no connection come about: the call can't have been carried out.
    pub fn connection_refused() -> Self {
        Self::new(Does::Refuses)
    }

    /// Breaks the connection when the call was sent: it may have been carried out.
    pub fn connection_reset() -> Self {
        Self::new(Does::Resets)
    }

    /// Never answers.
    pub fn silence() -> Self {
        Self::new(Does::IsSilent)
    }

    /// Waits so long before all that, by tokio's clock or [that of the script](super::Script::clock).
    pub fn after(mut self, wait: Duration) -> Self {
        self.after = wait;
        self
    }

    /// Adds a header to the answer; one of the same name stays. Nothing is added where there is no answer.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let Does::Answers(answer) = &mut self.does {
            answer.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Sets the body of the answer.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        if let Does::Answers(answer) = &mut self.does {
            answer.body = body.into();
        }
        self
    }

    /// Breaks the connection after the body, before the answer is whole.
    pub fn truncated(mut self) -> Self {
        if let Does::Answers(answer) = &mut self.does {
            answer.truncated = true;
        }
        self
    }

    fn with_status(mut self, status: u16) -> Self {
        if let Does::Answers(answer) = &mut self.does {
            answer.status = status;
        }
        self
    }

    /// How long it waits before it does what it does.
    pub(super) fn delay(&self) -> Duration {
        self.after
    }

    /// The answer, or why there is none.
    pub(super) async fn play(self) -> Result<reqwest::Response, Error> {
        match self.does {
            Does::Answers(answer) => answer.into_response(),
            Does::Refuses => Err(Error::no_connection()),
            Does::Resets => Err(Error::broken_off()),
            Does::IsSilent => std::future::pending().await,
        }
    }
}

impl HttpAnswer {
    fn into_response(self) -> Result<reqwest::Response, Error> {
        let body = if self.truncated {
            let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
            reqwest::Body::wrap_stream(stream::iter([Ok(self.body), Err(broken)]))
        } else {
            reqwest::Body::from(self.body)
        };
        let mut response = http::Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        let response = response.body(body).map_err(|error| {
            let message = "a step of the script has a status or header that HTTP does not allow";
            Error::new(ErrorKind::InvalidArgument, message).with_source(error)
        })?;
        Ok(response.into())
    }
}
