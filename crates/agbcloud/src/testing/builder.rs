//! What a test can give to a client.

use std::sync::Arc;

use super::{Clock, ContextApi};
use crate::{ClientBuilder, clock::Time, retry::Jitter, wire::Stub};

/// With the feature `test-util`.
impl ClientBuilder {
    /// Lets this answer all calls in place of the endpoint: a [`MockContextApi`](super::MockContextApi), a
    /// [`Script`](super::Script), or anything that implements [`ContextApi`]. No API key is needed then. What goes to
    /// presigned URLs goes there for real.
    ///
    /// ```
    /// use agbcloud::{Client, testing::{MockContextApi, context, ok}};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), agbcloud::Error> {
    /// let mut api = MockContextApi::new();
    /// api.expect_get_context().returning(|_| ok(context("SdkCtx-1", "my-project")));
    /// let client = Client::builder().stub(api).build()?;
    /// let found = client.contexts().get_by_name("my-project").await?;
    /// assert_eq!(found.id.as_str(), "SdkCtx-1");
    /// # Ok(())
    /// # }
    /// ```
    pub fn stub(mut self, api: impl ContextApi + 'static) -> Self {
        self.stub = Some(Stub(Arc::new(api)));
        self
    }

    /// Takes time from this clock in place of tokio's. The time that an answer over HTTP may take is kept by the HTTP
    /// library, and so by tokio's clock all the same.
    ///
    /// It is also what ends a try that gets no answer: on a clock on which every wait is over at once, every try that
    /// does not answer at once has timed out.
    ///
    /// ```
    /// use std::{pin::Pin, time::{Duration, Instant, SystemTime}};
    /// use agbcloud::{Client, testing::{Clock, Script, Step}};
    ///
    /// /// A clock that runs a thousand times as fast as others, from the time that it holds.
    /// struct Hurried(Instant);
    ///
    /// impl Clock for Hurried {
    ///     fn now(&self) -> Instant { self.0 + self.0.elapsed() * 1000 }
    ///     fn system_time(&self) -> SystemTime { SystemTime::now() }
    ///     fn sleep(&self, time: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    ///         Box::pin(tokio::time::sleep(time / 1000))
    ///     }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), agbcloud::Error> {
    /// let script = Script::new([Step::status(503), Step::status(503), Step::ok(())]);
    /// let client = Client::builder().stub(script).clock(Hurried(Instant::now())).build()?;
    /// client.contexts().delete(&"SdkCtx-1".try_into()?).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.time = Time::of(clock);
        self
    }

    /// Takes the random part of each wait from this: numbers from 0 (no wait but what the service asked for) to 1 (the
    /// longest). What is outside counts as the nearer end.
    ///
    /// ```
    /// use agbcloud::Client;
    ///
    /// let client = Client::builder().api_key("test").endpoint("localhost:8780").jitter(|| 0.0).build()?;
    /// # Ok::<(), agbcloud::Error>(())
    /// ```
    pub fn jitter(mut self, numbers: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        self.jitter = Jitter::new(numbers);
        self
    }
}
