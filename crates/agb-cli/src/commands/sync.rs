//! `agb sync` and `agb diff`.

use std::path::{Path, PathBuf};

use agbcloud::{Change, ConflictPolicy, Context, DeleteLimit, SyncDir, SyncPlan};
use clap::Args;
use clap_complete::ArgValueCompleter;
use futures_util::stream;
use sha2::{Digest, Sha256};

use super::{
    Run, Session, ask, complete, file, find,
    folder::{self, Task},
    folder_options::FolderOptions,
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
    /// Remember nothing, and look at nothing that is remembered
    #[arg(long)]
    no_state: bool,
    #[command(flatten)]
    options: FolderOptions,
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

    async fn sync(&self, client: &Service) -> Result<SyncDir, Failure> {
        let direction = self.direction()?;
        let (Direction::Up(local, remote) | Direction::Down(remote, local)) = direction;
        if let Direction::Up(local, _) = direction {
            check_is_folder(local)?;
        }
        let context = find::context(client, &remote.context).await?;
        let files = client.contexts().files(&context.id);
        let mut sync = match direction {
            Direction::Up(..) => files.upload_dir(local, remote.bare()),
            Direction::Down(..) => {
                file::check_folder(&files, remote).await?;
                files.download_dir(remote.bare(), local)
            }
        };
        sync = self
            .options
            .apply(sync, ConflictPolicy::Fail)
            .delete(self.delete);
        if !self.no_state {
            sync = sync.state(state_file(client, &context, local)?);
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
fn state_file(client: &Service, context: &Context, local: &Path) -> Result<PathBuf, Failure> {
    let local = std::path::absolute(local)
        .map_err(|error| Failure::other(format!("can't find {}", local.display()), error))?;
    let mut digest = Sha256::new();
    for part in [
        client.endpoint(),
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
    /// Delete without asking, also in the first sync of two folders
    #[arg(long, short, requires = "delete")]
    yes: bool,
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
            let sync = sync.delete_limit(DeleteLimit::NONE);
            let plan = show(session, &self.sides.task("sync"), sync, Skipped::Listed).await?;
            return Ok(plan.check_delete_limit(limit)?);
        }
        let sync = sync.delete_limit(limit);
        let check = |plan: &SyncPlan| confirm_deletions(plan, self.yes);
        folder::run(session, &self.sides.task("sync"), sync, check).await
    }
}

/// Asks before a first sync deletes files: nothing shows that they were ever on the other side.
fn confirm_deletions(plan: &SyncPlan, yes: bool) -> Result<(), Failure> {
    let deleted = folder::count(plan, [Change::DeleteRemote, Change::DeleteLocal]);
    if deleted == 0 || plan.has_baseline() {
        return Ok(());
    }
    let what = format!(
        "the first sync of these folders deletes {}",
        output::counted(deleted as u64, "file")
    );
    ask::before(&what, None, yes)
}

#[derive(Debug, Args)]
pub(crate) struct DiffArguments {
    #[command(flatten)]
    sides: Sides,
}

impl Run for DiffArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let sync = self.sides.sync(&session.connect()?).await?;
        let sync = sync.delete_limit(DeleteLimit::NONE);
        let plan = match show(session, &self.sides.task("compare"), sync, Skipped::Counted).await {
            // A reader that has had enough has seen that there are differences.
            Err(failure) if failure.is(Code::BrokenPipe) => {
                return Err(Failure::silent(Code::Differs));
            }
            plan => plan?,
        };
        if let Err(refused) = plan.check_delete_limit(DeleteLimit::default()) {
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

/// Whether what is skipped is listed with the changes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Skipped {
    Listed,
    /// In the summary alone: it is no difference.
    Counted,
}

/// Names what would be done.
pub(super) async fn show(
    session: &Session,
    task: &Task,
    sync: SyncDir,
    skipped: Skipped,
) -> Result<SyncPlan, Failure> {
    let plan = folder::planned(session, task, sync).await?;
    let listed = match skipped {
        Skipped::Listed => plan.skipped(),
        Skipped::Counted => &[],
    };
    let listed = listed.iter().map(ChangeRow::from);
    let rows = plan.changes().map(ChangeRow::from).chain(listed);
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
        let skipped = plan.skipped();
        say::note(format_args!(
            "{moved} to copy ({}), {deleted} to delete, {} the same{}",
            output::bytes(Some(plan.bytes())),
            plan.unchanged(),
            folder::skipped(skipped, skipped.len() as u64, "to skip")
        ));
        let executable = || plan.changes().filter(|change| change.executable);
        let count = executable().count() as u64;
        let first = executable().take(folder::NAMED).map(|change| change.path);
        folder::note_executable(&first.collect::<Vec<_>>(), count);
    }
    match plan.failed() {
        0 => Ok(plan),
        failed => Err(Failure::of(
            folder::code_of(plan.failures(), failed),
            format!("{} can't be dealt with", output::counted(failed, "file")),
        )),
    }
}
