//! Sync of whole folders in both directions, against the real service.

mod batch_urls;
mod checksums;
mod collisions;
mod deletions;
mod filter;
mod folders;
mod interrupted;
mod listings;
mod machines;
mod progress;
mod read_ahead;
mod state;
#[cfg(unix)]
mod symlinks;
mod throttled;
mod two_way;

use std::{collections::BTreeMap, path::Path, time::Duration};

use agbcloud::{Files, SyncReport};

use crate::support::World;

type Tree = BTreeMap<String, Vec<u8>>;

/// Returns the content of each file in a local folder, by path.
fn tree(root: &Path) -> Tree {
    let mut found = Tree::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                match std::fs::read(&path) {
                    Ok(content) => drop(found.insert(name.to_owned(), content)),
                    Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
                }
            }
        }
    }
    found
}

fn write(root: &Path, files: &[(&str, &str)]) {
    for (path, content) in files {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }
}

/// Starts a service whose clock is ahead of all files that the test writes.
async fn world() -> World {
    let world = World::new().await;
    world.clock.advance(Duration::from_secs(3600));
    world
}

/// Returns the sorted paths of the files below a folder of the context.
async fn remote(files: &Files, root: &str) -> Vec<String> {
    let mut walk = files.list().folder(root).walk();
    let mut found = Vec::new();
    while let Some(entry) = walk.next().await {
        let entry = entry.unwrap();
        if !entry.is_folder() {
            found.push(entry.path);
        }
    }
    found.sort();
    found
}

/// Returns the numbers of copied, unchanged, deleted and failed files.
fn counts(report: &SyncReport) -> (u64, u64, u64, u64) {
    (
        report.transferred,
        report.unchanged,
        report.deleted,
        report.failed,
    )
}
