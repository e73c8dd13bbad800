//! The wire: control calls under `/sdk/`, the bytes of files under `/objects/v1/`.

mod auth;
mod body;
mod conditions;
mod conformance;
mod contexts;
mod disturb;
mod envelope;
mod files;
mod head;
mod held;
mod lagging;
mod load;
mod objects;
mod operations;
mod params;
mod range;
mod router;
mod xml;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::auth::is_key;
pub(crate) use self::conformance::required_in_text;
pub(crate) use self::held::hold;
pub(crate) use self::load::Load;
pub use self::operations::{Operation, operations};
#[cfg(any(fuzzing, test))]
pub(crate) use self::range::check as check_range;
pub(crate) use self::router::{DOWNLOAD, UPLOAD, router};
use crate::blobs::Blobs;
use crate::clock::{Clock, Micros};
use crate::faults::Faults;
use crate::keys::Keys;
use crate::limits::Limits;
use crate::metadata::{Context, ContextState, Metadata};
use crate::metrics::Metrics;
use crate::signing::{Signer, Tenant};
use crate::tasks::Wake;

/// What all requests share.
pub(crate) struct App {
    pub(crate) metadata: Arc<dyn Metadata>,
    pub(crate) blobs: Blobs,
    pub(crate) signer: Arc<Signer>,
    /// Who may call, and what URLs are signed with.
    pub(crate) keys: Keys,
    pub(crate) clock: Arc<dyn Clock>,
    /// The known login regions; the first is the default.
    pub(crate) regions: Vec<String>,
    /// What presigned URLs begin with, without a slash at the end.
    pub(crate) public_url: String,
    pub(crate) url_ttl: Duration,
    pub(crate) limits: Limits,
    pub(crate) load: Arc<Load>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) faults: Faults,
    pub(crate) wake: Wake,
}

impl App {
    fn now(&self) -> Micros {
        Micros::of(self.clock.now())
    }

    /// What a context is doing, as callers are told.
    fn state(&self, tenant: &Tenant, context: &Context) -> ContextState {
        if self.faults.clears(tenant, &context.id, self.now()) {
            ContextState::Clearing
        } else {
            context.state
        }
    }

    /// The time since which nothing is in a listing yet, where it lags behind.
    fn listed_until(&self, operation: &str) -> Option<Micros> {
        let lag = self.faults.lag(operation)?;
        Some(self.now().before(lag))
    }
}

/// Part of an answer to a request with a valid key or a valid URL.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known;

/// The id of a request: in the answer's header and body, and in the log.
#[derive(Debug, Clone)]
struct RequestId(String);
