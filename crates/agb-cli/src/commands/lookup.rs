//! Looks up contexts, files and folders by the names on the command line.

use std::path::Path;

use agbcloud::{Context, ContextId, ErrorDetail, ErrorKind, FileEntry, Files};

use crate::{
    address::Remote,
    connection::ServiceClient,
    failure::{Code, ErrorContext, Failure},
    nearest::distance,
    output::quote,
    stderr,
};

/// The prefix of the ids of the service.
const ID_PREFIX: &str = "SdkCtx-";

/// Maximum number of names in a suggestion.
const SUGGESTIONS: usize = 5;

/// Returns the context with this id, or else with this name.
pub(super) async fn context(client: &ServiceClient, name: &str) -> Result<Context, Failure> {
    let contexts = client.contexts();
    let action = || format!("look up context {name:?}");
    let get_by_id = async || match ContextId::new(name) {
        Ok(id) => Some(contexts.get(&id).await),
        Err(_) => None,
    };
    // An id takes precedence. A name that does not look like an id is looked up as a name first, which saves a call.
    let looks_like_id = looks_like_id(name);
    if looks_like_id {
        match get_by_id().await {
            Some(Err(error)) if !is_not_found(&error) => return Err(error).with_action(action),
            Some(Ok(context)) => {
                note_same_name(client, &context, name).await;
                return Ok(context);
            }
            _ => {}
        }
    }
    match client.get_by_name(name).await {
        Ok(context) => return Ok(context),
        Err(error) if is_not_found(&error) => {}
        Err(error) => return Err(error).with_action(action),
    }
    if !looks_like_id && let Some(Ok(context)) = get_by_id().await {
        return Ok(context);
    }
    Err(context_not_found(client, name).await)
}

/// Whether a text has the form of the ids of the service.
pub(super) fn looks_like_id(text: &str) -> bool {
    text.starts_with(ID_PREFIX)
}

/// Returns the files of the context in the address.
pub(super) async fn files(client: &ServiceClient, address: &Remote) -> Result<Files, Failure> {
    let context = context(client, &address.context).await?;
    Ok(client.contexts().files(&context.id))
}

async fn note_same_name(client: &ServiceClient, context: &Context, name: &str) {
    if let Ok(other) = client.get_by_name(name).await
        && other.id != context.id
    {
        stderr::note(format_args!(
            "note: {name} is the id of context {:?} and the name of context {}; using the id",
            context.name, other.id
        ));
    }
}

/// The failure for a missing context, with similar names and contexts of other regions.
async fn context_not_found(client: &ServiceClient, name: &str) -> Failure {
    let mut listed = client
        .contexts()
        .list()
        .page_size(agbcloud::MAX_PAGE_SIZE)
        .by_item();
    let mut elsewhere = Vec::new();
    let mut similar = SimilarNames::new(name);
    while let Some(Ok(context)) = listed.next().await {
        if context.name == name {
            elsewhere.push(format!("{name} ({})", context.id));
        } else {
            similar.add(context.name);
        }
        if elsewhere.len() == SUGGESTIONS {
            break;
        }
    }
    let similar = similar.into_names();
    let not_found = Failure::with_code(Code::NotFound, format!("context {name:?} not found"));
    match (&elsewhere[..], &similar[..]) {
        ([], []) => not_found.with_hint("list contexts with 'agb context list'"),
        ([], similar) => not_found.with_hint(format!("similar names: {}", similar.join(", "))),
        (others, _) if others.len() == 1 || client.has_region() => {
            let message = format!("context {name:?} not found in this region");
            Failure::with_code(Code::NotFound, message).with_hint(format!(
                "use the id or the --region of a context elsewhere: {}",
                others.join(", ")
            ))
        }
        (others, _) => {
            let message = format!("context name {name:?} is ambiguous: {}", others.join(", "));
            Failure::usage(message).with_hint("use the id, or pass --region")
        }
    }
}

/// The known names that may be meant by a wrong one: those with the fewest differences, then those that contain it.
struct SimilarNames {
    given: String,
    found: Vec<(usize, String)>,
}

/// Minimum length of a part of a name that suggests the whole name.
const MIN_PART: usize = 3;

impl SimilarNames {
    fn new(given: &str) -> Self {
        Self {
            given: given.to_lowercase(),
            found: Vec::new(),
        }
    }

    fn add(&mut self, name: String) {
        let is_part =
            self.given.chars().count() >= MIN_PART && name.to_lowercase().contains(&self.given);
        let rank = distance(&self.given, &name).or(is_part.then_some(usize::MAX));
        let Some(rank) = rank else { return };
        self.found.push((rank, name));
        self.found.sort();
        self.found.truncate(SUGGESTIONS);
    }

    fn into_names(self) -> Vec<String> {
        self.found.into_iter().map(|(_, name)| name).collect()
    }
}

/// Returns the entry of a file or folder.
pub(super) async fn entry(files: &Files, address: &Remote) -> Result<FileEntry, Failure> {
    if address.without_slash() == "/" {
        let failure = Failure::usage(format!("{address} is a whole context"));
        return Err(failure.with_hint(format!("run: agb context get {}", quote(&address.context))));
    }
    match files.stat(address.without_slash()).await {
        Err(error) if is_missing_file(&error) => Err(not_found(address, &error)),
        entry => entry.with_action(|| format!("look up {address}")),
    }
}

/// Whether a folder with entries exists.
pub(super) async fn folder_exists(files: &Files, address: &Remote) -> Result<bool, Failure> {
    let listing = files.list().folder(address.without_slash());
    match listing.page_size(1).by_item().next().await {
        None => Ok(false),
        Some(Ok(_)) => Ok(true),
        Some(Err(error)) => Err(error).with_action(|| format!("list {address}")),
    }
}

/// Whether an address that must exist is a folder.
pub(super) async fn is_remote_folder(files: &Files, address: &Remote) -> Result<bool, Failure> {
    if address.is_folder() {
        return check_folder(files, address).await.map(|()| true);
    }
    if folder_exists(files, address).await? {
        return Ok(true);
    }
    Ok(entry(files, address).await?.is_folder())
}

/// Fails if a folder does not exist. A listing does not show that: the service lists a missing folder as empty.
pub(super) async fn check_folder(files: &Files, address: &Remote) -> Result<(), Failure> {
    if address.without_slash() == "/" || has_entries(files, address).await {
        return Ok(());
    }
    match entry(files, address).await? {
        entry if entry.is_folder() => Ok(()),
        _ => Err(Failure::usage(format!("{address} is a file, not a folder"))),
    }
}

/// Whether a folder has entries.
pub(super) async fn has_entries(files: &Files, address: &Remote) -> bool {
    let listing = files.list().folder(address.without_slash());
    let mut listed = listing.page_size(1).by_item();
    matches!(listed.next().await, Some(Ok(_)))
}

/// Fails if a local path is not a folder.
pub(super) fn check_local_folder(path: &Path) -> Result<(), Failure> {
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(()),
        Ok(_) => Err(Failure::usage(format!(
            "{} is not a folder",
            path.display()
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let message = format!("local folder {} not found", path.display());
            Err(Failure::with_code(Code::NotFound, message))
        }
        Err(error) => Err(local_failure(path, &error)),
    }
}

/// The failure for a local path that can't be read.
pub(super) fn local_failure(path: &Path, error: &std::io::Error) -> Failure {
    let path = path.display();
    match error.kind() {
        std::io::ErrorKind::NotFound => {
            Failure::with_code(Code::NotFound, format!("local file {path} not found"))
        }
        _ => Failure::with_cause(format!("can't read {path}"), error),
    }
}

pub(super) fn is_not_found(error: &agbcloud::Error) -> bool {
    error.kind() == ErrorKind::NotFound
}

/// Whether the file is missing, and not its context.
pub(super) fn is_missing_file(error: &agbcloud::Error) -> bool {
    is_not_found(error) && error.detail() != Some(ErrorDetail::ContextNotFound)
}

/// The failure for a missing file or folder.
pub(super) fn not_found(address: &Remote, error: &agbcloud::Error) -> Failure {
    let (folder, _) = address.without_slash().rsplit_once('/').unwrap_or_default();
    let folder = address.with_path(&format!("{folder}/"));
    Failure::replacing(error, format!("{address} not found"))
        .with_hint(format!("list the folder: agb ls {}", quote(folder)))
}

/// The failure for a folder where a file is required, with the command for folders.
pub(super) fn is_folder(address: &Remote, command: &str) -> Failure {
    Failure::usage(format!("{address} is a folder"))
        .with_hint(format!("run: agb {command} {}", quote(address)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn similar_names_are_near_or_contain_the_given_one() {
        let known = [
            "e",
            "k",
            "del1",
            "my-project",
            "team",
            "my-projects",
            "our-team-2",
        ];
        for (given, expected) in [
            ("del2", &["del1"][..]),
            ("my-projekt", &["my-project", "my-projects"]),
            ("tema", &["team"]),
            ("teams", &["team"]),
            ("Team", &["team", "our-team-2"]),
            ("proj", &["my-project", "my-projects"]),
            ("ke", &[]),
            ("other", &[]),
        ] {
            let mut similar = SimilarNames::new(given);
            for name in known {
                similar.add(name.to_owned());
            }
            assert_eq!(similar.into_names(), expected, "{given}");
        }
    }
}
