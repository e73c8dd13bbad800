//! A client of one tenant: each operation on a file once, without retries.

use serde_json::Value as Json;

use super::balancer::{Balancer, Problem, status_problem};
use super::content;
use crate::distributed::history::{Outcome, Reading};
use crate::http_client::{Response, string_at};

/// What a response must contain to state that a failed write changed nothing.
const UNCHANGED: &[u8] = b"nothing was changed";
const NO_FILE: &str = "InvalidFile.NotFound";

/// A context of a tenant, whose files the load uses.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    pub(crate) key: String,
    pub(crate) context: String,
}

/// The result of a delete: a missing file is an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deleted {
    Outcome(Outcome),
    Absent,
}

/// Sends the requests of a tenant to a service.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client<'a> {
    balancer: &'a Balancer,
    tenant: &'a Tenant,
}

impl<'a> Client<'a> {
    pub(crate) fn new(balancer: &'a Balancer, tenant: &'a Tenant) -> Self {
        Self { balancer, tenant }
    }

    pub(crate) fn tenant(&self) -> &'a Tenant {
        self.tenant
    }

    /// Calls an operation. `target` is its name and query.
    pub(crate) fn call(&self, method: &str, target: &str) -> Result<Response, Problem> {
        let key = format!("Bearer {}", self.tenant.key);
        let headers = [("authorization", key.as_str())];
        self.balancer
            .request(method, &format!("/sdk/{target}"), &headers, &[])
    }

    /// Calls an operation and returns its envelope.
    pub(crate) fn call_json(&self, method: &str, target: &str) -> Result<Json, Problem> {
        let response = self.call(method, target)?;
        match response.status {
            200 => Ok(envelope(&response)),
            _ => Err(status_problem(&response)),
        }
    }

    /// Returns a presigned URL for an upload.
    pub(crate) fn upload_url(&self, path: &str) -> Result<String, Problem> {
        let target = self.on_file("GetContextFileUploadUrl", path);
        url(&self.call_json("POST", &target)?)
    }

    /// Returns a presigned URL for a download, or `None` if the file does not exist.
    pub(crate) fn download_url(&self, path: &str) -> Result<Option<String>, Problem> {
        let target = self.on_file("GetContextFileDownloadUrl", path);
        let response = self.call("POST", &target)?;
        let envelope = envelope(&response);
        match response.status {
            200 => url(&envelope).map(Some),
            404 if envelope["code"] == NO_FILE => Ok(None),
            _ => Err(status_problem(&response)),
        }
    }

    /// Uploads a content by a presigned URL.
    pub(crate) fn upload(&self, url: &str, content: &[u8]) -> (Outcome, Result<(), Problem>) {
        let response = self.transfer("PUT", url, content);
        write_outcome(response)
    }

    /// Downloads a file by a presigned URL.
    pub(crate) fn download(&self, url: &str) -> Result<Reading, Problem> {
        let response = self.transfer("GET", url, &[])?;
        match response.status {
            200 => Ok(content::decode(&response.body)),
            404 => Ok(Reading::Absent),
            _ => Err(status_problem(&response)),
        }
    }

    /// Uploads or downloads by a presigned URL, from any replica.
    pub(crate) fn transfer(
        &self,
        method: &str,
        url: &str,
        body: &[u8],
    ) -> Result<Response, Problem> {
        self.transfer_with(method, url, &[], body)
    }

    /// Like [`Self::transfer`], with headers.
    pub(crate) fn transfer_with(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Response, Problem> {
        let path = url.match_indices('/').nth(2).map_or(0, |(at, _)| at);
        let path = url.get(path..).unwrap_or_default();
        self.balancer.request(method, path, headers, body)
    }

    pub(crate) fn delete(&self, path: &str) -> (Deleted, Result<(), Problem>) {
        let response = self.call("POST", &self.on_file("DeleteContextFile", path));
        if let Ok(response) = &response
            && response.status == 404
            && envelope(response)["code"] == NO_FILE
        {
            return (Deleted::Absent, Ok(()));
        }
        let (outcome, result) = write_outcome(response);
        (Deleted::Outcome(outcome), result)
    }

    /// Clears the context.
    pub(crate) fn clear(&self) -> (Outcome, Result<(), Problem>) {
        write_outcome(self.call("POST", &format!("ClearContext?id={}", self.tenant.context)))
    }

    /// The state of the context.
    pub(crate) fn state(&self) -> Result<String, Problem> {
        let target = format!("GetContext?id={}", self.tenant.context);
        let envelope = self.call_json("GET", &target)?;
        Ok(string_at(&envelope, "/data/state").unwrap_or_default())
    }

    fn on_file(&self, operation: &str, path: &str) -> String {
        format!(
            "{operation}?contextId={}&filePath={path}",
            self.tenant.context
        )
    }
}

/// Creates a context and returns the tenant with it.
pub(crate) fn create_context(
    balancer: &Balancer,
    key: &str,
    name: &str,
) -> Result<Tenant, Problem> {
    let mut tenant = Tenant {
        key: key.to_owned(),
        context: String::new(),
    };
    let target = format!("GetContext?name={name}&allowCreate=true");
    let envelope = Client::new(balancer, &tenant).call_json("GET", &target)?;
    tenant.context = string_at(&envelope, "/data/id").map_err(|_| Problem::Broken)?;
    Ok(tenant)
}

/// Whether a write took effect.
pub(crate) fn write_outcome(response: Result<Response, Problem>) -> (Outcome, Result<(), Problem>) {
    let response = match response {
        Ok(response) => response,
        Err(Problem::Refused) => return (Outcome::Failed, Err(Problem::Refused)),
        Err(problem) => return (Outcome::Unknown, Err(problem)),
    };
    let outcome = match response.status {
        200 => return (Outcome::Ok, Ok(())),
        400..500 => Outcome::Failed,
        _ if contains(&response.body, UNCHANGED) => Outcome::Failed,
        _ => Outcome::Unknown,
    };
    (outcome, Err(status_problem(&response)))
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// The envelope of a response, or null if it has none.
pub(crate) fn envelope(response: &Response) -> Json {
    serde_json::from_slice(&response.body).unwrap_or_default()
}

fn url(envelope: &Json) -> Result<String, Problem> {
    string_at(envelope, "/data/url").map_err(|_| Problem::Broken)
}
