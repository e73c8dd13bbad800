//! A million files in a context, listed by a stub, and what a folder's synchronisation takes of memory: see the README.
//!
//! `million fill DIR` makes the same files here, empty. `million JOB DIR [delete]` with a job of `up`, `down`, `plan-up`
//! and `plan-down`.

use std::{
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

use agbcloud::{
    Change, Client, ContextId, DeleteLimit, FilePage, RemotePath, SyncDir,
    testing::{ContextApi, FileQuery, ResponseFuture, Script, Step, ok},
};
use agbcloud_benches::{Failure, peak_kib};
use serde_json::{Value, json};

/// Folders at the top, folders in each of them, files in each of those.
const SHAPE: [usize; 3] = [20, 50, 1000];

/// When every file was written, here and there.
const WRITTEN: &str = "2025-05-29T12:20:00Z";
const WRITTEN_UNIX: u64 = 1_748_521_200;

/// Names that make paths of 60 bytes.
fn name(level: usize, n: usize) -> String {
    match level {
        0 => format!("workspace-{n:02}"),
        1 => format!("packages-component-{n:03}"),
        _ => format!("generated-mod-{n:04}.json"),
    }
}

struct Million;

impl ContextApi for Million {
    fn list_files(&self, query: FileQuery) -> ResponseFuture<FilePage> {
        let top = query.folder.as_str().trim_end_matches('/');
        let level = top.matches('/').count();
        let start = (query.page - 1) as usize * query.page_size as usize;
        let end = SHAPE[level].min(start + query.page_size as usize);
        let entries = (start..end).map(|n| entry(level, top, &name(level, n)));
        let entries: Vec<Value> = entries.collect();
        let envelope = json!({"success": true, "data": entries, "count": SHAPE[level]});
        // Through the decoding that answers over HTTP go through.
        Script::new([Step::json(envelope)]).list_files(query)
    }

    fn delete_file(&self, _: ContextId, _: RemotePath) -> ResponseFuture<()> {
        ok(())
    }
}

/// With all that the service tells.
fn entry(level: usize, top: &str, name: &str) -> Value {
    json!({
        "fileId": "SdkFile-8w2n5k1x9c4m7q3v6z0b",
        "fileName": name,
        "filePath": format!("{top}/{name}"),
        "fileType": if level < 2 { "folder" } else { "file" },
        "gmtCreate": WRITTEN,
        "gmtModified": WRITTEN,
        "size": 0,
        "status": "available",
        "eTag": "\"d41d8cd98f00b204e9800998ecf8427e\"",
        "crc64": "0",
    })
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let [job, dir, rest @ ..] = &arguments[..] else {
        return Err("million fill|up|down|plan-up|plan-down DIR [delete]".into());
    };
    let dir = Path::new(dir);
    if *job == "fill" {
        return fill(dir);
    }
    let before = peak_kib();
    let files = Client::builder().stub(Million).build()?;
    let files = files.contexts().files(&ContextId::new("SdkCtx-1")?);
    let sync = match *job {
        "up" | "plan-up" => files.upload_dir(dir, "/"),
        _ => files.download_dir("/", dir),
    };
    let did = run(
        sync.delete(rest.contains(&"delete"))
            .delete_limit(DeleteLimit::NONE),
        job.starts_with("plan"),
    )
    .await?;
    let (before, after) = (before.unwrap_or(0), peak_kib().unwrap_or(0));
    println!(
        "{}: {did}; {before} KiB at the start, {after} KiB at most",
        arguments.join(" ")
    );
    Ok(())
}

async fn run(sync: SyncDir, plan: bool) -> Result<String, Failure> {
    if !plan {
        let report = sync.await?;
        let (moved, same, deleted) = (report.transferred, report.unchanged, report.deleted);
        return Ok(format!("{moved} moved, {same} the same, {deleted} deleted"));
    }
    let plan = sync.plan().await?;
    let count = |changes: [Change; 2]| {
        changes
            .map(|change| plan.count(change))
            .into_iter()
            .sum::<usize>()
    };
    let moved = count([Change::Upload, Change::Download]);
    let gone = count([Change::DeleteLocal, Change::DeleteRemote]);
    let same = plan.unchanged();
    Ok(format!(
        "{moved} to move, {same} the same, {gone} to delete"
    ))
}

fn fill(dir: &Path) -> Result<(), Failure> {
    let written = UNIX_EPOCH + Duration::from_secs(WRITTEN_UNIX);
    for top in 0..SHAPE[0] {
        for middle in 0..SHAPE[1] {
            let folder = dir.join(name(0, top)).join(name(1, middle));
            std::fs::create_dir_all(&folder)?;
            for n in 0..SHAPE[2] {
                let file = std::fs::File::create(folder.join(name(2, n)))?;
                file.set_modified(written)?;
            }
        }
    }
    Ok(())
}
