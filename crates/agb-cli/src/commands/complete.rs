//! Names of contexts for the shell's completion.

use std::{ffi::OsStr, time::Duration};

use agbcloud::RetryPolicy;
use clap::{CommandFactory, FromArgMatches};
use clap_complete::{CompletionCandidate, env::CompleteEnv};

use crate::{address, arguments::Arguments, clock, settings::Connection};

/// Names that are proposed at most.
const MOST: usize = 200;

/// How long somebody waits for a completion.
const PATIENCE: Duration = Duration::from_secs(2);

/// Answers the shell, if it is the shell that asks, and ends then.
pub(crate) fn complete() {
    CompleteEnv::with_factory(Arguments::command).complete();
}

/// Contexts whose names begin like this.
pub(crate) fn contexts(current: &OsStr) -> Vec<CompletionCandidate> {
    names(current, "")
}

/// The same as the start of an address.
pub(crate) fn addresses(current: &OsStr) -> Vec<CompletionCandidate> {
    names(current, ":/")
}

fn names(current: &OsStr, end: &str) -> Vec<CompletionCandidate> {
    let Some(start) = current.to_str().filter(|start| !start.contains([':', '/'])) else {
        return Vec::new();
    };
    // Nobody sees an error here: what can't be asked for is not proposed.
    let names = list(start).unwrap_or_default().into_iter();
    names
        // What can't be typed before a path is not proposed there.
        .filter(|name| end.is_empty() || address::is_name(name))
        .map(|name| CompletionCandidate::new(name + end))
        .collect()
}

fn list(start: &str) -> Option<Vec<String>> {
    let connection = Connection::from_nothing()?;
    let agb = connection
        .builder()
        .ok()?
        .timeout(PATIENCE)
        .retry(RetryPolicy::never());
    let agb = agb.build().ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let listing = async {
        let mut listed = agb
            .contexts()
            .list()
            .page_size(agbcloud::MAX_PAGE_SIZE)
            .by_item();
        let mut names = Vec::new();
        while let Some(Ok(context)) = listed.next().await {
            if context.name.starts_with(start) {
                names.push(context.name);
            }
            if names.len() == MOST {
                break;
            }
        }
        names
    };
    runtime.block_on(async { clock::within(PATIENCE, listing).await })
}

impl Connection {
    /// As it is where nothing was typed.
    fn from_nothing() -> Option<Self> {
        let command = <Self as clap::Args>::augment_args(clap::Command::new("agb"));
        let matches = command.try_get_matches_from(["agb"]).ok()?;
        Self::from_arg_matches(&matches).ok()
    }
}
