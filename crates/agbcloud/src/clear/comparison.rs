//! How soon the end of a clear is known, and for how many calls, beside the official SDK's loop.

use std::{
    iter::Sum,
    ops::Add,
    sync::{Arc, Mutex},
};

use tokio::time::{Instant, sleep};

use super::*;
use crate::{
    Context, ContextState,
    testing::{Answer, ContextApi, ContextLookup, context, ok},
};

/// What it took to know of the end.
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

/// Clears from 0.1 to 30 s, evenly spread on a logarithmic scale: both ends and what is between. The shortest is over
/// by the first look, so never seen `clearing`, and takes a whole poll interval as with the official SDK.
fn with_ends(count: u32) -> Vec<Duration> {
    (0..count)
        .map(|at| lasting(f64::from(at) / f64::from(count - 1)))
        .collect()
}

/// The same without the ends: the middle of each of so many equal parts.
fn middles(count: u32) -> Vec<Duration> {
    (0..count)
        .map(|at| lasting((f64::from(at) + 0.5) / f64::from(count)))
        .collect()
}

fn lasting(part: f64) -> Duration {
    Duration::from_secs_f64(0.1 * 300_f64.powf(part))
}

/// A service whose clear lasts as long as it is told to, is seen from the start, and counts the looks at it.
#[derive(Clone)]
struct Service(Arc<Mutex<(Instant, u32)>>);

impl ContextApi for Service {
    fn clear_context(&self, _: ContextId) -> Answer<()> {
        ok(())
    }

    fn get_context(&self, _: ContextLookup) -> Answer<Context> {
        let (end, looks) = &mut *self.0.lock().unwrap();
        *looks += 1;
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

/// The official SDK's loop: it sleeps its two seconds, then looks.
async fn official(handle: &ClearHandle) {
    loop {
        sleep(Duration::from_secs(2)).await;
        if *handle.status().await.unwrap() == ContextState::Available {
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
    let clear = client.contexts().clear(&super::tests::id());
    wait(&clear.start().await.unwrap()).await;
    Cost {
        late: end.elapsed(),
        calls: service.0.lock().unwrap().1,
    }
}

/// The official loop's lateness is a saw-tooth over the length of the clear, so that a coarse grid can favour either;
/// many grids make sure that it is not the grid that wins.
#[tokio::test(start_paused = true)]
async fn the_end_is_known_three_times_as_soon_for_at_most_three_times_the_calls() {
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
    let told = format!(
        "{} clears: late by {:?} in all for {} calls; the official SDK {:?} for {} calls",
        clears.len(),
        mine.late,
        mine.calls,
        theirs.late,
        theirs.calls,
    );
    assert!(mine.late * 3 <= theirs.late, "{told}");
    assert!(mine.calls <= theirs.calls * 3, "{told}");
}
