//! [`TransferRow`]: an interrupted download.

use agbcloud::PartialDownload;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    human::{bytes, rfc3339},
    rows::Row,
};

/// An interrupted download.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct TransferRow {
    /// The local file that the download creates.
    pub(crate) target: String,
    /// Bytes that need not be downloaded again.
    pub(crate) received: u64,
    /// Size of the file in bytes.
    size: u64,
    /// Address of the file, with the id of the context.
    source: String,
    /// The endpoint of the service.
    endpoint: String,
    /// Time of the last completed part, in RFC 3339.
    updated_at: Option<String>,
    /// Whether a process is downloading the file now.
    running: bool,
}

impl TransferRow {
    pub(crate) fn new(download: &PartialDownload) -> Self {
        Self {
            target: download.target().display().to_string(),
            received: download.received(),
            size: download.size(),
            source: format!("{}:{}", download.context_id(), download.path()),
            endpoint: download.endpoint().to_owned(),
            updated_at: rfc3339(download.updated_at()),
            running: download.is_running(),
        }
    }

    fn state(&self) -> &'static str {
        if self.running {
            "running"
        } else {
            "interrupted"
        }
    }
}

impl Row for TransferRow {
    const COLUMNS: &'static [&'static str] = &["state", "received", "size", "source", "target"];

    fn plain(&self) -> Vec<String> {
        vec![
            self.state().to_owned(),
            self.received.to_string(),
            self.size.to_string(),
            self.source.clone(),
            self.target.clone(),
        ]
    }

    fn human(&self) -> Vec<String> {
        let mut cells = self.plain();
        cells[1] = bytes(Some(self.received));
        cells[2] = bytes(Some(self.size));
        cells
    }

    fn name(&self) -> String {
        self.target.clone()
    }
}
