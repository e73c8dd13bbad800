//! Carries out a script against the service, and asks the oracle after each step.

use std::{collections::BTreeMap, path::PathBuf};

use agbcloud::{Compare, Conflict, ContextId, DeleteLimit, Files, SyncDir, SyncReport};

use crate::{
    actions::{Action, Disturbance, MACHINES, Mtime, Script, Sync},
    broken::{self, Engine, remote},
    oracle::{Clocks, Ended, Fault, Kind, Memory, Oracle, Report, Run},
    proxy::Effect,
    versions::{self, File, Snapshot, Tree, Version, content, equal, version_of},
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
    Outcome {
        fault,
        trace: case.trace,
        counts: case.counts,
    }
}

struct Machine {
    root: tempfile::TempDir,
    /// The state file and what it knows, as they were saved.
    saved: Option<(Vec<u8>, Memory)>,
}

impl Machine {
    fn folder(&self) -> PathBuf {
        self.root.path().join("work")
    }

    fn state(&self) -> PathBuf {
        self.root.path().join("state")
    }
}

/// A version that a user put somewhere while a run was under way: the machine, or `None` for the context.
type Arrival = (Option<usize>, String, File);

struct Case<'w> {
    world: &'w World,
    engine: Engine,
    context: ContextId,
    other: Files,
    machines: Vec<Machine>,
    oracle: Oracle,
    now: Snapshot,
    /// The requests that could have changed the context before it was last read.
    writes: u64,
    next: Version,
    trace: Vec<String>,
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
            writes: world.proxy.trap.writes(),
            next: 1,
            trace: vec![format!(
                "clocks: service {:+} ms, machines {:?} ms",
                script.service, script.machines
            )],
            counts: Counts::new(),
        }
    }

    fn count(&mut self, what: &'static str, times: u64) {
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
                self.now = self.look().await?;
                self.oracle.discarded(&self.now);
            }
            edit => drop(self.edit(edit).await),
        }
        self.note(action);
        self.now = self.look().await?;
        self.oracle.check_lost(&self.now)
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

    /// What users do. Returns the versions that came to a new place.
    async fn edit(&mut self, action: &Action) -> Vec<Arrival> {
        match action {
            Action::Write {
                machine,
                name,
                mtime,
                in_place,
            } => {
                let path = self.machines[*machine].folder().join(name);
                let old = self.local_file(&path);
                let version = self.new_version();
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                let time = match (mtime, old) {
                    (Mtime::Same, Some(old)) => Some(old.modified),
                    (Mtime::Epoch, _) => {
                        Some(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000))
                    }
                    _ if self.world.clocks[*machine].ms() == 0 => None,
                    _ => Some(self.world.clocks[*machine].time()),
                };
                let target = if *in_place {
                    path.clone()
                } else {
                    self.machines[*machine].root.path().join("new")
                };
                std::fs::write(&target, content(version)).unwrap();
                if let Some(time) = time {
                    let file = std::fs::File::options().write(true).open(&target).unwrap();
                    file.set_modified(time).unwrap();
                }
                if !in_place {
                    std::fs::rename(&target, &path).unwrap();
                }
                self.oracle.wrote(version, old.map(|old| old.version));
                let new = self.local_file(&path);
                new.map(|new| (Some(*machine), name.clone(), new))
                    .into_iter()
                    .collect()
            }
            Action::Delete { machine, name } => {
                let path = self.machines[*machine].folder().join(name);
                let old = self.local_file(&path);
                if old.is_some() {
                    std::fs::remove_file(path).unwrap();
                    self.oracle.deleted(old.map(|old| old.version));
                }
                Vec::new()
            }
            Action::Rename { machine, from, to } => {
                let folder = self.machines[*machine].folder();
                let (source, target) = (folder.join(from), folder.join(to));
                let (Some(moved), old) = (self.local_file(&source), self.local_file(&target))
                else {
                    return Vec::new();
                };
                std::fs::create_dir_all(target.parent().unwrap()).unwrap();
                std::fs::rename(source, target).unwrap();
                self.oracle.deleted(old.map(|old| old.version));
                vec![(Some(*machine), to.clone(), moved)]
            }
            Action::Swap {
                machine,
                one,
                other,
            } => {
                let root = self.machines[*machine].root.path().join("swapped");
                let folder = self.machines[*machine].folder();
                let paths = [folder.join(one), folder.join(other)];
                let [Some(first), Some(second)] =
                    [self.local_file(&paths[0]), self.local_file(&paths[1])]
                else {
                    return Vec::new();
                };
                std::fs::rename(&paths[0], &root).unwrap();
                std::fs::rename(&paths[1], &paths[0]).unwrap();
                std::fs::rename(&root, &paths[1]).unwrap();
                vec![
                    (Some(*machine), one.clone(), second),
                    (Some(*machine), other.clone(), first),
                ]
            }
            Action::Put { name } => {
                let old = self.remote_version(name).await;
                let version = self.new_version();
                let bytes = content(version).into_bytes();
                self.other.upload(remote(name), bytes).await.unwrap();
                self.oracle.wrote(version, old);
                let modified = self.world.service.time();
                vec![(
                    None,
                    name.clone(),
                    File {
                        version,
                        modified,
                        touched: modified,
                    },
                )]
            }
            Action::Remove { name } => {
                let old = self.remote_version(name).await;
                if old.is_some() {
                    self.other
                        .delete(remote(name))
                        .missing_ok(true)
                        .await
                        .unwrap();
                    self.oracle.deleted(old);
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn new_version(&mut self) -> Version {
        self.next += 1;
        self.next - 1
    }

    fn local_file(&self, path: &std::path::Path) -> Option<File> {
        let version = version_of(&std::fs::read(path).ok()?)?;
        let modified = path.metadata().ok()?.modified().ok()?;
        Some(File {
            version,
            modified,
            touched: modified,
        })
    }

    async fn remote_version(&self, name: &str) -> Option<Version> {
        let read = self.other.read(remote(name)).await;
        read.ok().and_then(|bytes| version_of(&bytes))
    }

    /// Everything there is now.
    async fn look(&mut self) -> Result<Snapshot, Fault> {
        let torn = |text| Fault {
            kind: Kind::Torn,
            text,
        };
        let mut machines = Vec::new();
        for machine in &self.machines {
            machines.push(versions::local(&machine.folder()).map_err(torn)?);
        }
        let writes = self.world.proxy.trap.writes();
        if writes == self.writes {
            let context = self.now.context.clone();
            return Ok(Snapshot { context, machines });
        }
        self.writes = writes;
        let mut context = Tree::new();
        let mut walk = self.other.list().under("/w").walk();
        while let Some(entry) = walk.next().await {
            let entry = entry.unwrap();
            if entry.is_folder() {
                continue;
            }
            let bytes = self.other.read(entry.path.as_str()).await.unwrap();
            let version =
                version_of(&bytes).ok_or_else(|| torn(format!("{} is torn", entry.path)))?;
            let modified = entry
                .modified_at
                .and_then(|time| time.to_system_time())
                .unwrap();
            let path = entry.path.strip_prefix("/w/").unwrap().to_owned();
            context.insert(
                path,
                File {
                    version,
                    modified,
                    touched: modified,
                },
            );
        }
        Ok(Snapshot { context, machines })
    }

    fn start(&self, sync: &Sync) -> SyncDir {
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
            dir = dir.files_at_once(1);
        }
        dir
    }

    async fn sync(&mut self, sync: &Sync) -> Result<(), Fault> {
        self.trace.push(format!("{sync:?}"));
        let before = self.now.clone();
        let (ended, mut arrived, disturbed) = match self.engine {
            Engine::Sdk => Box::pin(self.disturb(sync)).await,
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
        self.trace.push(format!("  {ended:?}"));
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
        self.oracle.check(&run)?;
        self.oracle.excuse(&run);
        self.oracle.check_lost(&after)?;
        self.oracle.remember(&run);
        Ok(())
    }

    /// Runs it with what is to happen meanwhile. Returns what users wrote in time for it to be seen, and whether they did
    /// anything.
    async fn disturb(&mut self, sync: &Sync) -> (Ended, Vec<Arrival>, bool) {
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
                    tokio::time::sleep(std::time::Duration::from_millis(3)).await;
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
        self.trace.push(format!("  {ended:?}"));
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
        self.oracle.check_both([&runs[0], &runs[1]])?;
        runs.iter().for_each(|run| self.oracle.excuse(run));
        self.oracle.check_lost(&after)?;
        runs.iter().for_each(|run| self.oracle.remember(run));
        Ok(())
    }

    fn clocks(&self, machine: usize) -> Clocks {
        Clocks {
            service: self.world.service.ms(),
            machine: self.world.clocks[machine].ms(),
        }
    }

    /// Synchronises every machine until all sides are equal.
    async fn settle(&mut self) -> Result<(), Fault> {
        for round in 0..ROUNDS {
            self.trace.push(format!("final round {round}"));
            for machine in 0..MACHINES {
                for up in [false, true] {
                    self.sync(&Sync {
                        machine,
                        up,
                        state: true,
                        delete: false,
                        conflict: Conflict::KeepBoth,
                        compare: Compare::SizeAndTime,
                        one_at_a_time: false,
                        retries: true,
                        disturbance: Disturbance::Nothing,
                    })
                    .await?;
                }
            }
            let mut machines = self.now.machines.iter();
            if machines.all(|machine| equal(machine, &self.now.context)) {
                self.count("settled", 1);
                return Ok(());
            }
        }
        let text = format!("after {ROUNDS} rounds: {}", self.now.line());
        Err(Fault {
            kind: Kind::NotSettled,
            text,
        })
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
            Conflict::Overwrite => self.count("conflict overwrite", 1),
            Conflict::Skip => self.count("conflict skip", 1),
            Conflict::KeepBoth => self.count("conflict keep-both", 1),
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
                    .filter(|path| path.contains(".conflict-") && !before.contains_key(*path));
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

fn ended(result: agbcloud::Result<SyncReport>) -> Ended {
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
