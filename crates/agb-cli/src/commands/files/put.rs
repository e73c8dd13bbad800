//! `agb put`.

use std::{
    fs::{File, Metadata},
    io,
    path::{Path, PathBuf},
};

use agbcloud::{ConflictPolicy, Files, UploadSource};
use clap::Args;
use clap_complete::ArgValueCompleter;

use crate::{
    address::{Address, Remote},
    commands::{
        completion,
        folders::{self, FolderOptions, Replace, Task},
        lookup,
        session::{Run, Session},
    },
    failure::{Code, ErrorContext, Failure},
    output::{self, bytes, records::TransferSummary},
    progress::TransferProgress,
    signals::unless_interrupted,
    stdio,
};

#[derive(Debug, Args)]
pub(crate) struct PutArguments {
    /// Local file, or folder with -r; - is stdin
    #[arg(value_name = "LOCAL")]
    from: PathBuf,
    /// Destination, as NAME:/path; a path that ends with a slash is a folder
    #[arg(value_name = "NAME:/PATH", add = ArgValueCompleter::new(completion::addresses))]
    to: Remote,
    /// Upload a folder and all its contents
    #[arg(long, short)]
    recursive: bool,
    /// Do not replace existing files
    #[arg(long)]
    no_clobber: bool,
    /// With -r: list the changes and make none
    #[arg(long, short = 'n')]
    dry_run: bool,
    #[command(flatten)]
    options: FolderOptions,
}

impl Run for PutArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        check_local(&self.from)?;
        self.options.check_recursive(self.recursive, self.dry_run)?;
        let metadata = match self.is_stdin() {
            true => None,
            false => Some(self.from.metadata())
                .transpose()
                .map_err(|error| lookup::local_failure(&self.from, &error))?,
        };
        if self.recursive {
            lookup::check_local_folder(&self.from)?;
        }
        // A closed stdin must fail before the command changes anything.
        let stdin = match stdio::is_stdin(&self.from) && !self.recursive {
            true => Some(stdio::stdin()?),
            false => None,
        };
        let files = lookup::files(&session.connect()?, &self.to).await?;
        match self.recursive {
            true => self.put_folder(session, &files).await,
            false => self.put_file(session, &files, metadata, stdin).await,
        }
    }
}

impl PutArguments {
    fn is_stdin(&self) -> bool {
        self.from == Path::new("-")
    }

    async fn put_folder(&self, session: &Session, files: &Files) -> Result<(), Failure> {
        let replace = match self.no_clobber {
            false => Replace::Yes,
            true => Replace::No {
                hint: format!(
                    "omit --no-clobber to replace them; list all with: agb diff '{}' '{}'",
                    self.from.display(),
                    self.to
                ),
            },
        };
        let conflict = match self.no_clobber {
            // The command fails before it replaces a file.
            true => ConflictPolicy::Overwrite,
            false => ConflictPolicy::Fail,
        };
        let task = Task::new("put", self.from.display(), &self.to);
        let sync = files.upload_dir(&self.from, self.to.without_slash());
        let sync = self.options.apply(sync, conflict);
        folders::copy(session, &task, sync, replace, self.dry_run).await
    }

    async fn put_file(
        &self,
        session: &Session,
        files: &Files,
        metadata: Option<Metadata>,
        stdin: Option<File>,
    ) -> Result<(), Failure> {
        if metadata.as_ref().is_some_and(Metadata::is_dir) {
            let from = self.from.display();
            let failure = Failure::usage(format!("{from} is a folder"));
            return Err(failure.with_hint(format!("run: agb put -r '{from}' '{}'", self.to)));
        }
        let to = self.target()?;
        if self.no_clobber {
            check_absent(files, &to).await?;
        }
        // A file with the name of a folder would make both impossible to download.
        if lookup::has_entries(files, &to).await {
            let failure = Failure::usage(format!("{to} is a folder"));
            let hint = format!(
                "put the file in it: agb put '{}' '{to}/'",
                self.from.display()
            );
            return Err(failure.with_hint(hint));
        }
        if self.is_stdin() && session.connection.api_key_stdin {
            return Err(Failure::usage(
                "stdin can't be both the file and the API key",
            ));
        }
        // An upload needs the length first, which a stream does not have.
        let spooled = match metadata {
            Some(metadata) if metadata.is_file() => None,
            _ => {
                let stdin = stdin.filter(|_| self.is_stdin());
                let spool = spool(&self.from, stdin);
                Some(unless_interrupted(spool, folders::RESTART_HINT).await?)
            }
        };
        let source = spooled.as_deref().unwrap_or(&self.from);
        upload(session, files, source.into(), &to).await
    }

    /// The address of the remote file.
    fn target(&self) -> Result<Remote, Failure> {
        if !self.to.is_folder() {
            return Ok(self.to.clone());
        }
        let name = self.from.file_name().and_then(|name| name.to_str());
        match name.filter(|_| !self.is_stdin()) {
            Some(name) => Ok(self.to.join(name)),
            None => Err(Failure::usage("the file name is missing")
                .with_hint(format!("add it to the address: {}NAME", self.to))),
        }
    }
}

/// Fails if the file exists now. Another client may still create it before the upload.
async fn check_absent(files: &Files, to: &Remote) -> Result<(), Failure> {
    match files.stat(to.without_slash()).await {
        Ok(_) => Err(Failure::with_code(
            Code::Conflict,
            format!("{to} already exists"),
        )),
        Err(error) if lookup::is_not_found(&error) => Ok(()),
        Err(error) => Err(error).with_action(|| format!("look up {to}")),
    }
}

async fn upload(
    session: &Session,
    files: &Files,
    source: UploadSource,
    to: &Remote,
) -> Result<(), Failure> {
    let progress = TransferProgress::start(&session.output, "put", 1, 0);
    let listener = progress.clone();
    let upload = files
        .upload(to.path.as_str(), source)
        .on_progress(move |progress| listener.update(progress));
    let upload = async { upload.await.with_action(|| format!("put {to}")) };
    let uploaded = unless_interrupted(upload, folders::RESTART_HINT).await;
    progress.finish();
    print_copied(session, uploaded?.bytes, &to.to_string())
}

/// Copies a stream or stdin to a temporary file.
async fn spool(path: &Path, stdin: Option<File>) -> Result<tempfile::TempPath, Failure> {
    let name = match &stdin {
        Some(_) => "stdin".to_owned(),
        None => path.display().to_string(),
    };
    let source = path.to_owned();
    let spooled = async {
        let (mut file, path) = tempfile::NamedTempFile::new()?.into_parts();
        let (done, is_done) = tokio::sync::oneshot::channel();
        // In a thread of its own: the runtime would wait for a read of a terminal when the command is interrupted.
        std::thread::spawn(move || {
            let from = stdin.map_or_else(|| File::open(source), Ok);
            let copied = from.and_then(|mut from| io::copy(&mut from, &mut file));
            let _ = done.send(copied);
        });
        is_done.await.map_err(io::Error::other)??;
        Ok(path)
    };
    let spooled: io::Result<_> = spooled.await;
    spooled.map_err(|error| Failure::with_cause(format!("can't spool {name}"), error))
}

/// Fails if a local path looks like an address.
pub(super) fn check_local(path: &Path) -> Result<(), Failure> {
    let address = path.to_str().and_then(|text| text.parse().ok());
    match address {
        Some(Address::Remote(remote)) if !path.exists() => {
            let failure = Failure::usage(format!("{remote} is not a local path"));
            Err(failure.with_hint(format!("write './{}' for a local file", path.display())))
        }
        _ => Ok(()),
    }
}

/// Prints the result of one copied file.
pub(super) fn print_copied(session: &Session, copied: u64, to: &str) -> Result<(), Failure> {
    let summary = TransferSummary {
        copied: 1,
        bytes: copied,
        ..TransferSummary::default()
    };
    let message = format!("copied to {to} ({})", bytes(Some(copied)));
    output::print_result(&session.output, &summary, &message)
}
