//! `agb get` and `agb put`.

use std::path::{Path, PathBuf};

use agbcloud::{Files, UploadSource};
use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{
    Run, Session, complete,
    context::is_missing,
    file, find,
    folder::{self, Replace},
};
use crate::{
    address::Remote,
    exit::{Code, Doing, Failure},
    output::{self, bytes, schema::MovedRow},
    progress::Moving,
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
}

impl Run for GetArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let files = find::files(&session.connect()?, &self.from).await?;
        if self.to == Path::new("-") {
            return file::to_stdout(&files, &self.from).await;
        }
        if self.recursive {
            file::check_folder(&files, &self.from).await?;
            let sync = files.download_dir(self.from.bare(), &self.to);
            let replace = match self.force {
                true => Replace::Yes,
                false => Replace::No {
                    hint: "--force replaces them; agb diff shows which",
                },
            };
            return folder::run(session, "get", sync.durable(!self.no_fsync), replace).await;
        }
        if self.from.is_folder() {
            return Err(file::is_folder(&self.from, "get -r"));
        }
        let to = match self.to.is_dir() {
            true => self.to.join(self.from.file_name()),
            false => self.to.clone(),
        };
        let moving = Moving::begin(&session.look, "get", 1, 0);
        let told = moving.clone();
        let download = files
            .download(self.from.path.as_str(), &to)
            .overwrite(self.force)
            .durable(!self.no_fsync)
            .on_progress(move |progress| told.at(progress));
        let fetch = async { download.await.doing(|| format!("get {}", self.from)) };
        let fetched = folder::until_stopped(fetch).await;
        moving.end();
        match fetched {
            Ok(fetched) => one(session, fetched.bytes, &to.display().to_string()),
            Err(failure) => Err(self.explained(&files, &to, failure).await),
        }
    }
}

impl GetArguments {
    /// A failure that is due to what is at either end, as what it is.
    async fn explained(&self, files: &Files, to: &Path, failure: Failure) -> Failure {
        if file::has_anything(files, &self.from).await {
            return file::is_folder(&self.from, "get -r");
        }
        match to.is_file() && !self.force {
            true => failure.hint("--force replaces it"),
            false => failure,
        }
    }
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
}

impl Run for PutArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let files = find::files(&session.connect()?, &self.to).await?;
        if self.recursive {
            let replace = match self.no_clobber {
                false => Replace::Yes,
                true => Replace::No {
                    hint: "without --no-clobber they are replaced; agb diff shows which",
                },
            };
            let sync = files.upload_dir(&self.from, self.to.bare());
            return folder::run(session, "put", sync, replace).await;
        }
        let stdin = self.from == Path::new("-");
        if self.from.is_dir() {
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
        let spooled = match stdin {
            true if session.connection.api_key_stdin => {
                return Err(Failure::usage("stdin can't be the file and the API key"));
            }
            true => Some(folder::until_stopped(spool()).await?),
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
    let sent = folder::until_stopped(send).await;
    moving.end();
    one(session, sent?.bytes, &to.to_string())
}

/// All of stdin in a file: an upload has to know its length before it begins.
async fn spool() -> Result<tempfile::TempPath, Failure> {
    let spooled = async {
        let (mut file, path) = tempfile::NamedTempFile::new()?.into_parts();
        let (tell, told) = tokio::sync::oneshot::channel();
        // A thread of its own: nothing waits for one that reads a terminal when the command is interrupted.
        std::thread::spawn(move || {
            let copied = std::io::copy(&mut std::io::stdin().lock(), &mut file);
            let _ = tell.send(copied);
        });
        told.await.map_err(std::io::Error::other)??;
        Ok(path)
    };
    let spooled: std::io::Result<_> = spooled.await;
    spooled.map_err(|error| Failure::other("can't keep what comes from stdin", error))
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
