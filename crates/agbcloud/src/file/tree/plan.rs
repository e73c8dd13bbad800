//! What has to be done: found by looking at both sides.

use std::{
    fs::Metadata,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use futures_util::{StreamExt, stream};

use super::{
    Change, Compare, Direction, FileFailure, Setup,
    index::{Facts, Index, Seen},
    listing::Listing,
    local::{self, Found},
    names,
};
use crate::{
    Error, ErrorKind, FileEntry, RemotePath, Result,
    file::{checksum::Told, local::blocking},
};

/// Files that are compared at the same time.
const AT_ONCE: usize = 16;

/// File systems keep times to units of this at worst: FAT.
const COARSEST: Duration = Duration::from_secs(2);

/// One thing that has to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedChange {
    /// Path of the file below the folders, with `/` between the segments.
    pub path: String,
    /// What is done with it.
    pub change: Change,
    /// Bytes that it has, where that is known.
    pub size: Option<u64>,
    /// When the remote file was last written, for the local one that is made of it.
    pub(super) modified: Option<SystemTime>,
}

/// Who takes what is found, one after the other. Deletions come last.
pub(super) trait Taker: Send {
    fn change(&mut self, change: PlannedChange) -> impl Future<Output = Result<()>> + Send;
    fn unchanged(&mut self);
    fn skipped(&mut self);
    fn failed(&mut self, failure: FileFailure);
}

/// What was made out about one file.
enum Decision {
    Change(PlannedChange),
    Unchanged,
    Skipped,
    Failed(FileFailure),
}

impl Decision {
    fn failed(path: impl Into<String>, change: Option<Change>, error: Error) -> Self {
        Self::Failed(FileFailure {
            path: path.into(),
            change,
            error,
        })
    }

    async fn give(self, taker: &mut impl Taker) -> Result<()> {
        match self {
            Self::Change(change) => taker.change(change).await?,
            Self::Unchanged => taker.unchanged(),
            Self::Skipped => taker.skipped(),
            Self::Failed(failure) => taker.failed(failure),
        }
        Ok(())
    }
}

/// Looks at both sides and tells what has to be done.
pub(super) async fn plan(setup: &Setup, taker: &mut impl Taker) -> Result<()> {
    match setup.direction {
        Direction::Up => up(setup, taker).await,
        Direction::Down => down(setup, taker).await,
    }
}

async fn up(setup: &Setup, taker: &mut impl Taker) -> Result<()> {
    setup.check_local_folder().await?;
    let mut index = Index::new();
    let mut remote = setup.walk();
    while let Some(entry) = remote.next().await {
        let entry = entry?;
        if let Some(relative) =
            names::below(&setup.remote, &entry.path).filter(|_| !entry.is_folder())
        {
            index.insert(relative, facts_of_copy(&entry));
        }
    }
    let mut found = local::walk(&setup.local, &setup.rules);
    let mut seen = Seen::new(false);
    while let Some(batch) = found.recv().await {
        let decisions = batch.into_iter().map(|found| send(setup, &index, found));
        // All of them first: a request that nobody looks at while others are moved would seem to stall.
        let decisions: Vec<_> = stream::iter(decisions).buffered(AT_ONCE).collect().await;
        for (relative, decision) in decisions {
            if let Some(relative) = relative.filter(|_| setup.delete) {
                seen.insert(&relative);
            }
            decision.give(taker).await?;
        }
    }
    if setup.delete {
        delete_remote(setup, &seen, taker).await?;
    }
    Ok(())
}

/// Whether a local file has to be sent.
async fn send(setup: &Setup, index: &Index, found: Found) -> (Option<String>, Decision) {
    let (path, here) = match found {
        Found::Skipped => return (None, Decision::Skipped),
        Found::Failed { relative, error } => {
            let path = relative.to_string_lossy().into_owned();
            return (None, Decision::failed(path, None, error));
        }
        Found::File { relative, facts } => (relative, facts),
    };
    let named = names::relative(&path)
        .and_then(|relative| Ok((names::remote(&setup.remote, &relative)?, relative)));
    let (remote, relative) = match named {
        Ok(named) => named,
        Err(error) => {
            let path = path.to_string_lossy().into_owned();
            return (None, Decision::failed(path, Some(Change::Upload), error));
        }
    };
    let same = match index.get(&relative) {
        Some(there) => {
            setup
                .is_same(&setup.local.join(&path), &remote, here, there)
                .await
        }
        None => Ok(false),
    };
    let decision = match same {
        Ok(true) => Decision::Unchanged,
        Ok(false) => Decision::Change(PlannedChange {
            path: relative.clone(),
            change: Change::Upload,
            size: here.size,
            modified: None,
        }),
        Err(error) => Decision::failed(relative.clone(), Some(Change::Upload), error),
    };
    (Some(relative), decision)
}

/// What is in the context and not on this machine. The listing is a fresh one: it is what is there now that counts.
async fn delete_remote(setup: &Setup, seen: &Seen, taker: &mut impl Taker) -> Result<()> {
    let mut remote = setup.walk();
    while let Some(entry) = remote.next().await {
        let entry = entry?;
        let Some(relative) = names::below(&setup.remote, &entry.path) else {
            continue;
        };
        let taken = !entry.is_folder() && setup.rules.filter.takes(Path::new(relative));
        if !taken || seen.contains(relative) || setup.is_local(relative).await {
            continue;
        }
        taker
            .change(PlannedChange {
                path: relative.to_owned(),
                change: Change::DeleteRemote,
                size: entry.size,
                modified: None,
            })
            .await?;
    }
    Ok(())
}

async fn down(setup: &Setup, taker: &mut impl Taker) -> Result<()> {
    let folds = setup.folds_case().await;
    let mut seen = Seen::new(folds);
    let keeps = setup.delete || folds;
    let mut remote = Listing::of(setup.walk());
    loop {
        let entries = remote.next().await?;
        if entries.is_empty() {
            break;
        }
        let mut batch = Vec::with_capacity(entries.len());
        for entry in entries.into_iter().filter(|entry| !entry.is_folder()) {
            match receivable(setup, &entry) {
                Ok(Some(file)) if keeps && !seen.insert(&file.relative) && folds => {
                    let failed = Some(Change::Download);
                    let failed = Decision::failed(entry.path, failed, same_name());
                    failed.give(taker).await?;
                }
                Ok(Some(file)) => batch.push(file),
                Ok(None) => {}
                Err(error) => {
                    let failed = Decision::failed(entry.path, Some(Change::Download), error);
                    failed.give(taker).await?;
                }
            }
        }
        receive_all(setup, batch, taker).await?;
    }
    if setup.delete {
        delete_local(setup, seen, taker).await?;
    }
    Ok(())
}

/// A remote file that has a place on this machine.
struct Receivable {
    relative: String,
    local: PathBuf,
    remote: RemotePath,
    there: Facts,
}

/// Where a remote file goes to; `None` if it does not take part.
fn receivable(setup: &Setup, entry: &FileEntry) -> Result<Option<Receivable>> {
    let remote = RemotePath::new(entry.path.as_str())?;
    let Some(relative) = names::below(&setup.remote, remote.as_str()) else {
        return Err(Error::new(
            ErrorKind::InvalidResponse,
            "the service listed a file that is not in the folder",
        ));
    };
    if !setup.rules.filter.takes(Path::new(relative)) {
        return Ok(None);
    }
    let local = names::local(relative)?;
    Ok(Some(Receivable {
        relative: relative.to_owned(),
        local: setup.local.join(local),
        there: facts(entry),
        remote,
    }))
}

fn same_name() -> Error {
    let message = "this machine can't tell its name from that of another file";
    Error::new(ErrorKind::Conflict, message)
}

async fn receive_all(setup: &Setup, files: Vec<Receivable>, taker: &mut impl Taker) -> Result<()> {
    let decisions = looked_at(files).await?.into_iter();
    let decisions = decisions.map(|(file, here)| receive(setup, file, here));
    let decisions: Vec<_> = stream::iter(decisions).buffered(AT_ONCE).collect().await;
    for decision in decisions {
        decision.give(taker).await?;
    }
    Ok(())
}

/// With what each is replacing, if that is a file. Whatever else is there: a link is replaced, a folder is an error when
/// it comes to it.
async fn looked_at(files: Vec<Receivable>) -> Result<Vec<(Receivable, Option<Facts>)>> {
    let look = |file: Receivable| {
        let metadata = file.local.symlink_metadata().ok();
        let here = metadata.filter(Metadata::is_file);
        (file, here.as_ref().map(local::facts))
    };
    blocking(move || Ok(files.into_iter().map(look).collect())).await
}

/// Whether a remote file has to be fetched.
async fn receive(setup: &Setup, file: Receivable, here: Option<Facts>) -> Decision {
    let same = match here {
        Some(here) => {
            setup
                .is_same(&file.local, &file.remote, here, file.there)
                .await
        }
        None => Ok(false),
    };
    match same {
        Ok(true) => Decision::Unchanged,
        Ok(false) => Decision::Change(PlannedChange {
            path: file.relative,
            change: Change::Download,
            size: file.there.size,
            modified: file.there.modified,
        }),
        Err(error) => Decision::failed(file.relative, Some(Change::Download), error),
    }
}

/// What is on this machine and not in the context: not in a second listing either, since the first may have been stale,
/// or have passed over a file when another before it was deleted.
async fn delete_local(setup: &Setup, mut seen: Seen, taker: &mut impl Taker) -> Result<()> {
    let mut again = false;
    let mut found = local::walk(&setup.local, &setup.rules);
    while let Some(batch) = found.recv().await {
        for found in batch {
            let Found::File { relative, facts } = found else {
                continue;
            };
            let Ok(path) = names::relative(&relative) else {
                continue;
            };
            if !again && !seen.contains(&path) {
                look_again(setup, &mut seen).await?;
                again = true;
            }
            if !seen.contains(&path) {
                taker
                    .change(PlannedChange {
                        path,
                        change: Change::DeleteLocal,
                        size: facts.size,
                        modified: None,
                    })
                    .await?;
            }
        }
    }
    Ok(())
}

async fn look_again(setup: &Setup, seen: &mut Seen) -> Result<()> {
    let mut remote = setup.walk();
    while let Some(entry) = remote.next().await {
        let entry = entry?;
        if let Some(relative) = names::below(&setup.remote, &entry.path) {
            seen.insert(relative);
        }
    }
    Ok(())
}

fn facts(entry: &FileEntry) -> Facts {
    let modified = entry.modified_at.as_ref();
    Facts {
        size: entry.size,
        modified: modified.and_then(crate::Timestamp::to_system_time),
    }
}

/// The facts of a file that a local one is held against: at the latest then it was made of it.
fn facts_of_copy(entry: &FileEntry) -> Facts {
    let modified = entry.modified_at.as_ref();
    Facts {
        modified: modified.and_then(crate::Timestamp::latest),
        ..facts(entry)
    }
}

impl Setup {
    /// Whether both sides have the same content, as far as the way of comparing shows.
    async fn is_same(
        &self,
        local: &Path,
        remote: &RemotePath,
        here: Facts,
        there: Facts,
    ) -> Result<bool> {
        if here.size != there.size || here.size.is_none() {
            return Ok(false);
        }
        match self.compare {
            Compare::SizeAndTime => Ok(self.fits(here.modified, there.modified)),
            // There is nothing to ask for.
            Compare::Checksum if here.size == Some(0) => Ok(true),
            Compare::Checksum => match self.files.told(remote).await {
                Ok(told) => self.has_sums(local, &told).await,
                // Listed, and gone since.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            },
        }
    }

    /// Whether the times are those of a copy: a file that was sent became a remote one later than it was written, and one
    /// that was fetched was given the time of the remote one.
    fn fits(&self, here: Option<SystemTime>, there: Option<SystemTime>) -> bool {
        match (here, there, self.direction) {
            (Some(here), Some(there), Direction::Up) => there >= here,
            (Some(here), Some(there), Direction::Down) => {
                let apart = here.duration_since(there).or(there.duration_since(here));
                apart.is_ok_and(|apart| apart < COARSEST)
            }
            _ => false,
        }
    }

    async fn has_sums(&self, local: &Path, told: &Told) -> Result<bool> {
        if told.is_nothing() {
            return Ok(false);
        }
        let sums = crate::file::local::sums_of(local, told.sums()).await?;
        Ok(told.agrees(&sums))
    }
}
