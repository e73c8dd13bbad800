//! Defects that the tool causes on purpose, to show that a soak finds them.

use std::sync::PoisonError;

use clap::ValueEnum;

use super::shared::{FILES, KEYS, Shared};
use crate::distributed::failover::load::{Client, Problem, encode};
use crate::distributed::history::{Action, Outcome, Value};
use crate::http_client::Connection;

/// Connections that are opened for each sample.
const CONNECTIONS: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Plant {
    /// An acknowledged file is deleted without a record of it
    LostFile,
    /// Connections are opened and never closed
    Connections,
}

impl Plant {
    /// Flags of the service with which the defect lasts.
    pub(super) fn arguments(plant: Option<Self>) -> &'static [&'static str] {
        match plant {
            Some(Self::Connections) => &[
                "--limits",
                "idle-time=1h,address-connections=100000,connections=100000",
            ],
            Some(Self::LostFile) | None => &[],
        }
    }
}

/// Uploads a file to the first context and deletes it, but records only the upload.
pub(super) fn lose_file(shared: &Shared) -> Result<(), Problem> {
    let slot = shared.slots[0]
        .write()
        .unwrap_or_else(PoisonError::into_inner);
    let (client, path) = (Client::new(&shared.balancer, &slot.tenant), FILES[0]);
    let value = Value {
        writer: u32::MAX,
        number: u32::try_from(shared.recorder.time() / 1_000_000).unwrap_or(u32::MAX),
    };
    let url = client.upload_url(path)?;
    let invoked = shared.recorder.time();
    client.upload(&url, &encode(value, 1000)).1?;
    let file = slot.file(path);
    shared
        .recorder
        .record(&file, Action::Put(value), Outcome::Ok, invoked);
    client.delete(path).1
}

/// Opens connections with a completed request. The service closes those without a valid key after seconds.
pub(super) fn open_connections(endpoint: &str) -> std::io::Result<Vec<Connection>> {
    let mut opened = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut connection = Connection::open(endpoint, KEYS[0])?;
        connection.call_raw("GET", "ListContexts?maxResults=1")?;
        opened.push(connection);
    }
    Ok(opened)
}
