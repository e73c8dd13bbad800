//! What the benches beside this folder have in common. `README.md` has the results.

mod bare;
mod memory;

pub use bare::Bare;
pub use memory::peak_kib;

/// The key that the benches use where they start a service themselves.
pub const KEY: &str = "bench-key";

/// What goes wrong in a bench ends it.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
