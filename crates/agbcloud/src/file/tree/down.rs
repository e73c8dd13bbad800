//! What has to be fetched, and what is deleted here.

use std::{
    fs::Metadata,
    io,
    path::{Path, PathBuf},
};

use futures_util::{StreamExt, stream};

use super::{
    Change, Setup,
    changes::Changes,
    compare::{Pair, Verdict},
    folders,
    identity::RemoteIdentity,
    index::Seen,
    listing::Listing,
    local::{self, Found},
    names,
    places::{Identity, Places, has_own_entry},
    plan::{AT_ONCE, Compared, Decision, Decisions, PlannedChange},
    skipped::{EmptyRemoteFolders, SkipReason},
};
use crate::{
    Error, ErrorKind, FileEntry, RemotePath, Result,
    file::local::{LocalIdentity, blocking},
};

pub(super) async fn plan(setup: &Setup, decided: &Decisions) -> Result<()> {
    let folds = setup.folds_case().await;
    let mut seen = Seen::new(folds);
    let keeps = setup.delete || folds;
    let mut places = Places::new();
    let mut blocked = Changes::default();
    let mut folders = EmptyRemoteFolders::new();
    let mut remote = Listing::of(setup.walk());
    loop {
        let entries = remote.next().await?;
        if entries.is_empty() {
            break;
        }
        let mut batch = Vec::with_capacity(entries.len());
        let mut decisions = Vec::new();
        for entry in &entries {
            if let Some(relative) = names::below(&setup.remote, &entry.path) {
                folders.insert(relative, entry.is_folder());
            }
        }
        for entry in entries.into_iter().filter(|entry| !entry.is_folder()) {
            match receivable(setup, &entry) {
                Ok(Some(file)) if keeps && !seen.insert(&file.relative) && folds => {
                    decisions.push(same_name(file.relative));
                }
                Ok(Some(file)) => batch.push(file),
                Ok(None) => {}
                Err(error) => {
                    let failed = Some(Change::Download);
                    decisions.push(Decision::failed(entry.path, failed, error));
                }
            }
        }
        let (looked, taken) = apart(looked_at(setup, batch).await?, &mut places).await?;
        decisions.extend(taken.into_iter().map(|file| same_name(file.relative)));
        decisions.extend(receive_all(setup, looked, &mut blocked).await);
        decided.give(decisions).await?;
    }
    let empty = folders.end(&setup.rules.filter).into_iter();
    decided.give(empty.map(Decision::Skipped).collect()).await?;
    if setup.delete {
        delete_local(setup, (seen, &places), decided).await?;
    }
    for planned in blocked.iter() {
        decided.give(vec![Decision::Change(planned)]).await?;
    }
    Ok(())
}

/// A remote file that has a place on this machine.
struct Receivable {
    relative: String,
    local: PathBuf,
    remote: RemotePath,
    there: RemoteIdentity,
    /// What is in its place, a file or not.
    in_place: Option<LocalIdentity>,
    /// There is something in its place, or it can't be known.
    replaces: bool,
    /// That is a folder, or a file is where the folder should be that it is in; and it is extraneous.
    blocked: bool,
}

impl Receivable {
    fn planned(self) -> PlannedChange {
        PlannedChange {
            path: self.relative,
            change: Change::Download,
            size: self.there.size,
            replaces: self.replaces,
            keeps_both: false,
            executable: false,
            modified: self.there.modified,
            compared: Compared {
                here: self.in_place,
                there: None,
            },
        }
    }
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
        there: RemoteIdentity::of(entry),
        in_place: None,
        replaces: false,
        blocked: false,
        remote,
    }))
}

fn same_name(path: String) -> Decision {
    Decision::failed(path, Some(Change::Download), no_name_of_its_own())
}

fn no_name_of_its_own() -> Error {
    let message = "this machine can't tell its name from that of another file";
    Error::new(ErrorKind::Conflict, message)
}

impl Setup {
    /// What a file that came after the look has to do with one that could not be placed for it: the other may have come in
    /// this run, under a name that is taken for the same.
    pub(super) async fn why_in_conflict(&self, relative: &str, error: Error) -> Error {
        let Ok(path) = names::local(relative) else {
            return error;
        };
        let path = self.local.join(path);
        let look = move || Ok(path.symlink_metadata().is_ok() && !has_own_entry(&path));
        match blocking(look).await {
            Ok(true) => no_name_of_its_own(),
            _ => error,
        }
    }
}

/// A remote file, and the one that is in its place.
struct Looked {
    file: Receivable,
    here: Option<LocalIdentity>,
    identity: Option<Identity>,
}

/// Sorts out those in whose place a file is that is in the place of another.
async fn apart(all: Vec<Looked>, places: &mut Places) -> Result<(Vec<Looked>, Vec<Receivable>)> {
    let mut is_new = |looked: &Looked| {
        let identity = looked.identity.as_ref();
        identity.is_none_or(|identity| places.insert(identity, &looked.file.relative))
    };
    let (mut free, again) = all.into_iter().partition::<Vec<_>, _>(&mut is_new);
    if again.is_empty() {
        return Ok((free, Vec::new()));
    }
    // Two names of one file that differ in case may both be there.
    let both = |looked: &Looked| {
        looked.identity.is_some_and(|identity| identity.is_linked())
            && has_own_entry(&looked.file.local)
    };
    let sorted = blocking(move || Ok(again.into_iter().partition::<Vec<_>, _>(both)));
    let (own, taken) = sorted.await?;
    free.extend(own);
    Ok((free, taken.into_iter().map(|looked| looked.file).collect()))
}

/// What follows for each. Where extraneous files are deleted, one in whose way something is comes after that, which may be
/// among these.
async fn receive_all(setup: &Setup, files: Vec<Looked>, blocked: &mut Changes) -> Vec<Decision> {
    let (free, waits) = files
        .into_iter()
        .partition::<Vec<_>, _>(|looked| !setup.delete || !looked.file.blocked);
    for Looked { file, .. } in waits {
        blocked.push(&PlannedChange {
            replaces: false,
            ..file.planned()
        });
    }
    let looked = free.into_iter();
    let decisions = looked.map(|looked| receive(setup, looked.file, looked.here));
    stream::iter(decisions).buffered(AT_ONCE).collect().await
}

/// With what each is replacing, if that is a file. Whatever else is there: a link is replaced, a folder is an error when
/// it comes to it.
async fn looked_at(setup: &Setup, files: Vec<Receivable>) -> Result<Vec<Looked>> {
    let (root, rules) = (setup.local.clone(), setup.rules.clone());
    let ignoring = rules.clone();
    let look = move |mut file: Receivable| {
        let metadata = file.local.symlink_metadata();
        let has_failed = |kind| metadata.as_ref().is_err_and(|error| error.kind() == kind);
        file.replaces = !has_failed(io::ErrorKind::NotFound);
        file.blocked = match &metadata {
            Ok(there) => there.is_dir() && folders::can_go(&root, &file.local, &rules),
            Err(_) => {
                let above = file.local.ancestors().skip(1);
                let mut above = above.take_while(|above| *above != root);
                has_failed(io::ErrorKind::NotADirectory)
                    && above.any(|above| !above.is_dir() && folders::can_go(&root, above, &rules))
            }
        };
        file.in_place = metadata.as_ref().ok().map(LocalIdentity::of);
        let here = metadata.ok().filter(Metadata::is_file);
        Looked {
            file,
            here: here.as_ref().map(LocalIdentity::of),
            identity: here.as_ref().and_then(Identity::of),
        }
    };
    blocking(move || {
        let files = files.into_iter();
        let taken = files.filter(|file| !ignoring.ignores(Path::new(&file.relative)));
        Ok(taken.map(look).collect())
    })
    .await
}

/// Whether a remote file has to be fetched.
async fn receive(setup: &Setup, file: Receivable, here: Option<LocalIdentity>) -> Decision {
    let verdict = match here {
        Some(here) => {
            let pair = Pair {
                local: &file.local,
                remote: &file.remote,
                here,
                there: &file.there,
            };
            setup.verdict(&pair).await
        }
        None => Ok(Verdict::Differs),
    };
    let planned = file.planned();
    match verdict {
        Ok(verdict) => setup.decision(verdict, planned),
        Err(error) => Decision::failed(planned.path, Some(Change::Download), error),
    }
}

/// What is on this machine and not in the context: not in a second listing either, since the first may have been stale,
/// or have passed over a file when another before it was deleted; and not when the file itself is asked for, since both may
/// lag behind an upload. Nor one that is in the place of a remote file whose name is taken for the same, or that came there
/// since.
async fn delete_local(
    setup: &Setup,
    (mut seen, places): (Seen, &Places),
    decided: &Decisions,
) -> Result<()> {
    let mut again = false;
    let mut found = local::walk(&setup.local, &setup.rules);
    while let Some(batch) = found.recv().await {
        let mut extraneous = Vec::new();
        let mut skipped = Vec::new();
        for found in batch {
            let (relative, here, identity) = match found {
                Found::File {
                    relative,
                    here,
                    identity,
                    ..
                } => (relative, here, identity),
                // Local folders stay anyway.
                Found::Skipped(entry) if entry.reason != SkipReason::EmptyFolder => {
                    skipped.push(Decision::Skipped(entry));
                    continue;
                }
                _ => continue,
            };
            let Ok(path) = names::relative(&relative) else {
                continue;
            };
            let stays = |file: &Identity| places.contains(file, &path);
            // What came after the start was not there when the context was listed.
            if identity.as_ref().is_some_and(stays) || here.is_later_than(setup.file_time) {
                continue;
            }
            if !again && !seen.contains(&path) {
                look_again(setup, &mut seen).await?;
                again = true;
            }
            if !seen.contains(&path) && !names::is_kept(&path) {
                extraneous.push((path, here));
            }
        }
        let decisions = extraneous
            .into_iter()
            .map(|(path, here)| delete(setup, path, here));
        let decisions = stream::iter(decisions).buffered(AT_ONCE);
        skipped.extend(decisions.collect::<Vec<_>>().await);
        decided.give(skipped).await?;
    }
    Ok(())
}

async fn delete(setup: &Setup, path: String, here: LocalIdentity) -> Decision {
    let compared = Compared {
        here: Some(here),
        there: None,
    };
    let planned = PlannedChange::deletion(&path, Change::DeleteLocal, Some(here.size), compared);
    match deletable(setup, &path, here).await {
        Ok(Deletable::Yes { changed }) => setup.deletion(changed, planned),
        Ok(Deletable::IsThere) => Decision::skipped(path, SkipReason::StaleListing),
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

async fn deletable(setup: &Setup, path: &str, here: LocalIdentity) -> Result<Deletable> {
    let Ok(remote) = names::remote(&setup.remote, path) else {
        let changed = setup.is_added_by_others();
        return Ok(Deletable::Yes { changed });
    };
    if setup.files.told(&remote).await?.is_some() {
        return Ok(Deletable::IsThere);
    }
    let changed = match setup.known(&remote) {
        Some(known) => {
            let local = setup.local.join(names::local(path)?);
            setup.local_changed(&local, here, &known).await?
        }
        None => setup.is_added_by_others(),
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
