//! `agb sync` and `agb diff`.

use std::path::{Path, PathBuf};

use agbcloud::{Change, Compare, Conflict, Context, DeleteLimit, Symlinks, SyncDir, SyncPlan};
use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;
use futures_util::stream;
use sha2::{Digest, Sha256};

use super::{
    Run, Session, complete, file, find,
    folder::{self, Replace, Task},
};
use crate::{
    address::{Address, Remote},
    exit::{Code, Failure},
    output::{self, Rows, schema::ChangeRow},
    say,
    settings::{self, Service},
};

/// Two folders, and what counts as the same.
#[derive(Debug, Args)]
pub(crate) struct Sides {
    /// Folder that is read: a local one, or NAME:/path
    #[arg(value_name = "SRC", add = ArgValueCompleter::new(complete::addresses))]
    from: Address,
    /// Folder that is made like it
    #[arg(value_name = "DST", add = ArgValueCompleter::new(complete::addresses))]
    to: Address,
    /// Delete what is not in SRC, after everything else, and only if all of that went well
    #[arg(long)]
    delete: bool,
    /// Compare the content of files of the same size, whatever their times
    #[arg(long)]
    checksum: bool,
    /// Take just the files that match a glob (as in .gitignore)
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Leave out what matches a glob
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Leave out what .gitignore files name
    #[arg(long)]
    gitignore: bool,
    /// What to do with symbolic links
    #[arg(long, value_name = "HOW", value_enum, default_value = "skip")]
    links: Links,
    /// What to do with a file that was changed in DST since the last sync
    #[arg(long, value_name = "HOW", value_enum, default_value = "fail")]
    conflict: OnConflict,
    /// Remember nothing, and look at nothing that is remembered
    #[arg(long)]
    no_state: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Links {
    Skip,
    Follow,
    Refuse,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OnConflict {
    /// It is a failure, and nothing is written
    Fail,
    /// It is replaced
    Overwrite,
    /// It stays as it is
    Skip,
    /// It is replaced, and stays beside it as NAME.conflict-TIME
    KeepBoth,
}

impl Sides {
    fn direction(&self) -> Result<Direction<'_>, Failure> {
        match (&self.from, &self.to) {
            (Address::Local(local), Address::Remote(remote)) => Ok(Direction::Up(local, remote)),
            (Address::Remote(remote), Address::Local(local)) => Ok(Direction::Down(remote, local)),
            (Address::Local(_), Address::Local(_)) => {
                Err(Failure::usage("one of the two is NAME:/path"))
            }
            (Address::Remote(_), Address::Remote(_)) => {
                let failure = Failure::usage("one of the two has to be a folder of this machine");
                Err(failure.hint("sync to a folder here first, and from there"))
            }
        }
    }

    fn task(&self, what: &'static str) -> Task {
        Task::new(what, &self.from, &self.to)
    }

    async fn sync(&self, agb: &Service) -> Result<SyncDir, Failure> {
        let direction = self.direction()?;
        let (Direction::Up(local, remote) | Direction::Down(remote, local)) = direction;
        if let Direction::Up(local, _) = direction {
            check_is_folder(local)?;
        }
        let context = find::context(agb, &remote.context).await?;
        let files = agb.contexts().files(&context.id);
        let mut sync = match direction {
            Direction::Up(..) => files.upload_dir(local, remote.bare()),
            Direction::Down(..) => {
                file::check_folder(&files, remote).await?;
                files.download_dir(remote.bare(), local)
            }
        };
        sync = sync
            .delete(self.delete)
            .gitignore(self.gitignore)
            .compare(if self.checksum {
                Compare::Checksum
            } else {
                Compare::SizeAndTime
            })
            .symlinks(match self.links {
                Links::Skip => Symlinks::Skip,
                Links::Follow => Symlinks::Follow,
                Links::Refuse => Symlinks::Refuse,
            })
            .on_conflict(match self.conflict {
                OnConflict::Fail => Conflict::Fail,
                OnConflict::Overwrite => Conflict::Overwrite,
                OnConflict::Skip => Conflict::Skip,
                OnConflict::KeepBoth => Conflict::KeepBoth,
            });
        for glob in &self.include {
            sync = sync.include(glob);
        }
        for glob in &self.exclude {
            sync = sync.exclude(glob);
        }
        if !self.no_state {
            sync = sync.state(state_file(agb, &context, local)?);
        }
        Ok(sync)
    }
}

/// That a folder that is to be read is one.
pub(super) fn check_is_folder(local: &Path) -> Result<(), Failure> {
    match local.metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(Failure::usage(format!("{} is no folder", local.display()))),
        Err(error) => Err(file::no_such(local, &error)),
    }
}

#[derive(Clone, Copy)]
enum Direction<'a> {
    Up(&'a Path, &'a Remote),
    Down(&'a Remote, &'a Path),
}

/// One file for a service, a context and a folder of this machine.
fn state_file(agb: &Service, context: &Context, local: &Path) -> Result<PathBuf, Failure> {
    let local = std::path::absolute(local)
        .map_err(|error| Failure::other(format!("can't find {}", local.display()), error))?;
    let mut digest = Sha256::new();
    for part in [
        agb.endpoint(),
        context.id.as_str(),
        &local.to_string_lossy(),
    ] {
        digest.update(part);
        digest.update([0]);
    }
    let name: String = digest.finalize()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Ok(settings::state_folder()?.join(name))
}

#[derive(Debug, Args)]
pub(crate) struct SyncArguments {
    #[command(flatten)]
    sides: Sides,
    /// Name every file, and do nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Refuse to delete more files than this, or more than so many percent of those in DST (N%); without it 1000 files, and half
    #[arg(long, value_name = "N", requires = "delete", value_parser = limit)]
    max_delete: Option<DeleteLimit>,
}

fn limit(text: &str) -> Result<DeleteLimit, String> {
    let wrong = || "a number of files, or percent from 0% to 100%".to_owned();
    match text.strip_suffix('%') {
        Some(percent) => match percent.parse() {
            Ok(percent @ 0..=100) => Ok(DeleteLimit::percent(percent)),
            _ => Err(wrong()),
        },
        None => text.parse().map(DeleteLimit::files).map_err(|_| wrong()),
    }
}

impl Run for SyncArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let sync = self.sides.sync(&session.connect()?).await?;
        let limit = self.max_delete.unwrap_or_default();
        if self.dry_run {
            // What is too much is named too, before it is refused.
            let plan = show(session, &self.sides.task("sync"), sync).await?;
            return Ok(plan.hold_to(limit)?);
        }
        let sync = sync.delete_limit(limit);
        folder::run(session, &self.sides.task("sync"), sync, Replace::Yes).await
    }
}

#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    #[command(flatten)]
    sides: Sides,
}

impl Run for DiffArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let sync = self.sides.sync(&session.connect()?).await?;
        let plan = match show(session, &self.sides.task("compare"), sync).await {
            // A reader that has had enough has seen that there are differences.
            Err(failure) if failure.is(Code::BrokenPipe) => {
                return Err(Failure::silent(Code::Differs));
            }
            plan => plan?,
        };
        if let Err(refused) = plan.hold_to(DeleteLimit::default()) {
            say::note(format_args!(
                "agb sync would refuse this: {}",
                refused.message()
            ));
        }
        match plan.changes().len() {
            0 => Ok(()),
            _ => Err(Failure::silent(Code::Differs)),
        }
    }
}

/// So many changes are named in the order of their paths, deletions last; more in that in which they were found.
const SORTED: usize = 10_000;

/// Names what would be done.
async fn show(session: &Session, task: &Task, sync: SyncDir) -> Result<SyncPlan, Failure> {
    let plan = folder::planned(session, task, sync).await?;
    let rows = plan.changes().map(ChangeRow::from);
    let shown = Rows::new(&session.look);
    if plan.changes().len() <= SORTED {
        let mut rows: Vec<ChangeRow> = rows.collect();
        rows.sort_by(|a, b| (a.deletes(), &a.path).cmp(&(b.deletes(), &b.path)));
        shown.show(stream::iter(rows.into_iter().map(Ok))).await?;
    } else {
        shown.show(stream::iter(rows.map(Ok))).await?;
    }
    folder::tell_failures(plan.failures(), plan.failed());
    let moved = folder::count(&plan, [Change::Upload, Change::Download]);
    let deleted = folder::count(&plan, [Change::DeleteRemote, Change::DeleteLocal]);
    if session.look.tells_progress() {
        say::note(format_args!(
            "{moved} to move ({}), {deleted} to delete, {} the same",
            output::bytes(Some(plan.bytes())),
            plan.unchanged()
        ));
    }
    match plan.failed() {
        0 => Ok(plan),
        failed => Err(Failure::of(
            folder::code_of(plan.failures(), failed),
            format!("{} can't be dealt with", output::counted(failed, "file")),
        )),
    }
}
