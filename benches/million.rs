//! Measures the memory of a synchronization of a million files, listed by a stub. See the README.
//!
//! `million fill DIR` creates the same files locally, empty. `million JOB DIR [delete]` runs a job: `up`, `down`, `plan-up`
//! or `plan-down`. `AGB_BENCH_FOLDERS` is the number of folders of 1000 files, and defaults to 1000.

use std::{
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use agbcloud::{
    Change, Client, ContextId, DeleteLimit, FilePage, RemotePath, SyncDir,
    testing::{ContextApi, FileQuery, ResponseFuture, Script, Step, ok},
};
use agbcloud_benches::{Error, peak_memory_kib};
use serde_json::{Value, json};

/// Number of folders in each top-level folder, and of files in each of those.
const FOLDERS: usize = 50;
const FILES: usize = 1000;

/// Number of top-level folders, of folders in each, and of files in each of those.
fn shape() -> Result<[usize; 3], Error> {
    let folders = match std::env::var("AGB_BENCH_FOLDERS") {
        Ok(folders) => folders.parse()?,
        Err(_) => 1000,
    };
    Ok([folders / FOLDERS, FOLDERS, FILES])
}

/// Modification time of all files.
const MODIFIED: &str = "2025-05-29T12:20:00Z";
const MODIFIED_UNIX: u64 = 1_748_521_200;

/// Names for paths of 60 bytes.
fn name(level: usize, n: usize) -> String {
    match level {
        0 => format!("workspace-{n:02}"),
        1 => format!("packages-component-{n:03}"),
        _ => format!("generated-mod-{n:04}.json"),
    }
}

struct MillionFiles {
    shape: [usize; 3],
}

impl ContextApi for MillionFiles {
    fn list_files(&self, query: FileQuery) -> ResponseFuture<FilePage> {
        let top = query.folder.as_str().trim_end_matches('/');
        let level = top.matches('/').count();
        let start = (query.page - 1) as usize * query.page_size as usize;
        let end = self.shape[level].min(start + query.page_size as usize);
        let entries = (start..end).map(|n| entry(level, top, &name(level, n)));
        let entries: Vec<Value> = entries.collect();
        let envelope = json!({"success": true, "data": entries, "count": self.shape[level]});
        // Decoded as a response over HTTP.
        Script::new([Step::json(envelope)]).list_files(query)
    }

    fn delete_file(&self, _: ContextId, _: RemotePath) -> ResponseFuture<()> {
        ok(())
    }
}

/// An entry with all fields of the service.
fn entry(level: usize, top: &str, name: &str) -> Value {
    json!({
        "fileId": "SdkFile-8w2n5k1x9c4m7q3v6z0b",
        "fileName": name,
        "filePath": format!("{top}/{name}"),
        "fileType": if level < 2 { "folder" } else { "file" },
        "gmtCreate": MODIFIED,
        "gmtModified": MODIFIED,
        "size": 0,
        "status": "available",
        "eTag": "\"d41d8cd98f00b204e9800998ecf8427e\"",
        "crc64": "0",
    })
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [job, dir, rest @ ..] = &arguments[..] else {
        return Err("million fill|up|down|plan-up|plan-down DIR [delete]".into());
    };
    let dir = Path::new(dir);
    if *job == "fill" {
        return fill(dir);
    }
    let shape = shape()?;
    let before = peak_memory_kib();
    let files = Client::builder().stub(MillionFiles { shape }).build()?;
    let files = files.contexts().files(&ContextId::new("SdkCtx-1")?);
    let sync = match *job {
        "up" | "plan-up" => files.upload_dir(dir, "/"),
        _ => files.download_dir("/", dir),
    };
    let result = run(
        sync.delete(rest.contains(&"delete"))
            .delete_limit(DeleteLimit::NONE),
        job.starts_with("plan"),
    )
    .await?;
    let (before, after) = (before.unwrap_or(0), peak_memory_kib().unwrap_or(0));
    println!(
        "{}: {result}; {before} KiB at the start, {after} KiB peak",
        arguments.join(" ")
    );
    Ok(())
}

async fn run(sync: SyncDir, plan: bool) -> Result<String, Error> {
    if !plan {
        let report = sync.await?;
        let (copied, unchanged, deleted) = (report.transferred, report.unchanged, report.deleted);
        return Ok(format!(
            "{copied} copied, {unchanged} unchanged, {deleted} deleted"
        ));
    }
    let plan = sync.plan().await?;
    let count = |changes: [Change; 2]| {
        changes
            .map(|change| plan.count(change))
            .into_iter()
            .sum::<usize>()
    };
    let copied = count([Change::Upload, Change::Download]);
    let deleted = count([Change::DeleteLocal, Change::DeleteRemote]);
    let unchanged = plan.unchanged();
    Ok(format!(
        "{copied} to copy, {unchanged} unchanged, {deleted} to delete"
    ))
}

fn fill(dir: &Path) -> Result<(), Error> {
    let modified = UNIX_EPOCH + Duration::from_secs(MODIFIED_UNIX);
    let [tops, folders, files] = shape()?;
    for top in 0..tops {
        for middle in 0..folders {
            let folder = dir.join(name(0, top)).join(name(1, middle));
            std::fs::create_dir_all(&folder)?;
            for n in 0..files {
                let file = std::fs::File::create(folder.join(name(2, n)))?;
                file.set_modified(modified)?;
            }
        }
    }
    Ok(())
}
