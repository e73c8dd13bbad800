//! The service in a process of its own that comes to a sudden end.

#![allow(clippy::disallowed_methods)] // Real processes and sockets are waited for in real time.

// As test code these may unwrap; clippy tells it by the attribute.
#[cfg(test)]
#[path = "../http/client.rs"]
#[allow(dead_code)] // It has more than is needed here.
mod client;
#[cfg(test)]
mod points;

/// How many files there are in the folder of blobs.
#[cfg(test)]
fn blobs(folder: &std::path::Path) -> usize {
    let parts = std::fs::read_dir(folder.join("blobs")).unwrap();
    parts
        .map(|part| std::fs::read_dir(part.unwrap().path()).unwrap().count())
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
