//! Runs of the SDK, with what happens meanwhile.

use std::time::Duration;

use agbcloud::{DeleteLimit, SyncDir, SyncReport};

use crate::{
    actions::{Disturbance, Sync},
    oracle::{Ended, Report},
    proxy::Effect,
    run::{Arrival, Case},
};

impl Case<'_> {
    pub(crate) fn start(&self, sync: &Sync) -> SyncDir {
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

    /// Runs it with what is to happen meanwhile. Returns what users wrote in time for it to be seen, and whether they did
    /// anything.
    pub(crate) async fn disturb(&mut self, sync: &Sync) -> (Ended, Vec<Arrival>, bool) {
        let dir = self.start(sync);
        let trap = &self.world.proxy.trap;
        match &sync.disturbance {
            Disturbance::Nothing => (ended(dir.await), Vec::new(), false),
            Disturbance::AfterPlan(actions) => {
                let plan = match dir.plan().await {
                    Ok(plan) => plan,
                    Err(error) => return (Ended::Error(error.to_string()), Vec::new(), false),
                };
                self.count("edited after the plan", 1);
                for action in actions {
                    self.trace.push(format!("  after the plan: {action:?}"));
                    self.edit(action).await;
                }
                // The plan has not seen these.
                (ended(plan.run().await), Vec::new(), true)
            }
            Disturbance::Cut { request, after } => {
                trap.arm(
                    *request,
                    if *after {
                        Effect::CutAfter
                    } else {
                        Effect::CutBefore
                    },
                );
                let ended = ended(dir.await);
                if trap.disarm() {
                    self.count("cut", 1);
                }
                (ended, Vec::new(), false)
            }
            Disturbance::Stop { request, after } => {
                trap.arm(
                    *request,
                    if *after {
                        Effect::PauseAfter
                    } else {
                        Effect::Pause
                    },
                );
                let done = tokio::select! {
                    done = dir.into_future() => Some(ended(done)),
                    () = trap.paused.notified() => None,
                };
                trap.disarm();
                let Some(done) = done else {
                    trap.resume();
                    // Threads finish what they had begun.
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    self.count("stopped", 1);
                    return (Ended::Stopped, Vec::new(), false);
                };
                (done, Vec::new(), false)
            }
            Disturbance::AtRequest {
                request,
                after,
                actions,
            } => {
                trap.arm(
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
                    () = trap.paused.notified() => None,
                };
                trap.disarm();
                if let Some(done) = done {
                    return (done, Vec::new(), false);
                }
                self.count("edited meanwhile", 1);
                let mut arrived = Vec::new();
                for action in actions {
                    self.trace.push(format!("  meanwhile: {action:?}"));
                    arrived.extend(self.edit(action).await);
                }
                self.world.proxy.trap.resume();
                (ended(running.await), arrived, true)
            }
        }
    }
}

pub(crate) fn ended(result: agbcloud::Result<SyncReport>) -> Ended {
    match result {
        Ok(report) => {
            let failures = report.failures.iter();
            Ended::Report(Report {
                transferred: report.transferred,
                unchanged: report.unchanged,
                deleted: report.deleted,
                skipped: report.skipped,
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
