//! Compares whole contexts with the history of their files: each file is read back, the listing agrees with what was read,
//! and the history must be that of linearizable registers.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::Value as Json;

use super::operation::Operation;
use super::shared::{FILES, KEYS, Shared, Slot, Stopped};
use crate::distributed::failover::load::{
    Client, Problem, Tenant, create_context, decode, envelope, status_problem, write_outcome,
};
use crate::distributed::failover::{now, pause};
use crate::distributed::history::{Action, Outcome, Reading};
use crate::http_client::Response;

/// Entries of a page, fewer than a folder has.
const PAGE: usize = 3;
/// Limit on the time of a clear, which includes a restart of the service.
const CLEAR_TIME: Duration = Duration::from_secs(90);
const POLL_PAUSE: Duration = Duration::from_millis(10);
const MAX_PAGES: usize = 100;
/// Comparisons of a listing with what was read. A request whose connection broke may end in between.
const COMPARISONS: usize = 3;

/// Path, size and ETag of each file.
type Files = BTreeMap<String, (u64, String)>;

impl Shared {
    /// Compares a context with its history. Its lock is held exclusively.
    pub(super) fn verify(&self, slot: &Slot) -> Result<(), Stopped> {
        let client = Client::new(&self.balancer, &slot.tenant);
        self.verify_name(&client, slot)?;
        let mut comparison = 0;
        loop {
            let (mut read, mut bytes) = (Files::new(), 0);
            for path in FILES {
                if let Some((size, etag)) = self.read_back(&client, slot, path)? {
                    bytes += size;
                    read.insert(decode_path(path), (size, etag));
                }
            }
            let listed = self.repeat(Operation::ListFiles, || list_files(&client, "/"))?;
            comparison += 1;
            if listed == read {
                let mut verified = self.verified();
                verified.comparisons += 1;
                verified.listings += 1;
                verified.bytes += bytes;
                break;
            }
            if comparison == COMPARISONS {
                let name = &slot.name;
                let text = format!("the listing of {name} has {listed:?}, its files are {read:?}");
                return Err(self.violation(text));
            }
        }
        let expired = self.expired();
        for path in FILES {
            let file = slot.file(path);
            match self.recorder.checkpoint(&file, expired) {
                Ok(totals) => self.verified().totals.add(totals),
                Err(violation) => {
                    let text = format!("{path} of {}: {violation}", slot.name);
                    return Err(self.violation(text));
                }
            }
        }
        Ok(())
    }

    /// Both ways to get the context return it.
    fn verify_name(&self, client: &Client<'_>, slot: &Slot) -> Result<(), Stopped> {
        for query in [
            format!("GetContext?id={}", slot.tenant.context),
            format!("GetContext?name={}", slot.name),
        ] {
            let context = self.repeat(Operation::GetContext, || client.call_json("GET", &query))?;
            let data = &context["data"];
            if data["id"] != slot.tenant.context.as_str() || data["name"] != slot.name.as_str() {
                let (name, id) = (&slot.name, &slot.tenant.context);
                let text = format!("{query} returned {data}, expected {name} with the id {id}");
                return Err(self.violation(text));
            }
        }
        Ok(())
    }

    /// Reads a file and records what was found. Returns its size and ETag, or `None` if it does not exist.
    fn read_back(
        &self,
        client: &Client<'_>,
        slot: &Slot,
        path: &str,
    ) -> Result<Option<(u64, String)>, Stopped> {
        let mut invoked = 0;
        let response = self.repeat(Operation::Download, || {
            invoked = self.recorder.time();
            let Some(url) = client.download_url(path)? else {
                return Ok(None);
            };
            let response = client.transfer("GET", &url, &[])?;
            match response.status {
                200 => Ok(Some(response)),
                404 => Ok(None),
                _ => Err(status_problem(&response)),
            }
        })?;
        let reading = response
            .as_ref()
            .map_or(Reading::Absent, |response| decode(&response.body));
        self.recorder
            .record(&slot.file(path), Action::Get(reading), Outcome::Ok, invoked);
        Ok(response.map(|response| {
            let etag = response.header("etag").unwrap_or_default().to_owned();
            (response.body.len() as u64, etag)
        }))
    }

    /// Creates a context in an empty slot.
    pub(super) fn create(&self, slot: &mut Slot) -> Result<(), Stopped> {
        slot.generation += 1;
        slot.name = self.new_name();
        let (key, name) = (slot.tenant.key.clone(), slot.name.clone());
        // A repetition finds the context that an attempt without an answer created.
        slot.tenant = self.repeat(Operation::CreateContext, || {
            create_context(&self.balancer, &key, &name)
        })?;
        self.verified().created += 1;
        Ok(())
    }

    pub(super) fn new_name(&self) -> String {
        format!("soak-{}", self.names.fetch_add(1, Ordering::Relaxed))
    }

    /// Compares and deletes a context, verifies that it is gone, and creates another one.
    pub(super) fn replace(&self, slot: &mut Slot) -> Result<(), Stopped> {
        self.verify(slot)?;
        let client = Client::new(&self.balancer, &slot.tenant);
        let target = format!("DeleteContext?id={}", slot.tenant.context);
        self.repeat(Operation::DeleteContext, || {
            let response = client.call("POST", &target)?;
            // An attempt without an answer may have deleted it.
            match response.status {
                200 | 404 => Ok(()),
                _ => Err(status_problem(&response)),
            }
        })?;
        for query in [
            format!("GetContext?id={}", slot.tenant.context),
            format!("GetContext?name={}", slot.name),
        ] {
            let status = self.repeat(Operation::GetContext, || {
                let response = client.call("GET", &query)?;
                match response.status {
                    200 | 404 => Ok(response.status),
                    _ => Err(status_problem(&response)),
                }
            })?;
            if status == 200 {
                let text = format!("{query} finds a context that was deleted");
                return Err(self.violation(text));
            }
        }
        for path in FILES {
            self.recorder.forget(&slot.file(path));
        }
        self.verified().deleted += 1;
        self.create(slot)
    }

    /// Gives a context another name.
    pub(super) fn rename(&self, slot: &mut Slot) -> Result<(), Stopped> {
        let name = self.new_name();
        let client = Client::new(&self.balancer, &slot.tenant);
        let target = format!("ModifyContext?id={}&name={name}", slot.tenant.context);
        // A repetition of a rename that took effect changes nothing.
        self.repeat(Operation::RenameContext, || {
            client.call_json("POST", &target)
        })?;
        slot.name = name;
        self.verified().renamed += 1;
        self.verify_name(&Client::new(&self.balancer, &slot.tenant), slot)
    }

    /// Clears a context that no other client uses. It must be empty then.
    pub(super) fn clear_alone(&self, slot: &Slot) -> Result<(), Stopped> {
        let client = Client::new(&self.balancer, &slot.tenant);
        while !self.clear(&client, slot)? {
            self.check_running()?;
        }
        let listed = self.repeat(Operation::ListFiles, || list_files(&client, "/"))?;
        if !listed.is_empty() {
            let text = format!("{} was cleared and contains {listed:?}", slot.name);
            return Err(self.violation(text));
        }
        self.verify(slot)
    }

    /// Clears a context and polls until it is available. Returns whether the clear was acknowledged.
    pub(super) fn clear(&self, client: &Client<'_>, slot: &Slot) -> Result<bool, Stopped> {
        let target = format!("ClearContext?id={}", slot.tenant.context);
        slot.begin_clear();
        let invoked = self.recorder.time();
        let outcome = self.counted(Operation::Clear, || {
            write_outcome(client.call("POST", &target))
        });
        for path in FILES {
            self.recorder
                .record(&slot.file(path), Action::Delete, outcome, invoked);
        }
        let polled = self.wait_until_available(client);
        slot.end_clear();
        polled?;
        if outcome == Outcome::Ok {
            self.verified().cleared += 1;
        }
        Ok(outcome == Outcome::Ok)
    }

    fn wait_until_available(&self, client: &Client<'_>) -> Result<(), Stopped> {
        let start = now();
        while self.repeat(Operation::GetContext, || client.state())? != "available" {
            self.check_running()?;
            if start.elapsed() > CLEAR_TIME {
                let context = &client.tenant().context;
                let text = format!("{context} is not available {CLEAR_TIME:?} after a clear");
                return Err(self.violation(text));
            }
            pause(POLL_PAUSE);
        }
        Ok(())
    }

    /// Compares all contexts, and the list of contexts of each tenant. No client uses the service meanwhile.
    pub(super) fn verify_all(&self) -> Result<(), Stopped> {
        let mut expected: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        for slot in &self.slots {
            let slot = slot.write().unwrap_or_else(PoisonError::into_inner);
            self.verify(&slot)?;
            let context = (slot.tenant.context.clone(), slot.name.clone());
            expected
                .entry(slot.tenant.key.clone())
                .or_default()
                .push(context);
        }
        for key in KEYS {
            let tenant = Tenant {
                key: key.to_owned(),
                context: String::new(),
            };
            let client = Client::new(&self.balancer, &tenant);
            let mut listed = self.repeat(Operation::ListContexts, || list_contexts(&client))?;
            let mut expected = expected.remove(key).unwrap_or_default();
            listed.sort();
            expected.sort();
            if listed != expected {
                let text = format!("{key} has the contexts {listed:?}, expected are {expected:?}");
                return Err(self.violation(text));
            }
            self.verified().listings += 1;
        }
        Ok(())
    }
}

/// Id and name of all contexts of a tenant.
pub(super) fn list_contexts(client: &Client<'_>) -> Result<Vec<(String, String)>, Problem> {
    let (mut contexts, mut token) = (Vec::new(), String::new());
    for _ in 0..MAX_PAGES {
        let target = format!("ListContexts?maxResults={PAGE}&nextToken={token}");
        let target = target.trim_end_matches("&nextToken=");
        let page = client.call_json("GET", target)?;
        for context in page["data"].as_array().into_iter().flatten() {
            contexts.push((text(&context["id"]), text(&context["name"])));
        }
        token = text(&page["nextToken"]);
        if token.is_empty() {
            break;
        }
    }
    Ok(contexts)
}

/// All files below a folder, page by page.
fn list_files(client: &Client<'_>, folder: &str) -> Result<Files, Problem> {
    let mut files = Files::new();
    for page in 1..MAX_PAGES {
        let entries = list_page(client, folder, page)?;
        for entry in &entries {
            let path = text(&entry["filePath"]);
            if entry["fileType"] == "folder" {
                files.extend(list_files(client, &path)?);
            } else {
                let size = entry["size"].as_u64().unwrap_or_default();
                files.insert(path, (size, text(&entry["eTag"])));
            }
        }
        if entries.len() < PAGE {
            break;
        }
    }
    Ok(files)
}

/// The entries of a page of a folder.
pub(super) fn list_page(
    client: &Client<'_>,
    folder: &str,
    page: usize,
) -> Result<Vec<Json>, Problem> {
    let context = &client.tenant().context;
    let target = format!(
        "DescribeContextFiles?contextId={context}&parentFolderPath={folder}&pageSize={PAGE}&pageNumber={page}"
    );
    let response: Response = client.call("POST", &target)?;
    match response.status {
        200 => Ok(envelope(&response)["data"]
            .as_array()
            .cloned()
            .unwrap_or_default()),
        _ => Err(status_problem(&response)),
    }
}

/// The path of a file as listings have it. The only escaped letter is that of [`FILES`].
pub(super) fn decode_path(path: &str) -> String {
    path.replace("%C3%A9", "é")
}

fn text(value: &Json) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
