//! A scripted service.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use agbcloud_api::types;
use futures_util::stream;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::json;

use super::{Clock, ContextApi, ContextLookup, ContextQuery, FileQuery, ResponseFuture};
use crate::{
    clock::Time,
    error::{DecodeContext, Error, ErrorKind, Operation, Result},
    model::{
        Context, ContextId, ContextName, ContextPage, FilePage, PresignedUrl, RemotePath, Response,
    },
    wire::{Envelope, FromEnvelope, decode_envelope, file_urls, ignore_data, upload_url},
};

/// A scripted service: each attempt of each call takes the next [`Step`], whatever the operation.
///
/// The SDK treats a response like one over HTTP: it decodes it, and retries failures according to the policy. Nothing is sent,
/// so that a script works in the paused time of tokio. Clones share the script; keep one to inspect it afterwards.
///
/// ```
/// use agbcloud::{Client, Operation, testing::{Script, Step}};
/// use serde_json::json;
///
/// # agbcloud_doctest::run_paused(async || {
/// let script = Script::new([
///     Step::connection_reset(),
///     Step::status(503).header("retry-after", "2"),
///     Step::ok(json!({"id": "SdkCtx-1", "name": "my-project"})),
/// ]);
/// let client = Client::builder().stub(script.clone()).build()?;
/// let context = client.contexts().get_by_name("my-project").await?;
/// assert_eq!(context.id.as_str(), "SdkCtx-1");
/// assert_eq!(script.calls(), [Operation::GetContext; 3]);
/// # Ok(()) });
/// ```
#[derive(Debug, Clone)]
pub struct Script(Arc<Mutex<ScriptState>>);

#[derive(Debug)]
struct ScriptState {
    steps: VecDeque<Step>,
    then_always: Option<Step>,
    calls: Vec<Operation>,
    time: Time,
}

impl Script {
    /// Creates a script of these steps. An attempt after the last step fails with [`Rejected`](ErrorKind::Rejected).
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self(Arc::new(Mutex::new(ScriptState {
            steps: steps.into_iter().collect(),
            then_always: None,
            calls: Vec::new(),
            time: Time::default(),
        })))
    }

    /// Sets a step that is repeated after all others.
    #[must_use]
    pub fn then_always(self, step: Step) -> Self {
        self.state().then_always = Some(step);
        self
    }

    /// Sets the clock, for dates in responses such as `Retry-After`, and for [`Step::after`]. Defaults to that of tokio. Use
    /// the clock of the client.
    ///
    /// ```
    /// use agbcloud::{Client, testing::{Clock, Script, Step}};
    /// use std::{pin::Pin, sync::Arc, time::{Duration, Instant, SystemTime}};
    ///
    /// /// A clock whose date is always noon of the first day of 2026.
    /// struct Noon;
    ///
    /// impl Clock for Noon {
    ///     fn now(&self) -> Instant { tokio::time::Instant::now().into_std() }
    ///     fn system_time(&self) -> SystemTime { SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_268_800) }
    ///     fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> { Box::pin(tokio::time::sleep(time)) }
    /// }
    ///
    /// # agbcloud_doctest::run_paused(async || {
    /// let clock = Arc::new(Noon);
    /// let busy = Step::status(503).header("retry-after", "Thu, 01 Jan 2026 12:00:07 GMT");
    /// let script = Script::new([busy, Step::ok(())]).clock(clock.clone());
    /// let client = Client::builder().stub(script).clock(clock.clone()).build()?;
    /// let began = clock.now();
    /// client.contexts().delete("SdkCtx-1").await?;
    /// assert!(clock.now() - began >= Duration::from_secs(7));
    /// # Ok(()) });
    /// ```
    #[must_use]
    pub fn clock(self, clock: impl Clock + 'static) -> Self {
        self.state().time = Time::of(clock);
        self
    }

    /// Returns the operations of all attempts, in order.
    pub fn calls(&self) -> Vec<Operation> {
        self.state().calls.clone()
    }

    /// Returns the number of unused steps.
    pub fn steps_left(&self) -> usize {
        self.state().steps.len()
    }

    fn state(&self) -> MutexGuard<'_, ScriptState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self, operation: Operation) -> Result<Step> {
        let mut state = self.state();
        state.calls.push(operation);
        let step = state
            .steps
            .pop_front()
            .or_else(|| state.then_always.clone());
        step.ok_or_else(|| {
            let message = format!("the script has no step for call {}", state.calls.len());
            Error::new(ErrorKind::Rejected, message)
        })
    }

    fn play<E, T>(
        &self,
        operation: Operation,
        decode: impl FnOnce(E, DecodeContext<'_>) -> Result<T> + Send + 'static,
    ) -> ResponseFuture<T>
    where
        E: Envelope + DeserializeOwned,
        T: 'static,
    {
        let step = self.next(operation);
        let time = self.state().time.clone();
        Box::pin(async move { perform(step?, &time, decode).await })
    }
}

async fn perform<E, T>(
    step: Step,
    time: &Time,
    decode: impl FnOnce(E, DecodeContext<'_>) -> Result<T>,
) -> Result<Response<T>>
where
    E: Envelope + DeserializeOwned,
{
    time.sleep(step.delay).await;
    let response = step.play().await?;
    let result = match response.status() {
        reqwest::StatusCode::OK => agbcloud_api::decode(response).await,
        _ => Err(agbcloud_api::Error::UnexpectedResponse(response)),
    };
    let context = DecodeContext { key: "", time };
    decode_envelope(result, decode, context).await
}

impl ContextApi for Script {
    fn list_contexts(&self, _: ContextQuery) -> ResponseFuture<ContextPage> {
        self.play(Operation::ListContexts, ContextPage::from_envelope)
    }

    fn get_context(&self, _: ContextLookup) -> ResponseFuture<Context> {
        self.play(Operation::GetContext, Context::from_envelope)
    }

    fn modify_context(&self, _: ContextId, _: ContextName) -> ResponseFuture<()> {
        let decode = ignore_data::<types::ModifyContextResponse>;
        self.play(Operation::ModifyContext, decode)
    }

    fn delete_context(&self, _: ContextId) -> ResponseFuture<()> {
        let decode = ignore_data::<types::DeleteContextResponse>;
        self.play(Operation::DeleteContext, decode)
    }

    fn clear_context(&self, _: ContextId) -> ResponseFuture<()> {
        let decode = ignore_data::<types::ClearContextResponse>;
        self.play(Operation::ClearContext, decode)
    }

    fn list_files(&self, _: FileQuery) -> ResponseFuture<FilePage> {
        self.play(Operation::DescribeContextFiles, FilePage::from_envelope)
    }

    fn upload_url(&self, _: ContextId, _: RemotePath) -> ResponseFuture<PresignedUrl> {
        self.play(Operation::GetContextFileUploadUrl, upload_url)
    }

    fn download_url(&self, _: ContextId, _: RemotePath) -> ResponseFuture<PresignedUrl> {
        let decode = PresignedUrl::from_envelope;
        self.play(Operation::GetContextFileDownloadUrl, decode)
    }

    fn upload_urls(
        &self,
        _: ContextId,
        paths: Vec<RemotePath>,
    ) -> ResponseFuture<Vec<Result<PresignedUrl>>> {
        self.play(
            Operation::GetContextFileUrls,
            move |envelope, context: DecodeContext<'_>| file_urls(envelope, &paths, context),
        )
    }

    fn download_urls(
        &self,
        context: ContextId,
        paths: Vec<RemotePath>,
    ) -> ResponseFuture<Vec<Result<PresignedUrl>>> {
        self.upload_urls(context, paths)
    }

    fn delete_file(&self, _: ContextId, _: RemotePath) -> ResponseFuture<()> {
        let decode = ignore_data::<types::DeleteContextFileResponse>;
        self.play(Operation::DeleteContextFile, decode)
    }
}

/// One attempt of a [`Script`]: a response, or a failure without one.
///
/// ```
/// use agbcloud::testing::Step;
///
/// let steps = [
///     Step::connection_reset(),
///     Step::status(503).header("retry-after", "2"),
///     Step::status(502).header("content-type", "text/html").body("<html>Bad Gateway</html>"),
///     Step::error(404, "InvalidContext.NotFound", "no such context"),
///     Step::ok(serde_json::json!({"id": "SdkCtx-1", "name": "my-project"})),
/// ];
/// ```
#[derive(Debug, Clone)]
#[must_use = "a step does nothing until a script has it"]
pub struct Step {
    action: StepAction,
    delay: Duration,
}

#[derive(Debug, Clone)]
enum StepAction {
    Respond(Box<HttpResponse>),
    RefuseConnection,
    ResetConnection,
    NoResponse,
}

#[derive(Debug, Clone)]
struct HttpResponse {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    truncated: bool,
}

impl Step {
    fn new(action: StepAction) -> Self {
        Self {
            action,
            delay: Duration::ZERO,
        }
    }

    /// Responds with this status and no body.
    pub fn status(status: u16) -> Self {
        Self::new(StepAction::Respond(Box::new(HttpResponse {
            status,
            headers: Vec::new(),
            body: Vec::new(),
            truncated: false,
        })))
    }

    /// Responds with status 200 and this value as JSON: a whole envelope.
    pub fn json(envelope: impl Serialize) -> Self {
        // A value that can't be serialized becomes a response that is not JSON.
        let body = serde_json::to_vec(&envelope).unwrap_or_else(|error| error.to_string().into());
        Self::status(200)
            .header("content-type", "application/json")
            .body(body)
    }

    /// Responds with a successful envelope with this `data`.
    pub fn ok(data: impl Serialize) -> Self {
        #[derive(Serialize)]
        struct SuccessEnvelope<T> {
            success: bool,
            code: &'static str,
            data: T,
        }
        Self::json(SuccessEnvelope {
            success: true,
            code: "ok",
            data,
        })
    }

    /// Responds with this status and an envelope with this code and message.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        let envelope = json!({"success": false, "code": code, "message": message});
        Self::json(envelope).with_status(status)
    }

    /// Refuses the connection, so that the call can't have been executed.
    pub fn connection_refused() -> Self {
        Self::new(StepAction::RefuseConnection)
    }

    /// Resets the connection after the call was sent, so that it may have been executed.
    pub fn connection_reset() -> Self {
        Self::new(StepAction::ResetConnection)
    }

    /// Never responds.
    pub fn no_response() -> Self {
        Self::new(StepAction::NoResponse)
    }

    /// Sets a delay before the action, by the [clock of the script](Script::clock).
    pub fn after(mut self, wait: Duration) -> Self {
        self.delay = wait;
        self
    }

    /// Adds a header to the response, if there is one. Headers of the same name are kept.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let StepAction::Respond(response) = &mut self.action {
            response.headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    /// Sets the body of the response.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        if let StepAction::Respond(response) = &mut self.action {
            response.body = body.into();
        }
        self
    }

    /// Resets the connection after the body, so that the response is incomplete.
    pub fn truncated(mut self) -> Self {
        if let StepAction::Respond(response) = &mut self.action {
            response.truncated = true;
        }
        self
    }

    fn with_status(mut self, status: u16) -> Self {
        if let StepAction::Respond(response) = &mut self.action {
            response.status = status;
        }
        self
    }

    async fn play(self) -> Result<reqwest::Response, Error> {
        match self.action {
            StepAction::Respond(response) => response.into_response(),
            StepAction::RefuseConnection => Err(Error::no_connection()),
            StepAction::ResetConnection => Err(Error::connection_closed()),
            StepAction::NoResponse => std::future::pending().await,
        }
    }
}

impl HttpResponse {
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
            let message = "a step of the script has an invalid status or header";
            Error::new(ErrorKind::InvalidArgument, message).with_source(error)
        })?;
        Ok(response.into())
    }
}
