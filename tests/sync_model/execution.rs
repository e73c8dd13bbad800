//! Executes a script against the service, and checks each step with the oracle.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    time::Duration,
};

use agbcloud::{Compare, ConflictPolicy, ContextId, Files, PresignedUrl, TwoWayConflict};

use crate::{
    actions::{Action, Interference, MACHINES, Mtime, Script, SyncStep},
    engine::{self, Engine},
    oracle::{Clocks, Ended, Fault, FaultKind, KnownState, Oracle, Run, is_kept},
    reference,
    sdk::ended,
    two_way::{CommonVersions, TwoWayRun},
    versions::{File, Snapshot, Tree, Version, equal},
    world::World,
};

/// Rounds after which all sides must be equal.
const ROUNDS: usize = 4;

/// How often something happened.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

/// The result of a script.
pub(crate) struct Outcome {
    pub(crate) fault: Option<Fault>,
    pub(crate) trace: Vec<String>,
    pub(crate) counts: Counts,
}

/// Executes a script in a new context of this name.
pub(crate) async fn run(world: &World, engine: Engine, script: &Script, name: &str) -> Outcome {
    let mut execution = Execution::new(world, engine, script, name).await;
    let fault = Box::pin(execution.play(script)).await.err();
    let long = "n".repeat(245);
    Outcome {
        fault,
        trace: execution
            .trace
            .iter()
            .map(|line| line.replace(&long, "n…"))
            .collect(),
        counts: execution.counts,
    }
}

pub(crate) struct Machine {
    pub(crate) root: tempfile::TempDir,
    /// The saved state file, and what it knows.
    saved: Option<(Vec<u8>, KnownState, CommonVersions)>,
}

impl Machine {
    pub(crate) fn folder(&self) -> PathBuf {
        self.root.path().join("work")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }
}

/// A version that a user wrote during a run: the machine, or `None` for the context; the path; the file.
pub(crate) type Edit = (Option<usize>, String, File);

pub(crate) struct Execution<'w> {
    pub(crate) world: &'w World,
    engine: Engine,
    pub(crate) context: ContextId,
    pub(crate) other: Files,
    pub(crate) machines: Vec<Machine>,
    pub(crate) oracle: Oracle,
    pub(crate) now: Snapshot,
    /// The number of writing requests when the context was last read.
    pub(crate) writes: u64,
    pub(crate) urls: HashMap<String, PresignedUrl>,
    pub(crate) next: Version,
    pub(crate) trace: Vec<String>,
    counts: Counts,
}

impl<'w> Execution<'w> {
    async fn new(world: &'w World, engine: Engine, script: &Script, name: &str) -> Self {
        let context = world.other.contexts().get_or_create(name).await.unwrap().id;
        world.service.set(script.service);
        for (clock, ms) in world.clocks.iter().zip(script.machines) {
            clock.set(ms);
        }
        let machines: Vec<_> = (0..MACHINES)
            .map(|_| {
                let root = tempfile::tempdir_in(&world.temporary).unwrap();
                std::fs::create_dir(root.path().join("work")).unwrap();
                Machine { root, saved: None }
            })
            .collect();
        let none = Snapshot {
            context: Tree::new(),
            machines: vec![Tree::new(); MACHINES],
        };
        Self {
            world,
            engine,
            other: world.other.contexts().files(&context),
            context,
            machines,
            oracle: Oracle::default(),
            now: none,
            urls: HashMap::new(),
            writes: world.proxy.interceptor.writes(),
            next: 1,
            trace: vec![format!(
                "clocks: service {:+} ms, machines {:?} ms",
                script.service, script.machines
            )],
            counts: Counts::new(),
        }
    }

    pub(crate) fn count(&mut self, what: &'static str, times: u64) {
        *self.counts.entry(what).or_default() += times;
    }

    async fn play(&mut self, script: &Script) -> Result<(), Fault> {
        for action in &script.actions {
            self.step(action).await?;
        }
        self.settle(script.two_way).await
    }

    async fn step(&mut self, action: &Action) -> Result<(), Fault> {
        match action {
            Action::Sync(sync) => return self.sync(sync).await,
            Action::Concurrent(one, other) => return self.concurrent_syncs(one, other).await,
            Action::AdvanceClocks { ms } => {
                let clocks = [&self.world.service].into_iter().chain(&self.world.clocks);
                clocks.for_each(|clock| clock.set(clock.ms() + ms));
            }
            Action::Wait => tokio::time::sleep(Duration::from_millis(2200)).await,
            Action::StepService { ms } => self.world.service.set(*ms),
            Action::LoseState { machine } => {
                let _ = std::fs::remove_file(self.machines[*machine].state());
                self.oracle.known_states[*machine] = KnownState::default();
                self.oracle.common[*machine] = CommonVersions::default();
            }
            Action::SaveState { machine } => {
                let known_state = self.oracle.known_states[*machine].clone();
                let common = self.oracle.common[*machine].clone();
                let machine = &mut self.machines[*machine];
                machine.saved = std::fs::read(machine.state())
                    .ok()
                    .map(|state| (state, known_state, common));
            }
            Action::RestoreState { machine } => {
                if let Some((state, known_state, common)) = self.machines[*machine].saved.clone() {
                    std::fs::write(self.machines[*machine].state(), state).unwrap();
                    self.oracle.known_states[*machine] = known_state;
                    self.oracle.common[*machine] = common;
                }
            }
            Action::NewSandbox { machine } => {
                let place = &self.machines[*machine];
                std::fs::remove_dir_all(place.folder()).unwrap();
                std::fs::create_dir(place.folder()).unwrap();
                let _ = std::fs::remove_file(place.state());
                self.machines[*machine].saved = None;
                self.oracle.known_states[*machine] = KnownState::default();
                self.oracle.common[*machine] = CommonVersions::default();
                let folder = std::mem::take(&mut self.now.machines[*machine]);
                self.now = self.snapshot().await?;
                self.oracle.discarded(&folder, &self.now);
            }
            edit => {
                let edits_in_time = self.edit(edit).await;
                // The effect of another program is known without a snapshot.
                if let Action::RemoteDelete { name } | Action::RemotePut { name } = edit {
                    self.now.context.remove(name);
                    let put = edits_in_time
                        .into_iter()
                        .map(|(_, path, file)| (path, file));
                    self.now.context.extend(put);
                    self.writes = self.world.proxy.interceptor.writes();
                }
            }
        }
        self.note(action);
        self.now = self.snapshot().await?;
        let lost = self.oracle.check_lost(&self.now);
        self.counted(lost)
    }

    /// Ignores faults of kinds that are not reported.
    pub(crate) fn counted(&self, result: Result<(), Fault>) -> Result<(), Fault> {
        match result {
            Err(fault) if !self.counts_as_fault(fault.kind) => Ok(()),
            result => result,
        }
    }

    fn counts_as_fault(&self, kind: FaultKind) -> bool {
        let only = self.world.only.as_ref();
        only.is_none_or(|only| only.split(',').any(|name| name == format!("{kind:?}")))
    }

    fn note(&mut self, action: &Action) {
        let what = match action {
            Action::Write {
                mtime: Mtime::Same, ..
            } => "written with the same time",
            Action::Write { .. } => "written",
            Action::Delete { .. } => "deleted",
            Action::Rename { .. } => "renamed",
            Action::Swap { .. } => "swapped",
            Action::RemotePut { .. } => "put by another program",
            Action::RemoteDelete { .. } => "removed by another program",
            Action::AdvanceClocks { .. } => "time passed",
            Action::Wait => "waited",
            Action::StepService { .. } => "service clock stepped",
            Action::LoseState { .. } => "state lost",
            Action::SaveState { .. } => "state saved",
            Action::RestoreState { .. } => "state restored",
            Action::NewSandbox { .. } => "new sandbox",
            Action::Sync(_) | Action::Concurrent(..) => "synced",
        };
        self.count(what, 1);
        self.trace.push(format!("{action:?}"));
    }

    async fn sync(&mut self, sync: &SyncStep) -> Result<(), Fault> {
        self.trace.push(format!("{sync:?}"));
        let before = self.now.clone();
        let (ended, mut edits_in_time, interfered) = match self.engine {
            Engine::Sdk => Box::pin(self.run_with_interference(sync)).await,
            Engine::WrongWinner => {
                let wrong = SyncStep {
                    both: Some(TwoWayConflict::Local),
                    ..sync.clone()
                };
                Box::pin(self.run_with_interference(&wrong)).await
            }
            Engine::Forgetful => {
                let _ = std::fs::remove_file(self.machines[sync.machine].state());
                Box::pin(self.run_with_interference(sync)).await
            }
            Engine::Reference => {
                let machine = &self.machines[sync.machine];
                let place = (&*machine.folder(), &self.other);
                let state = machine.state();
                let ended = reference::sync(sync, &before, &state, place).await;
                (ended, Vec::new(), false)
            }
            engine => {
                let place = (&*self.machines[sync.machine].folder(), &self.other);
                let ended = engine::sync(engine, sync, &before, place).await;
                (ended, Vec::new(), false)
            }
        };
        if let Some(how) = sync.both {
            return self
                .check_two_way((sync, how), (&before, &ended), edits_in_time, interfered)
                .await;
        }
        let written = if sync.up { None } else { Some(sync.machine) };
        edits_in_time.retain(|(side, ..)| *side == written);
        let edits_in_time: Vec<_> = edits_in_time
            .into_iter()
            .map(|(_, path, file)| (path, file))
            .collect();
        self.now = self.snapshot().await?;
        let after = self.now.clone();
        self.count_run(sync, &ended, (&before, &after));
        self.trace.push(format!("  {ended}"));
        self.trace.push(format!("  {}", after.line()));
        let run = Run {
            sync,
            before: &before,
            after: &after,
            ended: &ended,
            clocks: self.clocks(sync.machine),
            edits_in_time: &edits_in_time,
            interfered,
        };
        self.oracle.allow_replacements(&run);
        let lost = self.oracle.check_lost(&after);
        let checked = self.oracle.check(&run);
        self.oracle.record_state(&run);
        self.counted(lost)?;
        self.counted(checked)
    }

    async fn concurrent_syncs(&mut self, one: &SyncStep, other: &SyncStep) -> Result<(), Fault> {
        if !self.engine.is_sdk() {
            self.sync(one).await?;
            return self.sync(other).await;
        }
        self.trace
            .push(format!("concurrently: {one:?} and {other:?}"));
        let before = self.now.clone();
        let dirs = [one, other].map(|sync| self.start(sync).into_future());
        let [first, second] = dirs;
        let (first, second) = tokio::join!(first, second);
        let ended = [ended(first), ended(second)];
        self.now = self.snapshot().await?;
        let after = self.now.clone();
        self.count("two concurrent syncs", 1);
        self.trace.push(format!("  {}; {}", ended[0], ended[1]));
        self.trace.push(format!("  {}", after.line()));
        if let (Some(how), Some(other_how)) = (one.both, other.both) {
            for (sync, how, ended) in [(one, how, &ended[0]), (other, other_how, &ended[1])] {
                let run = TwoWayRun {
                    machine: sync.machine,
                    how,
                    before: &before,
                    after: &after,
                    ended,
                    edits: &[],
                    interfered: true,
                    disturbed: true,
                };
                self.oracle.allow_two_way(&run);
                self.oracle.record_two_way(&run);
            }
            let lost = self.oracle.check_lost(&after);
            return self.counted(lost);
        }
        let run = |sync, ended| Run {
            sync,
            before: &before,
            after: &after,
            ended,
            clocks: self.clocks(sync.machine),
            edits_in_time: &[],
            interfered: true,
        };
        let runs = [run(one, &ended[0]), run(other, &ended[1])];
        runs.iter()
            .for_each(|run| self.oracle.allow_replacements(run));
        let lost = self.oracle.check_lost(&after);
        let checked = self.oracle.check_concurrent([&runs[0], &runs[1]]);
        runs.iter().for_each(|run| self.oracle.record_state(run));
        self.counted(lost)?;
        self.counted(checked)
    }

    fn clocks(&self, machine: usize) -> Clocks {
        Clocks {
            service: self.world.service.ms(),
            machine: self.world.clocks[machine].ms(),
        }
    }

    /// Syncs the machines in turn until all sides are equal.
    async fn settle(&mut self, two_way: bool) -> Result<(), Fault> {
        for round in 0..ROUNDS {
            self.trace.push(format!("final round {round}"));
            for (machine, up) in
                (0..MACHINES).flat_map(|machine| [(machine, false), (machine, true)])
            {
                let mut machines = self.now.machines.iter();
                if machines.all(|machine| equal(machine, &self.now.context)) {
                    self.count("settled", 1);
                    return Ok(());
                }
                let sync = SyncStep {
                    machine,
                    up,
                    both: two_way.then_some(TwoWayConflict::KeepBoth),
                    state: true,
                    delete: false,
                    conflict: ConflictPolicy::KeepBoth,
                    compare: Compare::SizeAndTime,
                    one_at_a_time: false,
                    retries: true,
                    interference: Interference::Nothing,
                };
                self.sync(&sync).await?;
            }
        }
        let text = format!("after {ROUNDS} rounds: {}", self.now.line());
        self.counted(Err(Fault {
            kind: FaultKind::NotSettled,
            text,
        }))
    }

    fn count_run(
        &mut self,
        sync: &SyncStep,
        ended: &Ended,
        (before, after): (&Snapshot, &Snapshot),
    ) {
        self.count(if sync.up { "up" } else { "down" }, 1);
        self.count(
            if sync.state {
                "with a state"
            } else {
                "without a state"
            },
            1,
        );
        match sync.conflict {
            ConflictPolicy::Overwrite => self.count("conflict overwrite", 1),
            ConflictPolicy::Skip => self.count("conflict skip", 1),
            ConflictPolicy::KeepBoth => self.count("conflict keep-both", 1),
            _ => self.count("conflict fail", 1),
        }
        match ended {
            Ended::Report(report) => {
                let (before, after) = (
                    before.sides(sync.machine, sync.up).1,
                    after.sides(sync.machine, sync.up).1,
                );
                let kept = after
                    .keys()
                    .filter(|path| is_kept(path) && !before.contains_key(*path));
                let kept = kept.count() as u64;
                self.count("kept both", kept);
                self.count("transferred", report.transferred);
                self.count("unchanged", report.unchanged);
                self.count("failed", report.failed);
                self.count("skipped", report.skipped);
                let deleted = if sync.up {
                    "deleted in the context"
                } else {
                    "deleted on a machine"
                };
                self.count(deleted, report.deleted);
            }
            Ended::Error(_) => self.count("ended with an error", 1),
            Ended::Stopped => {}
        }
    }
}
