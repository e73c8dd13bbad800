//! The service when its process ends, or its disk is full.

#![expect(
    clippy::disallowed_methods,
    reason = "tests wait for real processes and sockets"
)]

// The attribute marks test code for clippy, so that it may unwrap.
#[cfg(test)]
#[path = "../http/client.rs"]
#[expect(dead_code, reason = "shared with the HTTP tests")]
mod client;
#[cfg(target_os = "linux")]
#[cfg(test)]
mod full_disk;
#[cfg(test)]
mod points;
#[cfg(test)]
#[path = "../http/schema.rs"]
mod schema;

/// A new process briefly inherits all open files of its parent, including the lock on a data folder. So no process is started
/// while a data folder is in use here.
#[cfg(test)]
static FORKS: tokio::sync::RwLock<()> = tokio::sync::RwLock::const_new(());

/// The number of files in the folder of blobs.
#[cfg(test)]
fn blobs(folder: &std::path::Path) -> usize {
    let parts = std::fs::read_dir(folder.join("blobs")).unwrap();
    parts
        .map(|part| part.unwrap().path())
        .filter(|part| part.is_dir())
        .map(|part| std::fs::read_dir(part).unwrap().count())
        .sum()
}

/// A content that is too large for the database.
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
    panic!("the condition was not met in time");
}
