//! The settings of a client in tests.

use std::sync::Arc;

use bytes::Bytes;

use super::ClientBuilder;
use crate::{
    Error, Result,
    clock::{Clock, Time},
    retry::Jitter,
    transfer::StubStore,
    wire::{ContextApi, StubApi},
};

/// For tests, with the feature `test-util`.
#[cfg_attr(docsrs, doc(cfg(feature = "test-util")))]
impl ClientBuilder {
    /// Replaces the service for all calls, by a [`MockContextApi`](crate::testing::MockContextApi), a
    /// [`Script`](crate::testing::Script), or any other [`ContextApi`](crate::testing::ContextApi). The client needs no API
    /// key. [`stub_store`](Self::stub_store) replaces the transfers.
    ///
    /// ```
    /// use agbcloud::{Client, testing::{MockContextApi, context, ok}};
    ///
    /// # agbcloud_doctest::run(async |_| {
    /// let mut api = MockContextApi::new();
    /// api.expect_get_context().returning(|_| ok(context("SdkCtx-1", "my-project")));
    /// let client = Client::builder().stub(api).build()?;
    /// let found = client.contexts().get_by_name("my-project").await?;
    /// assert_eq!(found.id.as_str(), "SdkCtx-1");
    /// # Ok(()) });
    /// ```
    pub fn stub(mut self, api: impl ContextApi + 'static) -> Self {
        self.stub = Some(StubApi(Arc::new(api)));
        self
    }

    /// Replaces the object store for all transfers: the function receives each request to a presigned URL with its whole
    /// body, and returns the response or the error of the attempt. It runs in the task of the transfer.
    ///
    /// ```
    /// use agbcloud::{Client, testing::{Script, Step}};
    /// use bytes::Bytes;
    /// use serde_json::json;
    ///
    /// # agbcloud_doctest::run(async |_| {
    /// let script = Script::new([Step::ok(json!({"url": "https://store.test/a.txt", "expireTime": 3600}))]);
    /// let store = |request: http::Request<Bytes>| {
    ///     assert_eq!(request.uri().path(), "/a.txt");
    ///     Ok::<_, agbcloud::Error>(http::Response::new(Bytes::from("hello")))
    /// };
    /// let client = Client::builder().stub(script).stub_store(store).build()?;
    /// assert_eq!(client.contexts().files("SdkCtx-1").read("/a.txt").await?, b"hello"[..]);
    /// # Ok(()) });
    /// ```
    pub fn stub_store<E: Into<Error>>(
        mut self,
        store: impl Fn(http::Request<Bytes>) -> Result<http::Response<Bytes>, E> + Send + Sync + 'static,
    ) -> Self {
        self.stub_store = Some(StubStore::new(move |request| {
            store(request).map_err(Into::into)
        }));
        self
    }

    /// Sets the clock. Defaults to that of tokio. The timeout of an attempt over HTTP always uses tokio's clock, since the
    /// HTTP client measures it.
    ///
    /// With a stub, the clock measures the timeout of attempts too: with a clock whose waits end immediately, every attempt
    /// without an immediate response times out.
    ///
    /// ```
    /// use std::{pin::Pin, time::{Duration, Instant, SystemTime}};
    /// use agbcloud::{Client, testing::{Clock, Script, Step}};
    ///
    /// /// A clock that runs a thousand times as fast, from the given time.
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
    /// # agbcloud_doctest::run(async |_| {
    /// let script = Script::new([Step::status(503), Step::status(503), Step::ok(())]);
    /// let client = Client::builder().stub(script).clock(Hurried(Instant::now())).build()?;
    /// client.contexts().delete("SdkCtx-1").await?;
    /// # Ok(()) });
    /// ```
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.time = Time::of(clock);
        self
    }

    /// Sets the source of the random part of each wait: numbers from 0 (only the requested wait) to 1 (the longest wait).
    /// Other numbers are clamped.
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
