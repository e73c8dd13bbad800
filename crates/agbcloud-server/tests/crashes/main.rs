//! The service where the ground gives way: its process ends, or its disk is full.

#![allow(clippy::disallowed_methods)] // Real processes and sockets are waited for in real time.

// As test code these may unwrap; clippy tells it by the attribute.
#[cfg(test)]
#[path = "../http/client.rs"]
#[allow(dead_code)] // It has more than is needed here.
mod client;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod points;
#[cfg(test)]
#[path = "../http/schema.rs"]
mod schema;

/// A process that is just being made has, for a moment, all that its maker has open, the lock of a folder too. So
/// none is made while a folder is in use here.
#[cfg(test)]
static FORKS: tokio::sync::RwLock<()> = tokio::sync::RwLock::const_new(());

/// How many files there are in the folder of blobs.
#[cfg(test)]
fn blobs(folder: &std::path::Path) -> usize {
    let parts = std::fs::read_dir(folder.join("blobs")).unwrap();
    parts
        .map(|part| part.unwrap().path())
        .filter(|part| part.is_dir())
        .map(|part| std::fs::read_dir(part).unwrap().count())
        .sum()
}

/// Content that is too large for the database, and so a blob.
#[cfg(test)]
fn large(byte: u8) -> Vec<u8> {
    vec![byte; 40_000]
}

#[cfg(test)]
async fn wait_for(done: impl Fn() -> bool) {
    for _ in 0..2000 {
        if done() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("it does not happen");
}
