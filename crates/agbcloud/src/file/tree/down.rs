//! What has to be fetched, and what is deleted here.

use std::{
    fs::Metadata,
    io,
    path::{Path, PathBuf},
};

use futures_util::{StreamExt, stream};

use super::{
    Change, Setup,
    compare::{Pair, Verdict, facts},
    index::{Facts, Seen},
    listing::Listing,
    local::{self, Found},
    names,
    plan::{AT_ONCE, Decision, Decisions, PlannedChange},
};
use crate::{Error, ErrorKind, FileEntry, RemotePath, Result, file::local::blocking};

pub(super) async fn plan(setup: &Setup, decided: &Decisions) -> Result<()> {
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
        let mut decisions = Vec::new();
        for entry in entries.into_iter().filter(|entry| !entry.is_folder()) {
            match receivable(setup, &entry) {
                Ok(Some(file)) if keeps && !seen.insert(&file.relative) && folds => {
                    let failed = Some(Change::Download);
                    decisions.push(Decision::failed(entry.path, failed, same_name()));
                }
                Ok(Some(file)) => batch.push(file),
                Ok(None) => {}
                Err(error) => {
                    let failed = Some(Change::Download);
                    decisions.push(Decision::failed(entry.path, failed, error));
                }
            }
        }
        decisions.extend(receive_all(setup, batch).await?);
        decided.give(decisions).await?;
    }
    if setup.delete {
        delete_local(setup, seen, decided).await?;
    }
    Ok(())
}

/// A remote file that has a place on this machine.
struct Receivable {
    relative: String,
    local: PathBuf,
    remote: RemotePath,
    there: Facts,
    /// There is something in its place, a file or not.
    replaces: bool,
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
    if !setup.rules.takes(Path::new(relative)) {
        return Ok(None);
    }
    let local = names::local(relative)?;
    Ok(Some(Receivable {
        relative: relative.to_owned(),
        local: setup.local.join(local),
        there: facts(entry),
        replaces: false,
        remote,
    }))
}

fn same_name() -> Error {
    let message = "this machine can't tell its name from that of another file";
    Error::new(ErrorKind::Conflict, message)
}

async fn receive_all(setup: &Setup, files: Vec<Receivable>) -> Result<Vec<Decision>> {
    let looked = looked_at(files).await?.into_iter();
    let decisions = looked.map(|(file, here)| receive(setup, file, here));
    Ok(stream::iter(decisions).buffered(AT_ONCE).collect().await)
}

/// With what each is replacing, if that is a file. Whatever else is there: a link is replaced, a folder is an error when
/// it comes to it.
async fn looked_at(files: Vec<Receivable>) -> Result<Vec<(Receivable, Option<Facts>)>> {
    let look = |mut file: Receivable| {
        let metadata = file.local.symlink_metadata();
        let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
        file.replaces = !metadata.as_ref().is_err_and(missing);
        let here = metadata.ok().filter(Metadata::is_file);
        (file, here.as_ref().map(local::facts))
    };
    blocking(move || Ok(files.into_iter().map(look).collect())).await
}

/// Whether a remote file has to be fetched.
async fn receive(setup: &Setup, file: Receivable, here: Option<Facts>) -> Decision {
    let verdict = match here {
        Some(here) => {
            let pair = Pair {
                local: &file.local,
                remote: &file.remote,
                here,
                touched: None,
                there: file.there,
            };
            setup.verdict(&pair).await
        }
        None => Ok(Verdict::Differs),
    };
    let planned = PlannedChange {
        path: file.relative,
        change: Change::Download,
        size: file.there.size,
        replaces: file.replaces,
        keeps_both: false,
        modified: file.there.modified,
    };
    match verdict {
        Ok(verdict) => setup.decision(verdict, planned),
        Err(error) => Decision::failed(planned.path, Some(Change::Download), error),
    }
}

/// What is on this machine and not in the context: not in a second listing either, since the first may have been stale,
/// or have passed over a file when another before it was deleted; and not when the file itself is asked for, since both may
/// lag behind an upload.
async fn delete_local(setup: &Setup, mut seen: Seen, decided: &Decisions) -> Result<()> {
    let mut again = false;
    let mut found = local::walk(&setup.local, &setup.rules);
    while let Some(batch) = found.recv().await {
        let mut extraneous = Vec::new();
        for found in batch {
            let Found::File {
                relative, facts, ..
            } = found
            else {
                continue;
            };
            let Ok(path) = names::relative(&relative) else {
                continue;
            };
            if !again && !seen.contains(&path) {
                look_again(setup, &mut seen).await?;
                again = true;
            }
            if !seen.contains(&path) && !names::is_kept(&path) {
                extraneous.push((path, facts));
            }
        }
        let decisions = extraneous
            .into_iter()
            .map(|(path, facts)| delete(setup, path, facts));
        let decisions = stream::iter(decisions).buffered(AT_ONCE).collect().await;
        decided.give(decisions).await?;
    }
    Ok(())
}

async fn delete(setup: &Setup, path: String, facts: Facts) -> Decision {
    let planned = PlannedChange::deletion(&path, Change::DeleteLocal, facts.size);
    match deletable(setup, &path, facts).await {
        Ok(Deletable::Yes { changed }) => setup.deletion(changed, planned),
        Ok(Deletable::IsThere) => Decision::Skipped,
        Err(error) => Decision::failed(path, Some(Change::DeleteLocal), error),
    }
}

/// Whether a local file that no listing shows may be deleted.
enum Deletable {
    Yes {
        changed: bool,
    },
    /// The listings are behind the times.
    IsThere,
}

async fn deletable(setup: &Setup, path: &str, facts: Facts) -> Result<Deletable> {
    let Ok(remote) = names::remote(&setup.remote, path) else {
        return Ok(Deletable::Yes { changed: false });
    };
    if setup.files.told(&remote).await?.is_some() {
        return Ok(Deletable::IsThere);
    }
    let changed = match setup.known(&remote) {
        Some(known) => {
            let local = setup.local.join(names::local(path)?);
            setup.local_changed(&local, facts, &known).await?
        }
        None => false,
    };
    Ok(Deletable::Yes { changed })
}

async fn look_again(setup: &Setup, seen: &mut Seen) -> Result<()> {
    let mut remote = setup.walk();
    while let Some(entry) = remote.next().await {
        let entry = entry?;
        if entry.is_folder() {
            continue;
        }
        if let Some(relative) = names::below(&setup.remote, &entry.path) {
            seen.insert(relative);
        }
    }
    Ok(())
}
