//! The parts of a transfer that know no context: presigned URLs, requests to the object store, checksums and progress.

mod checksum;
mod idle_timeout;
mod presigned_url;
mod progress;
mod store;

pub(crate) use checksum::{ContentHasher, StoreChecksums, combine_crc64};
pub(crate) use idle_timeout::IdleTimeout;
pub use presigned_url::PresignedUrl;
pub use progress::Progress;
pub(crate) use progress::{ProgressListener, ProgressMeter};
pub(crate) use store::{GetOptions, PutCondition, Store, etag_of};
