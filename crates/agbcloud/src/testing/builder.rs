//! What a test can give to a client.

use std::sync::Arc;

use super::{Clock, ContextApi};
use crate::{AgbBuilder, clock::Time, retry::Jitter, wire::Stub};

/// With the feature `test-util`.
impl AgbBuilder {
    /// Lets this answer all calls in place of the endpoint: a [`MockContextApi`](super::MockContextApi), a
    /// [`Script`](super::Script), or anything that implements [`ContextApi`]. No API key is needed then. What goes to
    /// presigned URLs goes there for real.
    ///
    /// ```
    /// use agbcloud::{Agb, testing::{MockContextApi, context, ok}};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), agbcloud::Error> {
    /// let mut api = MockContextApi::new();
    /// api.expect_get_context().returning(|_| ok(context("SdkCtx-1", "my-project")));
    /// let agb = Agb::builder().stub(api).build()?;
    /// assert_eq!(agb.contexts().get_by_name("my-project").await?.id, "SdkCtx-1");
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
    /// ```
    /// use std::time::{Duration, Instant, SystemTime};
    /// use agbcloud::{Agb, testing::{Answer, Clock, Script, Step, context}};
    ///
    /// /// A clock on which every wait is over at once.
    /// struct Hurried;
    ///
    /// impl Clock for Hurried {
    ///     fn now(&self) -> Instant { Instant::now() }
    ///     fn system_time(&self) -> SystemTime { SystemTime::now() }
    ///     fn sleep(&self, _: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>> { Box::pin(async {}) }
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), agbcloud::Error> {
    /// let script = Script::new([Step::status(503), Step::status(503), Step::ok(())]);
    /// let agb = Agb::builder().stub(script).clock(Hurried).build()?;
    /// agb.contexts().delete(&"SdkCtx-1".try_into()?).await?;
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
    /// use agbcloud::Agb;
    ///
    /// let agb = Agb::builder().api_key("test").endpoint("localhost:8780").jitter(|| 0.0).build()?;
    /// # Ok::<(), agbcloud::Error>(())
    /// ```
    pub fn jitter(mut self, numbers: impl Fn() -> f64 + Send + Sync + 'static) -> Self {
        self.jitter = Jitter::new(numbers);
        self
    }
}
