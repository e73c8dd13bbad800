//! `agb`: the command line for AGB Cloud contexts.

mod address;
mod arguments;
mod blocking_io;
mod byte_size;
mod clock;
mod commands;
mod connection;
#[cfg(feature = "console")]
mod console;
mod demo;
mod environment;
mod failure;
mod guesses;
mod leading_options;
mod nearest;
mod opener;
mod output;
mod private_folder;
mod progress;
mod proxy;
mod quote;
#[cfg(feature = "serve")]
mod serve;
mod signals;
mod stderr;
mod stdio;
mod verbose;

use std::{
    io::{self, Write},
    process::ExitCode,
    time::Duration,
};

use arguments::{Arguments, Command};
use clap::CommandFactory;
use environment::EnvironmentArguments;
use failure::{Code, Failure};
use tokio::runtime::Builder;

fn main() -> ExitCode {
    commands::answer_shell(Arguments::command);
    output::set_default_colors();
    let (arguments, environment) = match Arguments::parse_process() {
        Ok(parsed) => parsed,
        Err(error) => return print_usage(&error),
    };
    match run(arguments.command, &environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => print_failure(&failure),
    }
}

/// Prints the help, the version, or what is wrong with the arguments. clap itself ignores write errors.
fn print_usage(error: &clap::Error) -> ExitCode {
    let to_stdout = !error.use_stderr();
    if to_stdout && let Err(failure) = stdio::check_stdout() {
        return print_failure(&failure);
    }
    let text = error.render().ansi().to_string();
    let printed = match (text.contains('\u{1b}'), to_stdout) {
        (true, _) => error.print(),
        // clap would search for escape sequences to remove, which takes as long as to format the help.
        (false, true) => io::stdout().write_all(text.as_bytes()),
        (false, false) => io::stderr().write_all(text.as_bytes()),
    };
    match printed.and_then(|()| io::stdout().flush()) {
        Err(unwritten) if to_stdout => print_failure(&output::write_failure(&unwritten)),
        _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(Code::Usage as u8)),
    }
}

/// Prints a failure and returns its exit code.
fn print_failure(failure: &Failure) -> ExitCode {
    stderr::failure(failure);
    ExitCode::from(failure.code as u8)
}

/// Maximum time for running transfers to remove their temporary files after a command fails. Other commands do not wait
/// for background tasks, such as a DNS lookup.
const CLEANUP_TIMEOUT: Duration = Duration::from_secs(10);

fn run(command: Command, environment: &EnvironmentArguments) -> Result<(), Failure> {
    if command.prints() {
        stdio::check_stdout()?;
    }
    let cleanup_timeout = match command {
        Command::Get(_)
        | Command::Put(_)
        | Command::Cp(_)
        | Command::Mv(_)
        | Command::Edit(_)
        | Command::Open(_)
        | Command::Sync(_)
        | Command::Demo(_) => CLEANUP_TIMEOUT,
        Command::Context(ref command) if command.transfers() => CLEANUP_TIMEOUT,
        _ => Duration::ZERO,
    };
    let mut runtime = match &command {
        Command::Context(command) if command.transfers() => Builder::new_multi_thread(),
        // A single thread starts faster, and these commands mostly wait for the network.
        Command::Context(_)
        | Command::Ls(_)
        | Command::Stat(_)
        | Command::Url(_)
        | Command::Login(_)
        | Command::Logout(_)
        | Command::Config(_) => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    let runtime = runtime.enable_all().build();
    let runtime = runtime.map_err(|error| Failure::with_cause("can't start the runtime", error))?;
    let result = runtime.block_on(Box::pin(execute(command, environment)));
    runtime.shutdown_timeout(cleanup_timeout);
    result
}

#[cfg_attr(
    not(feature = "serve"),
    expect(unused_variables, reason = "only `agb serve` reads the environment")
)]
async fn execute(command: Command, environment: &EnvironmentArguments) -> Result<(), Failure> {
    match command {
        Command::Context(command) => command.run().await,
        Command::Ls(command) => command.run().await,
        Command::Find(command) => command.run().await,
        Command::New(command) => command.run().await,
        Command::Mkdir(command) => command.run().await,
        Command::Tree(command) => command.run().await,
        Command::Du(command) => command.run().await,
        Command::Cat(command) => command.run().await,
        Command::Stat(command) => command.run().await,
        Command::Get(command) => command.run().await,
        Command::Put(command) => command.run().await,
        Command::Cp(command) => command.run().await,
        Command::Mv(command) => command.run().await,
        Command::Rm(command) => command.run().await,
        Command::Sync(command) => command.run().await,
        Command::Diff(command) => command.run().await,
        Command::Transfers(command) => command.run().await,
        Command::Edit(command) => command.run().await,
        Command::Open(command) => command.run().await,
        Command::Url(command) => command.run().await,
        Command::Login(command) => command.run().await,
        Command::Logout(command) => command.run().await,
        Command::Config(command) => command.run().await,
        Command::Doctor(command) => command.run().await,
        #[cfg(feature = "console")]
        Command::Console(command) => command.run().await,
        #[cfg(feature = "mcp")]
        Command::Mcp(command) => command.run().await,
        #[cfg(feature = "serve")]
        Command::Serve(arguments) => serve::run(*arguments, environment).await,
        #[cfg(feature = "dav")]
        Command::Dav(command) => command.run().await,
        Command::Demo(arguments) => demo::run(arguments).await,
        Command::Completion(arguments) => commands::completion(&arguments),
        Command::Man(arguments) => commands::man(&arguments, Arguments::command()),
        Command::Schema => commands::schema(),
    }
}
