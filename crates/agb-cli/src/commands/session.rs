//! The options that every command of the service has, before or after the command.

use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::{
    connection::{Connection, ServiceClient},
    environment::EnvironmentArguments,
    failure::Failure,
    output::OutputOptions,
    verbose,
};

/// The arguments of a command, with the options of [`Session`]. These are global: the program defines them, and clap copies
/// their values to the command.
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

impl<T: Args> Args for WithSession<T> {
    fn augment_args(command: Command) -> Command {
        T::augment_args(command)
    }

    fn augment_args_for_update(command: Command) -> Command {
        T::augment_args_for_update(command)
    }
}

impl<T: FromArgMatches> FromArgMatches for WithSession<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut session = Session::from_arg_matches(matches)?;
        session.connection.environment = EnvironmentArguments::read(matches);
        Ok(Self {
            arguments: T::from_arg_matches(matches)?,
            session,
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Options that the program defines, for a command that needs no [`Session`].
#[cfg(feature = "serve")]
#[derive(Debug)]
pub(crate) struct Global<T>(pub(crate) T);

#[cfg(feature = "serve")]
impl<T> Args for Global<T>
where
    Self: FromArgMatches,
{
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

#[cfg(feature = "serve")]
impl<T: FromArgMatches> FromArgMatches for Global<T> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        T::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
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
