//! Shared code of the benchmarks. `README.md` has the results.

mod plain_client;

pub use plain_client::PlainClient;

/// API key of the services that the benchmarks start.
pub const KEY: &str = "bench-key";

/// Any error.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Peak resident memory of this process in KiB. `None` on systems other than Linux.
pub fn peak_memory_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line?.trim().strip_suffix("kB")?.trim().parse().ok()
}
