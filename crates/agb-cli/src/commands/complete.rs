//! Names of contexts for the shell's completion.

use std::{borrow::Cow, ffi::OsStr, time::Duration};

use agbcloud::{MAX_PAGE_SIZE, RetryPolicy};
use clap::{CommandFactory, FromArgMatches};
use clap_complete::{CompletionCandidate, env::CompleteEnv};

use super::find;
use crate::{
    address::{self, Remote},
    arguments::Arguments,
    clock,
    output::escape,
    settings::{Connection, Service},
};

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

/// The same as the start of an address, then what is in the folder that was typed.
pub(crate) fn addresses(current: &OsStr) -> Vec<CompletionCandidate> {
    match current.to_str() {
        Some(typed) if typed.contains(":/") => paths(typed),
        _ => names(current, ":/"),
    }
}

fn names(current: &OsStr, end: &str) -> Vec<CompletionCandidate> {
    let Some(start) = current.to_str().filter(|start| !start.contains([':', '/'])) else {
        return Vec::new();
    };
    // Nobody sees an error here: what can't be asked for is not proposed.
    let names = within(list(start)).unwrap_or_default().into_iter();
    names
        // What can't be typed before a path is not proposed there.
        .filter(|name| end.is_empty() || address::is_name(name))
        .filter(|name| can_be_typed(name))
        .map(|name| CompletionCandidate::new(name + end))
        .collect()
}

fn paths(typed: &str) -> Vec<CompletionCandidate> {
    let Ok(remote) = typed.parse::<Remote>() else {
        return Vec::new();
    };
    let typed = typed.strip_suffix(&remote.path).unwrap_or_default();
    let found = within(list_folder(&remote)).unwrap_or_default();
    found
        .into_iter()
        .filter(|path| can_be_typed(path))
        .map(|path| CompletionCandidate::new(format!("{typed}{path}")))
        .collect()
}

/// Whether a name is one line of what the shell reads and looks like what it is. An escaped one would name something else,
/// so others are not proposed.
fn can_be_typed(name: &str) -> bool {
    matches!(escape(name), Cow::Borrowed(_))
}

/// What is asked for, if that does not take long.
fn within<T>(work: impl Future<Output = Option<T>>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    runtime.block_on(async { clock::within(PATIENCE, work).await })?
}

fn service() -> Option<Service> {
    let connection = Connection::as_typed()?;
    let builder = connection.builder().ok()?;
    let builder = builder.timeout(PATIENCE).retry(RetryPolicy::never());
    Some(connection.service(builder.build().ok()?))
}

async fn list(start: &str) -> Option<Vec<String>> {
    let contexts = service()?.contexts().list();
    let mut listed = contexts.page_size(MAX_PAGE_SIZE).by_item();
    let mut names = Vec::new();
    while let Some(Ok(context)) = listed.next().await {
        if context.name.starts_with(start) {
            names.push(context.name);
        }
        if names.len() == MOST {
            break;
        }
    }
    Some(names)
}

/// Paths that go on from what was typed; those of folders with a slash at the end.
async fn list_folder(remote: &Remote) -> Option<Vec<String>> {
    let (folder, _) = remote.path.rsplit_once('/')?;
    let files = find::files(&service()?, remote).await.ok()?;
    let listing = files.list().folder(remote.at(&format!("{folder}/")).bare());
    let mut listed = listing.page_size(MAX_PAGE_SIZE).by_item();
    let mut paths = Vec::new();
    while let Some(Ok(entry)) = listed.next().await {
        let slash = if entry.is_folder() { "/" } else { "" };
        if entry.path.starts_with(&remote.path) {
            paths.push(format!("{}{slash}", entry.path.trim_end_matches('/')));
        }
        if paths.len() == MOST {
            break;
        }
    }
    Some(paths)
}

impl Connection {
    /// As far as it has been typed: the shell hands over all words behind two hyphens.
    fn as_typed() -> Option<Self> {
        let words: Vec<String> = std::env::args().skip_while(|word| word != "--").collect();
        let mut typed = vec!["agb".to_owned()];
        for (at, word) in words.iter().enumerate() {
            let option = |name: &&str| word == *name || word.starts_with(&format!("{name}="));
            if word == "--no-dotenv" {
                typed.push(word.clone());
            }
            // The key will come another way: that of the environment may belong to another service.
            if word == "--api-key-stdin" {
                return None;
            }
            if !["--endpoint", "--profile", "--region"].iter().any(option) {
                continue;
            }
            typed.push(word.clone());
            let value = words.get(at + 1).filter(|_| !word.contains('='));
            typed.extend(value.cloned());
        }
        let command = <Self as clap::Args>::augment_args(clap::Command::new("agb"));
        let matches = command.try_get_matches_from(typed).ok()?;
        Self::from_arg_matches(&matches).ok()
    }
}
