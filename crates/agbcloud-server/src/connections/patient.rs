//! A stream that gives up on a reader who stands still, and counts what passes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::metrics::Traffic;

/// Fails a write that the other side takes nothing of for a while. Reads wait for as long as they are asked to:
/// what a reader waits for is known further up.
pub(super) struct Patient<S> {
    stream: S,
    idle: Duration,
    traffic: Traffic,
    /// Since when nothing was taken; none while the other side takes what it gets.
    standing: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, idle: Duration, traffic: Traffic) -> Self {
        Self {
            stream,
            idle,
            traffic,
            standing: None,
        }
    }

    fn count(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(written)) = written {
            self.traffic.sent(*written);
        }
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
        let idle = self.idle;
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
        self.count(&outcome);
        self.watch(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.stream).poll_write_vectored(context, bytes);
        self.count(&outcome);
        self.watch(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(context);
        // A flush that is through says nothing about a write that still waits.
        match outcome {
            Poll::Ready(outcome) => Poll::Ready(outcome),
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
        let mut patient = Patient::new(near, IDLE, Traffic::default());
        patient.write_all(b"full").await.unwrap();
        let error = patient.write_all(b"more").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_waited_for_as_long_as_it_moves() {
        let (near, mut far) = tokio::io::duplex(4);
        let mut patient = Patient::new(near, IDLE, Traffic::default());
        let reading = tokio::spawn(async move {
            let mut taken = Vec::new();
            for _ in 0..40 {
                tokio::time::sleep(IDLE - Duration::from_secs(1)).await;
                taken.push(far.read_u8().await.unwrap());
            }
            taken
        });
        patient.write_all(&[7; 40]).await.unwrap();
        assert_eq!(reading.await.unwrap(), [7; 40]);
    }
}
