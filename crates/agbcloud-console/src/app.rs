//! [`App`]: what the handlers of a console share.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use agbcloud::Client;

use crate::{metrics::History, sessions::Sessions, workers::Workers};

/// Receives a link that a browser has requested, to print it where only its user can read it.
pub(crate) type LinkListener = Box<dyn Fn(&str) + Send + Sync>;

/// The state of a console.
pub(crate) struct App {
    pub(crate) client: Client,
    /// The same client without retries.
    pub(crate) once: Client,
    pub(crate) sessions: Sessions,
    pub(crate) previews: Workers,
    /// `http://127.0.0.1:8790`
    pub(crate) url: String,
    /// Unique for the port, as browsers share cookies between the ports of a host.
    pub(crate) cookie: String,
    /// `None` without metrics.
    pub(crate) history: Option<Arc<History>>,
    pub(crate) on_link: LinkListener,
    /// When a browser has last requested a link.
    pub(crate) last_request: Mutex<Option<Instant>>,
}

impl App {
    /// A link that starts one session.
    pub(crate) fn create_link(&self) -> Result<String, getrandom::Error> {
        let token = self.sessions.create_link()?;
        Ok(format!("{}/login?token={}", self.url, token.as_str()))
    }
}
