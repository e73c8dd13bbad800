//! `agb get`.

use std::path::{Path, PathBuf};

use agbcloud::{
    ConflictPolicy, DownloadTarget, Downloaded, ErrorDetail, ErrorKind, Files, PartialDownload,
    Progress,
};
use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{
    copier::Copier,
    existing::already_exists,
    local_folders::NewFolders,
    local_source::{is_stream, missing_address},
    move_file::{FileAt, Source, Target},
    options::CopyOptions,
    slash_rule::{has_slash, local_name, remote_into_local},
};
use crate::{
    address::{Address, Remote},
    commands::{
        completion,
        folders::{self, FolderOptions, Replace, Task},
        lookup,
        operands::Operand,
        print_file::print_file,
        session::{Run, Session},
    },
    connection,
    failure::{Code, Failure},
    output::{bytes, quote},
    progress::TransferProgress,
    signals::unless_interrupted,
    stdio,
};

#[derive(Debug, Args)]
#[command(override_usage = "agb get [OPTIONS] <NAME:/PATH>... [LOCAL]")]
pub(crate) struct GetArguments {
    /// Files, or folders with -r, as NAME:/path; globs are expanded. Then the destination: a file, a folder, or - for
    /// stdout. Defaults to the working directory
    #[arg(value_name = "PATH", required = true, num_args = 1.., add = ArgValueCompleter::new(completion::addresses_and_files))]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    options: CopyOptions,
    /// Do not flush files to the disk: faster, but a power failure may leave empty files
    #[arg(long)]
    no_fsync: bool,
    #[command(flatten)]
    folders: FolderOptions,
}

impl Run for GetArguments {
    async fn run(mut self, session: &Session) -> Result<(), Failure> {
        let to = match &self.paths[..] {
            [_] => PathBuf::from("."),
            _ => self.paths.pop().unwrap_or_default(),
        };
        if let Some(to) = missing_address(&to) {
            let failure = Failure::usage(format!("{to} is not a local path"));
            return Err(failure.with_hint(
                "end with a local file or folder, such as '.'; copy between contexts with: agb cp",
            ));
        }
        let mut from = Vec::new();
        for path in &self.paths {
            let address = path.to_string_lossy().parse().map_err(|error: String| {
                let failure = Failure::usage(format!("{} is not in a context", path.display()));
                failure.with_hint(error)
            })?;
            from.push(Address::Remote(address));
        }
        let copier = Copier::new("get", session, &self.options, &self.folders, !self.no_fsync);
        copier.run(&from, Address::Local(to)).await
    }
}

impl Copier<'_> {
    /// Downloads a file or a folder.
    pub(super) async fn get(&mut self, from: &Operand, to: &Path) -> Result<(), Failure> {
        let Operand { files, address } = from;
        if stdio::is_stdout(to) && !self.options.dry_run {
            return print_file(files, address).await;
        }
        let given = to;
        if self.options.recursive && lookup::is_remote_folder(files, address).await? {
            return match self.moves {
                true => self.move_down(from, to).await,
                false => self.get_folder(files, address, to).await,
            };
        }
        if address.is_folder() {
            return Err(self.needs_recursive(address, to.display()));
        }
        let to = self.local_target(address, to)?;
        self.claim(&to.display().to_string())?;
        if self.options.dry_run {
            let size = match lookup::entry(files, address).await? {
                entry if entry.is_folder() => {
                    return Err(self.needs_recursive(address, given.display()));
                }
                entry => entry.size,
            };
            let exists = to.symlink_metadata().is_ok() && !is_stream(&to);
            let check = match exists && !self.options.force {
                true => Err(already_exists(to.display())),
                false => Ok(()),
            };
            return self.preview_file("download", address.file_name(), size, check);
        }
        let verb = self.verb;
        let progress = TransferProgress::start(&self.session.output, verb, 1, 0);
        let listener = progress.clone();
        let download = async {
            let listener = move |progress| listener.update(progress);
            let downloaded = download(files, address, &to, self, listener).await;
            match downloaded {
                Err(DownloadFailure::Remote(error))
                    if self.moves && error.detail() == Some(ErrorDetail::TargetExists) =>
                {
                    let finished = self.finish_move(Source::Remote(from), FileAt::Local(&to));
                    match finished.await? {
                        Some(copied) => Ok(copied),
                        None => {
                            let error = DownloadFailure::Remote(error);
                            Err(self.explain_download(from, given, error).await)
                        }
                    }
                }
                Err(error) => Err(self.explain_download(from, given, error).await),
                Ok(downloaded) => {
                    let source = Source::Remote(from);
                    self.delete_moved(source, Target::Local, downloaded.into())
                        .await
                }
            }
        };
        let copied = unless_interrupted(download, folders::RESTART_HINT).await;
        progress.finish();
        let copied = copied.map_err(|failure| add_kept(&to, failure))?;
        self.print_copied(copied, &to.display().to_string())
    }

    async fn get_folder(&mut self, files: &Files, from: &Remote, to: &Path) -> Result<(), Failure> {
        let to = remote_into_local(from, to)?;
        let replace = match self.options.force {
            true => Replace::Yes,
            false => Replace::No {
                hint: format!(
                    "pass --force to replace them; list all with: agb diff {} {}",
                    quote(from),
                    quote(to.display())
                ),
            },
        };
        let task = Task::new(self.verb, from, to.display());
        let sync = files
            .download_dir(from.without_slash(), &to)
            .durable(self.durable);
        // Without --force, the command fails before it replaces a file.
        let sync = self.folders.apply(sync, ConflictPolicy::Overwrite);
        let dry_run = self.options.dry_run;
        let any = |_: &agbcloud::SyncPlan| Ok(());
        let results = &mut self.results;
        folders::copy(self.session, results, &task, sync, replace, dry_run, any).await
    }

    /// The path of a local file: in the folder if there is one, or if several files go there.
    pub(super) fn local_target(&self, from: &Remote, to: &Path) -> Result<PathBuf, Failure> {
        let target = match self.several || has_slash(to) || to.is_dir() {
            true => to.join(local_name(from)?),
            false => to.to_owned(),
        };
        Ok(match self.options.force {
            true => follow_link(target),
            false => target,
        })
    }

    /// Explains why a download failed: the source may be a folder, or the target may exist.
    async fn explain_download(&self, from: &Operand, to: &Path, error: DownloadFailure) -> Failure {
        let error = match error {
            DownloadFailure::Local(failure) => return failure,
            DownloadFailure::Remote(error) => error,
        };
        let Operand { files, address } = from;
        let is_missing = lookup::is_missing_file(&error);
        let is_local = error.kind() == ErrorKind::LocalFile
            || error.detail() == Some(ErrorDetail::TargetExists);
        if (is_missing || is_local) && lookup::has_entries(files, address).await {
            return self.needs_recursive(address, to.display());
        }
        // The local target is checked before the request.
        match is_local && !is_missing {
            true => match lookup::entry(files, address).await {
                Err(failure) if failure.code == Code::NotFound => failure,
                _ => explain(&error, address),
            },
            false => explain(&error, address),
        }
    }
}

/// The file behind a symbolic link, which is replaced instead of the link, as by cp. A link without a file stays.
fn follow_link(target: PathBuf) -> PathBuf {
    let is_link = target
        .symlink_metadata()
        .is_ok_and(|found| found.is_symlink());
    match target.canonicalize() {
        Ok(file) if is_link && file.is_file() => file,
        _ => target,
    }
}

/// Adds what is kept of an interrupted download to its failure.
fn add_kept(target: &Path, failure: Failure) -> Failure {
    let kept = || {
        let target = std::path::absolute(target).ok()?;
        let downloads = PartialDownload::list(connection::transfers_folder().ok()?).ok()?;
        downloads
            .into_iter()
            .find(|download| download.target() == target)
    };
    let Some(kept) = kept() else {
        return failure;
    };
    if kept.received() == 0 {
        // Without a whole part, the next download can't use it.
        let _ = kept.discard();
        return failure;
    }
    let next = match failure.code {
        Code::Interrupted => String::new(),
        _ => failure
            .hint
            .iter()
            .map(|hint| format!("{hint}; "))
            .collect(),
    };
    failure.with_hint(format!(
        "{next}{} of {} are kept: run the same command to continue, or delete them with: agb transfers clean {}",
        bytes(Some(kept.received())),
        bytes(Some(kept.size())),
        quote(target.display())
    ))
}

/// Why a file was not downloaded.
pub(super) enum DownloadFailure {
    Local(Failure),
    Remote(agbcloud::Error),
}

impl From<Failure> for DownloadFailure {
    fn from(failure: Failure) -> Self {
        Self::Local(failure)
    }
}

/// The failure of a download.
pub(super) fn explain(error: &agbcloud::Error, from: &Remote) -> Failure {
    if lookup::is_missing_file(error) {
        return lookup::not_found(from, error);
    }
    let failure = Failure::in_action(error, &format!("get {from}"));
    match error.detail() {
        Some(ErrorDetail::TargetExists) => failure.with_hint("pass --force to replace it"),
        _ => failure,
    }
}

/// Downloads one file, and creates the folders above it.
pub(super) async fn download(
    files: &Files,
    from: &Remote,
    to: &Path,
    copier: &Copier<'_>,
    listener: impl Fn(Progress) + Send + Sync + 'static,
) -> Result<Downloaded, DownloadFailure> {
    let parents = NewFolders::create_for(to)?;
    let target = match is_stream(to) {
        true => DownloadTarget::writer(open_stream(to).await?),
        false => DownloadTarget::from(to),
    };
    let downloaded = files
        .download(from.path.as_str(), target)
        .overwrite(copier.options.force)
        .durable(copier.durable)
        .on_progress(listener)
        .await
        .map_err(DownloadFailure::Remote)?;
    parents.keep();
    Ok(downloaded)
}

async fn open_stream(path: &Path) -> Result<tokio::fs::File, Failure> {
    let opened = tokio::fs::OpenOptions::new().write(true).open(path).await;
    opened.map_err(|error| Failure::with_cause(format!("can't write to {}", path.display()), error))
}
