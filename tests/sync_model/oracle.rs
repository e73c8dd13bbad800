//! Decides what a synchronisation may do to what users wrote.
//!
//! A version is *replaced knowingly* once a user edits or deletes it where it is, or a run overwrites or deletes it that was
//! asked to and had seen it. Every other version must exist somewhere after each step.

use std::{
    collections::BTreeSet,
    fmt,
    time::{Duration, SystemTime},
};

use agbcloud::ConflictPolicy;

use crate::{
    actions::{MACHINES, Sync},
    versions::{File, Snapshot, Tree, Version, short},
};

/// Times that are closer than this are not ordered: the wire has whole seconds.
const GRANULARITY: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// A version exists nowhere, and nobody replaced it knowingly.
    Lost,
    /// Files differ, and the report counts neither a failure nor a skipped file for it.
    Hidden,
    /// A run replaced a version that its state does not know.
    ReplacedUnseen,
    /// A run deleted a version that its state does not know.
    DeletedUnseen,
    /// A run deleted a file without the option to.
    DeletedUnasked,
    /// A run changed the side that it reads.
    SourceChanged,
    /// A file holds something that nobody wrote.
    Torn,
    /// The sides do not become equal, however often they are synchronised.
    NotSettled,
}

#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
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

/// A run and what was there before and after it.
pub(crate) struct Run<'a> {
    pub(crate) sync: &'a Sync,
    pub(crate) before: &'a Snapshot,
    pub(crate) after: &'a Snapshot,
    pub(crate) ended: &'a Ended,
    pub(crate) clocks: Clocks,
    /// What users wrote on the side that is written to, in time for the run to see it.
    pub(crate) arrived: &'a [(String, File)],
    /// Whether anything else changed files meanwhile.
    pub(crate) disturbed: bool,
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

    /// Whether the file that was in the place is newer by every measure than the one that replaced it.
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
        // By the machine's clock.
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

/// What the state file of a machine remembers, as far as its runs allow to tell.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    /// Paths that it must know.
    known: BTreeSet<String>,
    /// Versions that it may know.
    possible: BTreeSet<(String, Version)>,
}

impl Memory {
    /// Whether the state holds anything: without that, nothing is known of either side.
    fn has_baseline(&self) -> bool {
        !self.known.is_empty()
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Oracle {
    alive: BTreeSet<Version>,
    replaced_knowingly: BTreeSet<Version>,
    pub(crate) memories: [Memory; MACHINES],
}

impl Oracle {
    /// A user wrote a version, in the place of another or not.
    pub(crate) fn wrote(&mut self, version: Version, replaced: Option<Version>) {
        self.alive.insert(version);
        self.replaced_knowingly.extend(replaced);
    }

    /// A user deleted a version.
    pub(crate) fn deleted(&mut self, version: Option<Version>) {
        self.replaced_knowingly.extend(version);
    }

    /// A folder was thrown away: what was nowhere else is gone with it, and what the context does not hold in the same place
    /// is given up, also where an older copy of it is left.
    pub(crate) fn discarded(&mut self, folder: &Tree, now: &Snapshot) {
        let is_there = |path: &String, file: &File| {
            let there = now.context.get(path);
            there.is_some_and(|there| there.version == file.version)
        };
        let given_up = folder.iter().filter(|(path, file)| !is_there(path, file));
        let given_up = given_up.map(|(_, file)| file.version);
        self.replaced_knowingly.extend(given_up);
        self.alive = now.versions();
    }

    /// Checks that every version is somewhere.
    pub(crate) fn check_lost(&mut self, now: &Snapshot) -> Result<(), Fault> {
        let present = now.versions();
        let gone = self.alive.difference(&present);
        let lost: Vec<_> = gone
            .filter(|version| !self.replaced_knowingly.contains(version))
            .collect();
        let text = format!("nobody has version {lost:?} any more");
        let is_lost = !lost.is_empty();
        self.alive = present;
        match is_lost {
            true => Err(Fault {
                kind: Kind::Lost,
                text,
            }),
            false => Ok(()),
        }
    }

    /// Takes what a run was allowed to replace or delete as replaced knowingly.
    pub(crate) fn excuse(&mut self, run: &Run<'_>) {
        let (before, after) = run.target();
        let kept: BTreeSet<_> = after.values().map(|file| file.version).collect();
        let memory = &self.memories[run.sync.machine];
        let arrived = run.arrived.iter().map(|(path, file)| (path, file));
        let mut excused = Vec::new();
        for (path, old) in before.iter().chain(arrived) {
            if kept.contains(&old.version) {
                continue;
            }
            let knows = run.sync.state && memory.known.contains(path);
            let is_excused = match after.contains_key(path) {
                _ if run.sync.conflict == ConflictPolicy::Overwrite => true,
                true => !knows && !run.is_newer(old, path),
                false => run.sync.delete && !(run.sync.state && memory.has_baseline()),
            };
            if is_excused {
                excused.push(old.version);
            }
        }
        // The service has no conditional delete: a version that replaces another between the check and the deletion goes
        // with it.
        if run.disturbed && run.sync.up && run.sync.delete {
            let deleted = before.keys().filter(|path| !after.contains_key(*path));
            for path in deleted {
                let machines = run.before.machines.iter();
                let uploaded = machines.filter_map(|machine| machine.get(path));
                let arrived = run.arrived.iter().filter(|(at, _)| at == path);
                let versions = uploaded.chain(arrived.map(|(_, file)| file));
                excused.extend(versions.map(|file| file.version));
            }
        }
        self.replaced_knowingly.extend(excused);
    }

    /// Checks what an undisturbed run did and reported.
    pub(crate) fn check(&self, run: &Run<'_>) -> Result<(), Fault> {
        if run.disturbed {
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
            let text = "the side that was only read is another".to_owned();
            return Err(Fault {
                kind: Kind::SourceChanged,
                text,
            });
        }
        let (before, after) = run.target();
        let gone = before.keys().find(|path| !after.contains_key(*path));
        match gone {
            Some(path) if !run.sync.delete => Err(Fault {
                kind: Kind::DeletedUnasked,
                text: format!("{} was deleted without the option", short(path)),
            }),
            _ => Ok(()),
        }
    }

    /// With a state, only what it knows is replaced or deleted.
    fn check_unseen(&self, run: &Run<'_>) -> Result<(), Fault> {
        let memory = &self.memories[run.sync.machine];
        if !run.sync.state || run.sync.conflict == ConflictPolicy::Overwrite {
            return Ok(());
        }
        let (before, after) = run.target();
        let kept: BTreeSet<_> = after.values().map(|file| file.version).collect();
        for (path, old) in before {
            let known = memory.possible.contains(&(path.clone(), old.version));
            if known
                || kept.contains(&old.version)
                || self.replaced_knowingly.contains(&old.version)
            {
                continue;
            }
            let kind = match after.contains_key(path) {
                true if memory.known.contains(path) => Kind::ReplacedUnseen,
                false if memory.has_baseline() => Kind::DeletedUnseen,
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

    /// Two machines that upload different edits of one file at once do not both succeed.
    pub(crate) fn check_both(&self, runs: [&Run<'_>; 2]) -> Result<(), Fault> {
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
                .all(|run| self.memories[run.sync.machine].known.contains(path));
            let edits = [file.version, rival.version];
            let are_edits = edits[0] != edits[1]
                && edits.iter().all(|edit| {
                    Some(*edit) != before
                        && !self.replaced_knowingly.contains(edit)
                        && runs.iter().all(|run| {
                            let memory = &self.memories[run.sync.machine];
                            !memory.possible.contains(&(path.clone(), *edit))
                        })
                });
            if known && are_edits && reported == 0 && !edits.iter().all(|edit| kept.contains(edit))
            {
                let text = format!("both uploads of {} succeeded: {edits:?}", short(path));
                return Err(Fault {
                    kind: Kind::ReplacedUnseen,
                    text,
                });
            }
        }
        Ok(())
    }

    /// Notes what the state of a machine knows after a run.
    pub(crate) fn remember(&mut self, run: &Run<'_>) {
        if !run.sync.state {
            return;
        }
        let memory = &mut self.memories[run.sync.machine];
        let (source, target) = run.sides(run.after);
        memory
            .known
            .retain(|path| source.contains_key(path) && target.contains_key(path));
        for (path, file) in source {
            if same(target.get(path), file) {
                memory.possible.insert((path.clone(), file.version));
            }
        }
        let interrupted = !matches!(run.ended, Ended::Report(_));
        if run.disturbed || interrupted {
            let sides = [run.sides(run.before), run.sides(run.after)];
            for (path, file) in sides
                .iter()
                .flat_map(|(source, target)| source.iter().chain(*target))
            {
                memory.possible.insert((path.clone(), file.version));
            }
            let arrived = run.arrived.iter();
            memory
                .possible
                .extend(arrived.map(|(path, file)| (path.clone(), file.version)));
        }
        if let (Ended::Report(report), false) = (run.ended, run.disturbed) {
            let equal = source
                .iter()
                .filter(|(path, file)| same(target.get(*path), file));
            let known = equal.filter(|(path, _)| !report.failed_paths.contains(path));
            memory.known.extend(known.map(|(path, _)| path.clone()));
        }
    }
}

/// No file is called the same that is not: whatever differs is a failure or skipped.
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
            kind: Kind::Hidden,
            text,
        });
    }
    Ok(())
}

/// Whether a file was kept beside another in a conflict.
pub(crate) fn is_kept(path: &str) -> bool {
    path.contains(".conflict-")
}

fn same(one: Option<&File>, other: &File) -> bool {
    one.is_some_and(|one| one.version == other.version)
}
