//! Makes one transfer of the context `bench`, by the SDK or by plain reqwest, for `transfers.py`. See the README.
//!
//! `transfer ENDPOINT JOB FROM [TO]`, with the API key in `AGB_API_KEY`. The jobs are:
//!
//! * `up FILE REMOTE`, `down REMOTE FILE`: the SDK copies one file;
//! * `up-dir DIR REMOTE`, `down-dir REMOTE DIR`: the SDK copies a folder;
//! * `fast-down`, `fast-down-dir`: the same with `durable(false)`;
//! * `plain-up DIR REMOTE`, `plain-down REMOTE DIR`: plain reqwest copies a folder;
//! * `up-url REMOTE`, `down-url REMOTE`: prints a presigned URL.

use std::{path::Path, time::Instant};

use agbcloud::{Client, Files};
use agbcloud_benches::{Error, PlainClient, peak_memory_kib};

#[tokio::main]
#[expect(clippy::disallowed_methods, reason = "measures real time")]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [endpoint, job, from, to @ ..] = &arguments[..] else {
        return Err("transfer ENDPOINT JOB FROM [TO]".into());
    };
    let to = to.first().copied().unwrap_or_default();
    let client = Client::builder().endpoint(*endpoint).build()?;
    let contexts = client.contexts();
    let id = contexts.get_or_create("bench").await?.id.clone();
    let files = contexts.files(&id);
    match *job {
        "up-url" => println!("{}", files.upload_url(*from).await?.as_str()),
        "down-url" => println!("{}", files.download_url(*from).await?.as_str()),
        job => {
            let start = Instant::now();
            let copied = match job {
                "plain-up" | "plain-down" => {
                    let key = std::env::var("AGB_API_KEY")?;
                    plain(
                        &PlainClient::new(endpoint, &key, id.as_str())?,
                        job,
                        from,
                        to,
                    )
                    .await?
                }
                job => sdk(&files, job, from, to).await?,
            };
            let (seconds, peak) = (
                start.elapsed().as_secs_f64(),
                peak_memory_kib().unwrap_or(0),
            );
            println!("{job}: {copied} files, {seconds:.3} s, {peak} KiB");
        }
    }
    Ok(())
}

async fn sdk(files: &Files, job: &str, from: &str, to: &str) -> Result<usize, Error> {
    let report = match job {
        "up" => {
            files.upload(to, Path::new(from)).await?;
            return Ok(1);
        }
        "down" | "fast-down" => {
            let download = files.download(from, Path::new(to));
            download.durable(job == "down").await?;
            return Ok(1);
        }
        "up-dir" => files.upload_dir(from, to).await?,
        "down-dir" => files.download_dir(from, to).await?,
        "fast-down-dir" => files.download_dir(from, to).durable(false).await?,
        _ => return Err("unknown job".into()),
    };
    if let Some(failure) = report.failures.into_iter().next() {
        return Err(failure.error.into());
    }
    Ok(report.transferred.try_into()?)
}

async fn plain(client: &PlainClient, job: &str, from: &str, to: &str) -> Result<usize, Error> {
    match job {
        "plain-up" => client.upload_dir(Path::new(from), to).await,
        _ => client.download_dir(from, Path::new(to)).await,
    }
}
