//! Decides which versions of users a sync may replace or delete.
//!
//! A version is *replaced knowingly* once a user edits or deletes it in its place, or a run that had seen it and was allowed to
//! overwrites or deletes it. Every other version must exist somewhere after each step.

use std::{
    collections::BTreeSet,
    fmt,
    time::{Duration, SystemTime},
};

use agbcloud::ConflictPolicy;

use crate::{
    actions::{MACHINES, SyncStep},
    two_way::CommonVersions,
    versions::{File, Snapshot, Tree, Version, short},
};

/// Times with a smaller difference are not ordered, because the wire has whole seconds.
const GRANULARITY: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum FaultKind {
    /// A version exists nowhere, and no run replaced it knowingly.
    Lost,
    /// Files differ, and the report contains neither a failure nor a skipped file.
    Hidden,
    /// A run replaced a version that its state does not know.
    ReplacedUnseen,
    /// A run deleted a version that its state does not know.
    DeletedUnseen,
    /// A run deleted a file without the option `delete`.
    DeletedWithoutOption,
    /// A run changed the side that it reads.
    SourceChanged,
    /// A file has a content that was never written.
    Torn,
    /// A two-way run did not have the expected result.
    WrongResult,
    /// The sides do not become equal after several syncs.
    NotSettled,
}

#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) kind: FaultKind,
    pub(crate) text: String,
}

/// How a run ended.
#[derive(Debug, Clone)]
pub(crate) enum Ended {
    Report(Report),
    Error(String),
    Stopped,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Report(report) => report.fmt(f),
            Self::Error(error) => write!(f, "error: {error}"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            transferred,
            unchanged,
            deleted,
            skipped,
            failed,
            ..
        } = self;
        write!(
            f,
            "{transferred} transferred, {unchanged} unchanged, {deleted} deleted, {skipped} skipped, {failed} failed"
        )?;
        for (path, error) in self.failed_paths.iter().zip(&self.errors) {
            write!(f, " [{}: {error}]", short(path))?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    pub(crate) transferred: u64,
    pub(crate) unchanged: u64,
    pub(crate) deleted: u64,
    pub(crate) restored: u64,
    pub(crate) skipped: u64,
    pub(crate) failed: u64,
    pub(crate) failed_paths: Vec<String>,
    /// The errors behind the failures, for the trace.
    pub(crate) errors: Vec<String>,
}

/// Offsets of the clocks at the time of a run, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clocks {
    pub(crate) service: i64,
    pub(crate) machine: i64,
}

/// A run, with snapshots before and after it.
pub(crate) struct Run<'a> {
    pub(crate) sync: &'a SyncStep,
    pub(crate) before: &'a Snapshot,
    pub(crate) after: &'a Snapshot,
    pub(crate) ended: &'a Ended,
    pub(crate) clocks: Clocks,
    /// Edits on the side that is written to that the run could have seen.
    pub(crate) edits_in_time: &'a [(String, File)],
    /// Whether others changed files during the run.
    pub(crate) interfered: bool,
}

impl Run<'_> {
    fn source(&self) -> (&Tree, &Tree) {
        let (before, after) = (self.sides(self.before), self.sides(self.after));
        (before.0, after.0)
    }

    fn target(&self) -> (&Tree, &Tree) {
        let (before, after) = (self.sides(self.before), self.sides(self.after));
        (before.1, after.1)
    }

    fn sides<'s>(&self, of: &'s Snapshot) -> (&'s Tree, &'s Tree) {
        of.sides(self.sync.machine, self.sync.up)
    }

    /// Returns whether the replaced file is newer than its replacement, by both clocks.
    fn is_newer(&self, old: &File, path: &str) -> bool {
        let Some(source) = self
            .source()
            .0
            .get(path)
            .or_else(|| self.source().1.get(path))
        else {
            return false;
        };
        let replacement = source.modified.max(source.touched);
        let old = old.modified;
        let ahead = self.clocks.service - self.clocks.machine;
        // By the clock of the machine.
        let corrected = match self.sync.up {
            true => (shifted(old, -ahead), replacement),
            false => (old, shifted(replacement, -ahead)),
        };
        let newer = |(old, new): (SystemTime, SystemTime)| old > new + GRANULARITY;
        newer((old, replacement)) && newer(corrected)
    }
}

pub(crate) fn shifted(time: SystemTime, ms: i64) -> SystemTime {
    let by = Duration::from_millis(ms.unsigned_abs());
    if ms < 0 { time - by } else { time + by }
}

/// What the state file of a machine contains, as far as it follows from its runs.
#[derive(Debug, Clone, Default)]
pub(crate) struct KnownState {
    /// Paths that it must contain.
    known: BTreeSet<String>,
    /// Versions that it may contain.
    possible: BTreeSet<(String, Version)>,
}

impl KnownState {
    /// Returns whether the state has entries. Without entries, nothing is known of either side.
    fn has_baseline(&self) -> bool {
        !self.known.is_empty()
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Oracle {
    alive: BTreeSet<Version>,
    replaced_knowingly: BTreeSet<Version>,
    pub(crate) known_states: [KnownState; MACHINES],
    /// The same for two-way runs.
    pub(crate) common: [CommonVersions; MACHINES],
}

impl Oracle {
    pub(crate) fn replace_knowingly(&mut self, versions: impl IntoIterator<Item = Version>) {
        self.replaced_knowingly.extend(versions);
    }

    /// Records that a user wrote a version, which may have replaced another.
    pub(crate) fn wrote(&mut self, version: Version, replaced: Option<Version>) {
        self.alive.insert(version);
        self.replaced_knowingly.extend(replaced);
    }

    /// Records that a user deleted a version.
    pub(crate) fn deleted(&mut self, version: Option<Version>) {
        self.replaced_knowingly.extend(version);
    }

    /// Records that a folder was discarded. Versions that the context does not have at the same path may be lost, even if an
    /// older copy exists.
    pub(crate) fn discarded(&mut self, folder: &Tree, now: &Snapshot) {
        let is_there = |path: &String, file: &File| {
            let there = now.context.get(path);
            there.is_some_and(|there| there.version == file.version)
        };
        let discarded_versions = folder.iter().filter(|(path, file)| !is_there(path, file));
        let discarded_versions = discarded_versions.map(|(_, file)| file.version);
        self.replaced_knowingly.extend(discarded_versions);
        self.alive = now.versions();
    }

    /// Checks that every version exists somewhere.
    pub(crate) fn check_lost(&mut self, now: &Snapshot) -> Result<(), Fault> {
        let present = now.versions();
        let gone = self.alive.difference(&present);
        let lost: Vec<_> = gone
            .filter(|version| !self.replaced_knowingly.contains(version))
            .collect();
        let text = format!("version {lost:?} exists nowhere");
        let is_lost = !lost.is_empty();
        self.alive = present;
        match is_lost {
            true => Err(Fault {
                kind: FaultKind::Lost,
                text,
            }),
            false => Ok(()),
        }
    }

    /// Marks versions that a run was allowed to replace or delete as replaced knowingly.
    pub(crate) fn allow_replacements(&mut self, run: &Run<'_>) {
        let (before, after) = run.target();
        let kept: BTreeSet<_> = after.values().map(|file| file.version).collect();
        let known_state = &self.known_states[run.sync.machine];
        let edits_in_time = run.edits_in_time.iter().map(|(path, file)| (path, file));
        let mut allowed = Vec::new();
        for (path, old) in before.iter().chain(edits_in_time) {
            if kept.contains(&old.version) {
                continue;
            }
            let knows = run.sync.state && known_state.known.contains(path);
            let is_allowed = match after.contains_key(path) {
                _ if run.sync.conflict == ConflictPolicy::Overwrite => true,
                true => !knows && !run.is_newer(old, path),
                false => run.sync.delete && !(run.sync.state && known_state.has_baseline()),
            };
            if is_allowed {
                allowed.push(old.version);
            }
        }
        // The service has no conditional delete: a version that replaces another between the check and the deletion is deleted
        // too.
        if run.interfered && run.sync.up && run.sync.delete {
            let deleted = before.keys().filter(|path| !after.contains_key(*path));
            for path in deleted {
                let machines = run.before.machines.iter();
                let uploaded = machines.filter_map(|machine| machine.get(path));
                let edits_in_time = run.edits_in_time.iter().filter(|(at, _)| at == path);
                let versions = uploaded.chain(edits_in_time.map(|(_, file)| file));
                allowed.extend(versions.map(|file| file.version));
            }
        }
        self.replaced_knowingly.extend(allowed);
    }

    /// Checks the changes and the report of a run without interference.
    pub(crate) fn check(&self, run: &Run<'_>) -> Result<(), Fault> {
        if run.interfered {
            return Ok(());
        }
        self.check_sides(run)?;
        self.check_unseen(run)?;
        check_report(run)
    }

    fn check_sides(&self, run: &Run<'_>) -> Result<(), Fault> {
        let (before, after) = run.source();
        let remain = before
            .iter()
            .all(|(path, file)| same(after.get(path), file));
        let mut others = after.keys().filter(|path| !before.contains_key(*path));
        if !remain || others.any(|path| !is_kept(path)) {
            let text = "the side that is only read has changed".to_owned();
            return Err(Fault {
                kind: FaultKind::SourceChanged,
                text,
            });
        }
        let (before, after) = run.target();
        let gone = before.keys().find(|path| !after.contains_key(*path));
        match gone {
            Some(path) if !run.sync.delete => Err(Fault {
                kind: FaultKind::DeletedWithoutOption,
                text: format!("{} was deleted without the option", short(path)),
            }),
            _ => Ok(()),
        }
    }

    /// Checks that a run with a state replaces or deletes only versions that the state contains.
    fn check_unseen(&self, run: &Run<'_>) -> Result<(), Fault> {
        let known_state = &self.known_states[run.sync.machine];
        if !run.sync.state || run.sync.conflict == ConflictPolicy::Overwrite {
            return Ok(());
        }
        let (before, after) = run.target();
        let kept: BTreeSet<_> = after.values().map(|file| file.version).collect();
        for (path, old) in before {
            let known = known_state.possible.contains(&(path.clone(), old.version));
            if known
                || kept.contains(&old.version)
                || self.replaced_knowingly.contains(&old.version)
            {
                continue;
            }
            let kind = match after.contains_key(path) {
                true if known_state.known.contains(path) => FaultKind::ReplacedUnseen,
                false if known_state.has_baseline() => FaultKind::DeletedUnseen,
                _ => continue,
            };
            let text = format!(
                "version {} at {} is unknown to the state",
                old.version,
                short(path)
            );
            return Err(Fault { kind, text });
        }
        Ok(())
    }

    /// Checks that concurrent uploads of different edits of one file do not both succeed.
    pub(crate) fn check_concurrent(&self, runs: [&Run<'_>; 2]) -> Result<(), Fault> {
        let mut reported = 0;
        for run in runs {
            let Ended::Report(report) = run.ended else {
                return Ok(());
            };
            if !run.sync.up || !run.sync.state || run.sync.conflict == ConflictPolicy::Overwrite {
                return Ok(());
            }
            reported += report.failed + report.skipped;
        }
        let [one, other] = runs.map(|run| run.source().0);
        let after = runs[0].after.context.values();
        let kept: BTreeSet<_> = after.map(|file| file.version).collect();
        for (path, file) in one {
            let Some(rival) = other.get(path) else {
                continue;
            };
            let before = runs[0].before.context.get(path).map(|file| file.version);
            let known = runs
                .iter()
                .all(|run| self.known_states[run.sync.machine].known.contains(path));
            let edits = [file.version, rival.version];
            let are_edits = edits[0] != edits[1]
                && edits.iter().all(|edit| {
                    Some(*edit) != before
                        && !self.replaced_knowingly.contains(edit)
                        && runs.iter().all(|run| {
                            let known_state = &self.known_states[run.sync.machine];
                            !known_state.possible.contains(&(path.clone(), *edit))
                        })
                });
            if known && are_edits && reported == 0 && !edits.iter().all(|edit| kept.contains(edit))
            {
                let text = format!("both uploads of {} succeeded: {edits:?}", short(path));
                return Err(Fault {
                    kind: FaultKind::ReplacedUnseen,
                    text,
                });
            }
        }
        Ok(())
    }

    /// Records what the state of a machine contains after a run.
    pub(crate) fn record_state(&mut self, run: &Run<'_>) {
        if !run.sync.state {
            return;
        }
        let known_state = &mut self.known_states[run.sync.machine];
        let (source, target) = run.sides(run.after);
        known_state
            .known
            .retain(|path| source.contains_key(path) && target.contains_key(path));
        for (path, file) in source {
            if same(target.get(path), file) {
                known_state.possible.insert((path.clone(), file.version));
            }
        }
        let interrupted = !matches!(run.ended, Ended::Report(_));
        if run.interfered || interrupted {
            let sides = [run.sides(run.before), run.sides(run.after)];
            for (path, file) in sides
                .iter()
                .flat_map(|(source, target)| source.iter().chain(*target))
            {
                known_state.possible.insert((path.clone(), file.version));
            }
            let edits_in_time = run.edits_in_time.iter();
            known_state
                .possible
                .extend(edits_in_time.map(|(path, file)| (path.clone(), file.version)));
        }
        if let (Ended::Report(report), false) = (run.ended, run.interfered) {
            let equal = source
                .iter()
                .filter(|(path, file)| same(target.get(*path), file));
            let known = equal.filter(|(path, _)| !report.failed_paths.contains(path));
            known_state
                .known
                .extend(known.map(|(path, _)| path.clone()));
        }
    }
}

/// Checks that every file that differs is reported as a failure or skipped.
fn check_report(run: &Run<'_>) -> Result<(), Fault> {
    let Ended::Report(report) = run.ended else {
        return Ok(());
    };
    let (source, target) = run.sides(run.after);
    let differs = source
        .iter()
        .filter(|(path, file)| !same(target.get(*path), file));
    let hidden: Vec<_> = differs
        .map(|(path, _)| path)
        .filter(|path| !report.failed_paths.contains(path))
        .collect();
    if hidden.len() as u64 > report.skipped {
        let paths: Vec<_> = hidden.iter().map(|path| short(path)).collect();
        let text = format!("{paths:?} differ, and the report is: {report}");
        return Err(Fault {
            kind: FaultKind::Hidden,
            text,
        });
    }
    Ok(())
}

/// Whether a file is a kept copy.
pub(crate) fn is_kept(path: &str) -> bool {
    path.contains(".conflict-")
}

fn same(one: Option<&File>, other: &File) -> bool {
    one.is_some_and(|one| one.version == other.version)
}
