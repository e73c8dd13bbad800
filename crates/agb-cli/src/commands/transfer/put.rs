//! `agb put`.

use std::{
    fs::{File, Metadata},
    path::{Path, PathBuf},
};

use agbcloud::{ConflictPolicy, Files, Progress, UploadSource, Uploaded};
use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{
    copier::Copier,
    existing::{check_folder_target, check_target, explain, file_target},
    local_source::{is_dash, missing_address, spool},
    move_file::{FileAt, Source, Target},
    options::CopyOptions,
    remote_folder::Existing,
    slash_rule::{local_into_remote, remote_name},
};
use crate::{
    address::{self, Address, Remote},
    commands::{
        completion,
        folders::{self, FolderOptions, Replace, Task},
        lookup,
        operands::Operand,
        session::{Run, Session},
    },
    failure::Failure,
    output::quote,
    progress::TransferProgress,
    signals::unless_interrupted,
};

#[derive(Debug, Args)]
#[command(override_usage = "agb put [OPTIONS] <LOCAL>... <NAME:/PATH>")]
pub(crate) struct PutArguments {
    /// Local files, or folders with -r; - is stdin. Then the destination as NAME:/path, which is a folder if it ends with a
    /// slash, exists as a folder or takes several files
    #[arg(value_name = "PATH", required = true, num_args = 2.., add = ArgValueCompleter::new(completion::addresses_and_files))]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    options: CopyOptions,
    #[command(flatten)]
    folders: FolderOptions,
}

impl Run for PutArguments {
    async fn run(mut self, session: &Session) -> Result<(), Failure> {
        let to = self.paths.pop().unwrap_or_default();
        let to = to.to_string_lossy();
        let to = address::folder(&to).map_err(|error| {
            let failure = Failure::usage(format!("the destination {to} is not in a context"));
            failure.with_hint(error)
        })?;
        let mut from = Vec::new();
        for path in self.paths {
            if let Some(remote) = missing_address(&path) {
                let failure = Failure::usage(format!("{remote} is not a local path"));
                return Err(failure.with_hint(format!(
                    "write './{}' for a local file; copy between contexts with: agb cp",
                    path.display()
                )));
            }
            from.push(Address::Local(path));
        }
        let copier = Copier::new("put", session, &self.options, &self.folders, true);
        copier.run(&from, Address::Remote(to)).await
    }
}

impl Copier<'_> {
    /// Uploads a file or a folder.
    pub(super) async fn put(
        &mut self,
        from: &Path,
        to: &Operand,
        stdin: Option<File>,
    ) -> Result<(), Failure> {
        let metadata = match is_dash(from) {
            true => None,
            false => Some(from.metadata())
                .transpose()
                .map_err(|error| lookup::local_failure(from, &error))?,
        };
        if metadata.as_ref().is_some_and(Metadata::is_dir) {
            return match self.options.recursive {
                true if self.moves => self.move_up(from, to).await,
                true => self.put_folder(from, to).await,
                false => Err(self.needs_recursive(from.display(), &to.address)),
            };
        }
        if self.moves && Source::local(from).is_gone_or_special() {
            let message = format!("{} is not a regular file", from.display());
            return Err(Failure::usage(message).with_hint("copy its content with: agb cp"));
        }
        let name = match is_dash(from) {
            false => remote_name(from),
            true => {
                let failure = Failure::usage("the file name is missing");
                let folder = to.address.join("NAME");
                Err(failure.with_hint(format!("add it to the address: {folder}")))
            }
        };
        let address = file_target(to, name, self.several).await?;
        self.claim(&address.to_string())?;
        let check = check_target(&to.files, &address, self.options.force).await;
        if self.options.dry_run {
            let size = metadata.filter(Metadata::is_file).map(|file| file.len());
            return self.preview_file("upload", address.file_name(), size, check);
        }
        if let Err(failure) = check {
            let target = to.at(&address);
            let finished = self.finish_move(Source::local(from), FileAt::Remote(&target));
            return match unless_interrupted(finished, folders::RESTART_HINT).await? {
                Some(copied) => self.print_copied(copied, &address.to_string()),
                None => Err(failure),
            };
        }
        // An upload needs the length first, which a stream does not have.
        let spooled = match metadata {
            Some(metadata) if metadata.is_file() => None,
            _ => {
                let spool = spool(from, stdin.filter(|_| is_dash(from)));
                Some(unless_interrupted(spool, folders::RESTART_HINT).await?)
            }
        };
        let source = spooled.as_deref().unwrap_or(from);
        let progress = TransferProgress::start(&self.session.output, self.verb, 1, 0);
        let listener = progress.clone();
        let upload = async {
            let listener = move |progress| listener.update(progress);
            let source_path = source;
            let source = Source::local(source);
            let uploaded = upload(&to.files, source_path, &address, self, listener).await?;
            let at = Target::Remote(&to.files, &address);
            self.delete_moved(source, at, uploaded.into()).await
        };
        let copied = unless_interrupted(upload, folders::RESTART_HINT).await;
        progress.finish();
        self.print_copied(copied?, &address.to_string())
    }

    async fn put_folder(&mut self, from: &Path, to: &Operand) -> Result<(), Failure> {
        let address = local_into_remote(from, &to.address)?;
        check_folder_target(&to.files, &address).await?;
        let existing = Existing::list(&to.at(&address)).await?;
        let replace = match self.options.force {
            true => Replace::Yes,
            false => Replace::No {
                hint: format!(
                    "pass --force to replace them; list all with: agb diff {} {}",
                    quote(from.display()),
                    quote(&address),
                ),
            },
        };
        let task = Task::new(self.verb, from.display(), &address);
        let sync = to.files.upload_dir(from, address.without_slash());
        // Without --force, the command fails before it replaces a file.
        let sync = self.folders.apply(sync, ConflictPolicy::Overwrite);
        let dry_run = self.options.dry_run;
        let check = |plan: &agbcloud::SyncPlan| existing.check_plan(plan, &address);
        let results = &mut self.results;
        folders::copy(self.session, results, &task, sync, replace, dry_run, check).await
    }
}

/// Uploads one file.
pub(super) async fn upload(
    files: &Files,
    from: &Path,
    to: &Remote,
    copier: &Copier<'_>,
    listener: impl Fn(Progress) + Send + Sync + 'static,
) -> Result<Uploaded, Failure> {
    let force = copier.options.force;
    let upload = files.upload(to.path.as_str(), UploadSource::from(from));
    let upload = match force {
        true => upload,
        false => upload.if_absent(),
    };
    let uploaded = upload.on_progress(listener).await;
    uploaded.map_err(|error| explain(&error, to, force, &format!("put {to}")))
}
