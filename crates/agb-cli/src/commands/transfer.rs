//! `agb get` and `agb put`.

use std::path::{Path, PathBuf};

use agbcloud::{ConflictPolicy, DownloadTarget, ErrorKind, Files, SyncDir, SyncPlan, UploadSource};
use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{
    Run, Session, complete,
    context::is_missing,
    file, find,
    folder::{self, Replace, Task},
    folder_options::FolderOptions,
    sync,
};
use crate::{
    address::{Address, Remote},
    exit::{Code, Doing, Failure},
    output::{self, bytes, schema::MovedRow},
    progress::Moving,
    stdio,
};

#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// File, or with -r folder: NAME:/path
    #[arg(value_name = "NAME:/PATH", add = ArgValueCompleter::new(complete::addresses))]
    from: Remote,
    /// Where to: a file, an existing folder, or - for stdout
    #[arg(value_name = "LOCAL", default_value = ".")]
    to: PathBuf,
    /// Fetch a folder with all that is in it
    #[arg(long, short)]
    recursive: bool,
    /// Replace local files
    #[arg(long, short)]
    force: bool,
    /// Leave it to the system when files are on the disk: faster, and a power failure may leave empty ones
    #[arg(long)]
    no_fsync: bool,
    /// With -r: name every file, and do nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    options: FolderOptions,
}

impl Run for GetArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        check_here(&self.to)?;
        self.options.only_with(self.recursive, self.dry_run)?;
        let files = find::files(&session.connect()?, &self.from).await?;
        if stdio::is_stdout(&self.to) {
            stdio::check_stdout()?;
        }
        if self.to == Path::new("-") {
            return file::to_stdout(&files, &self.from).await;
        }
        if self.recursive {
            file::check_folder(&files, &self.from).await?;
            let sync = files.download_dir(self.from.bare(), &self.to);
            let replace = match self.force {
                true => Replace::Yes,
                false => Replace::No {
                    hint: format!(
                        "--force replaces them; agb diff '{}' '{}' shows them all",
                        self.from,
                        self.to.display()
                    ),
                },
            };
            let task = Task::new("get", &self.from, self.to.display());
            let sync = sync.durable(!self.no_fsync);
            // Without --force nothing is replaced anyway.
            let sync = self.options.apply(sync, ConflictPolicy::Overwrite);
            return folders(session, &task, sync, replace, self.dry_run).await;
        }
        if self.from.is_folder() {
            return Err(file::is_folder(&self.from, "get -r"));
        }
        let to = self.target();
        let made = Made::above(&to)?;
        let moving = Moving::begin(&session.look, "get", 1, 0);
        let told = moving.clone();
        let target = match takes_a_stream(&to) {
            true => DownloadTarget::writer(open_to_write(&to).await?),
            false => DownloadTarget::from(&to),
        };
        let download = files
            .download(self.from.path.as_str(), target)
            .overwrite(self.force)
            .durable(!self.no_fsync)
            .on_progress(move |progress| told.at(progress));
        let fetch = async {
            match download.await {
                Ok(fetched) => Ok(fetched),
                Err(error) => Err(self.explained(&files, &to, error).await),
            }
        };
        let fetched = folder::one_until_stopped(fetch).await;
        moving.end();
        let fetched = fetched?;
        made.keep();
        one(session, fetched.bytes, &to.display().to_string())
    }
}

impl GetArguments {
    /// The file that is written.
    fn target(&self) -> PathBuf {
        let folder = self
            .to
            .to_string_lossy()
            .ends_with(['/', std::path::MAIN_SEPARATOR]);
        match folder || self.to.is_dir() {
            true => self.to.join(self.from.file_name()),
            false => self.to.clone(),
        }
    }

    /// A failure that is due to what is at either end, as what it is.
    async fn explained(&self, files: &Files, to: &Path, error: agbcloud::Error) -> Failure {
        let missing = file::is_missing_file(&error);
        let unsure = missing || error.kind() == ErrorKind::LocalFile;
        if unsure && file::has_anything(files, &self.from).await {
            return file::is_folder(&self.from, "get -r");
        }
        if missing {
            return file::missing(&self.from, &error);
        }
        let in_place = error.kind() == ErrorKind::Conflict && error.code().is_none();
        let failure = Failure::while_doing(error, &format!("get {}", self.from));
        match in_place && to.is_file() && !self.force {
            true => failure.hint("--force replaces it"),
            false => failure,
        }
    }
}

/// Copies a folder, or in a dry run names what would be done.
async fn folders(
    session: &Session,
    task: &Task,
    sync: SyncDir,
    replace: Replace,
    dry_run: bool,
) -> Result<(), Failure> {
    if !dry_run {
        let check = |plan: &SyncPlan| folder::check_replaced(plan, replace);
        return folder::run(session, task, sync, check).await;
    }
    let plan = sync::show(session, task, sync, sync::Skipped::Listed).await?;
    folder::check_replaced(&plan, replace)
}

/// Folders that were made for a file, the deepest last. Without the file they go again.
struct Made(Vec<PathBuf>);

impl Made {
    fn above(file: &Path) -> Result<Self, Failure> {
        let missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
        let missing = file.ancestors().skip(1).take_while(missing);
        let mut made = Self(Vec::new());
        let there = file.ancestors().skip(1).find(|folder| folder.exists());
        if let Some(other) = there.filter(|there| !there.is_dir()) {
            let (file, other) = (file.display(), other.display());
            return Err(Failure::new(format!(
                "can't write to {file}: {other} is no folder"
            )));
        }
        let folders: Vec<PathBuf> = missing.map(Path::to_owned).collect();
        for folder in folders.into_iter().rev() {
            std::fs::create_dir(&folder).map_err(|error| {
                Failure::new(format!("can't write to {}: {error}", file.display()))
            })?;
            made.0.push(folder);
        }
        Ok(made)
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for folder in self.0.iter().rev() {
            // What somebody else has put a file into stays.
            let _ = std::fs::remove_dir(folder);
        }
    }
}

/// That a path is meant to be one of this machine.
fn check_here(local: &Path) -> Result<(), Failure> {
    let address = local.to_str().and_then(|text| text.parse().ok());
    match address {
        Some(Address::Remote(remote)) if !local.exists() => {
            let failure = Failure::usage(format!("{remote} is in the service, and no file here"));
            Err(failure.hint(format!("for a file here, write './{}'", local.display())))
        }
        _ => Ok(()),
    }
}

/// Whether it is there and no place for a file: a device, a named pipe.
fn takes_a_stream(path: &Path) -> bool {
    let metadata = path.metadata();
    metadata.is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}

async fn open_to_write(path: &Path) -> Result<tokio::fs::File, Failure> {
    let opened = tokio::fs::OpenOptions::new().write(true).open(path).await;
    opened.map_err(|error| Failure::other(format!("can't write to {}", path.display()), error))
}

#[derive(Debug, Args)]
pub(crate) struct PutArguments {
    /// File, or with -r folder, of this machine; - is stdin
    #[arg(value_name = "LOCAL")]
    from: PathBuf,
    /// Where to: NAME:/path; one that ends with a slash is a folder
    #[arg(value_name = "NAME:/PATH", add = ArgValueCompleter::new(complete::addresses))]
    to: Remote,
    /// Send a folder with all that is in it
    #[arg(long, short)]
    recursive: bool,
    /// Do not replace files that are there
    #[arg(long)]
    no_clobber: bool,
    /// With -r: name every file, and do nothing
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    options: FolderOptions,
}

impl Run for PutArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        check_here(&self.from)?;
        self.options.only_with(self.recursive, self.dry_run)?;
        let stdin = self.from == Path::new("-");
        let metadata = match stdin {
            true => None,
            false => Some(self.from.metadata())
                .transpose()
                .map_err(|error| file::no_such(&self.from, &error))?,
        };
        if self.recursive {
            sync::check_is_folder(&self.from)?;
        }
        // Before anything is done: a stdin that is closed is no empty file.
        let given = match stdio::is_stdin(&self.from) && !self.recursive {
            true => Some(stdio::stdin()?),
            false => None,
        };
        let files = find::files(&session.connect()?, &self.to).await?;
        if self.recursive {
            let replace = match self.no_clobber {
                false => Replace::Yes,
                true => Replace::No {
                    hint: format!(
                        "without --no-clobber they are replaced; agb diff '{}' '{}' shows them all",
                        self.from.display(),
                        self.to
                    ),
                },
            };
            let sync = files.upload_dir(&self.from, self.to.bare());
            let task = Task::new("put", self.from.display(), &self.to);
            let conflict = match self.no_clobber {
                // Nothing is replaced anyway.
                true => ConflictPolicy::Overwrite,
                false => ConflictPolicy::Fail,
            };
            let sync = self.options.apply(sync, conflict);
            return folders(session, &task, sync, replace, self.dry_run).await;
        }
        if metadata.as_ref().is_some_and(std::fs::Metadata::is_dir) {
            let failure = Failure::usage(format!("{} is a folder", self.from.display()));
            return Err(failure.hint(format!(
                "agb put -r '{}' '{}'",
                self.from.display(),
                self.to
            )));
        }
        let to = self.target()?;
        if self.no_clobber {
            check_free(&files, &to).await?;
        }
        // A file of this name would stand beside the folder, and neither could be fetched with the other.
        if file::has_anything(&files, &to).await {
            let failure = Failure::usage(format!("{to} is a folder"));
            let hint = format!("agb put '{}' '{to}/' puts it in there", self.from.display());
            return Err(failure.hint(hint));
        }
        if stdin && session.connection.api_key_stdin {
            return Err(Failure::usage("stdin can't be the file and the API key"));
        }
        // What has no length has to be read first: an upload says it before it begins.
        let stream = metadata.is_none_or(|metadata| !metadata.is_file());
        let spooled = match stream {
            true => {
                Some(folder::one_until_stopped(spool(&self.from, given.filter(|_| stdin))).await?)
            }
            false => None,
        };
        let source = spooled.as_deref().unwrap_or(&self.from);
        send(session, &files, source.into(), &to).await
    }
}

impl PutArguments {
    /// The file that is written.
    fn target(&self) -> Result<Remote, Failure> {
        if !self.to.is_folder() {
            return Ok(self.to.clone());
        }
        let name = self.from.file_name().and_then(|name| name.to_str());
        match name.filter(|_| self.from != Path::new("-")) {
            Some(name) => Ok(self.to.join(name)),
            None => Err(Failure::usage(format!("name the file: {}NAME", self.to))),
        }
    }
}

/// That there is nothing of the name, as far as it can be told before.
async fn check_free(files: &Files, to: &Remote) -> Result<(), Failure> {
    match files.stat(to.bare()).await {
        Ok(_) => {
            let message = format!("{to} is there already");
            Err(Failure::of(Code::Conflict, message))
        }
        Err(error) if is_missing(&error) => Ok(()),
        Err(error) => Err(error).doing(|| format!("look for {to}")),
    }
}

async fn send(
    session: &Session,
    files: &Files,
    source: UploadSource,
    to: &Remote,
) -> Result<(), Failure> {
    let moving = Moving::begin(&session.look, "put", 1, 0);
    let told = moving.clone();
    let upload = files
        .upload(to.path.as_str(), source)
        .on_progress(move |progress| told.at(progress));
    let send = async { upload.await.doing(|| format!("put {to}")) };
    let sent = folder::one_until_stopped(send).await;
    moving.end();
    one(session, sent?.bytes, &to.to_string())
}

/// All of a stream, or of stdin, in a file.
async fn spool(path: &Path, stdin: Option<std::fs::File>) -> Result<tempfile::TempPath, Failure> {
    let name = match &stdin {
        Some(_) => "stdin".to_owned(),
        None => path.display().to_string(),
    };
    let source = path.to_owned();
    let spooled = async {
        let (mut file, path) = tempfile::NamedTempFile::new()?.into_parts();
        let (tell, told) = tokio::sync::oneshot::channel();
        // A thread of its own: nothing waits for one that reads a terminal when the command is interrupted.
        std::thread::spawn(move || {
            let from = stdin.map_or_else(|| std::fs::File::open(source), Ok);
            let copied = from.and_then(|mut from| std::io::copy(&mut from, &mut file));
            let _ = tell.send(copied);
        });
        told.await.map_err(std::io::Error::other)??;
        Ok(path)
    };
    let spooled: std::io::Result<_> = spooled.await;
    spooled.map_err(|error| Failure::other(format!("can't keep what comes from {name}"), error))
}

fn one(session: &Session, moved: u64, to: &str) -> Result<(), Failure> {
    let row = MovedRow {
        transferred: 1,
        bytes: moved,
        ..MovedRow::default()
    };
    output::done(
        &session.look,
        &row,
        &format!("{to}: {}", bytes(Some(moved))),
    )
}
