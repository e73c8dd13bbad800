//! One writer: it changes a context of its own, and knows what it was told to be done.

use std::collections::BTreeMap;
use std::io;

use super::http::Connection;

/// Small and large, at both sides of where a file gets a blob of its own, and empty.
const SIZES: [usize; 9] = [
    0, 10, 4096, 4096, 32_768, 32_769, 100_000, 1_100_000, 3_000_000,
];
/// Paths that it writes to again and again.
const PATHS: [&str; 10] = [
    "/a", "/b", "/c", "/d/a", "/d/b", "/d/e/a", "/d/e/b", "/f/g/h/i", "/j", "/k%25",
];

/// The content of a file, as what it is made from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Content {
    seed: u64,
    size: usize,
}

impl Content {
    fn bytes(self) -> Vec<u8> {
        let mut bytes = vec![0; self.size];
        fastrand::Rng::with_seed(self.seed).fill(&mut bytes);
        bytes
    }
}

/// What a writer has in its context.
#[derive(Debug, Clone, PartialEq)]
struct State {
    name: String,
    files: BTreeMap<String, Content>,
}

#[derive(Debug, Clone)]
enum Change {
    Put(&'static str, Content),
    Delete(String),
    Clear,
    Rename(String),
}

impl State {
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
    id: Option<String>,
    /// What was acknowledged.
    state: State,
    /// What was asked for and not answered.
    pending: Option<Change>,
    /// How much was acknowledged, over all rounds.
    pub(crate) acknowledged: u64,
}

impl Writer {
    pub(crate) fn new(number: usize, random: fastrand::Rng) -> Self {
        Self {
            number,
            random,
            id: None,
            state: State {
                name: format!("writer-{number}"),
                files: BTreeMap::new(),
            },
            pending: None,
            acknowledged: 0,
        }
    }

    /// The tenant that its context belongs to: two share one.
    fn key(&self) -> String {
        format!("crash-key-{}", self.number / 2)
    }

    /// Makes its context, before the first crash.
    pub(crate) fn prepare(&mut self, endpoint: &str) -> Result<(), String> {
        let connection = Connection::open(endpoint, &self.key());
        let mut connection = connection.map_err(|error| error.to_string())?;
        let call = format!("GetContext?name={}&allowCreate=true", self.state.name);
        let (status, envelope) = connection
            .call("GET", &call)
            .map_err(|error| error.to_string())?;
        self.id = envelope["data"]["id"].as_str().map(str::to_owned);
        match self.id {
            Some(_) => Ok(()),
            None => Err(format!("no context was made: {status} {envelope}")),
        }
    }

    /// Changes things until the service goes away. An answer that no service should give is an error.
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
                // It is being cleared: nothing was changed.
                Ok(409) => self.pending = None,
                Ok(status) => return Err(format!("{change:?} was answered with {status}")),
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
                Change::Put(path, Content { seed, size })
            }
        }
    }

    fn attempt(&self, connection: &mut Connection, change: &Change) -> io::Result<u16> {
        let id = self.id.as_deref().unwrap_or_default();
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

    /// Holds what is there against what was acknowledged; what was not answered may have happened or not.
    /// Returns the bytes that were compared.
    pub(crate) fn verify(&mut self, endpoint: &str) -> Result<u64, String> {
        let read = |error: io::Error| format!("it can't be read: {error}");
        let mut connection = Connection::open(endpoint, &self.key()).map_err(read)?;
        let id = self.id.clone().unwrap_or_default();
        let (_, context) = connection
            .call("GET", &format!("GetContext?id={id}"))
            .map_err(read)?;
        let name = context["data"]["name"].as_str().unwrap_or_default();
        let mut files = BTreeMap::new();
        walk(&mut connection, &id, "/", &mut files).map_err(read)?;
        let possible = [
            Some(self.state.clone()),
            self.pending.take().map(|change| self.state.after(&change)),
        ];
        let found = possible.into_iter().flatten().find(|state| {
            state.name == name
                && state.files.len() == files.len()
                && state.files.iter().all(|(path, content)| {
                    files
                        .get(path)
                        .is_some_and(|bytes| *bytes == content.bytes())
                })
        });
        let Some(found) = found else {
            let told: Vec<_> = self.state.files.iter().collect();
            let there: Vec<_> = files
                .iter()
                .map(|(path, bytes)| (path, bytes.len()))
                .collect();
            return Err(format!(
                "the context {name} of writer {} has {there:?}, and was told to have {told:?} as {}",
                self.number, self.state.name
            ));
        };
        self.state = found;
        Ok(files.values().map(|bytes| bytes.len() as u64).sum())
    }
}

fn walk(
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
            "a folder does not have as many entries as it tells",
        ));
    }
    for entry in entries {
        let path = entry["filePath"].as_str().unwrap_or_default();
        if entry["fileType"] == "folder" {
            walk(connection, id, path, files)?;
            continue;
        }
        let encoded = path.replace('%', "%25");
        let call = format!("GetContextFileDownloadUrl?contextId={id}&filePath={encoded}");
        let (_, url) = connection.call("POST", &call)?;
        let url = url["data"]["url"].as_str().unwrap_or_default();
        let answer = connection.transfer("GET", url, &[])?;
        if answer.status != 200 {
            return Err(io::Error::other(format!(
                "{path}: status {}",
                answer.status
            )));
        }
        files.insert(path.to_owned(), answer.body);
    }
    Ok(())
}
