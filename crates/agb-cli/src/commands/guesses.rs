//! Commands that people guess and that do not exist. Each fails with a hint.

use clap::Args;

use super::session::{Run, Session};
use crate::{failure::Failure, output::quote};

#[derive(Debug, Args)]
pub(crate) struct MkdirArguments {
    /// Folders
    folders: Vec<String>,
    /// Accepted, as by other programs
    #[arg(long, short)]
    parents: bool,
}

impl Run for MkdirArguments {
    /// Fails, since a folder exists as long as it contains files.
    async fn run(self, _: &Session) -> Result<(), Failure> {
        let folder = self.folders.last().map_or("NAME:/folder", String::as_str);
        let folder = folder.trim_end_matches('/');
        let failure = Failure::usage("there are no empty folders: one exists while it has files");
        Err(failure.with_hint(format!(
            "put a file into it: agb put FILE {}",
            quote(format_args!("{folder}/"))
        )))
    }
}
