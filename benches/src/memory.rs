//! What a process has used of memory.

/// The most memory that this process has had resident, in KiB; `None` where the system does not tell (it is Linux that
/// does).
pub fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line?.trim().strip_suffix("kB")?.trim().parse().ok()
}
