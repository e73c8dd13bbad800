//! `agb context snapshot`, `agb context restore` and `agb context copy`: the files of a context in an archive or another context.

mod context_copy;
mod copy;
mod outcome;
mod place;
mod restore;
mod save;
mod tar_index;

use std::{
    io,
    path::{Path, PathBuf},
};

use clap::Args;
use clap_complete::ArgValueCompleter;

use place::{create_context, existing_context};

use super::{
    completion, lookup,
    session::{Run, Session},
};
use crate::{
    clock,
    failure::Failure,
    output::{bytes, counted, file_time, snapshot_summary::SnapshotSummary},
    signals::unless_interrupted,
};

pub(crate) use copy::ContextCopyArguments;

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
}

impl Run for SnapshotArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        if self.to.as_deref() == Some(Path::new("-")) {
            let failure = Failure::usage("a snapshot is a file, which appears when it is complete");
            return Err(failure.with_hint("pass a path, such as snapshot.tar"));
        }
        let client = session.connect()?;
        let context = lookup::context(&client, &self.name).await?;
        let files = client.contexts().files(&context.id);
        let target = self.to.unwrap_or_else(|| {
            let name = context.name.replace(['/', '\\'], "_");
            PathBuf::from(format!("{name}-{}.tar", file_time(clock::now())))
        });
        let save = save::save(session, &files, &target, self.force);
        let saved = unless_interrupted(save, RESUME_HINT).await?;
        let archive = target.display().to_string();
        let summary = SnapshotSummary {
            context: context.id.to_string(),
            archive: Some(archive.clone()),
            ..SnapshotSummary::default()
        };
        let size = bytes(Some(saved.bytes));
        let text = format!("{} ({size}) in {}", counted(saved.files, "file"), archive);
        saved.print(session, summary, &text, &archive)
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
}

impl Run for RestoreArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.connect()?;
        // Before a context is created.
        let archive = restore::open(&self.archive).await?;
        let context = match existing_context(&client, &self.name).await? {
            Some(context) => context,
            None => create_context(&client, &self.name).await?,
        };
        let files = client.contexts().files(&context.id);
        let restore = restore::restore(session, &files, archive, self.force);
        let restored = unless_interrupted(restore, RESUME_HINT).await?;
        let summary = SnapshotSummary {
            context: context.id.to_string(),
            archive: Some(self.archive.display().to_string()),
            ..SnapshotSummary::default()
        };
        let mut text = format!(
            "{} restored ({})",
            counted(restored.files, "file"),
            bytes(Some(restored.bytes))
        );
        if restored.unchanged > 0 {
            text += &format!(", {} unchanged", restored.unchanged);
        }
        restored.print(session, summary, &text, &context.name)
    }
}
