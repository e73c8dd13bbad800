//! A service that follows a script.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use agbcloud_api::types;
use serde::de::DeserializeOwned;

use super::{Answer, Clock, ContextApi, ContextLookup, ContextQuery, FileQuery, Step};
use crate::{
    Context, ContextId, ContextName, ContextPage, Error, ErrorKind, FilePage, Operation,
    PresignedUrl, RemotePath, Response, Result,
    clock::Time,
    error::Reading,
    wire::{Envelope, FromEnvelope, judge, nothing, upload_url},
};

/// A service that follows a script: each try of each call, whatever the operation, meets the next [`Step`].
///
/// An answer takes the way through the SDK that one over HTTP takes: it is decoded, judged, and tried again where the
/// policy says so. Nothing is sent anywhere, so that it works in tokio's paused time. Clones follow the same script: keep
/// one to look at afterwards.
///
/// ```
/// use agbcloud::{Client, Operation, testing::{Script, Step}};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), agbcloud::Error> {
/// let script = Script::new([
///     Step::connection_reset(),
///     Step::status(503).header("retry-after", "2"),
///     Step::ok(json!({"id": "SdkCtx-1", "name": "my-project"})),
/// ]);
/// let client = Client::builder().stub(script.clone()).build()?;
/// let context = client.contexts().get_by_name("my-project").await?;
/// assert_eq!(context.id.as_str(), "SdkCtx-1");
/// assert_eq!(script.calls(), [Operation::GetContext; 3]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Script(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    steps: VecDeque<Step>,
    then_always: Option<Step>,
    calls: Vec<Operation>,
    time: Time,
}

impl Script {
    /// A script of these steps. A try after the last fails with an error of kind [`Rejected`](ErrorKind::Rejected) that
    /// says so.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self(Arc::new(Mutex::new(State {
            steps: steps.into_iter().collect(),
            then_always: None,
            calls: Vec::new(),
            time: Time::default(),
        })))
    }

    /// Repeats this step when the others are over.
    #[must_use]
    pub fn then_always(self, step: Step) -> Self {
        self.state().then_always = Some(step);
        self
    }

    /// Takes time from this clock in place of tokio's and the machine's: for the dates in its answers, such as a
    /// `Retry-After`, and for [`Step::after`]. Give it the one that the client has.
    ///
    /// ```
    /// # use std::{pin::Pin, sync::Arc, time::{Duration, Instant, SystemTime}};
    /// use agbcloud::{Client, testing::{Clock, Script, Step}};
    ///
    /// /// A clock on which it is always noon of the first day of 2026.
    /// struct Noon;
    ///
    /// impl Clock for Noon {
    ///     // …
    /// #     fn now(&self) -> Instant { tokio::time::Instant::now().into_std() }
    /// #     fn system_time(&self) -> SystemTime { SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_268_800) }
    /// #     fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> { Box::pin(tokio::time::sleep(time)) }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), agbcloud::Error> {
    /// let clock = Arc::new(Noon);
    /// let busy = Step::status(503).header("retry-after", "Thu, 01 Jan 2026 12:00:07 GMT");
    /// let script = Script::new([busy, Step::ok(())]).clock(clock.clone());
    /// let client = Client::builder().stub(script).clock(clock.clone()).build()?;
    /// let began = clock.now();
    /// client.contexts().delete(&"SdkCtx-1".try_into()?).await?;
    /// assert!(clock.now() - began >= Duration::from_secs(7));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn clock(self, clock: impl Clock + 'static) -> Self {
        self.state().time = Time::of(clock);
        self
    }

    /// What was called, in order, every try counted.
    pub fn calls(&self) -> Vec<Operation> {
        self.state().calls.clone()
    }

    /// Steps that have not been met.
    pub fn steps_left(&self) -> usize {
        self.state().steps.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
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
            let message = format!("the script is over: this is call {}", state.calls.len());
            Error::new(ErrorKind::Rejected, message)
        })
    }

    fn play<E, T>(&self, operation: Operation, read: fn(E, Reading<'_>) -> Result<T>) -> Answer<T>
    where
        E: Envelope + DeserializeOwned,
        T: 'static,
    {
        let step = self.next(operation);
        let time = self.state().time.clone();
        Box::pin(async move { perform(step?, &time, read).await })
    }
}

async fn perform<E, T>(
    step: Step,
    time: &Time,
    read: fn(E, Reading<'_>) -> Result<T>,
) -> Result<Response<T>>
where
    E: Envelope + DeserializeOwned,
{
    time.sleep(step.delay()).await;
    let response = step.play().await?;
    let result = match response.status() {
        reqwest::StatusCode::OK => agbcloud_api::decode(response).await,
        _ => Err(agbcloud_api::Error::UnexpectedResponse(response)),
    };
    let reading = Reading { key: "", time };
    judge(result, read, reading).await
}

impl ContextApi for Script {
    fn list_contexts(&self, _: ContextQuery) -> Answer<ContextPage> {
        self.play(Operation::ListContexts, ContextPage::from_envelope)
    }

    fn get_context(&self, _: ContextLookup) -> Answer<Context> {
        self.play(Operation::GetContext, Context::from_envelope)
    }

    fn modify_context(&self, _: ContextId, _: ContextName) -> Answer<()> {
        let read = nothing::<types::ModifyContextResponse>;
        self.play(Operation::ModifyContext, read)
    }

    fn delete_context(&self, _: ContextId) -> Answer<()> {
        let read = nothing::<types::DeleteContextResponse>;
        self.play(Operation::DeleteContext, read)
    }

    fn clear_context(&self, _: ContextId) -> Answer<()> {
        let read = nothing::<types::ClearContextResponse>;
        self.play(Operation::ClearContext, read)
    }

    fn list_files(&self, _: FileQuery) -> Answer<FilePage> {
        self.play(Operation::DescribeContextFiles, FilePage::from_envelope)
    }

    fn upload_url(&self, _: ContextId, _: RemotePath) -> Answer<PresignedUrl> {
        self.play(Operation::GetContextFileUploadUrl, upload_url)
    }

    fn download_url(&self, _: ContextId, _: RemotePath) -> Answer<PresignedUrl> {
        let read = PresignedUrl::from_envelope;
        self.play(Operation::GetContextFileDownloadUrl, read)
    }

    fn delete_file(&self, _: ContextId, _: RemotePath) -> Answer<()> {
        let read = nothing::<types::DeleteContextFileResponse>;
        self.play(Operation::DeleteContextFile, read)
    }
}
