//! Trying again: which failures, how often, how long between, and when to stop.
//!
//! Retries sit here, around one call of the wire, so that everything above (pages, clears, URLs of
//! transfers) has them and nothing above repeats them.

mod attempt;
mod backoff;
mod budget;
mod policy;
mod run;
mod strain;
mod tries;

pub use attempt::{Attempt, StoppedBy};
pub(crate) use backoff::Jitter;
pub(crate) use budget::Budget;
pub use policy::RetryPolicy;
pub(crate) use run::{Retrying, is_retryable, run};
pub(crate) use strain::Strain;
pub(crate) use tries::Tries;
