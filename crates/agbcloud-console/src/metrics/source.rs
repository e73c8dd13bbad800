//! [`MetricsSource`]: reads the metrics of a service regularly.

use std::{
    error::Error,
    sync::Arc,
    time::{Duration, SystemTime},
};

use agbcloud::Client;

use super::{history::History, sample::Sample};
use crate::error::ConsoleError;

/// Maximum time of one reading.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Maximum bytes of the metrics. Those of `agb serve` have a few ten thousand.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// The URL of the metrics, and the client that reads it.
pub(crate) struct MetricsSource {
    url: reqwest::Url,
    http: reqwest::Client,
}

impl MetricsSource {
    pub(crate) fn new(url: &str) -> Result<Self, ConsoleError> {
        let url = reqwest::Url::parse(url).map_err(|_| ConsoleError::InvalidMetricsUrl)?;
        if url.scheme() != "http" || !url.username().is_empty() || url.password().is_some() {
            return Err(ConsoleError::InvalidMetricsUrl);
        }
        let http = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            // The service closes idle connections after about the time between two readings, so that a reading on one
            // could fail.
            .pool_max_idle_per_host(0)
            .build()
            .map_err(|error| ConsoleError::Start(Box::new(error)))?;
        Ok(Self { url, http })
    }

    async fn read(&self) -> Result<String, String> {
        let explain = |error: reqwest::Error| {
            let error = with_sources(&error.without_url());
            format!("the metrics at {} can't be read: {error}", self.url)
        };
        let response = self.http.get(self.url.clone()).send().await;
        let mut response = response
            .and_then(reqwest::Response::error_for_status)
            .map_err(explain)?;
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(explain)? {
            text.extend_from_slice(&chunk);
            if text.len() > MAX_BYTES {
                return Err(format!("the metrics at {} are too long", self.url));
            }
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

/// The error and its sources in one line.
fn with_sources(error: &(dyn Error + 'static)) -> String {
    let sources = std::iter::successors(Some(error), |error| Error::source(*error));
    let texts: Vec<_> = sources.map(ToString::to_string).collect();
    texts.join(": ")
}

/// Reads the metrics until the task is aborted.
#[expect(
    clippy::disallowed_methods,
    reason = "plots show real time; no stored data depends on it"
)]
pub(crate) async fn sample(source: MetricsSource, client: Client, history: Arc<History>) {
    let mut ticks = tokio::time::interval(history.interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let text = source.read().await;
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let at = now.unwrap_or_default().as_secs_f64();
        let reading = match text {
            Ok(text) => {
                let mut sample = Sample::parse(&text);
                sample.at = at;
                // The metrics do not contain the number of contexts.
                let page = client.contexts().list().page_size(1).send().await;
                let total = page.ok().and_then(|page| page.total_count);
                sample.contexts = total.map(|total| total as f64);
                Ok(sample)
            }
            Err(problem) => Err(problem),
        };
        history.record(at, reading);
    }
}
