//! Compares how soon the end of a clear is detected, and with how many calls, with the loop of the official SDK.

use std::{
    iter::Sum,
    ops::Add,
    sync::{Arc, Mutex},
};

use tokio::time::{Instant, sleep};

use super::*;
use crate::{
    Context, ContextState,
    testing::{ContextApi, ContextLookup, ResponseFuture, context, ok},
};

/// The cost to detect the end.
#[derive(Clone, Copy, Default)]
struct Cost {
    late: Duration,
    calls: u32,
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            late: self.late + other.late,
            calls: self.calls + other.calls,
        }
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

/// Durations from 0.1 to 30 s, evenly spread on a logarithmic scale, both ends included. The shortest clear is over at the
/// first poll, so `clearing` is never seen, and it takes a whole poll interval, as with the official SDK.
fn with_ends(count: u32) -> Vec<Duration> {
    (0..count)
        .map(|at| lasting(f64::from(at) / f64::from(count - 1)))
        .collect()
}

/// Durations without the ends: the middle of each of `count` equal parts.
fn middles(count: u32) -> Vec<Duration> {
    (0..count)
        .map(|at| lasting((f64::from(at) + 0.5) / f64::from(count)))
        .collect()
}

fn lasting(part: f64) -> Duration {
    Duration::from_secs_f64(0.1 * 300_f64.powf(part))
}

/// A service whose clear ends at a given time, and which counts polls.
#[derive(Clone)]
struct Service(Arc<Mutex<(Instant, u32)>>);

impl ContextApi for Service {
    fn clear_context(&self, _: ContextId) -> ResponseFuture<()> {
        ok(())
    }

    fn get_context(&self, _: ContextLookup) -> ResponseFuture<Context> {
        let (end, polls) = &mut *self.0.lock().unwrap();
        *polls += 1;
        let mut context = context("SdkCtx-1", "one");
        if Instant::now() < *end {
            context.state = ContextState::Clearing;
        }
        ok(context)
    }
}

async fn ours(handle: &ClearHandle) {
    handle.wait().await.unwrap();
}

/// The loop of the official SDK: it sleeps two seconds, then polls.
async fn official(handle: &ClearHandle) {
    loop {
        sleep(Duration::from_secs(2)).await;
        if handle.status().await.unwrap() == ContextState::Available {
            return;
        }
    }
}

async fn cost(
    (client, service): &(Client, Service),
    lasts: Duration,
    wait: impl AsyncFnOnce(&ClearHandle),
) -> Cost {
    let end = Instant::now() + lasts;
    *service.0.lock().unwrap() = (end, 0);
    let clear = client.contexts().clear(super::tests::id());
    wait(&clear.start().await.unwrap()).await;
    Cost {
        late: end.elapsed(),
        calls: service.0.lock().unwrap().1,
    }
}

/// The delay of the official loop is a saw-tooth over the duration of the clear, so that a coarse grid can favour either.
/// Many grids exclude that.
#[tokio::test(start_paused = true)]
async fn the_end_is_detected_three_times_as_soon_with_at_most_three_times_the_calls() {
    let service = Service(Arc::new(Mutex::new((Instant::now(), 0))));
    let world = (Client::on(service.clone()), service);
    for count in [30, 31, 40, 50, 60, 61, 100, 120, 240] {
        compare(&world, &with_ends(count)).await;
        compare(&world, &middles(count)).await;
    }
}

async fn compare(world: &(Client, Service), clears: &[Duration]) {
    let (mut mine, mut theirs) = (Vec::new(), Vec::new());
    for &lasts in clears {
        mine.push(cost(world, lasts, ours).await);
        theirs.push(cost(world, lasts, official).await);
    }
    let mine: Cost = mine.into_iter().sum();
    let theirs: Cost = theirs.into_iter().sum();
    let summary = format!(
        "{} clears: delay {:?} with {} calls; official SDK {:?} with {} calls",
        clears.len(),
        mine.late,
        mine.calls,
        theirs.late,
        theirs.calls,
    );
    assert!(mine.late * 3 <= theirs.late, "{summary}");
    assert!(mine.calls <= theirs.calls * 3, "{summary}");
}
