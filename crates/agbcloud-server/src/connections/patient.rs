//! A stream that gives up on a reader who stands still or is too slow, and counts what passes.

#![allow(clippy::disallowed_methods)] // It waits by tokio's clock; nothing that is stored rests on it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

use super::table::Slot;
use crate::metrics::Traffic;
use crate::pace::Pace;

/// Fails a write that the other side takes nothing of for a while, or less than its pace. Reads wait for as long as they are asked to:
/// what a reader waits for is known further up.
pub(super) struct Patient<S> {
    stream: S,
    pace: Pace,
    traffic: Traffic,
    /// Learns that an answer was sent.
    slot: Option<Arc<Slot>>,
    /// Since when nothing was taken; none while the other side takes what it gets.
    standing: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, pace: Pace, traffic: Traffic, slot: Option<Arc<Slot>>) -> Self {
        Self {
            stream,
            pace,
            traffic,
            slot,
            standing: None,
        }
    }

    /// Counts what a write came to, and fails if that was too little for the time it took.
    fn count(&mut self, outcome: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let Poll::Ready(Ok(written)) = outcome else {
            return outcome;
        };
        self.traffic.sent(written);
        let waited = self.standing.as_ref().map_or(Duration::ZERO, |standing| {
            let since = standing.deadline() - self.pace.window();
            Instant::now().saturating_duration_since(since)
        });
        if self.pace.moved(written, waited) {
            return outcome;
        }
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the other side takes too little",
        )))
    }

    /// Passes on what a write came to, unless it has waited for too long.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if outcome.is_ready() {
            self.standing = None;
            return outcome;
        }
        let idle = self.pace.window();
        let standing = self.standing.get_or_insert_with(|| Box::pin(sleep(idle)));
        ready!(standing.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the other side takes nothing",
        )))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = Pin::new(&mut self.stream).poll_read(context, buffer);
        self.traffic.received(buffer.filled().len() - before);
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write(context, bytes);
        let outcome = self.count(outcome);
        self.watch(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        let outcome = self.count(outcome);
        self.watch(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        // A flush that is through says nothing about a write that still waits.
        match outcome {
            Poll::Ready(outcome) => {
                if outcome.is_ok()
                    && let Some(slot) = &self.slot
                {
                    slot.flushed();
                }
                Poll::Ready(outcome)
            }
            Poll::Pending => self.watch(context, Poll::Pending),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(context, outcome)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    const IDLE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stands_still_is_given_up() {
        let (near, _far) = tokio::io::duplex(4);
        let mut patient = Patient::new(near, Pace::new(IDLE, 0), Traffic::default(), None);
        patient.write_all(b"full").await.unwrap();
        let error = patient.write_all(b"more").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    /// Writes to a reader who takes a byte a minute less a second, as it may.
    async fn to_a_slow_reader(rate: u64) -> io::Result<()> {
        let (near, mut far) = tokio::io::duplex(4);
        let mut patient = Patient::new(near, Pace::new(IDLE, rate), Traffic::default(), None);
        let reading = tokio::spawn(async move {
            let mut taken = Vec::new();
            while taken.len() < 40 {
                tokio::time::sleep(IDLE - Duration::from_secs(1)).await;
                taken.push(far.read_u8().await.unwrap());
            }
            taken
        });
        patient.write_all(&[7; 40]).await?;
        assert_eq!(reading.await.unwrap(), [7; 40]);
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_waited_for_as_long_as_it_keeps_its_pace() {
        to_a_slow_reader(0).await.unwrap();
        let error = to_a_slow_reader(1).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }
}
