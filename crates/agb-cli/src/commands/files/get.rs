//! `agb get`.

use std::path::{Path, PathBuf};

use agbcloud::{ConflictPolicy, DownloadTarget, ErrorDetail, ErrorKind, Files};
use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{
    cat::print_file,
    put::{check_local, print_copied},
};
use crate::{
    address::Remote,
    commands::{
        completion,
        folders::{self, FolderOptions, Replace, Task},
        lookup,
        session::{Run, Session},
    },
    failure::Failure,
    progress::TransferProgress,
    signals::unless_interrupted,
    stdio,
};

#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// File, or folder with -r, as NAME:/path
    #[arg(value_name = "NAME:/PATH", add = ArgValueCompleter::new(completion::addresses))]
    from: Remote,
    /// Destination: a file, an existing folder, or - for stdout
    #[arg(value_name = "LOCAL", default_value = ".")]
    to: PathBuf,
    /// Download a folder and all its contents
    #[arg(long, short)]
    recursive: bool,
    /// Replace local files
    #[arg(long, short)]
    force: bool,
    /// Do not flush files to the disk: faster, but a power failure may leave empty files
    #[arg(long)]
    no_fsync: bool,
    /// With -r: list the changes and make none
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    options: FolderOptions,
}

impl Run for GetArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        check_local(&self.to)?;
        self.options.check_recursive(self.recursive, self.dry_run)?;
        let files = lookup::files(&session.connect()?, &self.from).await?;
        if stdio::is_stdout(&self.to) {
            stdio::check_stdout()?;
        }
        if self.to == Path::new("-") {
            return print_file(&files, &self.from).await;
        }
        if self.recursive {
            return self.get_folder(session, &files).await;
        }
        if self.from.is_folder() {
            return Err(lookup::is_folder(&self.from, "get -r"));
        }
        self.get_file(session, &files).await
    }
}

impl GetArguments {
    async fn get_folder(&self, session: &Session, files: &Files) -> Result<(), Failure> {
        lookup::check_folder(files, &self.from).await?;
        let replace = match self.force {
            true => Replace::Yes,
            false => Replace::No {
                hint: format!(
                    "pass --force to replace them; list all with: agb diff '{}' '{}'",
                    self.from,
                    self.to.display()
                ),
            },
        };
        let task = Task::new("get", &self.from, self.to.display());
        let sync = files
            .download_dir(self.from.without_slash(), &self.to)
            .durable(!self.no_fsync);
        // Without --force, the command fails before it replaces a file.
        let sync = self.options.apply(sync, ConflictPolicy::Overwrite);
        folders::copy(session, &task, sync, replace, self.dry_run).await
    }

    async fn get_file(&self, session: &Session, files: &Files) -> Result<(), Failure> {
        let to = self.target();
        let parents = NewFolders::create_for(&to)?;
        let target = match is_stream(&to) {
            true => DownloadTarget::writer(open_stream(&to).await?),
            false => DownloadTarget::from(&to),
        };
        let progress = TransferProgress::start(&session.output, "get", 1, 0);
        let listener = progress.clone();
        let download = files
            .download(self.from.path.as_str(), target)
            .overwrite(self.force)
            .durable(!self.no_fsync)
            .on_progress(move |progress| listener.update(progress));
        let download = async {
            match download.await {
                Ok(downloaded) => Ok(downloaded),
                Err(error) => Err(self.failure(files, error).await),
            }
        };
        let downloaded = unless_interrupted(download, folders::RESTART_HINT).await;
        progress.finish();
        let downloaded = downloaded?;
        parents.keep();
        print_copied(session, downloaded.bytes, &to.display().to_string())
    }

    /// The path of the local file.
    fn target(&self) -> PathBuf {
        let is_folder = self
            .to
            .to_string_lossy()
            .ends_with(['/', std::path::MAIN_SEPARATOR]);
        match is_folder || self.to.is_dir() {
            true => self.to.join(self.from.file_name()),
            false => self.to.clone(),
        }
    }

    /// Explains why a download failed: the source may be a folder, or the target may exist.
    async fn failure(&self, files: &Files, error: agbcloud::Error) -> Failure {
        let is_missing = lookup::is_missing_file(&error);
        let may_be_folder = is_missing || error.kind() == ErrorKind::LocalFile;
        if may_be_folder && lookup::has_entries(files, &self.from).await {
            return lookup::is_folder(&self.from, "get -r");
        }
        if is_missing {
            return lookup::not_found(&self.from, &error);
        }
        let failure = Failure::in_action(&error, &format!("get {}", self.from));
        match error.detail() {
            Some(ErrorDetail::TargetExists) => failure.with_hint("pass --force to replace it"),
            _ => failure,
        }
    }
}

/// The missing parent folders of a file, created for it and removed without it.
struct NewFolders(Vec<PathBuf>);

impl NewFolders {
    fn create_for(file: &Path) -> Result<Self, Failure> {
        let existing = file.ancestors().skip(1).find(|folder| folder.exists());
        if let Some(other) = existing.filter(|existing| !existing.is_dir()) {
            let (file, other) = (file.display(), other.display());
            let message = format!("can't write to {file}: {other} is not a folder");
            return Err(Failure::new(message));
        }
        let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let missing = file.ancestors().skip(1).take_while(is_missing);
        let missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        let mut created = Self(Vec::new());
        for folder in missing.into_iter().rev() {
            std::fs::create_dir(&folder).map_err(|error| {
                Failure::with_cause(format!("can't write to {}", file.display()), error)
            })?;
            created.0.push(folder);
        }
        Ok(created)
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for NewFolders {
    fn drop(&mut self) {
        for folder in self.0.iter().rev() {
            // Fails for a folder that another process uses, which stays.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// Whether the path is a device or a named pipe.
fn is_stream(path: &Path) -> bool {
    let metadata = path.metadata();
    metadata.is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

async fn open_stream(path: &Path) -> Result<tokio::fs::File, Failure> {
    let opened = tokio::fs::OpenOptions::new().write(true).open(path).await;
    opened.map_err(|error| Failure::with_cause(format!("can't write to {}", path.display()), error))
}
