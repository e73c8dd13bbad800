//! `agb sync --watch`: syncs again when a local file changes, and at an interval, until a signal.
//!
//! Each round is a whole sync, with the same comparison and the same limits. Events say only that something changed, so that
//! memory does not grow with their number, and a lost event is found by the next round at the interval.

mod local_changes;
mod rounds;
mod view;

use std::{path::Path, time::Duration};

use self::{local_changes::LocalChanges, rounds::Rounds, view::View};
use crate::{
    clock,
    failure::{Code, Failure},
    signals::Interrupt,
};

pub(super) use rounds::WatchOptions;

/// Time without events after which a round starts, and the maximum delay of a round while events arrive.
const QUIET: Duration = Duration::from_millis(200);
const MAX_DELAY: Duration = Duration::from_secs(2);

/// Delay before the service is called again after an outage. Doubles up to the maximum.
const RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(30);

/// Syncs until a signal, which is no failure, or until a failure that lasts.
pub(super) async fn watch(options: WatchOptions<'_>) -> Result<(), Failure> {
    let interrupt = Interrupt::new()?;
    let view = View::start(options.session, &options.title());
    let mut work = Box::pin(run(options, &view));
    let result = tokio::select! {
        result = &mut work => result,
        () = interrupt.wait() => {
            drop(interrupt);
            drop(work);
            Ok(())
        }
    };
    view.finish();
    result
}

async fn run(options: WatchOptions<'_>, view: &View) -> Result<(), Failure> {
    let interval = options.interval;
    let mut local = options.local_folder().map(Path::to_owned);
    let mut changes = None;
    let mut rounds = Rounds::new(options, view);
    let (mut retry, mut delay) = (RETRY, QUIET);
    let mut is_by_event = false;
    loop {
        // Started before the round, so that no change is missed. The first round may create the folder.
        if let Some(folder) = local.take_if(|local| local.is_dir()) {
            changes = LocalChanges::of(&folder, view);
        }
        match rounds.run().await {
            Ok(changed) => {
                view.connected();
                retry = RETRY;
                // Rounds that events start although nothing has changed become rare.
                delay = match is_by_event && !changed {
                    true => (delay * 2).min(interval),
                    false => QUIET,
                };
            }
            Err(failure) if rounds.has_succeeded() && is_outage(&failure) => {
                view.disconnected(&failure, retry);
                clock::sleep(retry).await;
                retry = (retry * 2).min(MAX_RETRY);
                continue;
            }
            Err(failure) => return Err(failure),
        }
        view.waiting();
        is_by_event = match &mut changes {
            Some(changes) => {
                let changed = clock::timeout(interval, changes.wait(QUIET, MAX_DELAY)).await;
                changed.is_some()
            }
            None => {
                clock::sleep(interval).await;
                false
            }
        };
        if is_by_event {
            clock::sleep(delay.saturating_sub(QUIET)).await;
        }
    }
}

/// Whether the service or the network may work again later.
fn is_outage(failure: &Failure) -> bool {
    matches!(failure.code, Code::Unavailable | Code::TimedOut)
}
