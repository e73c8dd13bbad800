//! `agb cat`, `agb stat` and `agb rm`: files of a context.

use std::path::Path;

use agbcloud::{DownloadTarget, FileEntry, Files};
use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{Run, Session, ask, complete, context::is_missing, find, folder};
use crate::{
    address::Remote,
    exit::{self, Code, Doing, Failure},
    output::{
        self, Look, Reader,
        schema::{DoneRow, EntryRow},
    },
};

#[derive(Debug, Args)]
pub(crate) struct CatArguments {
    /// Files: NAME:/path
    #[arg(value_name = "NAME:/PATH", required = true, add = ArgValueCompleter::new(complete::addresses))]
    addresses: Vec<Remote>,
}

impl Run for CatArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.connect()?;
        let mut failures = Failures::new(self.addresses.len());
        for address in &self.addresses {
            let written = async {
                let files = find::files(&client, address).await?;
                to_stdout(&files, address).await
            };
            failures.take(written.await)?;
        }
        failures.end()
    }
}

/// What failed of several that were named. One that fails does not stop the others, unless they would fail too.
struct Failures {
    of: usize,
    failed: usize,
}

impl Failures {
    fn new(of: usize) -> Self {
        Self { of, failed: 0 }
    }

    fn take(&mut self, result: Result<(), Failure>) -> Result<(), Failure> {
        let for_one = [Code::NotFound, Code::Usage, Code::Conflict, Code::Partial];
        match result {
            Err(failure) if self.of > 1 && for_one.iter().any(|code| failure.is(*code)) => {
                exit::tell_failure(&failure);
                self.failed += 1;
                Ok(())
            }
            result => result,
        }
    }

    fn end(self) -> Result<(), Failure> {
        match self.failed {
            0 => Ok(()),
            failed => Err(Failure::of(
                Code::Partial,
                format!("{failed} of {} failed", self.of),
            )),
        }
    }
}

/// A path of this machine that can't be read.
pub(super) fn no_such(local: &Path, error: &std::io::Error) -> Failure {
    let local = local.display();
    match error.kind() {
        std::io::ErrorKind::NotFound => Failure::of(
            Code::NotFound,
            format!("there is no {local} on this machine"),
        ),
        _ => Failure::new(format!("can't look at {local}: {error}")),
    }
}

/// Writes a file to stdout. A reader that has had enough ends the command without a message.
pub(super) async fn to_stdout(files: &Files, address: &Remote) -> Result<(), Failure> {
    let target = DownloadTarget::writer(tokio::io::stdout());
    let written = files.download(address.path.as_str(), target).await;
    match written {
        Err(error) if is_broken_pipe(&error) => Err(Failure::silent(Code::BrokenPipe)),
        Err(error) if is_missing(&error) && has_anything(files, address).await => {
            Err(is_folder(address, "ls"))
        }
        Err(error) if is_missing_file(&error) => Err(missing(address, &error)),
        written => written.map(|_| ()).doing(|| format!("read {address}")),
    }
}

fn is_broken_pipe(error: &agbcloud::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        if io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[derive(Debug, Args)]
pub(crate) struct StatArguments {
    /// File or folder: NAME:/path
    #[arg(value_name = "NAME:/PATH", add = ArgValueCompleter::new(complete::addresses))]
    address: Remote,
}

impl Run for StatArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let files = find::files(&session.connect()?, &self.address).await?;
        let entry = entry(&files, &self.address).await?;
        output::show(&session.look, &EntryRow::from(entry))
    }
}

/// The entry of a file or folder.
pub(super) async fn entry(files: &Files, address: &Remote) -> Result<FileEntry, Failure> {
    if address.bare() == "/" {
        let failure = Failure::usage(format!("{address} is a whole context"));
        return Err(failure.hint(format!("agb context get '{}'", address.context)));
    }
    match files.stat(address.bare()).await {
        Err(error) if is_missing_file(&error) => Err(missing(address, &error)),
        entry => entry.doing(|| format!("look for {address}")),
    }
}

/// Whether it is the file that is not there, and not its context.
pub(super) fn is_missing_file(error: &agbcloud::Error) -> bool {
    let of_context = |code: &str| code.starts_with("InvalidContext");
    is_missing(error) && !error.code().is_some_and(of_context)
}

/// There is neither a file nor a folder of this name.
pub(super) fn missing(address: &Remote, error: &agbcloud::Error) -> Failure {
    let (folder, _) = address.bare().rsplit_once('/').unwrap_or_default();
    let failure = Failure::about(error, format!("there is no {address}"));
    failure.hint(format!("agb ls '{}'", address.at(&format!("{folder}/"))))
}

/// That a folder is there, which a listing does not tell: one that does not exist is listed as empty.
pub(super) async fn check_folder(files: &Files, address: &Remote) -> Result<(), Failure> {
    if address.bare() == "/" || has_anything(files, address).await {
        return Ok(());
    }
    match entry(files, address).await? {
        entry if entry.is_folder() => Ok(()),
        _ => Err(Failure::usage(format!(
            "{address} is a file, and no folder"
        ))),
    }
}

#[derive(Debug, Args)]
pub(crate) struct RmArguments {
    /// Files, or with -r folders: NAME:/path
    #[arg(value_name = "NAME:/PATH", required = true, add = ArgValueCompleter::new(complete::addresses))]
    addresses: Vec<Remote>,
    /// Delete folders with all that is in them
    #[arg(long, short)]
    recursive: bool,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// What is not there is no failure
    #[arg(long, short)]
    force: bool,
}

impl Run for RmArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.connect()?;
        let mut failures = Failures::new(self.addresses.len());
        let mut found = Vec::new();
        for address in &self.addresses {
            match find::files(&client, address).await {
                Ok(files) => found.push((files, address)),
                Err(failure) => failures.take(Err(failure))?,
            }
        }
        if self.recursive && !found.is_empty() {
            self.ask(&found)?;
        }
        for (files, address) in &found {
            let deleted = match self.recursive {
                true => self.delete_below(session, files, address).await,
                false => self.delete(session, files, address).await,
            };
            failures.take(deleted)?;
        }
        failures.end()
    }
}

impl RmArguments {
    /// For a whole context its name has to be typed, as for a clear.
    fn ask(&self, found: &[(Files, &Remote)]) -> Result<(), Failure> {
        let shown: Vec<String> = found.iter().map(|(_, at)| at.to_string()).collect();
        let what = format!("this deletes {} with all that is in it", shown.join(", "));
        let whole = found.iter().find(|(_, at)| at.bare() == "/");
        let word = whole.map(|(_, at)| at.context.as_str());
        ask::before(&what, word, self.yes)
    }

    async fn delete(
        &self,
        session: &Session,
        files: &Files,
        address: &Remote,
    ) -> Result<(), Failure> {
        if address.is_folder() {
            return Err(is_folder(address, "rm -r"));
        }
        match files.delete(address.path.as_str()).await {
            Err(error) if is_missing_file(&error) => {
                if has_anything(files, address).await {
                    return Err(is_folder(address, "rm -r"));
                }
                match self.force {
                    true => Ok(()),
                    false => Err(missing(address, &error)),
                }
            }
            deleted => {
                deleted.doing(|| format!("delete {address}"))?;
                told(&session.look, address)
            }
        }
    }

    /// Deletes a file of this name, and all that is below it.
    async fn delete_below(
        &self,
        session: &Session,
        files: &Files,
        address: &Remote,
    ) -> Result<(), Failure> {
        let report = folder::delete(session, files, address).await?;
        if address.bare() != "/" {
            let nothing = report.deleted + report.failed == 0;
            match files.delete(address.bare()).await {
                Err(error) if is_missing_file(&error) => {
                    if nothing && !self.force {
                        return Err(missing(address, &error));
                    }
                }
                deleted => {
                    deleted.doing(|| format!("delete {address}"))?;
                    told(&session.look, address)?;
                }
            }
        }
        match report.failed {
            0 => Ok(()),
            failed => Err(Failure::of(
                Code::Partial,
                format!("{} not deleted", output::counted(failed, "file")),
            )),
        }
    }
}

/// A folder where a file was meant, and the command that is for folders.
pub(super) fn is_folder(address: &Remote, command: &str) -> Failure {
    let failure = Failure::usage(format!("{address} is a folder"));
    failure.hint(format!("agb {command} '{address}'"))
}

pub(super) async fn has_anything(files: &Files, address: &Remote) -> bool {
    let mut listed = files.list().folder(address.bare()).page_size(1).by_item();
    matches!(listed.next().await, Some(Ok(_)))
}

pub(super) fn told(look: &Look, address: &Remote) -> Result<(), Failure> {
    let row = DoneRow {
        name: address.to_string(),
        id: None,
        done: "deleted",
    };
    match look.reader() {
        Reader::Terse => Ok(()),
        _ => output::done(look, &row, &format!("{address} is deleted")),
    }
}
