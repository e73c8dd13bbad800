//! A client of a soak: random operations on the contexts of the pool.

use std::io;
use std::sync::PoisonError;
use std::time::Duration;

use super::operation::Operation;
use super::shared::{FILES, Shared, Slot, Stopped};
use super::verification::{decode_path, list_contexts, list_page};
use crate::distributed::failover::load::{
    Client, Deleted, HEADER, Problem, Size, SlowUpload, decode_header, encode, status_problem,
};
use crate::distributed::failover::pause;
use crate::distributed::history::{Action, Outcome, Reading, Value};

/// Maximum pause between two operations, in milliseconds.
const MAX_PAUSE: u64 = 20;
/// Largest part of a file that is read as a range.
const MAX_RANGE: u64 = 256 * 1024;
const FOLDERS: [&str; 4] = ["/", "/folder", "/folder/deep", "/other"];

/// What a client does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Upload,
    Abort,
    Download,
    Range,
    Delete,
    ListFiles,
    ListContexts,
    GetContext,
    Clear,
    ClearAlone,
    Verify,
    Rename,
    Replace,
}

/// Operations and how many of a thousand they are.
const CHOICES: [(Choice, u32); 13] = [
    (Choice::Upload, 300),
    (Choice::Abort, 20),
    (Choice::Download, 270),
    (Choice::Range, 100),
    (Choice::Delete, 90),
    (Choice::ListFiles, 80),
    (Choice::ListContexts, 40),
    (Choice::GetContext, 60),
    (Choice::Clear, 4),
    (Choice::ClearAlone, 4),
    (Choice::Verify, 15),
    (Choice::Rename, 10),
    (Choice::Replace, 7),
];

pub(super) struct SoakClient<'a> {
    shared: &'a Shared,
    number: u32,
    /// Number of its values.
    values: u32,
    random: fastrand::Rng,
}

impl<'a> SoakClient<'a> {
    pub(super) fn new(shared: &'a Shared, number: u32, random: fastrand::Rng) -> Self {
        Self {
            shared,
            number,
            values: 0,
            random,
        }
    }

    /// Runs until the soak ends.
    pub(super) fn run(&mut self) {
        // A violation ends all clients.
        while let Ok(()) = self.step() {}
    }

    fn step(&mut self) -> Result<(), Stopped> {
        self.shared.wait_until_resumed()?;
        pause(Duration::from_millis(self.random.u64(..MAX_PAUSE)));
        let choice = self.choose();
        let number = self.random.usize(..self.shared.slots.len());
        let slot = &self.shared.slots[number];
        if matches!(
            choice,
            Choice::ClearAlone | Choice::Verify | Choice::Rename | Choice::Replace
        ) {
            let mut slot = slot.write().unwrap_or_else(PoisonError::into_inner);
            return match choice {
                Choice::ClearAlone => self.shared.clear_alone(&slot),
                Choice::Rename => self.shared.rename(&mut slot),
                Choice::Replace => self.shared.replace(&mut slot),
                _ => self.shared.verify(&slot),
            };
        }
        let slot = slot.read().unwrap_or_else(PoisonError::into_inner);
        let shared = self.shared;
        let client = shared.client(&slot.tenant, &mut self.random);
        match choice {
            Choice::Upload => self.upload(&client, &slot),
            Choice::Abort => self.abort(&client, &slot),
            Choice::Download => self.download(&client, &slot)?,
            Choice::Range => self.range(&client, &slot)?,
            Choice::Delete => self.delete(&client, &slot),
            Choice::ListFiles => self.list_files(&client, &slot)?,
            Choice::ListContexts => self.list_contexts(&client, &slot)?,
            Choice::GetContext => {
                let target = format!("GetContext?id={}", slot.tenant.context);
                shared.attempt(Operation::GetContext, || client.call_json("GET", &target));
            }
            Choice::Clear => {
                if let Ok(_alone) = slot.clearing.try_lock() {
                    shared.clear(&client, &slot)?;
                }
            }
            Choice::ClearAlone | Choice::Verify | Choice::Rename | Choice::Replace => {}
        }
        Ok(())
    }

    fn choose(&mut self) -> Choice {
        let mut number = self.random.u32(..1000);
        for (choice, weight) in CHOICES {
            if number < weight {
                return choice;
            }
            number -= weight;
        }
        Choice::Download
    }

    fn path(&mut self) -> &'static str {
        FILES[self.random.usize(..FILES.len())]
    }

    fn next_value(&mut self) -> Value {
        self.values += 1;
        Value {
            writer: self.number,
            number: self.values,
        }
    }

    /// Requests the URL of an upload.
    fn upload_url(&self, client: &Client<'_>, slot: &Slot, path: &str) -> Option<String> {
        let mark = slot.mark();
        let shared = self.shared;
        shared.counted_beside_clear(slot, mark, Operation::UploadUrl, || {
            split(client.upload_url(path))
        })
    }

    fn upload(&mut self, client: &Client<'_>, slot: &Slot) {
        let (shared, path, value) = (self.shared, self.path(), self.next_value());
        let (size, operation) = match self.random.u32(..1000) {
            0..3 => (Size::Multipart, Operation::UploadMultipart),
            3..200 => (Size::Large, Operation::UploadLarge),
            _ => (Size::Small, Operation::UploadSmall),
        };
        let content = encode(value, size.bytes(&mut self.random));
        let mark = slot.mark();
        let Some(url) = self.upload_url(client, slot, path) else {
            return;
        };
        let invoked = shared.recorder.time();
        let outcome =
            shared.counted_beside_clear(slot, mark, operation, || client.upload(&url, &content));
        shared
            .recorder
            .record(&slot.file(path), Action::Put(value), outcome, invoked);
    }

    /// Breaks the connection of an upload before its last bytes. It must change nothing.
    fn abort(&mut self, client: &Client<'_>, slot: &Slot) {
        let (path, value) = (self.path(), self.next_value());
        let content = encode(value, Size::Large.bytes(&mut self.random));
        let Some(url) = self.upload_url(client, slot, path) else {
            return;
        };
        let invoked = self.shared.recorder.time();
        let endpoints = self.shared.balancer.endpoints();
        let begun = endpoints
            .first()
            .ok_or_else(|| io::ErrorKind::NotConnected.into())
            .and_then(|endpoint| SlowUpload::begin(endpoint, &url, &content));
        drop(begun);
        let file = slot.file(path);
        self.shared
            .recorder
            .record(&file, Action::Put(value), Outcome::Failed, invoked);
    }

    /// Requests the URL of a download. Records a missing file.
    fn download_url(&self, client: &Client<'_>, slot: &Slot, path: &str) -> Option<String> {
        let shared = self.shared;
        let (mark, invoked) = (slot.mark(), shared.recorder.time());
        let url = shared.counted_beside_clear(slot, mark, Operation::DownloadUrl, || {
            split(client.download_url(path))
        })?;
        if url.is_none() {
            self.record(slot, path, Reading::Absent, invoked);
        }
        url
    }

    fn download(&mut self, client: &Client<'_>, slot: &Slot) -> Result<(), Stopped> {
        let (shared, path, mark) = (self.shared, self.path(), slot.mark());
        let Some(url) = self.download_url(client, slot, path) else {
            return Ok(());
        };
        let invoked = shared.recorder.time();
        let reading = shared.counted_beside_clear(slot, mark, Operation::Download, || {
            split(client.download(&url))
        });
        match reading {
            // A clear makes earlier URLs invalid, even if the file was uploaded again.
            Some(Reading::Absent) if slot.was_cleared_since(mark) => {}
            Some(Reading::Corrupt(problem)) => {
                return Err(shared.violation(format!("{path} of {}: {problem}", slot.name)));
            }
            Some(reading) => self.record(slot, path, reading, invoked),
            None => {}
        }
        Ok(())
    }

    fn record(&self, slot: &Slot, path: &str, reading: Reading, invoked: u64) {
        let file = slot.file(path);
        self.shared
            .recorder
            .record(&file, Action::Get(reading), Outcome::Ok, invoked);
    }

    /// Reads the first bytes of a file, and then a part of the same version of it.
    fn range(&mut self, client: &Client<'_>, slot: &Slot) -> Result<(), Stopped> {
        let (shared, path, mark) = (self.shared, self.path(), slot.mark());
        let Some(url) = self.download_url(client, slot, path) else {
            return Ok(());
        };
        let invoked = shared.recorder.time();
        let first = format!("bytes=0-{}", HEADER - 1);
        let get = |headers: &[(&str, &str)]| {
            shared.counted_beside_clear(slot, mark, Operation::Range, || {
                let result = client.transfer_with("GET", &url, headers, &[]);
                split(result.and_then(|response| match response.status {
                    // The file was deleted or replaced.
                    206 | 404 | 412 => Ok(response),
                    _ => Err(status_problem(&response)),
                }))
            })
        };
        let Some(start) = get(&[("range", &first)]) else {
            return Ok(());
        };
        if start.status != 206 {
            return Ok(());
        }
        let Some((value, size)) = decode_header(&start.body) else {
            let text = format!("{path} of {}: a range without a header", slot.name);
            return Err(shared.violation(text));
        };
        self.record(slot, path, Reading::Value(value), invoked);
        let length = self.random.u64(1..=size.min(MAX_RANGE));
        let offset = self.random.u64(0..=size - length);
        let range = format!("bytes={offset}-{}", offset + length - 1);
        let etag = start.header("etag").unwrap_or_default();
        let Some(part) = get(&[("range", &range), ("if-match", etag)]) else {
            return Ok(());
        };
        let expected = encode(value, usize::try_from(size).unwrap_or_default());
        let bytes = offset as usize..(offset + length) as usize;
        if part.status == 206 && expected.get(bytes) != Some(&part.body[..]) {
            let text = format!("{path} of {}: {range} of {value} is wrong", slot.name);
            return Err(shared.violation(text));
        }
        if part.status == 206 {
            shared.verified().bytes += length;
        }
        Ok(())
    }

    fn delete(&mut self, client: &Client<'_>, slot: &Slot) {
        let (shared, path, mark) = (self.shared, self.path(), slot.mark());
        let invoked = shared.recorder.time();
        let deleted =
            shared.counted_beside_clear(slot, mark, Operation::DeleteFile, || client.delete(path));
        let (action, outcome) = match deleted {
            Deleted::Outcome(outcome) => (Action::Delete, outcome),
            Deleted::Absent => (Action::Get(Reading::Absent), Outcome::Ok),
        };
        shared
            .recorder
            .record(&slot.file(path), action, outcome, invoked);
    }

    /// Lists the pages of a folder. Only files that the load uploads, and their folders, may be in it.
    fn list_files(&mut self, client: &Client<'_>, slot: &Slot) -> Result<(), Stopped> {
        let (shared, mark) = (self.shared, slot.mark());
        let folder = FOLDERS[self.random.usize(..FOLDERS.len())];
        for page in 1..=4 {
            let entries = shared.counted_beside_clear(slot, mark, Operation::ListFiles, || {
                // A folder without files does not exist.
                match list_page(client, folder, page) {
                    Err(Problem::Status { status: 404, .. }) => (Some(Vec::new()), Ok(())),
                    other => split(other),
                }
            });
            let entries = entries.unwrap_or_default();
            for entry in &entries {
                let path = entry["filePath"].as_str().unwrap_or_default();
                let is_known =
                    FILES.iter().any(|file| decode_path(file) == path) || FOLDERS.contains(&path);
                if !is_known {
                    let text = format!("{} contains {entry}", slot.name);
                    return Err(shared.violation(text));
                }
            }
            if entries.is_empty() {
                break;
            }
        }
        Ok(())
    }

    /// Lists the contexts of a tenant, of which one exists during the whole time.
    fn list_contexts(&self, client: &Client<'_>, slot: &Slot) -> Result<(), Stopped> {
        let shared = self.shared;
        let Some(contexts) = shared.attempt(Operation::ListContexts, || list_contexts(client))
        else {
            return Ok(());
        };
        let expected = (slot.tenant.context.clone(), slot.name.clone());
        if contexts
            .iter()
            .filter(|context| **context == expected)
            .count()
            != 1
        {
            let text = format!("{expected:?} is not listed once: {contexts:?}");
            return Err(shared.violation(text));
        }
        shared.verified().listings += 1;
        Ok(())
    }
}

/// A result as the value and the success of a counted request.
fn split<T>(result: Result<T, Problem>) -> (Option<T>, Result<(), Problem>) {
    match result {
        Ok(value) => (Some(value), Ok(())),
        Err(problem) => (None, Err(problem)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_weights_are_of_a_thousand() {
        let all: u32 = CHOICES.iter().map(|(_, weight)| weight).sum();
        assert_eq!(all, 1000);
    }
}
