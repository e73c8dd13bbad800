//! The options that every command of the service has.

use clap::Args;

use crate::{
    connection::{Connection, ServiceClient},
    failure::Failure,
    output::OutputOptions,
};

/// The arguments of a command, with the options of [`Session`].
#[derive(Debug, Args)]
pub(crate) struct WithSession<T: Args> {
    #[command(flatten)]
    arguments: T,
    #[command(flatten)]
    session: Session,
}

impl<T: Args + Run> WithSession<T> {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        self.session.output.set_colors();
        Box::pin(self.arguments.run(&self.session)).await
    }
}

/// The options for the connection and the output.
#[derive(Debug, Args)]
#[command(next_help_heading = "Service and output")]
pub(crate) struct Session {
    #[command(flatten)]
    pub(super) connection: Connection,
    #[command(flatten)]
    pub(super) output: OutputOptions,
}

impl Session {
    pub(super) fn connect(&self) -> Result<ServiceClient, Failure> {
        self.connection.connect()
    }
}

/// A command that calls the service.
pub(crate) trait Run {
    fn run(self, session: &Session) -> impl Future<Output = Result<(), Failure>>;
}
