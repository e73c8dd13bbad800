//! [`Operands`]: the files and folders of contexts on the command line, with globs.

use std::collections::{BTreeMap, HashMap};

use agbcloud::Files;
use globset::{GlobBuilder, GlobMatcher};

use super::{lookup, partial_failures::PartialFailures, session::Session};
use crate::{
    address::Remote,
    connection::ServiceClient,
    failure::{Code, ErrorContext, Failure},
    output::quote,
};

/// Looks up the contexts of operands, each once, and expands globs.
pub(super) struct Operands<'a> {
    client: &'a ServiceClient,
    contexts: HashMap<String, Files>,
}

/// A file or folder of a context.
#[derive(Debug, Clone)]
pub(super) struct Operand {
    pub(super) files: Files,
    pub(super) address: Remote,
}

impl Operand {
    /// Another address in the same context.
    pub(super) fn at(&self, address: &Remote) -> Self {
        Self {
            files: self.files.clone(),
            address: address.clone(),
        }
    }
}

/// Calls `run` for each operand, with whether there are several. The failure of one does not stop the others.
pub(super) async fn for_each_operand(
    session: &Session,
    addresses: &[Remote],
    mut run: impl AsyncFnMut(&Operand, bool) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let client = session.connect()?;
    let mut failures = PartialFailures::new(addresses.len());
    let found = Operands::new(&client)
        .expand_all(addresses, &mut failures)
        .await?;
    for operand in found {
        let result = run(&operand, failures.has_several()).await;
        failures.record(result)?;
    }
    failures.finish()
}

impl<'a> Operands<'a> {
    pub(super) fn new(client: &'a ServiceClient) -> Self {
        Self {
            client,
            contexts: HashMap::new(),
        }
    }

    /// Returns the files of the context in the address.
    pub(super) async fn files(&mut self, address: &Remote) -> Result<Files, Failure> {
        if let Some(files) = self.contexts.get(&address.context) {
            return Ok(files.clone());
        }
        let files = lookup::files(self.client, address).await?;
        let name = address.context.clone();
        self.contexts.insert(name, files.clone());
        Ok(files)
    }

    /// Returns all operands, with globs expanded. Counts those that fail.
    pub(super) async fn expand_all(
        &mut self,
        addresses: &[Remote],
        failures: &mut PartialFailures,
    ) -> Result<Vec<Operand>, Failure> {
        let mut found = Vec::new();
        for address in addresses {
            match self.expand(address).await {
                Ok(operands) => {
                    failures.add(operands.len() - 1);
                    found.extend(operands);
                }
                Err(failure) => failures.record(Err(failure))?,
            }
        }
        Ok(found)
    }

    /// Returns the operand, or the matches of its glob sorted by path. A file or folder with exactly this name takes
    /// precedence over its meaning as a glob.
    pub(super) async fn expand(&mut self, address: &Remote) -> Result<Vec<Operand>, Failure> {
        let files = self.files(address).await?;
        if !is_glob(&address.path) || exists(&files, address).await? {
            let address = address.clone();
            return Ok(vec![Operand { files, address }]);
        }
        let paths = matches(&files, address).await?;
        if paths.is_empty() {
            let failure = Failure::with_code(
                Code::NotFound,
                format!("no file or folder matches {address}"),
            );
            let folder = address.with_path(&format!("{}/", literal_folder(&address.path)));
            return Err(failure.with_hint(format!("list the folder: agb ls {}", quote(folder))));
        }
        let operand = |path: String| Operand {
            files: files.clone(),
            address: address.with_path(&path),
        };
        Ok(paths.into_iter().map(operand).collect())
    }
}

/// Whether a path contains a character of a glob.
fn is_glob(path: &str) -> bool {
    path.contains(['*', '?', '[', '{'])
}

/// Whether a file or folder has exactly this path.
async fn exists(files: &Files, address: &Remote) -> Result<bool, Failure> {
    match files.stat(address.without_slash()).await {
        Ok(_) => Ok(true),
        Err(error) if lookup::is_missing_file(&error) => Ok(false),
        // Characters that no name can have, such as the backslash of an escape.
        Err(error) if error.is_invalid_input() => Ok(false),
        Err(error) => Err(error).with_action(|| format!("look up {address}")),
    }
}

/// The folder above the first segment with a glob, without a slash at the end.
fn literal_folder(path: &str) -> &str {
    let glob = path.find(['*', '?', '[', '{', '\\']).unwrap_or(path.len());
    path[..glob]
        .rsplit_once('/')
        .map_or("", |(folder, _)| folder)
}

/// Returns the paths that match a glob, sorted. With a slash at the end, only folders match, and keep the slash.
async fn matches(files: &Files, address: &Remote) -> Result<Vec<String>, Failure> {
    let path = &address.path;
    let folder = literal_folder(path);
    let pattern = path[folder.len()..].trim_matches('/');
    let only_folders = address.is_folder();
    let mut found = match pattern.split('/').any(|segment| segment == "**") {
        true => walk(files, address, folder, pattern).await?,
        false => descend(files, address, folder, pattern).await?,
    };
    found.retain(|_, is_folder| *is_folder || !only_folders);
    let slash = if only_folders { "/" } else { "" };
    Ok(found.into_keys().map(|path| path + slash).collect())
}

/// Paths, and whether each is a folder.
type Found = BTreeMap<String, bool>;

/// Matches one segment after the other, and lists only folders that match.
async fn descend(
    files: &Files,
    address: &Remote,
    folder: &str,
    pattern: &str,
) -> Result<Found, Failure> {
    let mut found = Found::from([(folder.to_owned(), true)]);
    for segment in pattern.split('/') {
        let matcher = matcher(address, segment)?;
        let mut below = Found::new();
        for (folder, _) in found.iter().filter(|(_, is_folder)| **is_folder) {
            for (name, is_folder) in names(files, address, folder).await? {
                if matcher.is_match(&name) {
                    below.insert(format!("{folder}/{name}"), is_folder);
                }
            }
        }
        found = below;
    }
    Ok(found)
}

/// The names in a folder, and whether each is a folder. A service may also list entries of subfolders.
async fn names(
    files: &Files,
    address: &Remote,
    folder: &str,
) -> Result<BTreeMap<String, bool>, Failure> {
    let prefix = format!("{folder}/");
    let listed = if folder.is_empty() { "/" } else { folder };
    let listing = files
        .list()
        .folder(listed)
        .page_size(agbcloud::MAX_PAGE_SIZE);
    let mut entries = listing.prefetch(true).by_item();
    let mut names = BTreeMap::new();
    while let Some(entry) = entries.next().await {
        let entry = entry.with_action(|| format!("list {}", address.with_path(&prefix)))?;
        let path = entry.path.trim_end_matches('/');
        let Some(below) = path.strip_prefix(&prefix) else {
            continue;
        };
        let (name, is_folder) = match below.split_once('/') {
            Some((name, _)) => (name, true),
            None => (below, entry.is_folder()),
        };
        if !name.is_empty() {
            let known = names.entry(name.to_owned()).or_default();
            *known = *known || is_folder;
        }
    }
    Ok(names)
}

/// Matches everything below a folder, for `**`.
async fn walk(
    files: &Files,
    address: &Remote,
    folder: &str,
    pattern: &str,
) -> Result<Found, Failure> {
    let matcher = matcher(address, pattern)?;
    let prefix = format!("{folder}/");
    let listed = if folder.is_empty() { "/" } else { folder };
    let mut entries = files.list().folder(listed).prefetch(true).walk();
    let mut found = Found::new();
    while let Some(entry) = entries.next().await {
        let entry = entry.with_action(|| format!("list {}", address.with_path(&prefix)))?;
        let path = entry.path.trim_end_matches('/');
        let below = path.strip_prefix(&prefix);
        if below.is_some_and(|below| matcher.is_match(below)) {
            found.insert(path.to_owned(), entry.is_folder());
        }
    }
    Ok(found)
}

fn matcher(address: &Remote, pattern: &str) -> Result<GlobMatcher, Failure> {
    glob(pattern).map_err(|error| Failure::usage(format!("the glob {address} is invalid: {error}")))
}

/// Compiles a glob. Only `**` matches a slash, and a backslash makes the next character literal.
pub(super) fn glob(pattern: &str) -> Result<GlobMatcher, String> {
    let glob = GlobBuilder::new(pattern)
        .literal_separator(true)
        .backslash_escape(true)
        .build();
    match glob {
        Ok(glob) => Ok(glob.compile_matcher()),
        Err(error) => Err(error.kind().to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_above_a_glob_is_literal() {
        for (path, folder) in [
            ("/logs/*.gz", "/logs"),
            ("/*", ""),
            ("/a/b?/c/*", "/a"),
            ("/a/{x,y}", "/a"),
            (r"/a/\*/b", "/a"),
        ] {
            assert_eq!(literal_folder(path), folder, "{path}");
        }
    }

    #[test]
    fn a_star_matches_within_a_segment_and_an_escaped_one_itself() {
        let matches = |pattern, name| glob(pattern).unwrap().is_match(name);
        assert!(matches("*.gz", "a.gz") && matches("*.gz", ".gz"));
        assert!(!matches("*.gz", "a/b.gz") && matches("**/*.gz", "a/b.gz"));
        assert!(matches("**/*.gz", "b.gz"));
        assert!(matches(r"\*", "*") && !matches(r"\*", "a"));
        assert!(matches("[*]", "*") && matches("{a,b}", "b"));
        assert!(glob("a[").is_err());
    }
}
