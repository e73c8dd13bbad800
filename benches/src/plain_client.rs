//! A client as one writes it without an SDK: plain reqwest, without checksums, fsync or retries.

use std::path::{Path, PathBuf};

use reqwest::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderMap, HeaderValue};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::Error;

/// The default of the SDK.
const MAX_CONCURRENT_FILES: usize = agbcloud::DEFAULT_MAX_CONCURRENT_FILES;

/// Page size of listings.
const PAGE_SIZE: u32 = 1000;

/// A client of one context. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PlainClient {
    calls: reqwest::Client,
    store: reqwest::Client,
    endpoint: String,
    context: String,
}

impl PlainClient {
    /// Creates a client.
    ///
    /// # Errors
    ///
    /// The key is not a valid header value.
    pub fn new(endpoint: &str, key: &str, context: &str) -> Result<Self, Error> {
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

    /// Lists the remote folder, then uploads all files of a local folder. Returns the number of files.
    ///
    /// # Errors
    ///
    /// The first failure.
    pub async fn upload_dir(&self, local: &Path, remote: &str) -> Result<usize, Error> {
        self.list(remote).await?;
        let mut files = Vec::new();
        list_local(local, &mut files)?;
        let count = files.len();
        let mut tasks = JoinSet::new();
        for file in files {
            wait_for_slot(&mut tasks).await?;
            let below = file
                .strip_prefix(local)?
                .to_str()
                .ok_or("a path is not UTF-8")?;
            let (path, client) = (format!("{remote}/{below}"), self.clone());
            tasks.spawn(async move { client.put(&path, tokio::fs::read(file).await?).await });
        }
        join_all(tasks).await?;
        Ok(count)
    }

    /// Downloads all files of a remote folder. Returns the number of files.
    ///
    /// # Errors
    ///
    /// The first failure.
    pub async fn download_dir(&self, remote: &str, local: &Path) -> Result<usize, Error> {
        let paths = self.list(remote).await?;
        let count = paths.len();
        let mut tasks = JoinSet::new();
        for path in paths {
            wait_for_slot(&mut tasks).await?;
            let below = path
                .strip_prefix(remote)
                .ok_or("a listed path is not in the folder")?;
            let file = local.join(below.trim_start_matches('/'));
            let client = self.clone();
            tasks.spawn(async move {
                let content = client.get(&path).await?;
                if let Some(folder) = file.parent() {
                    tokio::fs::create_dir_all(folder).await?;
                }
                tokio::fs::write(file, content).await?;
                Ok(())
            });
        }
        join_all(tasks).await?;
        Ok(count)
    }

    /// Uploads one file.
    ///
    /// # Errors
    ///
    /// The first failure.
    pub async fn put(&self, path: &str, content: impl Into<bytes::Bytes>) -> Result<(), Error> {
        let (url, content) = (
            self.url("GetContextFileUploadUrl", path).await?,
            content.into(),
        );
        let request = self.store.put(url).header(CONTENT_LENGTH, content.len());
        request.body(content).send().await?.error_for_status()?;
        Ok(())
    }

    /// Downloads one file.
    ///
    /// # Errors
    ///
    /// The first failure.
    pub async fn get(&self, path: &str) -> Result<bytes::Bytes, Error> {
        let url = self.url("GetContextFileDownloadUrl", path).await?;
        let response = self.store.get(url).send().await?.error_for_status()?;
        Ok(response.bytes().await?)
    }

    async fn url(&self, operation: &str, path: &str) -> Result<String, Error> {
        let response = self.call(operation, &[("filePath", path)]).await?;
        let url = response["data"]["url"].as_str();
        Ok(url.ok_or("the response has no URL")?.to_owned())
    }

    /// Lists the paths of all files below a folder.
    async fn list(&self, folder: &str) -> Result<Vec<String>, Error> {
        let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
        while let Some(folder) = folders.pop() {
            for number in 1.. {
                let response = self.page(&folder, number, PAGE_SIZE).await?;
                let entries = response["data"]
                    .as_array()
                    .ok_or("the response has no entries")?;
                for entry in entries {
                    let path = entry["filePath"]
                        .as_str()
                        .ok_or("an entry has no path")?
                        .to_owned();
                    match entry["fileType"].as_str() {
                        Some("folder") => folders.push(path),
                        _ => files.push(path),
                    }
                }
                if entries.len() < PAGE_SIZE as usize {
                    break;
                }
            }
        }
        Ok(files)
    }

    /// Gets the context. Returns the whole response.
    ///
    /// # Errors
    ///
    /// The failure of the call.
    pub async fn context(&self) -> Result<Value, Error> {
        let request = self.calls.get(format!("{}/sdk/GetContext", self.endpoint));
        let request = request.query(&[("id", &self.context)]);
        let response = request.send().await?.error_for_status()?.bytes().await?;
        Ok(serde_json::from_slice(&response)?)
    }

    /// Lists one page of a folder. Returns the whole response.
    ///
    /// # Errors
    ///
    /// The failure of the call.
    pub async fn page(&self, folder: &str, number: u32, size: u32) -> Result<Value, Error> {
        let query = [
            ("parentFolderPath", folder),
            ("pageNumber", &number.to_string()),
            ("pageSize", &size.to_string()),
        ];
        self.call("DescribeContextFiles", &query).await
    }

    async fn call(&self, operation: &str, query: &[(&str, &str)]) -> Result<Value, Error> {
        let request = self
            .calls
            .post(format!("{}/sdk/{operation}", self.endpoint));
        let request = request.query(&[("contextId", &self.context)]).query(query);
        let response = request.send().await?.error_for_status()?.bytes().await?;
        Ok(serde_json::from_slice(&response)?)
    }
}

/// Waits until another task may start.
async fn wait_for_slot(tasks: &mut JoinSet<Result<(), Error>>) -> Result<(), Error> {
    if tasks.len() >= MAX_CONCURRENT_FILES
        && let Some(done) = tasks.join_next().await
    {
        done??;
    }
    Ok(())
}

async fn join_all(mut tasks: JoinSet<Result<(), Error>>) -> Result<(), Error> {
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    Ok(())
}

fn list_local(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list_local(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}
