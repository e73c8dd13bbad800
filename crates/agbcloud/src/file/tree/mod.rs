//! Many files: a folder of this machine and one of a context, made alike.

mod act;
mod changes;
mod compare;
mod conflict;
mod delete;
mod down;
mod filter;
mod folders;
mod gate;
mod gitignore;
mod glob;
mod identity;
mod index;
mod limit;
mod listener;
mod listing;
mod local;
mod names;
mod perform;
mod places;
mod plan;
mod planned;
mod ready;
mod record;
mod report;
mod setup;
mod skipped;
mod staged;
mod state;
mod up;

use std::{
    future::IntoFuture,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_core::future::BoxFuture;

pub use compare::Compare;
pub use conflict::ConflictPolicy;
pub use delete::DeleteDir;
pub use glob::GlobError;
pub use limit::DeleteLimit;
pub use plan::PlannedChange;
pub use planned::SyncPlan;
pub use report::{Change, FileFailure, FileOutcome, KeptCopy, SyncReport};
pub use skipped::{SkipReason, SkippedEntry};

use act::Actor;
use filter::Filter;
use gitignore::resolved;
use listener::Listener;
use local::Rules;
use setup::Setup;
use state::State;

use super::local::file_time;

#[cfg(doc)]
use super::Download;
use super::Files;
use crate::{FolderPath, Operation, Progress, Result, error::in_operation, trace};

/// Files that move at the same time when nothing else is said.
pub const DEFAULT_MAX_CONCURRENT_FILES: usize = 32;

/// Bytes of the files that move at the same time when nothing else is said: 256 MiB.
pub const DEFAULT_MAX_BYTES_IN_FLIGHT: u64 = 256 * 1024 * 1024;

/// What is done with symbolic links among the local files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Symlinks {
    /// They are skipped, and [reported](SyncReport::skipped_entries).
    #[default]
    Skip,
    /// What they lead to is taken in their place. One that leads in a circle is a failure.
    Follow,
    /// Each is a failure.
    Refuse,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
    /// There is no local folder: what is in the context is deleted.
    Away,
}

/// A folder of this machine and one of a context that are to be made alike: from
/// [`Files::upload_dir`] and [`Files::download_dir`]. Await it, or look at the [`plan`](Self::plan) first.
///
/// Only what differs is moved, so that one that was stopped, in whatever way, finishes the rest when it is run again:
/// every file appears whole or not at all. A file that fails does not stop the others; a failure that all others would
/// meet too (a wrong key, a context that is gone) stops it.
///
/// Of remote files whose names the local file system takes for the same, since it ignores case or the ways to write an accent,
/// one is fetched; the others are failures of kind [`Conflict`](crate::ErrorKind::Conflict), of which a plan may know just those in
/// whose place a file is. Such a file is not deleted for being called otherwise here.
///
/// What changed moves while the context is still being listed; a file that is not there yet moves when the listing has ended,
/// since only then that is known.
///
/// Memory does not depend on the size of files, and on their number by some 110 bytes for each remote file of an upload that
/// has not come up among the local ones, by some 30 for each file of a download that is there already, and by some 20 for
/// each with [`delete`](Self::delete).
#[derive(Debug)]
#[must_use = "nothing is done until it is awaited or planned"]
pub struct SyncDir {
    files: Files,
    direction: Direction,
    local: PathBuf,
    remote: Result<FolderPath>,
    compare: Compare,
    delete: bool,
    delete_limit: DeleteLimit,
    state: Option<PathBuf>,
    on_conflict: ConflictPolicy,
    include: Vec<String>,
    exclude: Vec<String>,
    gitignore: bool,
    symlinks: Symlinks,
    durable: bool,
    max_concurrent_files: usize,
    max_bytes_in_flight: u64,
    listener: Listener,
}

impl SyncDir {
    pub(super) fn up(files: Files, local: PathBuf, remote: Result<FolderPath>) -> Self {
        Self::new(files, Direction::Up, local, remote)
    }

    pub(super) fn down(files: Files, remote: Result<FolderPath>, local: PathBuf) -> Self {
        Self::new(files, Direction::Down, local, remote)
    }

    fn new(files: Files, direction: Direction, local: PathBuf, remote: Result<FolderPath>) -> Self {
        Self {
            files,
            direction,
            local,
            remote,
            compare: Compare::default(),
            delete: false,
            delete_limit: DeleteLimit::default(),
            state: None,
            on_conflict: ConflictPolicy::default(),
            include: Vec::new(),
            exclude: Vec::new(),
            gitignore: false,
            symlinks: Symlinks::default(),
            durable: true,
            max_concurrent_files: DEFAULT_MAX_CONCURRENT_FILES,
            max_bytes_in_flight: DEFAULT_MAX_BYTES_IN_FLIGHT,
            listener: Listener::default(),
        }
    }

    /// How files are compared. Defaults to [`Compare::SizeAndTime`].
    pub fn compare(mut self, how: Compare) -> Self {
        self.compare = how;
        self
    }

    /// Whether files are deleted that are on the side that is written to and not on the other; they are not if not said.
    /// It is done last, and only if nothing failed before. What a glob or the rules of [`gitignore`](Self::gitignore) leave
    /// out is not deleted. Folders of this machine stay, also when they are empty, unless a file takes the place of one:
    /// what takes the place of something that is deleted is fetched after that.
    pub fn delete(mut self, extraneous: bool) -> Self {
        self.delete = extraneous;
        self
    }

    /// Refuses, before anything is done, to [delete](Self::delete) more than this, and to delete all there is for an empty
    /// source. Defaults to 1000 files, and half of the files on the side that is written to. Everything is planned before
    /// anything is copied.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// # let folder = tempfile::tempdir()?;
    /// files.upload("/data/a.txt", &b"hello"[..]).await?;
    /// let error = files.upload_dir(folder.path(), "/data").delete(true).await.unwrap_err();
    /// assert_eq!(error.kind(), agbcloud::ErrorKind::SafetyLimit);
    ///
    /// let upload = files.upload_dir(folder.path(), "/data").delete(true);
    /// let report = upload.delete_limit(agbcloud::DeleteLimit::NONE).await?;
    /// assert_eq!(report.deleted, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn delete_limit(mut self, limit: DeleteLimit) -> Self {
        self.delete_limit = limit;
        self
    }

    /// Remembers in this file what both sides had in common: 80 bytes for each file, no content and no names. With it
    ///
    /// * a local file that is as it was is not read again, and one that has another time and the old content is not copied:
    ///   after a fresh checkout nothing is;
    /// * a file that was changed or added on the side that is written to, since these folders were last synchronized, is a
    ///   [conflict](Self::on_conflict).
    ///
    /// The file is created if it does not exist, with the folders above it, and is for one context and one local folder, both
    /// directions. A [plan](Self::plan) reads it and writes nothing until it is run. A process that is killed leaves it
    /// readable; of files that were fetched right before, the next run compares the checksums. It takes 80 bytes of memory for
    /// each file.
    ///
    /// Several synchronizations can use it at the same time: each entry is written under a lock that is held for that moment.
    /// On Windows, and on file systems without locks, there must be one at a time.
    pub fn state(mut self, file: impl Into<PathBuf>) -> Self {
        self.state = Some(file.into());
        self
    }

    /// What is done with a file on the side that is written to that is not known to be an older version of the other. Defaults
    /// to a [failure](ConflictPolicy::Fail).
    pub fn on_conflict(mut self, how: ConflictPolicy) -> Self {
        self.on_conflict = how;
        self
    }

    /// Takes only files that match a glob. Of several globs, one must match.
    ///
    /// Globs are those of a `.gitignore`, on paths below the folder, with `{a,b}` for alternatives. A path is normalised:
    /// `./a` is `/a`, `a//b` is `a/b`, `#a` and `a ` are files of that name. A glob that can never match is an error, the
    /// [source](std::error::Error::source) of which is a [`GlobError`](crate::GlobError).
    pub fn include(mut self, glob: impl Into<String>) -> Self {
        self.include.push(glob.into());
        self
    }

    /// Leaves out what matches a glob of the same kind, whatever is [included](Self::include): `target/`, `*.tmp`. As with
    /// git, what lies in a folder that is left out stays out, also if a `!` takes it in again.
    pub fn exclude(mut self, glob: impl Into<String>) -> Self {
        self.exclude.push(glob.into());
        self
    }

    /// Whether what git ignores takes no part, in both directions and in deletions, as `git check-ignore --no-index` has it:
    /// by the `.gitignore` files in the local folder and above it, up to the root of the repository that it is in, by
    /// `.git/info/exclude` and by `core.excludesFile`. `.git` itself takes no part either. Defaults to `false`.
    ///
    /// Tracked files are ignored like others. In a repository that lies in another, the rules of both hold. Files named
    /// `.ignore` in the folder hold too, before those of git. A folder that is itself ignored
    /// has no files that take part. `includeIf` and settings in environment variables are not read.
    pub fn gitignore(mut self, respect: bool) -> Self {
        self.gitignore = respect;
        self
    }

    /// What is done with symbolic links among the local files; they are [left out](Symlinks::Skip) if not said.
    pub fn symlinks(mut self, how: Symlinks) -> Self {
        self.symlinks = how;
        self
    }

    /// Whether files that are fetched are synced to the disk before they appear: see [`Download::durable`].
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Files that move at the same time, at most; [`DEFAULT_MAX_CONCURRENT_FILES`] if not said, at least 1. They become fewer
    /// while the service or the store says that it is asked too much.
    pub fn max_concurrent_files(mut self, files: usize) -> Self {
        self.max_concurrent_files = files;
        self
    }

    /// Bytes of the files that move at the same time, at most; [`DEFAULT_MAX_BYTES_IN_FLIGHT`] if not said. A file that is
    /// larger moves alone.
    pub fn max_bytes_in_flight(mut self, bytes: u64) -> Self {
        self.max_bytes_in_flight = bytes;
        self
    }

    /// Calls this for each file that was moved, deleted, or failed, for one after the other: it should be quick, since no
    /// other file is begun meanwhile.
    pub fn on_file(mut self, listener: impl Fn(&FileOutcome<'_>) + Send + Sync + 'static) -> Self {
        self.listener.hear_files(listener);
        self
    }

    /// Calls this for each entry that is skipped, with the reason. It should return quickly.
    pub fn on_skipped(mut self, listener: impl Fn(&SkippedEntry) + Send + Sync + 'static) -> Self {
        self.listener.on_skipped(listener);
        self
    }

    /// Calls this with the path of a file and how far it has come, in the tasks that move files: for each at most twenty
    /// times a second, and at its end. One that is tried again starts from nothing.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// # let folder = tempfile::tempdir()?;
    /// # std::fs::write(folder.path().join("a.txt"), "hello")?;
    /// let upload = files.upload_dir(folder.path(), "/data");
    /// upload.on_progress(|path, moved| println!("{path}: {} of {:?}", moved.bytes, moved.total)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_progress(
        mut self,
        listener: impl Fn(&str, Progress) + Send + Sync + 'static,
    ) -> Self {
        self.listener.hear_bytes(listener);
        self
    }

    /// Looks at both sides and does nothing yet. The plan holds each change: 24 bytes, and what its path
    /// has not in common with the one before.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = client.contexts().get_or_create("my-project").await?;
    /// # let files = client.contexts().files(&context.id);
    /// # let folder = tempfile::tempdir()?;
    /// # std::fs::write(folder.path().join("a.txt"), "hello")?;
    /// let plan = files.upload_dir(folder.path(), "/data").delete(true).plan().await?;
    /// for planned in plan.changes() {
    ///     println!("{} {}", planned.change, planned.path);
    /// }
    /// println!("{} bytes", plan.bytes());
    /// let report = plan.run().await?;
    /// assert_eq!(report.transferred, 1);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a glob or a remote folder that makes no sense,
    /// [`LocalFile`](crate::ErrorKind::LocalFile) if the local folder or the state can't be read,
    /// [`SafetyLimit`](crate::ErrorKind::SafetyLimit) if too much would be deleted, and those of a listing.
    pub async fn plan(self) -> Result<SyncPlan> {
        let operation = self.operation();
        let plan = self.planned_within_limit().await;
        plan.map_err(in_operation(operation))
    }

    async fn planned(self) -> Result<SyncPlan> {
        let (setup, listener) = self.settle().await?;
        let mut plan = SyncPlan::new(setup.clone(), listener);
        plan::plan(&setup, &mut plan).await?;
        Ok(plan)
    }

    /// A plan within the limit on deletions.
    async fn planned_within_limit(self) -> Result<SyncPlan> {
        let limit = match self.direction {
            // What was named is what is deleted.
            Direction::Away => DeleteLimit::NONE,
            Direction::Up | Direction::Down => self.delete_limit,
        };
        let plan = self.planned().await?;
        plan.check_delete_limit(limit)?;
        Ok(plan)
    }

    fn operation(&self) -> Operation {
        match self.direction {
            Direction::Up => Operation::Upload,
            Direction::Down => Operation::Download,
            Direction::Away => Operation::DeleteContextFile,
        }
    }

    async fn settle(self) -> Result<(Setup, Listener)> {
        let (path, context) = (self.state, self.files.context.clone());
        let (local, writes_here) = (self.local.clone(), self.direction == Direction::Down);
        let time = self.files.client.time().clone();
        let open = move || {
            let state = path.as_ref().map(|path| State::open(path, &context, time));
            let within = path.as_ref().and_then(|path| place_in(&local, path));
            let beside = path.as_deref().and_then(Path::parent);
            let temporary = std::env::temp_dir();
            let here = writes_here.then_some(&*local);
            let folders: Vec<&Path> = here
                .into_iter()
                .chain(beside)
                .chain([&*temporary])
                .collect();
            Ok((
                state.transpose()?.map(Arc::new),
                within,
                file_time(&folders),
            ))
        };
        let (state, within, file_time) = super::local::blocking(open).await?;
        let filter = Filter::new(&self.include, &self.exclude, &self.local)?;
        let sends = self.direction == Direction::Up && self.symlinks != Symlinks::Follow;
        let root = match sends {
            true => local::root(&self.local).await?,
            false => None,
        };
        let ignores = match self.gitignore {
            true => Some(local::ignores(&self.local).await?),
            false => None,
        };
        let setup = Setup {
            files: self.files,
            direction: self.direction,
            local: self.local,
            root,
            remote: self.remote?,
            compare: self.compare,
            delete: self.delete,
            state,
            on_conflict: self.on_conflict,
            rules: Rules {
                filter,
                symlinks: self.symlinks,
                ignores,
                state: within,
            },
            durable: self.durable,
            max_concurrent_files: self.max_concurrent_files,
            max_bytes_in_flight: self.max_bytes_in_flight,
            file_time,
        };
        Ok((setup, self.listener))
    }

    async fn run(self) -> Result<SyncReport> {
        if self.delete {
            return self.planned_within_limit().await?.run().await;
        }
        let (setup, listener) = self.settle().await?;
        let act = async move {
            setup.begin().await?;
            let mut actor = Actor::new(&setup, listener);
            plan::plan(&setup, &mut actor).await?;
            actor.finish().await
        };
        // In a box: it is large.
        act::in_a_task(Box::pin(act)).await
    }
}

impl IntoFuture for SyncDir {
    type Output = Result<SyncReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    /// Plans and acts at the same time: a file moves as soon as it is known that it has to.
    fn into_future(self) -> Self::IntoFuture {
        let (operation, context) = (self.operation(), self.files.context.clone());
        trace::transfer(operation, context, self.run())
    }
}

/// Where a file is in a folder, or will be, if it is.
fn place_in(folder: &Path, file: &Path) -> Option<PathBuf> {
    let (folder, file) = (resolved(folder)?, resolved(file)?);
    file.strip_prefix(folder).ok().map(Path::to_owned)
}
