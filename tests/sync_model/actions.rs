//! Random scripts of what users and machines do.

use agbcloud::{Compare, ConflictPolicy, TwoWayConflict};
use fastrand::Rng;

pub(crate) const MACHINES: usize = 2;

/// The modification time of a file that a user writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mtime {
    /// The time of the machine.
    Now,
    /// The time of the replaced file, as with `cp -p` or `tar --mtime`.
    Same,
    /// A fixed time long ago, as with `SOURCE_DATE_EPOCH`.
    Epoch,
}

/// One step of a script.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    /// Writes a new version, into the same file or a new file that replaces it.
    Write {
        machine: usize,
        name: String,
        mtime: Mtime,
        in_place: bool,
    },
    Delete {
        machine: usize,
        name: String,
    },
    /// `mv from to`
    Rename {
        machine: usize,
        from: String,
        to: String,
    },
    /// `mv one tmp; mv other one; mv tmp other`
    Swap {
        machine: usize,
        one: String,
        other: String,
    },
    /// Another program uploads a new version.
    RemotePut {
        name: String,
    },
    /// Another program deletes a file of the context.
    RemoteDelete {
        name: String,
    },
    /// Advances all clocks.
    AdvanceClocks {
        ms: i64,
    },
    /// Waits for longer than the granularity of any clock.
    Wait,
    /// Sets the clock of the service to this offset.
    StepService {
        ms: i64,
    },
    LoseState {
        machine: usize,
    },
    SaveState {
        machine: usize,
    },
    RestoreState {
        machine: usize,
    },
    /// Deletes the folder and the state, as in a new sandbox.
    NewSandbox {
        machine: usize,
    },
    Sync(SyncStep),
    /// Two machines sync at the same time.
    Concurrent(SyncStep, SyncStep),
}

/// One sync.
#[derive(Debug, Clone)]
pub(crate) struct SyncStep {
    pub(crate) machine: usize,
    pub(crate) up: bool,
    /// Syncs in both directions, whatever the direction, with a state and deletions.
    pub(crate) both: Option<TwoWayConflict>,
    pub(crate) state: bool,
    pub(crate) delete: bool,
    pub(crate) conflict: ConflictPolicy,
    pub(crate) compare: Compare,
    pub(crate) one_at_a_time: bool,
    pub(crate) retries: bool,
    pub(crate) interference: Interference,
}

/// What happens during a sync.
#[derive(Debug, Clone)]
pub(crate) enum Interference {
    Nothing,
    /// Users do this between the plan and its run.
    AfterPlan(Vec<Action>),
    /// Users do this before a request is sent, or after it was executed.
    AtRequest {
        request: u32,
        after: bool,
        actions: Vec<Action>,
    },
    /// The connection breaks before or after a request.
    Cut {
        request: u32,
        after: bool,
    },
    /// The process ends before or after a request.
    Stop {
        request: u32,
        after: bool,
    },
}

/// Offsets of the clocks in milliseconds, and steps.
#[derive(Debug, Clone)]
pub(crate) struct Script {
    pub(crate) service: i64,
    pub(crate) machines: [i64; MACHINES],
    pub(crate) actions: Vec<Action>,
    /// The last syncs are two-way.
    pub(crate) two_way: bool,
}

impl Script {
    /// Returns the script of a seed with two-way syncs.
    pub(crate) fn two_way(seed: u64) -> Self {
        let mut script = Self::of(seed);
        let mut rng = Rng::with_seed(!seed);
        script.two_way = true;
        for action in &mut script.actions {
            let syncs = match action {
                Action::Sync(sync) => vec![sync],
                Action::Concurrent(one, other) => vec![one, other],
                _ => Vec::new(),
            };
            for sync in syncs {
                sync.both = Some(match rng.u8(0..10) {
                    0 => TwoWayConflict::Local,
                    1 => TwoWayConflict::Remote,
                    2 => TwoWayConflict::Newer,
                    3 => TwoWayConflict::Skip,
                    4..6 => TwoWayConflict::Fail,
                    _ => TwoWayConflict::KeepBoth,
                });
            }
        }
        script
    }

    pub(crate) fn of(seed: u64) -> Self {
        let mut generator = ScriptGenerator {
            rng: Rng::with_seed(seed),
            names: Vec::new(),
        };
        generator.names = generator.some_names();
        let service = generator.offset();
        let machines = [generator.offset(), generator.offset()];
        let steps = generator.rng.usize(7..15);
        let mut actions = generator.initial_sync();
        actions.extend((0..steps).map(|_| generator.action()));
        Self {
            service,
            machines,
            actions,
            two_way: false,
        }
    }
}

impl Script {
    /// Returns the script of a seed with pauses between some steps.
    pub(crate) fn with_pauses(seed: u64) -> Self {
        let mut script = Self::of(seed);
        let steps = script.actions.len();
        // After the first sync, and at the end.
        for place in [steps, steps / 2, steps.min(5)] {
            script.actions.insert(place, Action::Wait);
        }
        script
    }
}

struct ScriptGenerator {
    rng: Rng,
    names: Vec<String>,
}

impl ScriptGenerator {
    fn some_names(&mut self) -> Vec<String> {
        let mut names = vec!["a".to_owned(), "b.txt".to_owned()];
        match self.rng.u8(0..8) {
            0 | 1 => names.push("d/c".to_owned()),
            // The maximum of file systems, minus a few bytes that a temporary name adds.
            2 => names.push(format!("{}.txt", "n".repeat(245))),
            _ => names.push("c".to_owned()),
        }
        names.push("new".to_owned());
        names
    }

    /// Most clocks are right, some are off by up to three seconds, some by an hour.
    fn offset(&mut self) -> i64 {
        match self.rng.u8(0..8) {
            0 => self.rng.i64(-3000..3000),
            1 => 3_600_000,
            2 => -3_600_000,
            _ => 0,
        }
    }

    fn one_in(&mut self, n: u8) -> bool {
        self.rng.u8(0..n) == 0
    }

    fn machine(&mut self) -> usize {
        self.rng.usize(0..MACHINES)
    }

    fn name(&mut self) -> String {
        let place = self.rng.usize(0..self.names.len());
        self.names[place].clone()
    }

    fn two_names(&mut self) -> (String, String) {
        let one = self.rng.usize(0..self.names.len());
        let other = (one + self.rng.usize(1..self.names.len())) % self.names.len();
        (self.names[one].clone(), self.names[other].clone())
    }

    fn action(&mut self) -> Action {
        match self.rng.u8(0..100) {
            0..38 => self.edit(),
            38..42 => Action::AdvanceClocks {
                ms: [400, 1100, 2500, 86_400_000][self.rng.usize(0..4)],
            },
            42..43 => Action::StepService { ms: self.offset() },
            43..44 => Action::LoseState {
                machine: self.machine(),
            },
            44..46 => Action::SaveState {
                machine: self.machine(),
            },
            46..47 => Action::RestoreState {
                machine: self.machine(),
            },
            47..48 => Action::NewSandbox {
                machine: self.machine(),
            },
            48..93 => Action::Sync(self.sync()),
            _ => {
                let (mut one, mut other) = (self.sync(), self.sync());
                (one.machine, other.machine) = (0, 1);
                one.interference = Interference::Nothing;
                other.interference = Interference::Nothing;
                Action::Concurrent(one, other)
            }
        }
    }

    /// In most scripts, the machines start with the same files and a state.
    fn initial_sync(&mut self) -> Vec<Action> {
        if self.one_in(4) {
            return Vec::new();
        }
        // A later step may add the last name.
        let names = self.names[..3].to_vec();
        let mut actions: Vec<_> = names
            .into_iter()
            .map(|name| Action::Write {
                machine: 0,
                name,
                mtime: Mtime::Now,
                in_place: false,
            })
            .collect();
        for (machine, up) in [(0, true), (1, false)] {
            actions.push(Action::Sync(SyncStep {
                machine,
                up,
                both: None,
                state: true,
                delete: false,
                conflict: ConflictPolicy::Fail,
                compare: Compare::SizeAndTime,
                one_at_a_time: false,
                retries: true,
                interference: Interference::Nothing,
            }));
        }
        actions
    }

    /// Returns an edit of a user on a machine or in the context.
    fn edit(&mut self) -> Action {
        let (machine, name) = (self.machine(), self.name());
        match self.rng.u8(0..20) {
            0..10 => {
                let mtime = match self.rng.u8(0..6) {
                    0 => Mtime::Same,
                    1 => Mtime::Epoch,
                    _ => Mtime::Now,
                };
                Action::Write {
                    machine,
                    name,
                    mtime,
                    in_place: self.rng.bool(),
                }
            }
            10..12 => Action::Delete { machine, name },
            12 => {
                let (from, to) = self.two_names();
                Action::Rename { machine, from, to }
            }
            13..15 => {
                let (one, other) = self.two_names();
                Action::Swap {
                    machine,
                    one,
                    other,
                }
            }
            15..19 => Action::RemotePut { name },
            _ => Action::RemoteDelete { name },
        }
    }

    fn edits(&mut self) -> Vec<Action> {
        (0..self.rng.usize(1..3)).map(|_| self.edit()).collect()
    }

    fn sync(&mut self) -> SyncStep {
        let state = !self.one_in(5);
        let delete = if state {
            self.one_in(3)
        } else {
            self.one_in(8)
        };
        SyncStep {
            machine: self.machine(),
            up: self.rng.bool(),
            both: None,
            state,
            delete,
            conflict: match self.rng.u8(0..8) {
                0 => ConflictPolicy::Overwrite,
                1 => ConflictPolicy::Skip,
                2..5 => ConflictPolicy::KeepBoth,
                _ => ConflictPolicy::Fail,
            },
            compare: if self.one_in(6) {
                Compare::Checksum
            } else {
                Compare::SizeAndTime
            },
            one_at_a_time: self.rng.bool(),
            retries: self.rng.bool(),
            interference: self.interference(),
        }
    }

    fn interference(&mut self) -> Interference {
        let (request, after) = (self.rng.u32(0..8), self.rng.bool());
        match self.rng.u8(0..24) {
            0..2 => Interference::AfterPlan(self.edits()),
            2..4 => Interference::AtRequest {
                request,
                after,
                actions: self.edits(),
            },
            4..6 => Interference::Cut { request, after },
            6..8 => Interference::Stop { request, after },
            _ => Interference::Nothing,
        }
    }
}
