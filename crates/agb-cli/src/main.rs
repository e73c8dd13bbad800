//! `agb`: the command line for AGB Cloud contexts. It parses, calls and shows; the work is the SDK's.

mod address;
mod arguments;
mod clock;
mod commands;
mod demo;
mod exit;
mod output;
mod progress;
mod say;
#[cfg(feature = "serve")]
mod serve;
mod settings;
mod stdio;
mod stop;

use std::{process::ExitCode, time::Duration};

use arguments::{Ambient, Arguments, Command};
use exit::Failure;

fn main() -> ExitCode {
    commands::complete();
    output::settle_colors();
    let (arguments, ambient) = match Arguments::typed() {
        Ok(typed) => typed,
        Err(error) => return exit::refuse(&error),
    };
    match run(arguments.command, &ambient) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => exit::report(&failure),
    }
}

/// How long what is under way may take to tidy up when a command has ended early: files that were being fetched take their
/// parts away. What keeps no files of this machine has nothing to tidy up, and does not wait for what goes on in the
/// background, such as the look-up of a name.
const TIDYING: Duration = Duration::from_secs(10);

fn run(command: Command, ambient: &Ambient) -> Result<(), Failure> {
    if command.prints() {
        stdio::check_stdout()?;
    }
    let tidies = matches!(
        command,
        Command::Get(_) | Command::Put(_) | Command::Sync(_) | Command::Demo(_)
    );
    let mut runtime = match &command {
        #[cfg(feature = "serve")]
        Command::Serve(_) => tokio::runtime::Builder::new_multi_thread(),
        Command::Demo(_) => tokio::runtime::Builder::new_multi_thread(),
        // One thread starts sooner, and is enough for what waits for a network.
        Command::Context(_) | Command::Ls(_) | Command::Stat(_) | Command::Url(_) => {
            tokio::runtime::Builder::new_current_thread()
        }
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = runtime.enable_all().build();
    let runtime = runtime.map_err(|error| Failure::other("can't start", error))?;
    let outcome = runtime.block_on(Box::pin(perform(command, ambient)));
    // A service has shut down by itself, unless it was not waited for.
    runtime.shutdown_timeout(if tidies { TIDYING } else { Duration::ZERO });
    outcome
}

async fn perform(command: Command, ambient: &Ambient) -> Result<(), Failure> {
    // Without the service nothing else asks.
    #[cfg(not(feature = "serve"))]
    let _ = ambient.has("config");
    match command {
        Command::Context(command) => command.run().await,
        Command::Ls(with) => with.run().await,
        Command::Tree(with) => with.run().await,
        Command::Du(with) => with.run().await,
        Command::Cat(with) => with.run().await,
        Command::Stat(with) => with.run().await,
        Command::Get(with) => with.run().await,
        Command::Put(with) => with.run().await,
        Command::Rm(with) => with.run().await,
        Command::Sync(with) => with.run().await,
        Command::Diff(with) => with.run().await,
        Command::Url(command) => command.run().await,
        Command::Doctor(with) => with.run().await,
        #[cfg(feature = "serve")]
        Command::Serve(arguments) => serve::run(*arguments, ambient).await,
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Completion(arguments) => commands::completion(&arguments),
        Command::Man(arguments) => commands::man(&arguments),
        Command::Schema => commands::schema(),
    }
}
