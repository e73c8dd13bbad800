//! A stream with a write timeout and a minimum write rate.

#![expect(
    clippy::disallowed_methods,
    reason = "timeouts use real time; no stored data depends on it"
)]

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::connection_table::Slot;
use crate::http::MinimumRate;
use crate::metrics::ConnectionMetrics;

/// A stream whose writes fail if the client stops reading or reads below a minimum rate, and which counts bytes. Reads have
/// no timeout here: the readers have timeouts of their own.
pub(super) struct WriteTimeout<S> {
    stream: S,
    rate: MinimumRate,
    metrics: ConnectionMetrics,
    /// Notified when a response is sent.
    slot: Option<Arc<Slot>>,
    /// Times out a pending write. `None` while no write is pending.
    pending: Option<Pin<Box<Sleep>>>,
}

impl<S> WriteTimeout<S> {
    pub(super) fn new(
        stream: S,
        rate: MinimumRate,
        metrics: ConnectionMetrics,
        slot: Option<Arc<Slot>>,
    ) -> Self {
        Self {
            stream,
            rate,
            metrics,
            slot,
            pending: None,
        }
    }

    /// Counts written bytes, and fails if they are below the minimum rate.
    fn count(&mut self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let Poll::Ready(Ok(written)) = outcome else {
            return outcome;
        };
        self.metrics.sent.inc_by(written as u64);
        let waited = self.pending.as_ref().map_or(Duration::ZERO, |pending| {
            let since = pending.deadline() - self.rate.window();
            Instant::now().saturating_duration_since(since)
        });
        if self.rate.record(written, waited) {
            return outcome;
        }
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client reads too slowly",
        )))
    }

    /// Returns the outcome of a write, or a timeout if it has been pending for too long.
    fn limit<T>(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.pending = None;
            return outcome;
        }
        let idle = self.rate.window();
        let pending = self.pending.get_or_insert_with(|| Box::pin(sleep(idle)));
        ready!(pending.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the client does not read",
        )))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for WriteTimeout<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        let received = buffer.filled().len() - before;
        self.metrics.received.inc_by(received as u64);
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for WriteTimeout<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        let outcome = self.count(outcome);
        self.limit(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        let outcome = self.count(outcome);
        self.limit(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        // A completed flush does not complete a pending write.
        match outcome {
            Poll::Ready(outcome) => {
                if outcome.is_ok()
                    && let Some(slot) = &self.slot
                {
                    slot.flushed();
                }
                Poll::Ready(outcome)
            }
            Poll::Pending => self.limit(context, Poll::Pending),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(context);
        self.limit(context, outcome)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_write_to_an_idle_reader_times_out() {
        let (near, _far) = tokio::io::duplex(4);
        let mut stream = WriteTimeout::new(
            near,
            MinimumRate::new(IDLE, 0),
            ConnectionMetrics::default(),
            None,
        );
        stream.write_all(b"full").await.unwrap();
        let error = stream.write_all(b"more").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    /// Writes to a client that reads a byte shortly before each timeout.
    async fn write_to_slow_reader(rate: u64) -> io::Result<()> {
        let (near, mut far) = tokio::io::duplex(4);
        let mut stream = WriteTimeout::new(
            near,
            MinimumRate::new(IDLE, rate),
            ConnectionMetrics::default(),
            None,
        );
        let reading = tokio::spawn(async move {
            let mut received = Vec::new();
            while received.len() < 40 {
                tokio::time::sleep(IDLE - Duration::from_secs(1)).await;
                received.push(far.read_u8().await.unwrap());
            }
            received
        });
        stream.write_all(&[7; 40]).await?;
        assert_eq!(reading.await.unwrap(), [7; 40]);
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_below_the_minimum_rate_times_out() {
        write_to_slow_reader(0).await.unwrap();
        let error = write_to_slow_reader(1).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
