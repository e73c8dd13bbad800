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
    /// and what is under way gets up to ten seconds to finish.
    #[cfg(feature = "serve")]
    Serve(ServeArguments),
    /// Show what contexts are for, step by step
    ///
    /// Without an endpoint it starts a service of its own on a free port, in a temporary folder.
    Demo(DemoArguments),
}

#[cfg(feature = "serve")]
#[derive(Debug, Args)]
pub(crate) struct ServeArguments {
    /// Address and port to listen on; port 0 takes a free one
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "AGB_LISTEN",
        default_value = "127.0.0.1:8780"
    )]
    pub(crate) listen: String,

    /// Folder that holds the data; it is made if it does not exist
    #[arg(
        long,
        value_name = "DIR",
        env = "AGB_DATA_DIR",
        default_value = "agb-data"
    )]
    pub(crate) data_dir: std::path::PathBuf,

    /// URL by which clients reach the service, where that is not the address it listens on: presigned URLs
    /// start with it
    #[arg(long, value_name = "URL", env = "AGB_PUBLIC_URL")]
    pub(crate) public_url: Option<String>,

    /// Limits, as NAME=VALUE,…: connections, tenant-requests, head-bytes, head-time, idle-time, body-bytes,
    /// object-bytes, drain-time. Bytes may end in k, m or g, times in ms, s, m or h
    #[arg(
        long,
        value_name = "NAME=VALUE,…",
        env = "AGB_LIMITS",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) limits: String,

    /// What to log on stderr: off, error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", env = "AGB_LOG", default_value = "warn")]
    pub(crate) log: tracing_subscriber::filter::LevelFilter,

    /// API key that is accepted; give it again for more. Each key has contexts of its own.
    /// Without any, every key is accepted, and only this machine can connect
    #[arg(long = "api-key", value_name = "KEY", value_parser = api_key)]
    pub(crate) api_keys: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Service to use, with the key of AGB_API_KEY; everything that is made there is deleted again
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
}

#[cfg(feature = "serve")]
fn api_key(text: &str) -> Result<String, String> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("a key is visible ASCII without spaces".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Arguments::command().debug_assert();
    }
}
