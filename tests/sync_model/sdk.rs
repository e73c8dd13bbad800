//! Syncs by the SDK, with interference.

use std::{pin::Pin, time::Duration};

use agbcloud::{
    DeleteLimit, Result, SkipReason, SyncDir, SyncPlan, SyncReport, TwoWayConflict, TwoWaySync,
};

use crate::{
    actions::{Interference, SyncStep},
    execution::{Edit, Execution},
    oracle::{Ended, Report},
    proxy::Effect,
};

pub(crate) enum SdkSync {
    OneWay(SyncDir),
    TwoWay(TwoWaySync),
}

impl SdkSync {
    async fn plan(self) -> Result<SyncPlan> {
        match self {
            Self::OneWay(sync) => sync.plan().await,
            Self::TwoWay(sync) => sync.plan().await,
        }
    }
}

impl IntoFuture for SdkSync {
    type Output = Result<SyncReport>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        match self {
            Self::OneWay(sync) => sync.into_future(),
            Self::TwoWay(sync) => sync.into_future(),
        }
    }
}

impl Execution<'_> {
    pub(crate) fn start(&self, sync: &SyncStep) -> SdkSync {
        match sync.both {
            Some(how) => SdkSync::TwoWay(self.start_two_way(sync, how)),
            None => SdkSync::OneWay(self.start_one_way(sync)),
        }
    }

    fn start_two_way(&self, sync: &SyncStep, how: TwoWayConflict) -> TwoWaySync {
        let client = &self.world.clients[sync.machine][usize::from(sync.retries)];
        let files = client.contexts().files(&self.context);
        let machine = &self.machines[sync.machine];
        let mut dir = files
            .sync_dir(machine.folder(), "/w", machine.state())
            .on_conflict(how)
            .compare(sync.compare)
            .delete_limit(DeleteLimit::percent(100))
            .durable(false);
        if sync.one_at_a_time {
            dir = dir.max_concurrent_files(1);
        }
        dir
    }

    fn start_one_way(&self, sync: &SyncStep) -> SyncDir {
        let client = &self.world.clients[sync.machine][usize::from(sync.retries)];
        let files = client.contexts().files(&self.context);
        let machine = &self.machines[sync.machine];
        let mut dir = match sync.up {
            true => files.upload_dir(machine.folder(), "/w"),
            false => files.download_dir("/w", machine.folder()),
        };
        dir = dir
            .on_conflict(sync.conflict)
            .compare(sync.compare)
            .durable(false);
        if sync.state {
            dir = dir.state(machine.state());
        }
        if sync.delete {
            dir = dir.delete(true).delete_limit(DeleteLimit::percent(100));
        }
        if sync.one_at_a_time {
            dir = dir.max_concurrent_files(1);
        }
        dir
    }

    /// Executes a sync with its interference. Returns the edits that it could have seen, and whether users changed anything.
    pub(crate) async fn run_with_interference(
        &mut self,
        sync: &SyncStep,
    ) -> (Ended, Vec<Edit>, bool) {
        let dir = self.start(sync);
        let interceptor = &self.world.proxy.interceptor;
        match &sync.interference {
            Interference::Nothing => (ended(dir.await), Vec::new(), false),
            Interference::AfterPlan(actions) => {
                let plan = match dir.plan().await {
                    Ok(plan) => plan,
                    Err(error) => return (Ended::Error(error.to_string()), Vec::new(), false),
                };
                self.count("edited after the plan", 1);
                for action in actions {
                    self.trace.push(format!("  after the plan: {action:?}"));
                    self.edit(action).await;
                }
                // The plan does not contain these edits.
                (ended(plan.run().await), Vec::new(), true)
            }
            Interference::Cut { request, after } => {
                interceptor.arm(
                    *request,
                    if *after {
                        Effect::DropResponse
                    } else {
                        Effect::DropRequest
                    },
                );
                let ended = ended(dir.await);
                if interceptor.disarm() {
                    self.count("cut", 1);
                }
                (ended, Vec::new(), false)
            }
            Interference::Stop { request, after } => {
                interceptor.arm(
                    *request,
                    if *after {
                        Effect::PauseAfter
                    } else {
                        Effect::Pause
                    },
                );
                let done = tokio::select! {
                    done = dir.into_future() => Some(ended(done)),
                    () = interceptor.paused.notified() => None,
                };
                interceptor.disarm();
                let Some(done) = done else {
                    interceptor.resume();
                    interceptor.wait_for_writes().await;
                    // Other threads finish their current operation.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    self.count("stopped", 1);
                    return (Ended::Stopped, Vec::new(), false);
                };
                (done, Vec::new(), false)
            }
            Interference::AtRequest {
                request,
                after,
                actions,
            } => {
                interceptor.arm(
                    *request,
                    if *after {
                        Effect::PauseAfter
                    } else {
                        Effect::Pause
                    },
                );
                let mut running = dir.into_future();
                let done = tokio::select! {
                    done = &mut running => Some(ended(done)),
                    () = interceptor.paused.notified() => None,
                };
                interceptor.disarm();
                if let Some(done) = done {
                    return (done, Vec::new(), false);
                }
                self.count("edited during a run", 1);
                let mut edits_in_time = Vec::new();
                for action in actions {
                    self.trace.push(format!("  during the run: {action:?}"));
                    edits_in_time.extend(self.edit(action).await);
                }
                self.world.proxy.interceptor.resume();
                (ended(running.await), edits_in_time, true)
            }
        }
    }
}

pub(crate) fn ended(result: agbcloud::Result<SyncReport>) -> Ended {
    match result {
        Ok(report) => {
            let failures = report.failures.iter();
            let skipped = report.skipped_entries.iter();
            let empty_folders = skipped.filter(|entry| entry.reason == SkipReason::EmptyFolder);
            Ended::Report(Report {
                transferred: report.transferred,
                unchanged: report.unchanged,
                deleted: report.deleted,
                restored: report.restored,
                skipped: report.skipped - empty_folders.count() as u64,
                failed: report.failed,
                failed_paths: failures
                    .clone()
                    .map(|failure| failure.path.clone())
                    .collect(),
                errors: failures.map(|failure| failure.error.to_string()).collect(),
            })
        }
        Err(error) => Ended::Error(error.to_string()),
    }
}
