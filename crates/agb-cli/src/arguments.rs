//! What can be typed.

use clap::{Args, Parser, Subcommand};

/// AGB Cloud contexts: named, persistent storage for AI-agent sandboxes.
#[derive(Debug, Parser)]
#[command(name = "agb", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a context service on this machine
    ///
    /// Prints `listening on http://…` when it is ready. Ctrl-C or SIGTERM ends it: no new connection is taken,
    /// and what is under way gets ten seconds to finish, unless --limits says otherwise.
    #[cfg(feature = "serve")]
    Serve(Box<crate::serve::ServeArguments>),
    /// Show what contexts are for, step by step
    ///
    /// Without an endpoint it starts a service of its own on a free port, in a temporary folder.
    Demo(DemoArguments),
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Service to use, with the key of AGB_API_KEY; everything that is made there is deleted again
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Arguments::command().debug_assert();
    }
}
