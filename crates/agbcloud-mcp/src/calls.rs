//! [`CallQueue`]: how many calls run and wait.

use std::sync::{Mutex, PoisonError};

use agbcloud::ErrorKind;
use rmcp::model::JsonObject;
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{
    failure::{Failure, Result},
    limits::{CONCURRENT_CALLS, WAITING_BYTES, WAITING_CALLS},
};

/// Lets a number of calls run, and bounds those that wait for them.
#[derive(Debug)]
pub(crate) struct CallQueue {
    /// One permit for each call that runs.
    permits: Semaphore,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    calls: usize,
    bytes: usize,
}

/// A call that waits. Dropping it removes it.
struct WaitingCall<'a> {
    queue: &'a CallQueue,
    bytes: usize,
}

impl CallQueue {
    pub(crate) fn new() -> Self {
        Self {
            permits: Semaphore::new(CONCURRENT_CALLS),
            waiting: Mutex::default(),
        }
    }

    /// Waits until a call with this number of bytes may run.
    ///
    /// # Errors
    ///
    /// `throttled` if too many calls wait.
    pub(crate) async fn enter(&self, bytes: usize) -> Result<SemaphorePermit<'_>> {
        if let Ok(permit) = self.permits.try_acquire() {
            return Ok(permit);
        }
        let _waiting = self.wait(bytes)?;
        let permit = self.permits.acquire().await;
        permit.map_err(|_| Failure::internal("the server stops"))
    }

    fn wait(&self, bytes: usize) -> Result<WaitingCall<'_>> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.calls >= WAITING_CALLS || waiting.bytes.saturating_add(bytes) > WAITING_BYTES {
            return Err(Failure::new(
                ErrorKind::Throttled.as_str(),
                format!("{} calls wait already", waiting.calls),
                "wait for the answers of earlier calls, then repeat the call",
            ));
        }
        waiting.calls += 1;
        waiting.bytes += bytes;
        Ok(WaitingCall { queue: self, bytes })
    }
}

impl Drop for WaitingCall<'_> {
    fn drop(&mut self) {
        let waiting = self.queue.waiting.lock();
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        waiting.calls -= 1;
        waiting.bytes -= self.bytes;
    }
}

/// The bytes of the texts in arguments, which are most of their memory.
pub(crate) fn text_bytes(arguments: &JsonObject) -> usize {
    let of_member = |(name, value): (&String, &Value)| name.len() + value_bytes(value);
    arguments.iter().map(of_member).sum()
}

fn value_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(value_bytes).sum::<usize>() + values.len(),
        Value::Object(members) => text_bytes(members),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[tokio::test]
    async fn calls_wait_up_to_a_number_and_a_size() {
        for (bytes, expected) in [(1, WAITING_CALLS), (WAITING_BYTES / 2, 2)] {
            let queue = CallQueue::new();
            let mut running = Vec::new();
            for _ in 0..CONCURRENT_CALLS {
                running.push(queue.enter(bytes).await.unwrap());
            }
            let mut waiting = Vec::new();
            for _ in 0..expected {
                let mut call = Box::pin(queue.enter(bytes));
                assert!((&mut call).now_or_never().is_none());
                waiting.push(call);
            }
            let refused = queue.enter(bytes).now_or_never().unwrap().unwrap_err();
            assert_eq!(refused.kind, "throttled");
            // A cancelled call makes room for another one, and a finished one lets the next run.
            waiting.pop();
            assert!(queue.enter(bytes).now_or_never().is_none());
            running.pop();
            assert!((&mut waiting[0]).now_or_never().unwrap().is_ok());
        }
    }
}
