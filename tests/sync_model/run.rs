//! Carries out a script against the service, and asks the oracle after each step.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    time::Duration,
};

use agbcloud::{Compare, ConflictPolicy, ContextId, Files, PresignedUrl};

use crate::{
    actions::{Action, Disturbance, MACHINES, Mtime, Script, Sync},
    broken::{self, Engine},
    careful,
    oracle::{Clocks, Ended, Fault, Kind, Memory, Oracle, Run, is_kept},
    sdk::ended,
    versions::{File, Snapshot, Tree, Version, equal},
    world::World,
};

/// Rounds in which the sides must have become equal.
const ROUNDS: usize = 4;

/// How often something happened.
pub(crate) type Counts = BTreeMap<&'static str, u64>;

/// What a script led to.
pub(crate) struct Outcome {
    pub(crate) fault: Option<Fault>,
    pub(crate) trace: Vec<String>,
    pub(crate) counts: Counts,
}

pub(crate) async fn run(world: &World, engine: Engine, script: &Script, name: &str) -> Outcome {
    let mut case = Case::new(world, engine, script, name).await;
    let fault = Box::pin(case.play(script)).await.err();
    let long = "n".repeat(245);
    Outcome {
        fault,
        trace: case
            .trace
            .iter()
            .map(|line| line.replace(&long, "n…"))
            .collect(),
        counts: case.counts,
    }
}

pub(crate) struct Machine {
    pub(crate) root: tempfile::TempDir,
    /// The state file and what it knows, as they were saved.
    saved: Option<(Vec<u8>, Memory)>,
}

impl Machine {
    pub(crate) fn folder(&self) -> PathBuf {
        self.root.path().join("work")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }
}

/// A version that a user put somewhere while a run was under way: the machine, or `None` for the context.
pub(crate) type Arrival = (Option<usize>, String, File);

pub(crate) struct Case<'w> {
    pub(crate) world: &'w World,
    engine: Engine,
    pub(crate) context: ContextId,
    pub(crate) other: Files,
    pub(crate) machines: Vec<Machine>,
    pub(crate) oracle: Oracle,
    pub(crate) now: Snapshot,
    /// The requests that could have changed the context before it was last read.
    pub(crate) writes: u64,
    pub(crate) urls: HashMap<String, PresignedUrl>,
    pub(crate) next: Version,
    pub(crate) trace: Vec<String>,
    counts: Counts,
}

impl<'w> Case<'w> {
    async fn new(world: &'w World, engine: Engine, script: &Script, name: &str) -> Self {
        let context = world
            .other
            .contexts()
            .get_or_create(name)
            .await
            .unwrap()
            .into_inner()
            .id;
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
            writes: world.proxy.trap.writes(),
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
        self.settle().await
    }

    async fn step(&mut self, action: &Action) -> Result<(), Fault> {
        match action {
            Action::Sync(sync) => return self.sync(sync).await,
            Action::Both(one, other) => return self.both(one, other).await,
            Action::Pass { ms } => {
                let clocks = [&self.world.service].into_iter().chain(&self.world.clocks);
                clocks.for_each(|clock| clock.set(clock.ms() + ms));
            }
            Action::Wait => tokio::time::sleep(Duration::from_millis(2200)).await,
            Action::StepService { ms } => self.world.service.set(*ms),
            Action::LoseState { machine } => {
                let _ = std::fs::remove_file(self.machines[*machine].state());
                self.oracle.memories[*machine] = Memory::default();
            }
            Action::SaveState { machine } => {
                let memory = self.oracle.memories[*machine].clone();
                let machine = &mut self.machines[*machine];
                machine.saved = std::fs::read(machine.state())
                    .ok()
                    .map(|state| (state, memory));
            }
            Action::RestoreState { machine } => {
                if let Some((state, memory)) = self.machines[*machine].saved.clone() {
                    std::fs::write(self.machines[*machine].state(), state).unwrap();
                    self.oracle.memories[*machine] = memory;
                }
            }
            Action::NewSandbox { machine } => {
                let place = &self.machines[*machine];
                std::fs::remove_dir_all(place.folder()).unwrap();
                std::fs::create_dir(place.folder()).unwrap();
                let _ = std::fs::remove_file(place.state());
                self.machines[*machine].saved = None;
                self.oracle.memories[*machine] = Memory::default();
                let folder = std::mem::take(&mut self.now.machines[*machine]);
                self.now = self.look().await?;
                self.oracle.discarded(&folder, &self.now);
            }
            edit => {
                let arrived = self.edit(edit).await;
                // What another program did needs no look.
                if let Action::Remove { name } | Action::Put { name } = edit {
                    self.now.context.remove(name);
                    let put = arrived.into_iter().map(|(_, path, file)| (path, file));
                    self.now.context.extend(put);
                    self.writes = self.world.proxy.trap.writes();
                }
            }
        }
        self.note(action);
        self.now = self.look().await?;
        let lost = self.oracle.check_lost(&self.now);
        self.counted(lost)
    }

    /// A fault of a kind that does not count is left out.
    fn counted(&self, result: Result<(), Fault>) -> Result<(), Fault> {
        match result {
            Err(fault) if !self.counts_as_fault(fault.kind) => Ok(()),
            result => result,
        }
    }

    fn counts_as_fault(&self, kind: Kind) -> bool {
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
            Action::Put { .. } => "put by another program",
            Action::Remove { .. } => "removed by another program",
            Action::Pass { .. } => "time passed",
            Action::Wait => "waited",
            Action::StepService { .. } => "service clock stepped",
            Action::LoseState { .. } => "state lost",
            Action::SaveState { .. } => "state saved",
            Action::RestoreState { .. } => "state restored",
            Action::NewSandbox { .. } => "new sandbox",
            Action::Sync(_) | Action::Both(..) => "synchronised",
        };
        self.count(what, 1);
        self.trace.push(format!("{action:?}"));
    }

    async fn sync(&mut self, sync: &Sync) -> Result<(), Fault> {
        self.trace.push(format!("{sync:?}"));
        let before = self.now.clone();
        let (ended, mut arrived, disturbed) = match self.engine {
            Engine::Sdk => Box::pin(self.disturb(sync)).await,
            Engine::Careful => {
                let machine = &self.machines[sync.machine];
                let place = (&*machine.folder(), &self.other);
                let state = machine.state();
                let ended = careful::synchronise(sync, &before, &state, place).await;
                (ended, Vec::new(), false)
            }
            engine => {
                let place = (&*self.machines[sync.machine].folder(), &self.other);
                let ended = broken::synchronise(engine, sync, &before, place).await;
                (ended, Vec::new(), false)
            }
        };
        let written = if sync.up { None } else { Some(sync.machine) };
        arrived.retain(|(side, ..)| *side == written);
        let arrived: Vec<_> = arrived
            .into_iter()
            .map(|(_, path, file)| (path, file))
            .collect();
        self.now = self.look().await?;
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
            arrived: &arrived,
            disturbed,
        };
        self.oracle.excuse(&run);
        let lost = self.oracle.check_lost(&after);
        let checked = self.oracle.check(&run);
        self.oracle.remember(&run);
        self.counted(lost)?;
        self.counted(checked)
    }

    async fn both(&mut self, one: &Sync, other: &Sync) -> Result<(), Fault> {
        if self.engine != Engine::Sdk {
            self.sync(one).await?;
            return self.sync(other).await;
        }
        self.trace.push(format!("at once: {one:?} and {other:?}"));
        let before = self.now.clone();
        let dirs = [one, other].map(|sync| self.start(sync).into_future());
        let [first, second] = dirs;
        let (first, second) = tokio::join!(first, second);
        let ended = [ended(first), ended(second)];
        self.now = self.look().await?;
        let after = self.now.clone();
        self.count("two at once", 1);
        self.trace.push(format!("  {}; {}", ended[0], ended[1]));
        self.trace.push(format!("  {}", after.line()));
        let run = |sync, ended| Run {
            sync,
            before: &before,
            after: &after,
            ended,
            clocks: self.clocks(sync.machine),
            arrived: &[],
            disturbed: true,
        };
        let runs = [run(one, &ended[0]), run(other, &ended[1])];
        runs.iter().for_each(|run| self.oracle.excuse(run));
        let lost = self.oracle.check_lost(&after);
        let checked = self.oracle.check_both([&runs[0], &runs[1]]);
        runs.iter().for_each(|run| self.oracle.remember(run));
        self.counted(lost)?;
        self.counted(checked)
    }

    fn clocks(&self, machine: usize) -> Clocks {
        Clocks {
            service: self.world.service.ms(),
            machine: self.world.clocks[machine].ms(),
        }
    }

    /// Synchronises the machines in turn until all sides are equal.
    async fn settle(&mut self) -> Result<(), Fault> {
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
                let sync = Sync {
                    machine,
                    up,
                    state: true,
                    delete: false,
                    conflict: ConflictPolicy::KeepBoth,
                    compare: Compare::SizeAndTime,
                    one_at_a_time: false,
                    retries: true,
                    disturbance: Disturbance::Nothing,
                };
                self.sync(&sync).await?;
            }
        }
        let text = format!("after {ROUNDS} rounds: {}", self.now.line());
        self.counted(Err(Fault {
            kind: Kind::NotSettled,
            text,
        }))
    }

    fn count_run(&mut self, sync: &Sync, ended: &Ended, (before, after): (&Snapshot, &Snapshot)) {
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
