//! `agb demo`: a step-by-step demonstration of contexts and files.

mod failures;
mod print;
mod sample_files;
mod service;
mod walkthrough;

use clap::{ArgMatches, Args, Command, FromArgMatches};

use crate::{failure::Failure, output, signals::Interrupt, stderr};
use service::DemoService;
use walkthrough::Walkthrough;

/// The global option `--endpoint` names the service.
#[derive(Debug)]
pub(crate) struct DemoArguments {
    endpoint: Option<String>,
}

impl Args for DemoArguments {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

impl FromArgMatches for DemoArguments {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let endpoint = matches.get_one::<String>("endpoint").cloned();
        Ok(Self { endpoint })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Runs the demonstration and always deletes its contexts.
pub(crate) async fn run(arguments: DemoArguments) -> Result<(), Failure> {
    let interrupt = Interrupt::new()?;
    let service = DemoService::new(arguments.endpoint).await?;
    service.introduce();
    let mut walkthrough = Walkthrough::new(&service)?;
    let result = tokio::select! {
        result = Box::pin(walkthrough.run()) => result,
        () = interrupt.wait() => Err(Failure::interrupted()),
    };
    // A second signal does not wait for the cleanup.
    drop(interrupt);
    if result.is_err()
        && let Err(error) = walkthrough.delete_contexts().await
    {
        stderr::note(format_args!(
            "warning: contexts named {}… may remain: {error}",
            walkthrough.prefix()
        ));
    }
    service.stop().await;
    result.and_then(|()| output::check_best_effort())
}
