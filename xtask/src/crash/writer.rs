//! A writer: changes its own context and remembers what the service has acknowledged.

use std::collections::BTreeMap;
use std::io;

use crate::http_client::Connection;

/// Sizes of files: empty, small, large, and on both sides of the limit for storage in the database.
const SIZES: [usize; 9] = [
    0, 10, 4096, 4096, 32_768, 32_769, 100_000, 1_100_000, 3_000_000,
];
/// Paths of files, written repeatedly.
const PATHS: [&str; 10] = [
    "/a", "/b", "/c", "/d/a", "/d/b", "/d/e/a", "/d/e/b", "/f/g/h/i", "/j", "/k%25",
];

/// The content of a file: random bytes from a seed.
#[derive(Debug, Clone, Copy, PartialEq)]
struct FileContent {
    seed: u64,
    size: usize,
}

impl FileContent {
    fn bytes(self) -> Vec<u8> {
        let mut bytes = vec![0; self.size];
        fastrand::Rng::with_seed(self.seed).fill(&mut bytes);
        bytes
    }
}

/// Name and files of a context.
#[derive(Debug, Clone, PartialEq)]
struct ContextState {
    name: String,
    files: BTreeMap<String, FileContent>,
}

#[derive(Debug, Clone)]
enum Change {
    Put(&'static str, FileContent),
    Delete(String),
    Clear,
    Rename(String),
}

impl ContextState {
    fn after(&self, change: &Change) -> Self {
        let mut state = self.clone();
        match change {
            Change::Put(path, content) => drop(state.files.insert((*path).to_owned(), *content)),
            Change::Delete(path) => drop(state.files.remove(path)),
            Change::Clear => state.files.clear(),
            Change::Rename(name) => state.name.clone_from(name),
        }
        state
    }
}

pub(crate) struct Writer {
    number: usize,
    random: fastrand::Rng,
    id: String,
    /// The acknowledged state.
    state: ContextState,
    /// The change without a response.
    pending: Option<Change>,
    /// Number of acknowledged changes of all rounds.
    pub(crate) acknowledged: u64,
}

impl Writer {
    pub(crate) fn new(number: usize, random: fastrand::Rng) -> Self {
        Self {
            number,
            random,
            id: String::new(),
            state: ContextState {
                name: format!("writer-{number}"),
                files: BTreeMap::new(),
            },
            pending: None,
            acknowledged: 0,
        }
    }

    /// The API key, which selects the tenant. Two writers share each.
    fn key(&self) -> String {
        format!("crash-key-{}", self.number / 2)
    }

    /// Creates the context, before the first crash.
    pub(crate) fn create_context(&mut self, endpoint: &str) -> Result<(), String> {
        let created = Connection::open(endpoint, &self.key())
            .and_then(|mut connection| connection.create_context(&self.state.name));
        self.id = created.map_err(|error| error.to_string())?;
        Ok(())
    }

    /// Makes changes until the connection breaks. An unexpected status is an error.
    pub(crate) fn write(&mut self, endpoint: &str) -> Result<(), String> {
        let Ok(mut connection) = Connection::open(endpoint, &self.key()) else {
            return Ok(());
        };
        loop {
            let change = self.next_change();
            self.pending = Some(change.clone());
            match self.attempt(&mut connection, &change) {
                Ok(200) => {
                    self.state = self.state.after(&change);
                    self.pending = None;
                    self.acknowledged += 1;
                }
                // The context is being cleared: nothing has changed.
                Ok(409) => self.pending = None,
                Ok(status) => return Err(format!("{change:?} returned status {status}")),
                Err(_) => return Ok(()),
            }
        }
    }

    fn next_change(&mut self) -> Change {
        let present = self.random.choice(self.state.files.keys());
        match (self.random.u8(0..40), present.cloned()) {
            (0, _) => Change::Clear,
            (1..=2, _) => Change::Rename(format!("writer-{}-{}", self.number, self.random.u32(..))),
            (3..=10, Some(path)) => Change::Delete(path),
            _ => {
                let path = PATHS[self.random.usize(..PATHS.len())];
                let size = SIZES[self.random.usize(..SIZES.len())];
                let seed = self.random.u64(..);
                Change::Put(path, FileContent { seed, size })
            }
        }
    }

    fn attempt(&self, connection: &mut Connection, change: &Change) -> io::Result<u16> {
        let id = &self.id;
        match change {
            Change::Put(path, content) => {
                let path = path.replace('%', "%25");
                let call = format!("GetContextFileUploadUrl?contextId={id}&filePath={path}");
                let (status, envelope) = connection.call("POST", &call)?;
                match envelope["data"]["url"].as_str() {
                    Some(url) => Ok(connection.transfer("PUT", url, &content.bytes())?.status),
                    None => Ok(status),
                }
            }
            Change::Delete(path) => {
                let path = path.replace('%', "%25");
                let call = format!("DeleteContextFile?contextId={id}&filePath={path}");
                Ok(connection.call("POST", &call)?.0)
            }
            Change::Clear => Ok(connection.call("POST", &format!("ClearContext?id={id}"))?.0),
            Change::Rename(name) => {
                let call = format!("ModifyContext?id={id}&name={name}");
                Ok(connection.call("POST", &call)?.0)
            }
        }
    }

    /// Compares the context with the acknowledged state, with or without the pending change. Returns the number of
    /// compared bytes.
    pub(crate) fn verify(&mut self, endpoint: &str) -> Result<u64, String> {
        let failed = |error: io::Error| format!("can't read the context: {error}");
        let mut connection = Connection::open(endpoint, &self.key()).map_err(failed)?;
        let (_, context) = connection
            .call("GET", &format!("GetContext?id={}", self.id))
            .map_err(failed)?;
        let name = context["data"]["name"].as_str().unwrap_or_default();
        let mut files = BTreeMap::new();
        read_folder(&mut connection, &self.id, "/", &mut files).map_err(failed)?;
        let expected = [
            Some(self.state.clone()),
            self.pending.take().map(|change| self.state.after(&change)),
        ];
        let matching = expected.into_iter().flatten().find(|state| {
            state.name == name
                && state.files.len() == files.len()
                && state.files.iter().all(|(path, content)| {
                    files
                        .get(path)
                        .is_some_and(|bytes| *bytes == content.bytes())
                })
        });
        let Some(matching) = matching else {
            let acknowledged: Vec<_> = self.state.files.iter().collect();
            let found: Vec<_> = files
                .iter()
                .map(|(path, bytes)| (path, bytes.len()))
                .collect();
            return Err(format!(
                "the context {name} of writer {} has {found:?}, acknowledged are {acknowledged:?} as {}",
                self.number, self.state.name
            ));
        };
        self.state = matching;
        Ok(files.values().map(|bytes| bytes.len() as u64).sum())
    }
}

/// Downloads all files below a folder.
fn read_folder(
    connection: &mut Connection,
    id: &str,
    folder: &str,
    files: &mut BTreeMap<String, Vec<u8>>,
) -> io::Result<()> {
    let folder = folder.replace('%', "%25");
    let call =
        format!("DescribeContextFiles?contextId={id}&parentFolderPath={folder}&pageSize=1000");
    let (_, page) = connection.call("POST", &call)?;
    let entries = page["data"].as_array().cloned().unwrap_or_default();
    if page["count"].as_u64() != Some(entries.len() as u64) {
        return Err(io::Error::other(
            "the count of a folder differs from its number of entries",
        ));
    }
    for entry in entries {
        let path = entry["filePath"].as_str().unwrap_or_default();
        if entry["fileType"] == "folder" {
            read_folder(connection, id, path, files)?;
            continue;
        }
        let url = connection.download_url(id, path)?;
        let response = connection.transfer("GET", &url, &[])?;
        if response.status != 200 {
            return Err(io::Error::other(format!(
                "{path}: status {}",
                response.status
            )));
        }
        files.insert(path.to_owned(), response.body);
    }
    Ok(())
}
