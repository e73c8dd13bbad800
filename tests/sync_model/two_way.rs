//! What a two-way sync may do. After a run without interference, the result for each path follows from both sides and from the
//! versions that they had in common after the last run.

use std::collections::{BTreeMap, BTreeSet};

use agbcloud::TwoWayConflict;

use crate::{
    actions::{Interference, SyncStep},
    execution::{Edit, Execution},
    oracle::{Ended, Fault, FaultKind, Oracle, is_kept},
    versions::{File, Snapshot, Tree, Version, equal, short},
};

/// A two-way run, with snapshots before and after it.
pub(crate) struct TwoWayRun<'a> {
    pub(crate) machine: usize,
    pub(crate) how: TwoWayConflict,
    pub(crate) before: &'a Snapshot,
    pub(crate) after: &'a Snapshot,
    pub(crate) ended: &'a Ended,
    /// Versions that others wrote during the run.
    pub(crate) edits: &'a [(String, File)],
    /// Whether others changed files during the run.
    pub(crate) interfered: bool,
    /// Whether anything disturbed the run, such as a broken connection.
    pub(crate) disturbed: bool,
}

/// What the state of a machine contains.
#[derive(Debug, Clone, Default)]
pub(crate) struct CommonVersions {
    /// The local and the remote file of each path, if all runs ended without interference or failures.
    exact: Option<BTreeMap<String, [File; 2]>>,
    /// Versions that it may contain.
    possible: BTreeSet<(String, Version)>,
}

/// The expected result for a path.
#[derive(Debug, PartialEq, Eq)]
enum Expected {
    /// Both sides have this version.
    Both(Version),
    Neither,
    /// The sides stay as they are, and the file is reported.
    Reported,
    /// Not determined.
    Any,
}

impl TwoWayRun<'_> {
    fn sides<'s>(&self, of: &'s Snapshot) -> [&'s Tree; 2] {
        [&of.machines[self.machine], &of.context]
    }

    /// Versions that the policy gives up: those of the side that loses.
    fn given_up(&self) -> impl Iterator<Item = Version> {
        let [local, remote] = self.sides(self.before);
        let edits = self.edits.iter().map(|(_, file)| file.version);
        let losers: Vec<Version> = match self.how {
            TwoWayConflict::Local => remote
                .values()
                .map(|file| file.version)
                .chain(edits)
                .collect(),
            TwoWayConflict::Remote => local
                .values()
                .map(|file| file.version)
                .chain(edits)
                .collect(),
            TwoWayConflict::Newer => {
                let both = local
                    .iter()
                    .filter_map(|(path, file)| Some([file, remote.get(path)?]));
                both.flatten().map(|file| file.version).collect()
            }
            _ => Vec::new(),
        };
        losers.into_iter()
    }

    fn expected(&self, path: &str, common: Option<&[File; 2]>) -> Expected {
        let [local, remote] = self.sides(self.before).map(|side| side.get(path));
        let version = |file: Option<&File>| file.map(|file| file.version);
        match (local, remote) {
            (None, None) => Expected::Neither,
            (Some(one), Some(other)) if one.version == other.version => Expected::Both(one.version),
            (Some(one), Some(other)) => {
                let common = common.map(|[local, _]| local.version);
                match (common == version(local), common == version(remote)) {
                    (false, true) => Expected::Both(one.version),
                    (true, false) => Expected::Both(other.version),
                    _ => match self.how {
                        TwoWayConflict::Local => Expected::Both(one.version),
                        TwoWayConflict::Remote | TwoWayConflict::KeepBoth => {
                            Expected::Both(other.version)
                        }
                        TwoWayConflict::Newer => Expected::Any,
                        _ => Expected::Reported,
                    },
                }
            }
            (Some(file), None) | (None, Some(file)) => {
                let is_local = local.is_some();
                let Some(common) = common else {
                    return Expected::Both(file.version);
                };
                let synced = common[usize::from(!is_local)];
                if synced.version == file.version {
                    // A version may be written again, for example by another machine that restores it.
                    return match synced.modified == file.modified {
                        true => Expected::Neither,
                        false => Expected::Any,
                    };
                }
                match (self.how, is_local) {
                    (TwoWayConflict::Skip, _) => Expected::Reported,
                    (TwoWayConflict::Local, false) | (TwoWayConflict::Remote, true) => {
                        Expected::Neither
                    }
                    _ => Expected::Both(file.version),
                }
            }
        }
    }
}

impl Oracle {
    /// Marks the versions that the policy of a two-way run gives up.
    pub(crate) fn allow_two_way(&mut self, run: &TwoWayRun<'_>) {
        self.replace_knowingly(run.given_up());
        // The service has no conditional delete: a version that replaces another between the check and the deletion is deleted
        // too.
        if run.interfered {
            let kept = run.after.versions();
            let [_, remote] = run.sides(run.before);
            let [_, after] = run.sides(run.after);
            let deleted = remote.keys().filter(|path| !after.contains_key(*path));
            let edits = run.edits.iter();
            let edits: Vec<_> = deleted
                .flat_map(|path| edits.clone().filter(move |(at, _)| at == path))
                .map(|(_, file)| file.version)
                .filter(|version| !kept.contains(version))
                .collect();
            self.replace_knowingly(edits);
        }
    }

    /// Checks the result of a two-way run without interference.
    pub(crate) fn check_two_way(&self, run: &TwoWayRun<'_>) -> Result<(), Fault> {
        let Ended::Report(report) = run.ended else {
            return Ok(());
        };
        if run.interfered {
            return Ok(());
        }
        let fault = |kind, text| Err(Fault { kind, text });
        let known = &self.common[run.machine];
        let gives_up = matches!(run.how, TwoWayConflict::Local | TwoWayConflict::Remote);
        let (before, after) = (run.sides(run.before), run.sides(run.after));
        for (path, file) in before.iter().zip(&after).flat_map(|(before, after)| {
            let gone = before.iter().filter(|(path, _)| !after.contains_key(*path));
            gone.collect::<Vec<_>>()
        }) {
            let is_known = known.possible.contains(&(path.clone(), file.version));
            if !is_known && !gives_up {
                let text = format!("version {} at {} is in no state", file.version, short(path));
                return fault(FaultKind::DeletedUnseen, text);
            }
        }
        let reported = report.failed + report.skipped;
        if reported == 0 && !equal(after[0], after[1]) {
            return fault(
                FaultKind::Hidden,
                format!("the sides differ after: {report}"),
            );
        }
        let Some(exact) = known.exact.as_ref().filter(|_| !run.disturbed) else {
            return Ok(());
        };
        let mut expected_reports = 0;
        let paths: BTreeSet<_> = before.iter().flat_map(|side| side.keys()).collect();
        for path in paths {
            let found = after.map(|side| side.get(path).map(|file| file.version));
            let expected = run.expected(path, exact.get(path));
            let is_met = match expected {
                Expected::Both(version) => found == [Some(version); 2],
                Expected::Neither => found == [None; 2],
                Expected::Reported => {
                    expected_reports += 1;
                    found == before.map(|side| side.get(path).map(|file| file.version))
                }
                Expected::Any => {
                    expected_reports += 1;
                    true
                }
            };
            if !is_met {
                let text = format!("{}: {expected:?} expected, {found:?} found", short(path));
                return fault(FaultKind::WrongResult, text);
            }
        }
        if reported > expected_reports {
            let text = format!("{expected_reports} conflicts expected: {report}");
            return fault(FaultKind::WrongResult, text);
        }
        Ok(())
    }

    /// Records what the state of a machine contains after a two-way run.
    pub(crate) fn record_two_way(&mut self, run: &TwoWayRun<'_>) {
        let known = &mut self.common[run.machine];
        let [local, remote] = run.sides(run.after);
        let is_exact = match run.ended {
            Ended::Report(report) => !run.interfered && report.failed + report.skipped == 0,
            Ended::Error(_) | Ended::Stopped => false,
        };
        let both = local
            .iter()
            .filter_map(|(path, file)| Some((path.clone(), [*file, *remote.get(path)?])))
            .filter(|(_, [local, remote])| local.version == remote.version);
        let both: BTreeMap<_, _> = both.collect();
        let versions = both
            .iter()
            .map(|(path, files)| (path.clone(), files[0].version));
        known.possible.extend(versions);
        if !is_exact {
            let before = run.sides(run.before);
            let sides = before.into_iter().chain([local, remote]).flatten();
            let edits = run.edits.iter().map(|(path, file)| (path, file));
            let versions = sides.chain(edits);
            let versions = versions.map(|(path, file)| (path.clone(), file.version));
            known.possible.extend(versions);
        }
        known.exact = is_exact.then_some(both);
    }
}

impl Execution<'_> {
    /// Checks a two-way run after its end.
    pub(crate) async fn check_two_way(
        &mut self,
        (sync, how): (&SyncStep, TwoWayConflict),
        (before, ended): (&Snapshot, &Ended),
        edits: Vec<Edit>,
        interfered: bool,
    ) -> Result<(), Fault> {
        self.now = self.snapshot().await?;
        let after = self.now.clone();
        self.trace.push(format!("  {ended}"));
        self.trace.push(format!("  {}", after.line()));
        self.count_two_way((sync, how), ended, (before, &after));
        let edits: Vec<_> = edits
            .into_iter()
            .map(|(_, path, file)| (path, file))
            .collect();
        let run = TwoWayRun {
            machine: sync.machine,
            how,
            before,
            after: &after,
            ended,
            edits: &edits,
            interfered,
            disturbed: !matches!(sync.interference, Interference::Nothing),
        };
        self.oracle.allow_two_way(&run);
        let lost = self.oracle.check_lost(&after);
        let checked = self.oracle.check_two_way(&run);
        self.oracle.record_two_way(&run);
        self.counted(lost)?;
        self.counted(checked)
    }

    fn count_two_way(
        &mut self,
        (sync, how): (&SyncStep, TwoWayConflict),
        ended: &Ended,
        (before, after): (&Snapshot, &Snapshot),
    ) {
        let Ended::Report(report) = ended else {
            return;
        };
        self.count("two-way", 1);
        self.count("transferred", report.transferred);
        self.count("failed", report.failed);
        self.count("skipped", report.skipped);
        self.count("restored", report.restored);
        let gone = |before: &Tree, after: &Tree| {
            before
                .keys()
                .filter(|path| !after.contains_key(*path))
                .count() as u64
        };
        self.count(
            "deleted in the context",
            gone(&before.context, &after.context),
        );
        let [before, after] = [before, after].map(|it| &it.machines[sync.machine]);
        self.count("deleted on a machine", gone(before, after));
        self.count("kept both", kept_copies(before, after));
        self.count(
            match how {
                TwoWayConflict::Local => "conflict local",
                TwoWayConflict::Remote => "conflict remote",
                TwoWayConflict::Newer => "conflict newer",
                TwoWayConflict::Skip => "conflict skip",
                TwoWayConflict::KeepBoth => "conflict keep-both",
                _ => "conflict fail",
            },
            1,
        );
    }
}

/// Returns the number of copies that a run has kept.
fn kept_copies(before: &Tree, after: &Tree) -> u64 {
    let new = after
        .keys()
        .filter(|path| is_kept(path) && !before.contains_key(*path));
    new.count() as u64
}
