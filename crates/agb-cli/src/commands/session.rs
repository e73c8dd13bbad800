//! The options that every command of the service has, before or after the command.

use agbcloud::ClientBuilder;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::{
    connection::{Connection, ServiceClient},
    environment::EnvironmentArguments,
    failure::Failure,
    output::OutputOptions,
    verbose,
};

/// The arguments of a command, with the options of [`Session`]. They are defined only for the command that runs, since those
/// of all commands take longer to define than to parse.
#[derive(Debug)]
pub(crate) struct WithSession<T> {
    arguments: T,
    session: Session,
}

impl<T: Args + Run> WithSession<T> {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        self.session.output.set_colors();
        verbose::start(self.session.output.verbosity());
        Box::pin(self.arguments.run(&self.session)).await
    }
}

impl<T: Args> WithSession<T> {
    fn define(command: Command) -> Command {
        // Those of the command, which the derived methods replace by their own.
        let (about, long_about) = (
            command.get_about().cloned(),
            command.get_long_about().cloned(),
        );
        let command = Session::augment_args(T::augment_args(command));
        let command = command.about(about.unwrap_or_default());
        match long_about {
            Some(long_about) => command.long_about(long_about),
            None => command.long_about(None),
        }
    }
}

impl<T: Args> Args for WithSession<T> {
    fn augment_args(command: Command) -> Command {
        command.defer(Self::define)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<T: FromArgMatches> FromArgMatches for WithSession<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Self::from_arg_matches_mut(&mut matches.clone())
    }

    fn from_arg_matches_mut(matches: &mut ArgMatches) -> Result<Self, clap::Error> {
        let environment = EnvironmentArguments::read(matches);
        let mut session = Session::from_arg_matches_mut(matches)?;
        session.connection.environment = environment;
        Ok(Self {
            arguments: T::from_arg_matches_mut(matches)?,
            session,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
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

    /// Connects after a change of the client's settings.
    pub(super) fn connect_with(
        &self,
        change: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<ServiceClient, Failure> {
        self.connection.resolve()?.connect(change)
    }
}

/// A command that calls the service.
pub(crate) trait Run {
    fn run(self, session: &Session) -> impl Future<Output = Result<(), Failure>>;
}
