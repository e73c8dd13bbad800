//! Syncing a local folder and a folder of a context.

use std::{
    future::IntoFuture,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures_core::future::BoxFuture;

use super::{
    execute::{Executor, run_in_task},
    filter::{EntryFilter, GlobFilter, IgnoreRules, Symlinks, resolve_path},
    options::{
        Compare, ConflictPolicy, DEFAULT_MAX_BYTES_IN_FLIGHT, DEFAULT_MAX_CONCURRENT_FILES,
        Direction, SyncOptions,
    },
    plan::plan,
    progress::SyncProgress,
    report::{FileOutcome, SkippedEntry, SyncListener, SyncReport},
    state::SyncState,
    sync_plan::{DeleteLimit, SyncPlan},
};
#[cfg(doc)]
use crate::Download;
use crate::{
    Files, FolderPath, Result,
    file::local::{SourceFolder, blocking, file_system_time},
    trace,
};

/// A sync of a local folder and a folder of a context. Await it, or inspect the [`plan`](Self::plan) first. From
/// [`Files::upload_dir`] and [`Files::download_dir`].
///
/// Only files that differ are copied, and each appears complete or not at all, so a sync that was interrupted copies the
/// rest when it runs again. The failure of one file does not stop the sync, but a failure that affects all files does, for
/// example an invalid API key or a missing context.
///
/// If the local file system treats the names of several remote files as the same, because it ignores case or normalizes
/// accents, one of them is downloaded, and the others are failures of kind [`Conflict`](crate::ErrorKind::Conflict). A plan
/// contains these failures only for files that exist locally. A local file is not deleted because its name differs in this
/// way.
///
/// Files that exist on both sides are copied while the context is listed, and files that exist only on the source side when
/// the listing has ended.
///
/// The use of memory does not depend on the size of files. It takes about 110 bytes for each remote file of an upload that
/// has not been matched with a local file, 30 bytes for each existing file of a download, and 20 bytes for each file with
/// [`delete`](Self::delete).
#[derive(Debug, Clone)]
#[must_use = "a sync does nothing until it is awaited or planned"]
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
    listener: SyncListener,
}

impl SyncDir {
    pub(super) fn new(
        files: Files,
        direction: Direction,
        local: PathBuf,
        remote: Result<FolderPath>,
    ) -> Self {
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
            listener: SyncListener::default(),
        }
    }

    /// How files are compared. Defaults to [`Compare::SizeAndTime`].
    pub fn compare(mut self, how: Compare) -> Self {
        self.compare = how;
        self
    }

    /// Whether files on the target side are deleted that are not on the source side. Defaults to `false`.
    ///
    /// Deletions are last, and happen only if nothing failed before. Files that a glob or [`gitignore`](Self::gitignore)
    /// filters out are not deleted. Local folders are not deleted, unless a file replaces one. A file that replaces a
    /// deleted folder, or the reverse, is published after the deletion.
    pub fn delete(mut self, extraneous: bool) -> Self {
        self.delete = extraneous;
        self
    }

    /// The maximum number of files to [delete](Self::delete). Defaults to 1000 files and half of the files on the target
    /// side.
    ///
    /// The sync is planned completely, and fails without a change if it would delete more, or if the source has no files and
    /// it would delete any.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// # let folder = tempfile::tempdir()?;
    /// files.upload("/data/a.txt", &b"hello"[..]).await?;
    /// let error = files.upload_dir(folder.path(), "/data").delete(true).await.unwrap_err();
    /// assert_eq!(error.kind(), agbcloud::ErrorKind::SafetyLimit);
    ///
    /// let upload = files.upload_dir(folder.path(), "/data").delete(true);
    /// let report = upload.delete_limit(agbcloud::DeleteLimit::NONE).await?;
    /// assert_eq!(report.deleted, 1);
    /// # Ok(()) });
    /// ```
    pub fn delete_limit(mut self, limit: DeleteLimit) -> Self {
        self.delete_limit = limit;
        self
    }

    /// Records in this file which versions both sides had in common: 80 bytes for each file, without content and names. With
    /// a state,
    ///
    /// * a local file that has not changed is not read again, and one with another time but the same content is not copied,
    ///   for example after a new checkout;
    /// * a file that was changed or added on the target side since the last sync of these folders is a
    ///   [conflict](Self::on_conflict).
    ///
    /// The file is created with the folders above it if it does not exist. It belongs to one context and one local folder,
    /// in both directions. A [plan](Self::plan) reads it, and writes it only when it runs. A killed process leaves it valid;
    /// files that were downloaded immediately before are compared by checksum in the next sync. The state takes 80 bytes of
    /// memory for each file.
    ///
    /// Several syncs may use it concurrently: each entry is written under a lock. On Windows, and on file systems without
    /// locks, only one sync may use it at a time.
    pub fn state(mut self, file: impl Into<PathBuf>) -> Self {
        self.state = Some(file.into());
        self
    }

    /// What happens to a file on the target side that may not be an older version of the source. Defaults to
    /// [`ConflictPolicy::Fail`].
    pub fn on_conflict(mut self, how: ConflictPolicy) -> Self {
        self.on_conflict = how;
        self
    }

    /// Includes only files that match this glob. With several globs, a file must match one of them.
    ///
    /// The syntax is that of a `.gitignore` for paths relative to the folder, with `{a,b}` for alternatives. Paths are
    /// normalized: `./a` is `/a`, `a//b` is `a/b`, and `#a` and `a ` are files of that name. A glob that can never match is
    /// an error, whose [source](std::error::Error::source) is a [`GlobError`](crate::GlobError).
    pub fn include(mut self, glob: impl Into<String>) -> Self {
        self.include.push(glob.into());
        self
    }

    /// Excludes files that match this glob, even if they are [included](Self::include): `target/`, `*.tmp`. As with git, a
    /// `!` does not include a file again whose folder is excluded.
    pub fn exclude(mut self, glob: impl Into<String>) -> Self {
        self.exclude.push(glob.into());
        self
    }

    /// Whether files that git ignores are excluded, in both directions and from deletion, as by `git check-ignore
    /// --no-index`. Defaults to `false`.
    ///
    /// Applies the `.gitignore` files in the local folder and in the folders above it up to the root of the repository,
    /// `.git/info/exclude` and `core.excludesFile`. `.git` itself is excluded too. Tracked files are ignored like others. In
    /// nested repositories the rules of both apply. `.ignore` files in the local folder take precedence. An ignored folder
    /// has no files to copy. `includeIf` and settings in environment variables are not supported.
    pub fn gitignore(mut self, respect: bool) -> Self {
        self.gitignore = respect;
        self
    }

    /// How symbolic links in the local folder are treated. Defaults to [`Symlinks::Skip`].
    pub fn symlinks(mut self, how: Symlinks) -> Self {
        self.symlinks = how;
        self
    }

    /// Whether downloaded files are synced to the disk before they appear: see [`Download::durable`]. Defaults to `true`.
    pub fn durable(mut self, durable: bool) -> Self {
        self.durable = durable;
        self
    }

    /// Maximum number of files that are copied concurrently, at least 1. Defaults to [`DEFAULT_MAX_CONCURRENT_FILES`].
    /// Reduced while the service or the store throttles requests.
    pub fn max_concurrent_files(mut self, files: usize) -> Self {
        self.max_concurrent_files = files;
        self
    }

    /// Maximum total size of the files that are copied concurrently, in bytes. Defaults to [`DEFAULT_MAX_BYTES_IN_FLIGHT`].
    /// A larger file is copied alone.
    pub fn max_bytes_in_flight(mut self, bytes: u64) -> Self {
        self.max_bytes_in_flight = bytes;
        self
    }

    /// Calls this for each file that was copied or deleted or that failed, one after the other. It should return quickly,
    /// since no other file starts during the call.
    pub fn on_file(mut self, listener: impl Fn(&FileOutcome<'_>) + Send + Sync + 'static) -> Self {
        self.listener.on_file = Some(Arc::new(listener));
        self
    }

    /// Calls this for each skipped entry, with the reason. It should return quickly.
    pub fn on_skipped(mut self, listener: impl Fn(&SkippedEntry) + Send + Sync + 'static) -> Self {
        self.listener.on_skipped = Some(Arc::new(listener));
        self
    }

    /// Calls this with the progress of the whole sync while files are copied: at most twenty times a second for each file,
    /// and at its end. Calls are made one after the other, and should return quickly.
    ///
    /// The totals are known from the first call on: with a listener, all files are compared before the first is copied.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let plan = files.upload_dir("project", "/data").on_progress(|sync| {
    ///     println!("{} of {} bytes, {} of {} files", sync.bytes, sync.total_bytes, sync.files, sync.total_files);
    ///     println!("{}: {} of {:?} bytes", sync.path, sync.file.bytes, sync.file.total);
    /// });
    /// plan.plan().await?.run().await?;
    /// # Ok(()) });
    /// ```
    pub fn on_progress(
        mut self,
        listener: impl Fn(&SyncProgress<'_>) + Send + Sync + 'static,
    ) -> Self {
        self.listener.on_progress = Some(Arc::new(listener));
        self
    }

    /// Compares both sides without making changes. Each change in the plan takes 24 bytes and the part of its path that
    /// differs from the path before.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let plan = files.upload_dir("project", "/data").delete(true).plan().await?;
    /// for planned in plan.changes() {
    ///     println!("{} {}", planned.change, planned.path);
    /// }
    /// println!("{} bytes", plan.bytes());
    /// let report = plan.run().await?;
    /// assert_eq!(report.transferred, 1);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for an invalid glob or remote folder,
    /// [`LocalFile`](crate::ErrorKind::LocalFile) if the local folder or the state can't be read,
    /// [`SafetyLimit`](crate::ErrorKind::SafetyLimit) if more files would be deleted than allowed, and those of a listing.
    pub async fn plan(self) -> Result<SyncPlan> {
        let (direction, target) = (self.direction, self.target());
        let (name, operation) = (direction.plan_name(), direction.operation());
        trace::folder(name, operation, target, self.create_limited_plan()).await
    }

    pub(super) async fn create_plan(self) -> Result<SyncPlan> {
        let (options, listener) = self.validate().await?;
        let mut sync_plan = SyncPlan::new(options.clone(), listener);
        plan(&options, &mut sync_plan).await?;
        Ok(sync_plan)
    }

    async fn create_limited_plan(self) -> Result<SyncPlan> {
        let limit = match self.direction {
            // The caller has named the folder to delete.
            Direction::DeleteOnly => DeleteLimit::NONE,
            Direction::Up | Direction::Down | Direction::Both(_) => self.delete_limit,
        };
        let plan = self.create_plan().await?;
        plan.check_delete_limit(limit)?;
        Ok(plan)
    }

    pub(super) fn direction(&self) -> Direction {
        self.direction
    }

    pub(super) fn set_direction(&mut self, direction: Direction) {
        self.direction = direction;
    }

    /// The context and the remote folder, for the span and for errors.
    pub(super) fn target(&self) -> trace::Target {
        (self.files.context.clone(), &self.remote).into()
    }

    /// Validates the settings, and opens the state.
    async fn validate(self) -> Result<(SyncOptions, SyncListener)> {
        let filters = self.filters();
        let (path, context) = (self.state, self.files.context.clone()?);
        let (local, direction) = (self.local.clone(), self.direction);
        let uploads = matches!(direction, Direction::Up | Direction::Both(_));
        let downloads = matches!(direction, Direction::Down | Direction::Both(_));
        let gitignore = self.gitignore;
        let opens_source = uploads && self.symlinks != Symlinks::Follow;
        let time = self.files.client.time().clone();
        let remote = self.remote?;
        let folder = remote.clone();
        let open = move || {
            let for_direction = |state: SyncState| match direction {
                Direction::Both(_) => state.for_two_way(&folder, &filters),
                Direction::Up | Direction::Down | Direction::DeleteOnly => state,
            };
            let state = path
                .as_ref()
                .map(|path| SyncState::open(path, &context, time).map(for_direction));
            let state_in_folder = path.as_ref().and_then(|path| path_within(&local, path));
            let target = downloads.then_some(&*local);
            let beside_state = path.as_deref().and_then(Path::parent);
            let temporary = std::env::temp_dir();
            let folders = target.into_iter().chain(beside_state).chain([&*temporary]);
            let started = file_system_time(&folders.collect::<Vec<_>>());
            Ok((
                state.transpose()?.map(Arc::new),
                state_in_folder,
                started,
                // A folder that can't be opened is an error when it is walked.
                opens_source.then(|| SourceFolder::open(local.clone()).ok()),
                gitignore.then(|| Arc::new(IgnoreRules::of_folder(&local))),
            ))
        };
        let (state, state_in_folder, started, source, ignore_rules) = blocking(open).await?;
        let options = SyncOptions {
            filter: EntryFilter {
                globs: GlobFilter::new(&self.include, &self.exclude, &self.local)?,
                symlinks: self.symlinks,
                ignore_rules,
                state: state_in_folder,
            },
            files: self.files,
            direction,
            local: self.local,
            source: source.flatten().map(Arc::new),
            remote,
            compare: self.compare,
            delete: self.delete,
            state,
            on_conflict: self.on_conflict,
            durable: self.durable,
            max_concurrent_files: self.max_concurrent_files,
            max_bytes_in_flight: self.max_bytes_in_flight,
            started,
        };
        Ok((options, self.listener))
    }

    /// Returns what decides whether a file is included.
    fn filters(&self) -> Vec<String> {
        let of = |kind: &str, globs: &[String]| {
            let globs = globs.iter();
            globs
                .map(|glob| format!("{kind} {glob}"))
                .collect::<Vec<_>>()
        };
        let others = format!("{} {:?}", self.gitignore, self.symlinks);
        [
            of("include", &self.include),
            of("exclude", &self.exclude),
            vec![others],
        ]
        .concat()
    }

    /// Syncs the folders, as awaiting it does. Plans and copies concurrently, unless files are deleted or
    /// [`on_progress`](Self::on_progress) requires the totals.
    ///
    /// # Errors
    ///
    /// Those of [`plan`](Self::plan), and a failure that affects all files. The failure of a single file is in the report.
    pub async fn send(self) -> Result<SyncReport> {
        self.await
    }

    async fn run(self) -> Result<SyncReport> {
        if self.delete || self.listener.on_progress.is_some() {
            return self.create_limited_plan().await?.run_in_task().await;
        }
        let (options, listener) = self.validate().await?;
        let sync = async move {
            options.begin().await?;
            let mut executor = Executor::new(&options, listener);
            plan(&options, &mut executor).await?;
            executor.finish().await
        };
        // The future is boxed because it is large.
        run_in_task(Box::pin(sync)).await
    }
}

impl IntoFuture for SyncDir {
    type Output = Result<SyncReport>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    /// Plans and copies concurrently, unless files are deleted or [`on_progress`](SyncDir::on_progress) requires the totals.
    fn into_future(self) -> Self::IntoFuture {
        let (direction, target) = (self.direction, self.target());
        trace::folder(direction.name(), direction.operation(), target, self.run())
    }
}

/// Returns the path of a file relative to a folder, if it is in the folder. Neither has to exist. Blocks.
fn path_within(folder: &Path, file: &Path) -> Option<PathBuf> {
    let (folder, file) = (resolve_path(folder)?, resolve_path(file)?);
    file.strip_prefix(folder).ok().map(Path::to_owned)
}
