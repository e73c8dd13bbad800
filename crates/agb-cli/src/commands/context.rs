//! `agb context`.

use std::time::Duration;

use agbcloud::{Context, ContextState, ErrorKind};
use clap::{Args, Subcommand};
use clap_complete::ArgValueCompleter;
use futures_util::StreamExt;

use super::{Run, Session, With, ask, complete, find};
use crate::{
    address,
    exit::{Doing, Failure},
    output::{
        self, Reader, Rows, duration,
        schema::{ContextRow, DoneRow},
    },
    progress::Waiting,
    say,
    stop::Stop,
};

#[derive(Debug, Subcommand)]
pub(crate) enum ContextCommand {
    /// List all contexts
    #[command(visible_alias = "ls")]
    #[command(after_help = "Examples:\n  agb context list --json")]
    List(With<ListArguments>),
    /// Show one context
    #[command(after_help = "Examples:\n  agb context get my-project")]
    Get(With<NameArguments>),
    /// Make a context, or show the one that has the name
    #[command(after_help = "Examples:\n  agb context create my-project")]
    Create(With<CreateArguments>),
    /// Give a context another name
    #[command(after_help = "Examples:\n  agb context rename my-project our-project")]
    Rename(With<RenameArguments>),
    /// Delete a context with all its files
    #[command(visible_alias = "rm")]
    #[command(after_help = "Examples:\n  agb context delete my-project")]
    Delete(With<DeleteArguments>),
    /// Delete all files of a context, and wait until they are gone
    #[command(
        after_help = "Examples:\n  agb context clear my-project\n  agb context clear --yes --no-wait my-project"
    )]
    Clear(With<ClearArguments>),
    /// Wait until a context that is being cleared can be used
    #[command(after_help = "Examples:\n  agb context wait --timeout 600 my-project")]
    Wait(With<WaitArguments>),
}

impl ContextCommand {
    /// Whether its result is what it prints.
    pub(crate) fn prints(&self) -> bool {
        matches!(self, Self::List(_) | Self::Get(_))
    }

    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::List(with) => with.run().await,
            Self::Get(with) => with.run().await,
            Self::Create(with) => with.run().await,
            Self::Rename(with) => with.run().await,
            Self::Delete(with) => with.run().await,
            Self::Clear(with) => with.run().await,
            Self::Wait(with) => with.run().await,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {}

impl Run for ListArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.connect()?;
        let contexts = client.contexts().list().prefetch(true).by_item();
        let rows = contexts.map(|context| {
            context
                .map(ContextRow::from)
                .doing(|| "list the contexts".to_owned())
        });
        let count = Rows::new(&session.look).show(rows).await?;
        if count == 0 && session.look.reader() == Reader::Person {
            say::note("there are no contexts yet: agb context create NAME makes one");
        }
        Ok(())
    }
}

#[derive(Debug, Args)]
pub(crate) struct NameArguments {
    /// Name or id of the context
    #[arg(add = ArgValueCompleter::new(complete::contexts))]
    name: String,
}

impl Run for NameArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let context = find::context(&session.connect()?, &self.name).await?;
        output::show(&session.look, &ContextRow::from(context))
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
        let made = client.made(&self.name).await;
        let made = made.doing(|| format!("make the context {:?}", self.name))?;
        if !address::is_name(&self.name) {
            say::note(format_args!(
                "note: before :/path it can be named by its id alone, {}",
                made.id
            ));
        }
        output::show(&session.look, &ContextRow::from(made.into_inner()))
    }
}

#[derive(Debug, Args)]
pub(crate) struct RenameArguments {
    /// Name or id of the context
    #[arg(add = ArgValueCompleter::new(complete::contexts))]
    name: String,
    /// The name that it gets
    new: String,
}

impl Run for RenameArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.connect()?;
        let context = find::context(&client, &self.name).await?;
        let renamed = client
            .contexts()
            .rename(&context.id, self.new.as_str())
            .await;
        renamed.doing(|| format!("rename {:?} to {:?}", self.name, self.new))?;
        let row = DoneRow {
            name: self.new.clone(),
            ..DoneRow::of(&context, "renamed")
        };
        let said = format!("{} is {} now", self.name, self.new);
        output::done(&session.look, &row, &said)
    }
}

#[derive(Debug, Args)]
pub(crate) struct DeleteArguments {
    /// Name or id of the context
    #[arg(add = ArgValueCompleter::new(complete::contexts))]
    name: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

impl Run for DeleteArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.connect()?;
        let context = find::context(&client, &self.name).await?;
        let what = format!(
            "this deletes the context {:?} with all its files",
            context.name
        );
        ask::before(&what, Some(&context.name), self.yes)?;
        let deleted = client.contexts().delete(&context.id).await;
        deleted.doing(|| format!("delete the context {:?}", self.name))?;
        let row = DoneRow::of(&context, "deleted");
        output::done(&session.look, &row, &format!("{} is deleted", context.name))
    }
}

#[derive(Debug, Args)]
pub(crate) struct ClearArguments {
    /// Name or id of the context
    #[arg(add = ArgValueCompleter::new(complete::contexts))]
    name: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
    /// Start it, and do not wait for its end
    #[arg(long)]
    no_wait: bool,
    /// Seconds to wait at most
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
        let context = find::context(&client, &self.name).await?;
        let what = format!("this deletes all files of the context {:?}", context.name);
        ask::before(&what, Some(&context.name), self.yes)?;
        let clear = client
            .contexts()
            .clear(&context.id)
            .timeout(Duration::from_secs(self.timeout));
        let clearing = || format!("clear {:?}", self.name);
        if self.no_wait {
            clear.start().await.doing(clearing)?;
            let row = DoneRow::of(&context, "clearing");
            let said = format!(
                "{} is being cleared: agb context wait '{0}' waits for the end",
                self.name
            );
            return output::done(&session.look, &row, &said);
        }
        let waiting = Waiting::begin(&session.look, format!("clearing {}", self.name));
        let told = waiting.clone();
        let clear = clear.on_status(move |status| told.tell(&status.state.to_string()));
        let clear = async { clear.await.doing(clearing) };
        let cleared = Box::pin(until_stopped(clear, &self.name)).await;
        waiting.end();
        ended(session, &context, cleared?.elapsed)
    }
}

#[derive(Debug, Args)]
pub(crate) struct WaitArguments {
    /// Name or id of the context
    #[arg(add = ArgValueCompleter::new(complete::contexts))]
    name: String,
    /// Seconds to wait at most
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    timeout: u64,
}

impl Run for WaitArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.connect()?;
        let context = find::context(&client, &self.name).await?;
        // A clear is seen from its start on, so there is none: it is over, or there never was one.
        if context.state == ContextState::Available {
            let row = DoneRow::of(&context, "available");
            let said = format!("{} is available: it is not being cleared", context.name);
            return output::done(&session.look, &row, &said);
        }
        let handle = client.contexts().resume_clear(&context.id);
        let handle = handle.with_timeout(Duration::from_secs(self.timeout));
        let waiting = Waiting::begin(&session.look, format!("waiting for {}", self.name));
        let wait = async {
            handle
                .wait()
                .await
                .doing(|| format!("wait for {:?}", self.name))
        };
        let cleared = Box::pin(until_stopped(wait, &self.name)).await;
        waiting.end();
        ended(session, &context, cleared?.elapsed)
    }
}

fn ended(session: &Session, context: &Context, elapsed: Duration) -> Result<(), Failure> {
    let row = DoneRow::of(context, "cleared");
    let said = format!("{} is empty after {}", context.name, duration(elapsed));
    output::done(&session.look, &row, &said)
}

/// Waits, but no longer than until Ctrl-C.
async fn until_stopped<T>(
    work: impl Future<Output = Result<T, Failure>>,
    name: &str,
) -> Result<T, Failure> {
    let stop = Stop::new()?;
    tokio::select! {
        result = work => result,
        () = stop.wait() => {
            let hint = format!("the clear goes on: agb context wait '{name}' goes on waiting");
            Err(Failure::interrupted().hint(hint))
        }
    }
}

/// Whether an error says that something is not there.
pub(super) fn is_missing(error: &agbcloud::Error) -> bool {
    error.kind() == ErrorKind::NotFound
}
