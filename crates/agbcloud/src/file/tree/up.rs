//! What has to be sent, and what is deleted there.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use futures_util::{StreamExt, stream};

use super::{
    Change, Setup,
    changes::Changes,
    compare::{Pair, Verdict},
    identity::RemoteIdentity,
    index::{Index, Seen},
    listing::Listing,
    local::{self, Found},
    names,
    plan::{AT_ONCE, Compared, Decision, Decisions, PlannedChange},
    skipped::SkipReason,
};
use crate::{
    FileEntry, RemotePath, Result,
    file::local::{LocalIdentity, blocking},
};

/// Local files that may wait for the listing to come to them.
const WAITING: usize = 16 * 1024;

pub(super) async fn plan(setup: &Setup, decided: &Decisions) -> Result<()> {
    setup.check_local_folder().await?;
    let mut seen = Seen::new(false);
    send_all(setup, &mut seen, decided).await?;
    if setup.delete {
        delete_remote(setup, &seen, decided).await?;
    }
    Ok(())
}

/// Lists the context and goes through the folder at the same time: what was met on both sides is decided at once, and what
/// is on this side alone when the listing has ended.
async fn send_all(setup: &Setup, seen: &mut Seen, decided: &Decisions) -> Result<()> {
    let mut listing = Listing::of(setup.walk());
    let mut found = local::walk(&setup.local, &setup.rules);
    let mut both = Both::new();
    loop {
        let mut decisions = Vec::new();
        let met = tokio::select! {
            entries = listing.next(), if both.wants_remote() => both.list(setup, &entries?),
            batch = found.recv(), if both.wants_local() => {
                let (locals, others) = named_all(setup, batch.unwrap_or_else(|| both.end()));
                decisions = others;
                both.find(locals, setup.delete.then_some(&mut *seen))
            }
            else => return Ok(()),
        };
        let met = met.into_iter().map(|met| decide(setup, met));
        decisions.extend(
            stream::iter(met)
                .buffered(AT_ONCE)
                .collect::<Vec<_>>()
                .await,
        );
        decided.give(decisions).await?;
    }
}

/// A local file that can be sent.
struct Sendable {
    relative: String,
    local: PathBuf,
    remote: RemotePath,
    here: LocalIdentity,
    executable: bool,
}

/// A local file by the name that it has there.
fn named(setup: &Setup, found: Found) -> Result<Sendable, Box<Decision>> {
    let (path, here, executable) = match found {
        Found::Skipped(entry) => return Err(Box::new(Decision::Skipped(entry))),
        Found::Failed { relative, error } => {
            let failed = Decision::failed(relative.to_string_lossy(), None, error);
            return Err(Box::new(failed));
        }
        Found::File {
            relative,
            here,
            executable,
            ..
        } => (relative, here, executable),
    };
    let named = names::relative(&path)
        .and_then(|relative| Ok((names::remote(&setup.remote, &relative)?, relative)));
    match named {
        Ok((remote, relative)) => Ok(Sendable {
            relative,
            local: setup.local.join(path),
            remote,
            here,
            executable,
        }),
        Err(error) => {
            let path = path.to_string_lossy();
            Err(Box::new(Decision::failed(
                path,
                Some(Change::Upload),
                error,
            )))
        }
    }
}

/// The local files that can be sent, and what is to be said of the others.
fn named_all(setup: &Setup, found: Vec<Found>) -> (Vec<Sendable>, Vec<Decision>) {
    let (mut locals, mut others) = (Vec::new(), Vec::new());
    for found in found {
        match named(setup, found) {
            Ok(local) => locals.push(local),
            Err(decision) => others.push(*decision),
        }
    }
    (locals, others)
}

/// What was met on one side and not yet on the other.
struct Both {
    there: Index,
    /// In the order of their names, in which they are sent at last.
    waiting: BTreeMap<String, Sendable>,
    heard: bool,
    listed: bool,
    walked: bool,
}

type Met = (Sendable, Option<RemoteIdentity>);

impl Both {
    fn new() -> Self {
        Self {
            there: Index::new(),
            waiting: BTreeMap::new(),
            heard: false,
            listed: false,
            walked: false,
        }
    }

    /// Whether it matters what else is listed. That it can be listed at all does.
    fn wants_remote(&self) -> bool {
        let settled = self.heard && self.walked && self.waiting.is_empty();
        !self.listed && !settled
    }

    fn wants_local(&self) -> bool {
        !self.walked && (self.listed || self.waiting.len() < WAITING)
    }

    /// Expects no more local files.
    fn end(&mut self) -> Vec<Found> {
        self.walked = true;
        Vec::new()
    }

    /// Takes what was listed, nothing at the end, and gives what can be decided now.
    fn list(&mut self, setup: &Setup, entries: &[FileEntry]) -> Vec<Met> {
        self.heard = true;
        if entries.is_empty() {
            self.listed = true;
            let alone = std::mem::take(&mut self.waiting);
            return alone.into_values().map(|local| (local, None)).collect();
        }
        let mut met = Vec::new();
        for entry in entries.iter().filter(|entry| !entry.is_folder()) {
            let Some(relative) = names::below(&setup.remote, &entry.path) else {
                continue;
            };
            let there = RemoteIdentity::of(entry);
            match self.waiting.remove(relative) {
                Some(local) => met.push((local, Some(there))),
                None if !self.walked => self.there.insert(relative, there),
                None => {}
            }
        }
        met
    }

    /// Takes local files, and gives those back that can be decided now.
    fn find(&mut self, locals: Vec<Sendable>, mut seen: Option<&mut Seen>) -> Vec<Met> {
        let mut met = Vec::new();
        for local in locals {
            if let Some(seen) = &mut seen {
                seen.insert(&local.relative);
            }
            match self.there.take(&local.relative) {
                None if !self.listed => {
                    self.waiting.insert(local.relative.clone(), local);
                }
                there => met.push((local, there)),
            }
        }
        met
    }
}

/// Whether a local file has to be sent.
async fn decide(setup: &Setup, (file, there): Met) -> Decision {
    let verdict = match &there {
        Some(there) => {
            let pair = Pair {
                local: &file.local,
                remote: &file.remote,
                here: file.here,
                there,
            };
            setup.verdict(&pair).await
        }
        None => Ok(Verdict::Differs),
    };
    let planned = PlannedChange {
        path: file.relative,
        change: Change::Upload,
        size: Some(file.here.size),
        replaces: there.is_some(),
        keeps_both: false,
        executable: file.executable,
        modified: file.here.modified(),
        compared: Compared {
            here: None,
            there: there.map(|there| there.sums),
        },
    };
    match verdict {
        Ok(verdict) => setup.decision(verdict, planned),
        Err(error) => Decision::failed(planned.path, Some(Change::Upload), error),
    }
}

/// What is in the context and not on this machine. The listing is a fresh one: it is what is there now that counts. It is
/// listed to the end before the first is deleted, since numbered pages move when a folder gets shorter.
async fn delete_remote(setup: &Setup, seen: &Seen, decided: &Decisions) -> Result<()> {
    let mut deletions = Changes::default();
    let mut remote = setup.walk();
    while let Some(entry) = remote.next().await {
        let entry = entry?;
        match extraneous(setup, seen, &entry).await {
            None => {}
            Some(Decision::Change(planned)) if is_ignored(setup, &planned.path).await? => {}
            Some(Decision::Change(planned)) => deletions.push(&planned),
            Some(other) => decided.give(vec![other]).await?,
        }
    }
    for planned in deletions.iter() {
        decided.give(vec![Decision::Change(planned)]).await?;
    }
    Ok(())
}

/// Whether git would ignore a file that is not there.
async fn is_ignored(setup: &Setup, relative: &str) -> Result<bool> {
    if setup.rules.ignores.is_none() {
        return Ok(false);
    }
    let (rules, relative) = (setup.rules.clone(), PathBuf::from(relative));
    blocking(move || Ok(rules.ignores(&relative))).await
}

/// What follows for a remote file that may be on this machine.
async fn extraneous(setup: &Setup, seen: &Seen, entry: &FileEntry) -> Option<Decision> {
    if entry.is_folder() {
        return None;
    }
    let Ok(path) = RemotePath::new(entry.path.as_str()) else {
        // No file of this machine can be meant by it, and it can't be named to the service.
        let path = entry.path.trim_start_matches('/');
        return Some(Decision::skipped(path, SkipReason::InvalidName));
    };
    let relative = names::below(&setup.remote, path.as_str())?;
    let taken = setup.rules.takes(Path::new(relative));
    if !taken || seen.contains(relative) || names::is_kept(relative) {
        return None;
    }
    if setup.is_local(relative).await {
        return None;
    }
    let there = RemoteIdentity::of(entry);
    let changed = match setup.known(&path) {
        Some(known) => setup.remote_changed(&path, &there, &known).await,
        None => Ok(setup.is_added_by_others()),
    };
    let compared = Compared {
        here: None,
        there: Some(there.sums),
    };
    let planned = PlannedChange::deletion(relative, Change::DeleteRemote, entry.size, compared);
    Some(match changed {
        Ok(changed) => setup.deletion(changed, planned),
        Err(error) => Decision::failed(relative, Some(Change::DeleteRemote), error),
    })
}
