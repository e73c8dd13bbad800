//! The parts of a transfer that know no context: requests to the object store, checksums and progress.

mod bandwidth_limit;
mod checksum;
mod idle_timeout;
mod progress;
mod store;
mod stub_store;
mod update_guard;

pub(crate) use bandwidth_limit::BandwidthLimit;
pub(crate) use checksum::{ContentHasher, StoreChecksums, combine_crc64, etag_of};
pub(crate) use idle_timeout::IdleTimeout;
pub use progress::Progress;
pub(crate) use progress::{ProgressListener, ProgressMeter};
pub(crate) use store::{GetOptions, PutCondition, Store};
pub(crate) use stub_store::StubStore;
pub use update_guard::UpdateGuard;
pub(crate) use update_guard::rejects_condition;
