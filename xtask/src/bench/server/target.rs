//! `agb serve` with a context and a small file.

use std::io;
use std::path::Path;
use std::process::Stdio;

use crate::agb_serve::Service;
use crate::failure::Failure;
use crate::http_client::Connection;

const KEY: &str = "bench-key";
/// Path of the small file.
pub(super) const FILE: &str = "/small";
pub(super) const FILE_SIZE: usize = 4096;

pub(super) struct Agb {
    service: Service,
    id: String,
    download: String,
    context: String,
}

impl Agb {
    pub(super) fn start(program: &Path, folder: &Path) -> Result<Self, Failure> {
        let service = Service::start(program, folder, &["--api-key", KEY], Stdio::inherit())?;
        let prepare = || {
            let mut connection = Connection::open(service.endpoint(), KEY)?;
            let id = connection.create_context("bench")?;
            let url = connection.upload_url(&id, FILE)?;
            let response = connection.transfer("PUT", &url, &[7; FILE_SIZE])?;
            if response.status != 200 {
                return Err(io::Error::other(format!("status {}", response.status)));
            }
            let download = target(&connection.download_url(&id, FILE)?);
            Ok((id, download))
        };
        let (id, download) = prepare().map_err(|error| failed("create a file", error))?;
        let context = format!("/sdk/GetContext?id={id}");
        Ok(Self {
            service,
            id,
            download,
            context,
        })
    }

    /// `HOST:PORT`.
    pub(super) fn address(&self) -> &str {
        let endpoint = self.service.endpoint();
        endpoint.strip_prefix("http://").unwrap_or(endpoint)
    }

    pub(super) fn download_target(&self) -> &str {
        &self.download
    }

    pub(super) fn context_target(&self) -> &str {
        &self.context
    }

    /// Headers that calls need.
    pub(super) fn headers(&self) -> Vec<(&'static str, String)> {
        vec![("authorization", format!("Bearer {KEY}"))]
    }

    /// The response of a GetContext.
    pub(super) fn context(&self) -> Result<Vec<u8>, Failure> {
        let get = || {
            let mut connection = Connection::open(self.service.endpoint(), KEY)?;
            connection.call_raw("GET", &format!("GetContext?id={}", self.id))
        };
        let response = get().map_err(|error| failed("get the context", error))?;
        Ok(response.body)
    }

    /// The targets of requests that upload these files.
    pub(super) fn upload_targets(&self, paths: &[String]) -> Result<Vec<String>, Failure> {
        let get = || {
            let mut connection = Connection::open(self.service.endpoint(), KEY)?;
            let urls = paths.iter().map(|path| {
                let url = connection.upload_url(&self.id, path)?;
                Ok(target(&url))
            });
            urls.collect::<io::Result<_>>()
        };
        get().map_err(|error| failed("get URLs", error))
    }
}

/// The path and query of a URL.
fn target(url: &str) -> String {
    let path = url.match_indices('/').nth(2).map_or(0, |(at, _)| at);
    url[path..].to_owned()
}

pub(super) fn failed(action: &str, error: impl std::fmt::Display) -> Failure {
    Failure::new(
        format!("can't {action}: {error}"),
        "see the output above; check the space left on the disk",
    )
}
