//! Folders moved by a loop around reqwest, as one writes it without an SDK: nothing is checked, synced or tried again.

use std::path::{Path, PathBuf};

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::Failure;

/// As many as the SDK has if nothing else is said.
const FILES_AT_ONCE: usize = agbcloud::DEFAULT_MAX_CONCURRENT_FILES;

/// Entries in a page.
const PAGE: usize = 1000;

/// One context, through bare requests. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Bare {
    calls: reqwest::Client,
    store: reqwest::Client,
    endpoint: String,
    context: String,
}

impl Bare {
    /// # Errors
    ///
    /// If the key can't be in a header.
    pub fn new(endpoint: &str, key: &str, context: &str) -> Result<Self, Failure> {
        let authorization = HeaderValue::from_str(&format!("Bearer {key}"))?;
        let headers = HeaderMap::from_iter([(AUTHORIZATION, authorization)]);
        Ok(Self {
            calls: reqwest::Client::builder()
                .default_headers(headers)
                .build()?,
            store: reqwest::Client::new(),
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            context: context.to_owned(),
        })
    }

    /// Sends every file below a local folder, after a look at what is there. Gives the number of files.
    ///
    /// # Errors
    ///
    /// The first failure.
    pub async fn up(&self, local: &Path, remote: &str) -> Result<usize, Failure> {
        self.list(remote).await?;
        let mut files = Vec::new();
        find(local, &mut files)?;
        let count = files.len();
        let mut tasks = JoinSet::new();
        for file in files {
            room(&mut tasks).await?;
            let below = file.strip_prefix(local)?.to_str().ok_or("no UTF-8")?;
            let (path, bare) = (format!("{remote}/{below}"), self.clone());
            tasks.spawn(async move { bare.put(&path, tokio::fs::read(file).await?).await });
        }
        rest(tasks).await?;
        Ok(count)
    }

    /// Fetches every file below a remote folder. Gives the number of files.
    ///
    /// # Errors
    ///
    /// The first failure.
    pub async fn down(&self, remote: &str, local: &Path) -> Result<usize, Failure> {
        let paths = self.list(remote).await?;
        let count = paths.len();
        let mut tasks = JoinSet::new();
        for path in paths {
            room(&mut tasks).await?;
            let below = path.strip_prefix(remote).ok_or("not below the folder")?;
            let file = local.join(below.trim_start_matches('/'));
            let bare = self.clone();
            tasks.spawn(async move {
                let content = bare.get(&path).await?;
                if let Some(folder) = file.parent() {
                    tokio::fs::create_dir_all(folder).await?;
                }
                tokio::fs::write(file, content).await?;
                Ok(())
            });
        }
        rest(tasks).await?;
        Ok(count)
    }

    /// Sends one file.
    ///
    /// # Errors
    ///
    /// The first failure.
    pub async fn put(&self, path: &str, content: impl Into<bytes::Bytes>) -> Result<(), Failure> {
        let (url, content) = (
            self.url("GetContextFileUploadUrl", path).await?,
            content.into(),
        );
        let request = self.store.put(url).header(CONTENT_LENGTH, content.len());
        request.body(content).send().await?.error_for_status()?;
        Ok(())
    }

    /// Fetches one file.
    ///
    /// # Errors
    ///
    /// The first failure.
    pub async fn get(&self, path: &str) -> Result<bytes::Bytes, Failure> {
        let url = self.url("GetContextFileDownloadUrl", path).await?;
        let response = self.store.get(url).send().await?.error_for_status()?;
        Ok(response.bytes().await?)
    }

    async fn url(&self, operation: &str, path: &str) -> Result<String, Failure> {
        let answer = self.call(operation, &[("filePath", path)]).await?;
        let url = answer["data"]["url"].as_str();
        Ok(url.ok_or("no URL came")?.to_owned())
    }

    /// The paths of all files below a folder.
    async fn list(&self, folder: &str) -> Result<Vec<String>, Failure> {
        let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
        while let Some(folder) = folders.pop() {
            for page in 1.. {
                let (number, size) = (page.to_string(), PAGE.to_string());
                let query = [
                    ("parentFolderPath", folder.as_str()),
                    ("pageNumber", &number),
                    ("pageSize", &size),
                ];
                let answer = self.call("DescribeContextFiles", &query).await?;
                let entries = answer["data"].as_array().ok_or("no entries came")?;
                for entry in entries {
                    let path = entry["filePath"].as_str().ok_or("no path came")?.to_owned();
                    match entry["fileType"].as_str() {
                        Some("folder") => folders.push(path),
                        _ => files.push(path),
                    }
                }
                if entries.len() < PAGE {
                    break;
                }
            }
        }
        Ok(files)
    }

    async fn call(&self, operation: &str, query: &[(&str, &str)]) -> Result<Value, Failure> {
        let request = self
            .calls
            .post(format!("{}/sdk/{operation}", self.endpoint));
        let request = request.query(&[("contextId", &self.context)]).query(query);
        let answer = request.send().await?.error_for_status()?.bytes().await?;
        Ok(serde_json::from_slice(&answer)?)
    }
}

/// Waits until one more may start.
async fn room(tasks: &mut JoinSet<Result<(), Failure>>) -> Result<(), Failure> {
    if tasks.len() >= FILES_AT_ONCE
        && let Some(done) = tasks.join_next().await
    {
        done??;
    }
    Ok(())
}

async fn rest(mut tasks: JoinSet<Result<(), Failure>>) -> Result<(), Failure> {
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            find(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}
