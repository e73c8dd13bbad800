//! `agb completion`, and the answers to the shell: names of contexts and paths of files.

use std::{borrow::Cow, ffi::OsStr, time::Duration};

use agbcloud::{Context, FileEntry, MAX_PAGE_SIZE, RetryPolicy};
use clap::{Args, FromArgMatches, ValueEnum};
use clap_complete::{
    CompletionCandidate, PathCompleter,
    engine::ValueCompleter,
    env::{CompleteEnv, Shells},
};
use futures_util::{Stream, StreamExt, future::ready};

use super::lookup;
use crate::{
    address::{self, Remote},
    clock,
    connection::{Connection, ServiceClient},
    environment::EnvironmentArguments,
    failure::Failure,
    output::{self, escape},
};

/// Maximum number of candidates.
const MAX_CANDIDATES: usize = 200;

/// Maximum duration of a completion.
const TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug, Args)]
pub(crate) struct CompletionArguments {
    /// Shell
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

/// Prints the script that makes the shell call this program for completions.
pub(crate) fn completion(arguments: &CompletionArguments) -> Result<(), Failure> {
    let name = arguments.shell.to_possible_value();
    let name = name.as_ref().map_or("bash", |name| name.get_name());
    if name == "zsh" {
        return output::write(include_str!("completion.zsh"));
    }
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let written = match shells.completer(name) {
        Some(shell) => shell.write_registration("COMPLETE", "agb", "agb", "agb", &mut script),
        None => return Err(Failure::usage(format!("unknown shell {name}"))),
    };
    written.map_err(|error| output::write_failure(&error))?;
    if name == "bash" {
        script.extend_from_slice(include_bytes!("completion.bash"));
    }
    output::write(&String::from_utf8_lossy(&script))
}

/// Prints the candidates and exits if a shell called this program for completions.
pub(crate) fn answer_shell(command: fn() -> clap::Command) {
    CompleteEnv::with_factory(command).complete();
}

/// Completes the name of a context.
pub(super) fn contexts(current: &OsStr) -> Vec<CompletionCandidate> {
    names(current, "")
}

/// Completes an address: the name of the context, then the path.
pub(super) fn addresses(current: &OsStr) -> Vec<CompletionCandidate> {
    match current.to_str() {
        Some(typed) if typed.contains(":/") => paths(typed),
        _ => names(current, ":/"),
    }
}

/// Completes an address or a local path.
pub(super) fn addresses_and_files(current: &OsStr) -> Vec<CompletionCandidate> {
    let mut candidates = addresses(current);
    candidates.extend(PathCompleter::any().complete(current));
    candidates
}

fn names(current: &OsStr, suffix: &str) -> Vec<CompletionCandidate> {
    let Some(start) = current.to_str().filter(|start| !start.contains([':', '/'])) else {
        return Vec::new();
    };
    // Errors have nowhere to go and give no candidates.
    let names = block_on(list(start)).unwrap_or_default().into_iter();
    names
        .filter(|name| suffix.is_empty() || address::is_addressable(name))
        .filter(|name| is_plain(name))
        .map(|name| CompletionCandidate::new(name + suffix))
        .collect()
}

fn paths(typed: &str) -> Vec<CompletionCandidate> {
    let Ok(remote) = typed.parse::<Remote>() else {
        return Vec::new();
    };
    let typed = typed.strip_suffix(&remote.path).unwrap_or_default();
    let found = block_on(list_folder(&remote)).unwrap_or_default();
    found
        .into_iter()
        .filter(|path| is_plain(path))
        .map(|path| CompletionCandidate::new(format!("{typed}{path}")))
        .collect()
}

/// Whether a name needs no escaping. An escaped name would be another name, so such names are not offered.
fn is_plain(name: &str) -> bool {
    matches!(escape(name), Cow::Borrowed(_))
}

/// Runs the work, for at most [`TIMEOUT`].
fn block_on<T>(work: impl Future<Output = Option<T>>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    runtime.block_on(async { clock::timeout(TIMEOUT, work).await })?
}

fn connect() -> Option<ServiceClient> {
    let resolved = Connection::from_completed_words()?.resolve().ok()?;
    let limited = resolved.connect(|builder| builder.timeout(TIMEOUT).retry(RetryPolicy::never()));
    limited.ok()
}

async fn list(start: &str) -> Option<Vec<String>> {
    let listing = connect()?.contexts().list().page_size(MAX_PAGE_SIZE);
    let name = |context: Context| context.name.starts_with(start).then_some(context.name);
    Some(collect(listing.by_item(), name).await)
}

/// Lists the paths that start with the address. Those of folders end with a slash.
async fn list_folder(remote: &Remote) -> Option<Vec<String>> {
    let (folder, _) = remote.path.rsplit_once('/')?;
    let folder = remote.with_path(&format!("{folder}/"));
    let files = lookup::files(&connect()?, remote).await.ok()?;
    let listing = files.list().folder(folder.without_slash());
    let path = |entry: FileEntry| {
        let slash = if entry.is_folder() { "/" } else { "" };
        let matches = entry.path.starts_with(&remote.path);
        matches.then(|| format!("{}{slash}", entry.path.trim_end_matches('/')))
    };
    Some(collect(listing.page_size(MAX_PAGE_SIZE).by_item(), path).await)
}

/// Collects candidates until the first error.
async fn collect<T>(
    items: impl Stream<Item = agbcloud::Result<T>>,
    candidate: impl Fn(T) -> Option<String>,
) -> Vec<String> {
    let items = items.take_while(|item| ready(item.is_ok()));
    let candidates = items.filter_map(|item| ready(item.ok().and_then(&candidate)));
    candidates.take(MAX_CANDIDATES).collect().await
}

/// The options with a value that completions use.
const COMPLETED_OPTIONS: [&str; 6] = [
    "--endpoint",
    "--profile",
    "--region",
    "--ca-file",
    "--client-cert",
    "--client-key",
];

impl Connection {
    /// Parses the options in the words to complete, which follow `--` in the arguments of the process.
    fn from_completed_words() -> Option<Self> {
        let words: Vec<String> = std::env::args().skip_while(|word| word != "--").collect();
        let mut typed = vec!["agb".to_owned()];
        for (at, word) in words.iter().enumerate() {
            let option = |name: &&str| word == *name || word.starts_with(&format!("{name}="));
            if word == "--no-dotenv" || word == "--insecure" {
                typed.push(word.clone());
            }
            // The key of the environment may belong to another service.
            if word == "--api-key-stdin" {
                return None;
            }
            if !COMPLETED_OPTIONS.iter().any(option) {
                continue;
            }
            typed.push(word.clone());
            let value = words.get(at + 1).filter(|_| !word.contains('='));
            typed.extend(value.cloned());
        }
        let command = <Self as clap::Args>::augment_args(clap::Command::new("agb"));
        let matches = command.try_get_matches_from(typed).ok()?;
        let mut connection = Self::from_arg_matches(&matches).ok()?;
        connection.environment = EnvironmentArguments::read(&matches);
        Some(connection)
    }
}
