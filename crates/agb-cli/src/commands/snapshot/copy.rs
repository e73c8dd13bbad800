//! `agb context copy`.

use agbcloud::Context;
use clap::Args;
use clap_complete::ArgValueCompleter;

use super::{
    context_copy::{CopySettings, copy_context, root},
    place::{context_name, create_context, existing_context},
};
use crate::{
    commands::{
        bandwidth::Bandwidth,
        completion, folders, lookup,
        session::{Run, Session},
        transfer::DEFAULT_JOBS,
    },
    connection::ServiceClient,
    failure::Failure,
    output::{bytes, counted, snapshot_summary::SnapshotSummary},
};

#[derive(Debug, Args)]
pub(crate) struct ContextCopyArguments {
    /// Name or id of the context
    #[arg(add = ArgValueCompleter::new(completion::contexts))]
    name: String,
    /// Name or id of the copy. It is created if it does not exist
    #[arg(value_name = "NAME2", add = ArgValueCompleter::new(completion::contexts))]
    to: String,
    /// Replace files of NAME2 that differ
    #[arg(long, short)]
    force: bool,
    /// List the files that would be copied, and copy none
    #[arg(long, short = 'n')]
    dry_run: bool,
    /// Number of files that are copied concurrently
    #[arg(long, value_name = "N", value_parser = folders::jobs, default_value_t = DEFAULT_JOBS)]
    jobs: usize,
    #[command(flatten)]
    bandwidth: Bandwidth,
}

impl Run for ContextCopyArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let (from, to) = (context_name(&self.name)?, context_name(&self.to)?);
        let client = self.bandwidth.connect(session)?;
        let from = lookup::context(&client, &from).await?;
        let settings = CopySettings {
            force: self.force,
            dry_run: self.dry_run,
            jobs: self.jobs,
        };
        let summary = |from: &Context, to: &Context| SnapshotSummary {
            context: from.id.to_string(),
            other_context: Some(to.id.to_string()),
            ..SnapshotSummary::default()
        };
        copy_to(session, &client, &from, &to, settings, summary).await
    }
}

/// Copies a context to the one with this name, which is created if necessary, and prints the result.
pub(super) async fn copy_to(
    session: &Session,
    client: &ServiceClient,
    from: &Context,
    to: &str,
    settings: CopySettings,
    summary: impl FnOnce(&Context, &Context) -> SnapshotSummary,
) -> Result<(), Failure> {
    let target = match existing_context(client, to).await? {
        None if !settings.dry_run => Some(create_context(client, to).await?),
        existing => existing,
    };
    if let Some(target) = target.as_ref().filter(|target| target.id == from.id) {
        let message = format!("{to} is the context {:?} itself", target.name);
        return Err(Failure::usage(message).with_hint("choose another name for the copy"));
    }
    let operand = |context: &Context| root(client.contexts().files(&context.id), &context.name);
    let into = target.as_ref().map(operand);
    let copied = copy_context(session, &operand(from), into.as_ref(), settings).await?;
    let (Some(outcome), Some(target)) = (copied, target) else {
        return Ok(());
    };
    let mut text = format!(
        "{} copied to {} ({})",
        counted(outcome.files, "file"),
        target.name,
        bytes(Some(outcome.bytes))
    );
    if outcome.unchanged > 0 {
        text += &format!(", {} unchanged", outcome.unchanged);
    }
    outcome.print(session, summary(from, &target), &text, &target.name)
}
