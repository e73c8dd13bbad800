//! `agb context`.

use std::time::Duration;

use agbcloud::{Context, ContextState};
use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;
use futures_util::{StreamExt, TryStreamExt, future::ready};
use globset::GlobMatcher;

use super::{
    completion,
    confirm::confirm,
    lookup,
    operands::glob,
    partial_failures::PartialFailures,
    session::{Run, Session, WithSession},
    snapshot::{ContextCopyArguments, RestoreArguments, SnapshotArguments},
};
use crate::{
    address,
    connection::ServiceClient,
    failure::{Code, ErrorContext, Failure},
    output::{
        self, OutputMode, Rows, duration,
        records::{ActionResult, ContextRow},
    },
    progress::Spinner,
    signals::unless_interrupted,
    stderr,
};

#[derive(Debug, Subcommand)]
pub(crate) enum ContextCommand {
    /// List contexts
    #[command(visible_alias = "ls")]
    #[command(
        after_long_help = "Examples:\n  agb context list --json\n  agb context list --filter 'test-*' --limit 20"
    )]
    List(WithSession<ListArguments>),
    /// Show one context
    #[command(aliases = ["show", "info", "describe", "stat"])]
    #[command(after_long_help = "Examples:\n  agb context get my-project")]
    Get(WithSession<NameArguments>),
    /// Create a context, or show the existing one
    #[command(aliases = ["new", "add"])]
    #[command(after_long_help = "Examples:\n  agb context create my-project")]
    Create(WithSession<CreateArguments>),
    /// Rename a context
    #[command(aliases = ["mv", "move"])]
    #[command(after_long_help = "Examples:\n  agb context rename my-project our-project")]
    Rename(WithSession<RenameArguments>),
    /// Delete a context and all its files
    #[command(visible_alias = "rm", aliases = ["remove", "del"])]
    #[command(
        after_long_help = "Examples:\n  agb context delete my-project\n  agb context delete --yes old-1 old-2"
    )]
    Delete(WithSession<DeleteArguments>),
    /// Delete all files of a context and wait until it is empty
    #[command(
        after_long_help = "Examples:\n  agb context clear my-project\n  agb context clear --yes --no-wait my-project"
    )]
    Clear(WithSession<ClearArguments>),
    /// Copy the files of a context to another one
    ///
    /// Creates NAME2 if it does not exist. Each file is verified. Files that NAME2 has with the same content are skipped, so that
    /// the same command continues after an interruption. Nothing is copied if a file of NAME2 differs, unless --force replaces
    /// it. Other files of NAME2 stay.
    #[command(visible_alias = "cp", aliases = ["clone", "duplicate", "dup"])]
    #[command(
        after_long_help = "Examples:\n  agb context copy my-project before-the-agent\n  agb context copy --dry-run my-project my-copy"
    )]
    Copy(WithSession<ContextCopyArguments>),
    /// Save the files of a context in an archive, a folder or a context
    ///
    /// Each file is verified. Files that change meanwhile are stored as they are when they are read. After an interruption, the
    /// same command continues, if the service lists checksums. PATH is a folder if it ends with a slash or exists as a folder,
    /// the context NAME2 if it is NAME2:, and otherwise a tar file.
    #[command(
        after_long_help = "Examples:\n  agb context snapshot my-project\n  agb context snapshot my-project --to backup.tar\n  agb context snapshot my-project --to backup/\n  agb context snapshot my-project --to before-the-agent:"
    )]
    Snapshot(WithSession<SnapshotArguments>),
    /// Restore the files of a context from what a snapshot saved
    ///
    /// Creates the context if it does not exist. Files that the context has with the same content are not uploaded, so that the
    /// same command continues after an interruption. Nothing is uploaded if a file of the context differs, unless --force
    /// replaces it. Other files of the context stay.
    #[command(
        after_long_help = "Examples:\n  agb context restore backup.tar my-project\n  agb context restore backup/ my-project\n  agb context restore before-the-agent: my-project"
    )]
    Restore(WithSession<RestoreArguments>),
    /// Wait until the clear of a context is complete
    #[command(after_long_help = "Examples:\n  agb context wait --timeout 600 my-project")]
    Wait(WithSession<WaitArguments>),
}

impl ContextCommand {
    /// Whether the command requires stdout.
    pub(crate) fn prints(&self) -> bool {
        matches!(self, Self::List(_) | Self::Get(_))
    }

    /// Whether the command copies the content of files.
    pub(crate) fn transfers(&self) -> bool {
        matches!(self, Self::Copy(_) | Self::Snapshot(_) | Self::Restore(_))
    }

    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(with) => with.run().await,
            Self::Get(with) => with.run().await,
            Self::Create(with) => with.run().await,
            Self::Rename(with) => with.run().await,
            Self::Delete(with) => with.run().await,
            Self::Clear(with) => with.run().await,
            Self::Copy(with) => with.run().await,
            Self::Snapshot(with) => with.run().await,
            Self::Restore(with) => with.run().await,
            Self::Wait(with) => with.run().await,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// List only contexts whose name matches the glob
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    filter: Option<GlobMatcher>,
    /// Maximum number of contexts
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

impl Run for ListArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.connect()?;
        list_contexts(session, &client, self.filter.as_ref(), self.limit).await
    }
}

/// Lists contexts, those whose name matches if there is a filter.
pub(super) async fn list_contexts(
    session: &Session,
    client: &ServiceClient,
    filter: Option<&GlobMatcher>,
    limit: Option<usize>,
) -> Result<(), Failure> {
    let contexts = client.contexts().list().prefetch(true).by_item();
    let rows = contexts.map(|context| {
        context
            .map(ContextRow::from)
            .with_action(|| "list contexts".to_owned())
    });
    let rows = rows
        .try_filter(|row| ready(filter.is_none_or(|filter| filter.is_match(&row.name))))
        .take(limit.unwrap_or(usize::MAX));
    let count = Rows::new(&session.output).print_all(rows).await?;
    if count == 0 && session.output.mode() == OutputMode::Human {
        stderr::note(match filter {
            None => "no contexts: create one with 'agb context create NAME'",
            Some(_) => "no context matches",
        });
    }
    Ok(())
}

#[derive(Debug, Args)]
pub(crate) struct NameArguments {
    /// Name or id of the context
    #[arg(add = ArgValueCompleter::new(completion::contexts))]
    name: String,
}

impl Run for NameArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let context = lookup::context(&session.connect()?, &self.name).await?;
        output::print_record(&session.output, &ContextRow::from(context))
    }
}

#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    /// Name of the context
    name: String,
}

impl Run for CreateArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.connect()?;
        let context = client.get_or_create(&self.name).await;
        let context = context.with_action(|| format!("create context {:?}", self.name))?;
        if !address::is_addressable(&self.name) {
            stderr::note(format_args!(
                "note: the name can't be part of an address: use the id, {}:/path",
                context.id
            ));
        }
        output::print_record(&session.output, &ContextRow::from(context))
    }
}

#[derive(Debug, Args)]
pub(crate) struct RenameArguments {
    /// Name or id of the context
    #[arg(add = ArgValueCompleter::new(completion::contexts))]
    name: String,
    /// New name
    new: String,
}

impl Run for RenameArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.connect()?;
        let context = lookup::context(&client, &self.name).await?;
        let renamed = client
            .contexts()
            .rename(&context.id, self.new.as_str())
            .await;
        renamed.with_action(|| format!("rename context {:?} to {:?}", self.name, self.new))?;
        let row = ActionResult {
            name: self.new.clone(),
            ..ActionResult::new(&context, "renamed")
        };
        let message = format!("renamed {} to {}", self.name, self.new);
        output::print_result(&session.output, &row, &message)
    }
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    /// Names or ids of contexts
    #[arg(value_name = "NAME", required = true, add = ArgValueCompleter::new(completion::contexts))]
    names: Vec<String>,
    /// Delete without confirmation
    #[arg(long, short)]
    yes: bool,
    /// Delete without confirmation, and ignore missing contexts
    #[arg(long, short)]
    force: bool,
}

impl Run for DeleteArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.connect()?;
        let mut failures = PartialFailures::new(self.names.len());
        for name in &self.names {
            failures.record(self.delete(session, &client, name).await)?;
        }
        failures.finish()
    }
}

impl DeleteArguments {
    async fn delete(
        &self,
        session: &Session,
        client: &ServiceClient,
        name: &str,
    ) -> Result<(), Failure> {
        let context = match lookup::context(client, name).await {
            Err(failure) if self.force && failure.code == Code::NotFound => return Ok(()),
            context => context?,
        };
        let action = format!("deletes context {:?} and all its files", context.name);
        confirm(&action, Some(&context.name), self.yes || self.force)?;
        let deleted = client.contexts().delete(&context.id).await;
        deleted.with_action(|| format!("delete context {name:?}"))?;
        let row = ActionResult::new(&context, "deleted");
        output::print_result(&session.output, &row, &format!("deleted {}", context.name))
    }
}

#[derive(Debug, Args)]
pub(crate) struct ClearArguments {
    /// Name or id of the context
    #[arg(add = ArgValueCompleter::new(completion::contexts))]
    name: String,
    /// Delete without confirmation
    #[arg(long, short)]
    yes: bool,
    /// Start the clear and do not wait for it
    #[arg(long)]
    no_wait: bool,
    /// Maximum duration of the wait
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 60,
        conflicts_with = "no_wait"
    )]
    timeout: u64,
}

impl Run for ClearArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.connect()?;
        let context = lookup::context(&client, &self.name).await?;
        let action = format!("deletes all files of context {:?}", context.name);
        confirm(&action, Some(&context.name), self.yes)?;
        let clear = client
            .contexts()
            .clear(&context.id)
            .timeout(Duration::from_secs(self.timeout));
        let action = || format!("clear context {:?}", self.name);
        if self.no_wait {
            clear.start().await.with_action(action)?;
            let row = ActionResult::new(&context, "clearing");
            let message = format!("clearing {}: wait with 'agb context wait {0}'", self.name);
            return output::print_result(&session.output, &row, &message);
        }
        let spinner = Spinner::start(&session.output, format!("clearing {}", self.name));
        let listener = spinner.clone();
        let clear = clear.on_status(move |status| listener.set_state(&status.state.to_string()));
        let clear = async { clear.await.with_action(action) };
        let cleared = Box::pin(wait_for_clear(clear, &self.name)).await;
        spinner.finish();
        print_cleared(session, &context, cleared?.elapsed)
    }
}

#[derive(Debug, Args)]
pub(crate) struct WaitArguments {
    /// Name or id of the context
    #[arg(add = ArgValueCompleter::new(completion::contexts))]
    name: String,
    /// Maximum duration of the wait
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

impl Run for WaitArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.connect()?;
        let context = lookup::context(&client, &self.name).await?;
        // The state is `clearing` from the start of a clear, so none is in progress.
        if context.state == ContextState::Available {
            let row = ActionResult::new(&context, "available");
            let message = format!("{} is available: no clear is in progress", context.name);
            return output::print_result(&session.output, &row, &message);
        }
        let clear = client.contexts().resume_clear(&context.id);
        let clear = clear.timeout(Duration::from_secs(self.timeout));
        let spinner = Spinner::start(&session.output, format!("waiting for {}", self.name));
        let wait = async {
            clear
                .await
                .with_action(|| format!("wait for context {:?}", self.name))
        };
        let cleared = Box::pin(wait_for_clear(wait, &self.name)).await;
        spinner.finish();
        print_cleared(session, &context, cleared?.cleared().elapsed)
    }
}

fn print_cleared(session: &Session, context: &Context, elapsed: Duration) -> Result<(), Failure> {
    let row = ActionResult::new(context, "cleared");
    let message = format!("cleared {} in {}", context.name, duration(elapsed));
    output::print_result(&session.output, &row, &message)
}

async fn wait_for_clear<T>(
    work: impl Future<Output = Result<T, Failure>>,
    name: &str,
) -> Result<T, Failure> {
    let hint = format!("the clear continues: wait for it with 'agb context wait {name}'");
    unless_interrupted(work, &hint).await
}
