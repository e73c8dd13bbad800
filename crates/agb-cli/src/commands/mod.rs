//! Commands for contexts and files: each parses, calls and shows.

mod ask;
mod complete;
mod context;
mod doctor;
mod file;
mod find;
mod folder;
mod folder_options;
mod generate;
mod list;
mod sync;
mod transfer;
mod url;

use clap::Args;

pub(crate) use complete::complete;
pub(crate) use context::ContextCommand;
pub(crate) use doctor::DoctorArguments;
pub(crate) use file::{CatArguments, RmArguments, StatArguments};
pub(crate) use generate::{CompletionArguments, ManArguments, completion, man, schema};
pub(crate) use list::{DuArguments, LsArguments, TreeArguments};
pub(crate) use sync::{DiffArguments, SyncArguments};
pub(crate) use transfer::{GetArguments, PutArguments};
pub(crate) use url::UrlCommand;

use crate::{
    exit::Failure,
    output::Look,
    settings::{Connection, Service},
};

/// What a command takes, beside what every command that speaks with a service takes.
#[derive(Debug, Args)]
pub(crate) struct With<T: Args> {
    #[command(flatten)]
    pub(crate) arguments: T,
    #[command(flatten)]
    pub(crate) session: Session,
}

/// Which service, and how it is shown.
#[derive(Debug, Args)]
#[command(next_help_heading = "Service and output")]
pub(crate) struct Session {
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(flatten)]
    pub(crate) look: Look,
}

impl Session {
    pub(crate) fn connect(&self) -> Result<Service, Failure> {
        self.connection.connect()
    }
}

/// A command that speaks with a service.
pub(crate) trait Run {
    fn run(self, session: &Session) -> impl Future<Output = Result<(), Failure>>;
}

impl<T: Args + Run> With<T> {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        self.session.look.settle();
        Box::pin(self.arguments.run(&self.session)).await
    }
}
