//! `agb`: the command line for AGB Cloud contexts. It parses, calls and shows; the work is the SDK's.

mod arguments;
mod demo;
mod exit;
mod say;
#[cfg(feature = "serve")]
mod serve;
mod stop;

use std::process::ExitCode;

use arguments::{Arguments, Command};
use clap::Parser;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return exit::report(&exit::Failure::other("can't start", error)),
    };
    let outcome = runtime.block_on(async {
        match arguments.command {
            #[cfg(feature = "serve")]
            Command::Serve(arguments) => serve::run(*arguments).await,
            Command::Demo(arguments) => demo::run(arguments).await,
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => exit::report(&failure),
    }
}
