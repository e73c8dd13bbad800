//! Stores with contents, and what is compared.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use agbcloud_server::{CopyOptions, FsckMode, Server, Storage, backup, fsck, restore};
use serde_json::Value;

use crate::client::{Client, start_with};

/// A content that is too large for the database.
pub(crate) fn large(byte: u8) -> Vec<u8> {
    (0..300_000_u32).map(|at| byte ^ (at % 251) as u8).collect()
}

/// Everything that clients see: contexts by id, with their files by path. Without request ids.
pub(crate) type World = BTreeMap<String, (Value, BTreeMap<String, (Value, Vec<u8>)>)>;

/// Starts a server on a data folder, whatever the engine of other tests.
pub(crate) async fn start_in(data: &Path) -> (Server, Client) {
    start_with(Server::builder().data_dir(data)).await
}

/// Reads everything of one tenant.
pub(crate) async fn world(client: &Client) -> World {
    let mut world = World::new();
    let contexts = client.ok("ListContexts", &[("maxResults", "100")]).await;
    for context in contexts["data"].as_array().unwrap() {
        let id = context["id"].as_str().unwrap();
        let mut entries = BTreeMap::new();
        let mut folders = vec!["/".to_owned()];
        while let Some(folder) = folders.pop() {
            for page in 1.. {
                let page = page.to_string();
                let parameters = [
                    ("contextId", id),
                    ("parentFolderPath", &*folder),
                    ("pageNumber", &page),
                    ("pageSize", "100"),
                ];
                let body = client.ok("DescribeContextFiles", &parameters).await;
                let found = body["data"].as_array().unwrap();
                for entry in found {
                    let path = entry["filePath"].as_str().unwrap().to_owned();
                    let bytes = match entry["fileType"].as_str().unwrap() {
                        "folder" => {
                            folders.push(path.clone());
                            Vec::new()
                        }
                        _ => client.download(id, &path).await,
                    };
                    entries.insert(path, (entry.clone(), bytes));
                }
                if found.len() < 100 {
                    break;
                }
            }
        }
        world.insert(id.to_owned(), (context.clone(), entries));
    }
    world
}

/// Fills a new data folder with small and large files of two tenants, and stops its service.
pub(crate) async fn fill(data: &Path) {
    let (server, client) = start_in(data).await;
    let other = client.with_key("akm-other");
    for client in [&client, &other] {
        let id = client.create("one").await;
        client.create("empty").await;
        client.upload(&id, "/a.txt", "small").await;
        client.upload(&id, "/empty", "").await;
        client.upload(&id, "/x/y/large", large(1)).await;
        client.upload(&id, "/x/y z/large", large(2)).await;
        client.upload(&id, "/x/replaced", large(3)).await;
        client.upload(&id, "/x/replaced", "new").await;
        let cleared = client.create("cleared").await;
        client.upload(&cleared, "/gone", large(4)).await;
        client.ok("ClearContext", &[("id", &cleared)]).await;
        client.wait_available(&cleared).await;
        client.upload(&cleared, "/after", large(5)).await;
    }
    server.shutdown().await;
}

/// The names and contents of all files below a folder, except the shared memory of SQLite. Files may be deleted meanwhile.
pub(crate) fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.insert(path.clone(), Vec::new());
                folders.push(path);
            } else if !path.to_str().unwrap().ends_with("-shm") {
                match fs::read(&path) {
                    Ok(content) => found.insert(path, content),
                    Err(error) if error.kind() == ErrorKind::NotFound => None,
                    Err(error) => panic!("{}: {error}", path.display()),
                };
            }
        }
    }
    found
}

/// All files of blobs in a data folder or an archive.
pub(crate) fn blobs(folder: &Path) -> Vec<PathBuf> {
    let tree = tree(&folder.join("blobs"));
    let files = tree.into_keys().filter(|path| path.is_file());
    files.filter(|path| !path.ends_with("mark")).collect()
}

/// The archive of a store, as a folder or a tar file.
pub(crate) async fn archive(data: &Path, name: &str) -> PathBuf {
    let path = data.with_file_name(name);
    let options = CopyOptions::default();
    backup(&Storage::folder(data), &path, &options)
        .await
        .unwrap();
    path
}

/// Restores an archive to a new folder, and checks it.
pub(crate) async fn restored(archive: &Path, name: &str) -> PathBuf {
    let data = archive.with_file_name(name);
    let options = CopyOptions::default();
    restore(archive, &Storage::folder(&data), &options)
        .await
        .unwrap();
    assert_clean(&data);
    data
}

pub(crate) fn assert_clean(data: &Path) {
    let report = fsck(data, FsckMode::Check).unwrap();
    assert!(
        report.is_clean() && report.quarantine.is_empty(),
        "{report:?}"
    );
}
