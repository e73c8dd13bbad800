//! `agb cat`, `agb stat` and `agb rm`: files of a context.

use agbcloud::{DownloadTarget, FileEntry, Files};
use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{Run, Session, ask, complete, context::is_missing, find, folder};
use crate::{
    address::Remote,
    exit::{Code, Doing, Failure},
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
        let agb = session.connect()?;
        for address in &self.addresses {
            let files = find::files(&agb, address).await?;
            to_stdout(&files, address).await?;
        }
        Ok(())
    }
}

/// Writes a file to stdout. A reader that has had enough ends the command, and that is no failure.
pub(super) async fn to_stdout(files: &Files, address: &Remote) -> Result<(), Failure> {
    let target = DownloadTarget::writer(tokio::io::stdout());
    let written = files.download(address.path.as_str(), target).await;
    match written {
        Err(error) if is_broken_pipe(&error) => Err(Failure::silent(Code::Done)),
        Err(error) if is_missing(&error) && has_anything(files, address).await => {
            Err(is_folder(address, "ls"))
        }
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
        Err(error) if is_missing(&error) => {
            let folder = address
                .bare()
                .rsplit_once('/')
                .map_or("", |(folder, _)| folder);
            let failure = Failure::of(Code::NotFound, format!("there is no {address}"));
            Err(failure.hint(format!("agb ls '{}'", address.at(&format!("{folder}/")))))
        }
        entry => entry.doing(|| format!("look for {address}")),
    }
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
        let agb = session.connect()?;
        if self.recursive {
            let shown: Vec<String> = self.addresses.iter().map(ToString::to_string).collect();
            let what = format!("this deletes {} with all that is in it", shown.join(", "));
            ask::before(&what, None, self.yes)?;
        }
        let mut failed = 0;
        for address in &self.addresses {
            let files = find::files(&agb, address).await?;
            if self.recursive {
                failed += self.delete_below(session, &files, address).await?;
            } else {
                self.delete(session, &files, address).await?;
            }
        }
        match failed {
            0 => Ok(()),
            failed => Err(Failure::of(
                Code::Partial,
                format!("{} not deleted", output::counted(failed, "file")),
            )),
        }
    }
}

impl RmArguments {
    async fn delete(
        &self,
        session: &Session,
        files: &Files,
        address: &Remote,
    ) -> Result<(), Failure> {
        if address.is_folder() {
            return Err(is_folder(address, "rm -r"));
        }
        let deleted = files
            .delete(address.path.as_str())
            .missing_ok(self.force)
            .await;
        if deleted.as_ref().is_err_and(is_missing) && has_anything(files, address).await {
            return Err(is_folder(address, "rm -r"));
        }
        deleted.doing(|| format!("delete {address}"))?;
        told(&session.look, address)
    }

    /// Deletes a file of this name, and all that is below it. Gives how many could not be.
    async fn delete_below(
        &self,
        session: &Session,
        files: &Files,
        address: &Remote,
    ) -> Result<u64, Failure> {
        let report = folder::delete(session, files, address).await?;
        if address.bare() != "/" {
            let nothing = report.deleted + report.failed == 0;
            let missing_ok = self.force || !nothing;
            let deleted = files.delete(address.bare()).missing_ok(missing_ok).await;
            deleted.doing(|| format!("delete {address}"))?;
            if nothing {
                told(&session.look, address)?;
            }
        }
        Ok(report.failed)
    }
}

/// A folder where a file was meant, and the command that is for folders.
pub(super) fn is_folder(address: &Remote, command: &str) -> Failure {
    let failure = Failure::usage(format!("{address} is a folder"));
    failure.hint(format!("agb {command} '{address}'"))
}

pub(super) async fn has_anything(files: &Files, address: &Remote) -> bool {
    let mut listed = files.list().under(address.bare()).page_size(1).by_item();
    matches!(listed.next().await, Some(Ok(_)))
}

pub(super) fn told(look: &Look, address: &Remote) -> Result<(), Failure> {
    let row = DoneRow {
        name: address.to_string(),
        done: "deleted",
    };
    match look.reader() {
        Reader::Terse => Ok(()),
        _ => output::done(look, &row, &format!("{address} is deleted")),
    }
}
