//! `agb demo`: a step-by-step demonstration of contexts and files.

#[cfg(all(feature = "console", feature = "serve"))]
mod console;
#[cfg(all(feature = "console", feature = "serve"))]
mod console_files;
mod failures;
mod print;
mod sample_files;
mod service;
mod walkthrough;

use clap::Args;

use crate::{failure::Failure, output, signals::Interrupt, stderr};
use service::DemoService;
use walkthrough::Walkthrough;

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Service to use with the key in AGB_API_KEY. All created contexts are deleted. Defaults to a temporary local service
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Open a web console of a temporary service with sample contexts, until Ctrl-C. Its data is in memory
    #[cfg(all(feature = "console", feature = "serve"))]
    #[arg(long, conflicts_with = "endpoint")]
    console: bool,
}

/// Runs the demonstration and always deletes its contexts.
pub(crate) async fn run(arguments: DemoArguments) -> Result<(), Failure> {
    #[cfg(all(feature = "console", feature = "serve"))]
    if arguments.console {
        return console::run().await;
    }
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
