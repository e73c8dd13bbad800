//! `agb context snapshot` and `agb context restore`: the files of a context in a tar archive.

mod restore;
mod save;
mod tar_index;

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{
    bandwidth::Bandwidth,
    completion, lookup,
    session::{Run, Session},
};
use crate::{
    clock,
    failure::{ErrorContext, Failure},
    output::{self, bytes, counted, file_time, snapshot_summary::SnapshotSummary},
    signals::unless_interrupted,
    stderr,
};

const RESUME_HINT: &str = "the same command continues";

/// Runs work that blocks on another thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await?
}

#[derive(Debug, Args)]
pub(crate) struct SnapshotArguments {
    /// Name or id of the context
    #[arg(add = ArgValueCompleter::new(completion::contexts))]
    name: String,
    /// The archive. Defaults to NAME-TIME.tar in the working folder
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
    /// Replace an existing archive
    #[arg(long, short)]
    force: bool,
    #[command(flatten)]
    bandwidth: Bandwidth,
}

impl Run for SnapshotArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        if self.to.as_deref() == Some(Path::new("-")) {
            let failure = Failure::usage("a snapshot is a file, which appears when it is complete");
            return Err(failure.with_hint("pass a path, such as snapshot.tar"));
        }
        let client = self.bandwidth.connect(session)?;
        let context = lookup::context(&client, &self.name).await?;
        let files = client.contexts().files(&context.id);
        let target = self.to.unwrap_or_else(|| {
            let name = context.name.replace(['/', '\\'], "_");
            PathBuf::from(format!("{name}-{}.tar", file_time(clock::now())))
        });
        let save = save::save(session, &files, &target, self.force);
        let saved = unless_interrupted(save, RESUME_HINT).await?;
        let summary = SnapshotSummary {
            context: context.id.to_string(),
            archive: target.display().to_string(),
            files: saved.files,
            bytes: saved.bytes,
            unchanged: saved.kept,
            skipped: saved.deleted.clone(),
        };
        let size = bytes(Some(saved.bytes));
        let text = format!(
            "{} ({size}) in {}",
            counted(saved.files, "file"),
            summary.archive
        );
        output::print_result(&session.output, &summary, &text)?;
        for path in saved.deleted {
            stderr::note(format_args!("note: {path} was deleted before it was read"));
        }
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    /// The archive: a tar file
    #[arg(value_name = "FILE")]
    archive: PathBuf,
    /// Name or id of the context. It is created if it does not exist
    #[arg(add = ArgValueCompleter::new(completion::contexts))]
    name: String,
    /// Replace files of the context that differ
    #[arg(long, short)]
    force: bool,
    #[command(flatten)]
    bandwidth: Bandwidth,
}

impl Run for RestoreArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = self.bandwidth.connect(session)?;
        // Before a context is created.
        let archive = restore::open(&self.archive).await?;
        let context = match lookup::context(&client, &self.name).await {
            Err(failure) if failure.code == crate::failure::Code::NotFound => {
                let created = client.get_or_create(&self.name).await;
                created.with_action(|| format!("create context {:?}", self.name))?
            }
            found => found?,
        };
        let files = client.contexts().files(&context.id);
        let restore = restore::restore(session, &files, archive, self.force);
        let restored = unless_interrupted(restore, RESUME_HINT).await?;
        let summary = SnapshotSummary {
            context: context.id.to_string(),
            archive: self.archive.display().to_string(),
            files: restored.files,
            bytes: restored.bytes,
            unchanged: restored.unchanged,
            skipped: restored.skipped.clone(),
        };
        let mut text = format!(
            "{} restored ({})",
            counted(restored.files, "file"),
            bytes(Some(restored.bytes))
        );
        if restored.unchanged > 0 {
            text += &format!(", {} unchanged", restored.unchanged);
        }
        output::print_result(&session.output, &summary, &text)?;
        for path in restored.skipped {
            stderr::note(format_args!(
                "note: {path} is not a file or folder: skipped"
            ));
        }
        if restored.others > 0 {
            let others = counted(restored.others, "file");
            stderr::note(format_args!(
                "note: the context has {others} that the archive does not have"
            ));
        }
        Ok(())
    }
}
