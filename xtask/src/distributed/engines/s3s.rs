//! s3s-fs: an S3 store for tests that checks signatures and keeps objects in a folder.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::process::{Account, Process, free_port};
use super::s3_client::{S3Client, TIMEOUT};
use crate::failure::Failure;

const START_TIMEOUT: Duration = Duration::from_secs(30);
const ACCESS_KEY: &str = "AGBTESTACCESSKEY";
const SECRET_KEY: &str = "agb-test-secret-key";
/// s3s-fs accepts any region.
const REGION: &str = "us-east-1";

/// The bucket of each store.
pub(crate) const BUCKET: &str = "agb-test";

/// A running store with an empty bucket.
pub(crate) struct S3s {
    client: S3Client,
    /// Contains a folder for each bucket. The objects are its files, by their keys.
    folder: PathBuf,
    /// Ended on drop.
    process: Process,
}

impl S3s {
    pub(crate) fn start(program: &Path, account: &Account, folder: &Path) -> Result<Self, Failure> {
        let port = free_port()?;
        let data = folder.join("s3");
        account.create_folder(&data)?;
        let mut command = account.command(program, folder, "KILL");
        command
            .args(["--access-key", ACCESS_KEY, "--secret-key", SECRET_KEY])
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .arg(&data)
            // Its log otherwise contains each request.
            .env("RUST_LOG", "error");
        let mut process = Process::start("s3s-fs", command, &folder.join("s3s-fs.log"))?;
        process.wait_until_ready(START_TIMEOUT, || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        })?;
        let client = S3Client {
            address: format!("127.0.0.1:{port}"),
            region: REGION.to_owned(),
            access_key: ACCESS_KEY.to_owned(),
            secret_key: SECRET_KEY.to_owned(),
            timeout: TIMEOUT,
        };
        client.request("PUT", &format!("/{BUCKET}"), &[])?;
        Ok(Self {
            client,
            folder: data,
            process,
        })
    }

    pub(crate) fn client(&self) -> &S3Client {
        &self.client
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Number of objects in the bucket, and of files of unfinished multipart uploads beside it.
    pub(crate) fn object_count(&self) -> usize {
        count_files(&self.folder.join(BUCKET))
    }
}

fn count_files(folder: &Path) -> usize {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let counts = entries.map(|entry| match entry.path().is_dir() {
        true => count_files(&entry.path()),
        false => 1,
    });
    counts.sum()
}
