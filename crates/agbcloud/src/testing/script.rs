//! A service that follows a script.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use agbcloud_api::types;
use serde::de::DeserializeOwned;

use super::{Answer, ContextApi, ContextLookup, ContextQuery, FileQuery, Step};
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
/// use agbcloud::{Agb, Operation, testing::{Script, Step}};
/// use serde_json::json;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() -> Result<(), agbcloud::Error> {
/// let script = Script::new([
///     Step::connection_reset(),
///     Step::status(503).header("retry-after", "2"),
///     Step::ok(json!({"id": "SdkCtx-1", "name": "my-project"})),
/// ]);
/// let agb = Agb::builder().stub(script.clone()).build()?;
/// let context = agb.contexts().get_by_name("my-project").await?;
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
    ever_after: Option<Step>,
    calls: Vec<Operation>,
}

impl Script {
    /// A script of these steps. A try after the last fails with an error of kind [`Rejected`](ErrorKind::Rejected) that
    /// says so.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self(Arc::new(Mutex::new(State {
            steps: steps.into_iter().collect(),
            ever_after: None,
            calls: Vec::new(),
        })))
    }

    /// Repeats this step when the others are over.
    #[must_use]
    pub fn ever_after(self, step: Step) -> Self {
        self.state().ever_after = Some(step);
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
        let step = state.steps.pop_front().or_else(|| state.ever_after.clone());
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
        Box::pin(async move { perform(step?, read).await })
    }
}

async fn perform<E, T>(step: Step, read: fn(E, Reading<'_>) -> Result<T>) -> Result<Response<T>>
where
    E: Envelope + DeserializeOwned,
{
    let time = Time::default();
    time.sleep(step.delay()).await;
    let response = step.play().await?;
    let result = match response.status() {
        reqwest::StatusCode::OK => agbcloud_api::decode(response).await,
        _ => Err(agbcloud_api::Error::UnexpectedResponse(response)),
    };
    let reading = Reading {
        key: "",
        time: &time,
    };
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
