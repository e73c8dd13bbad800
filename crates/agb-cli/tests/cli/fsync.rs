//! Checks the order of syncs in a trace of system calls. A kill does not show it, since written data survives the process in
//! any order.

use std::{
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use crate::support::{Serve, agb, contexts};

/// A system call, with the lines of the trace where it starts and ends.
#[derive(Debug, Clone)]
struct Call {
    thread: String,
    began: usize,
    ended: usize,
    text: String,
}

impl Call {
    fn is(&self, names: &[&str]) -> bool {
        names
            .iter()
            .any(|name| self.text.starts_with(&format!("{name}(")))
    }

    /// Whether the path of the file ends with `end`.
    fn on(&self, end: &str) -> bool {
        self.text.contains(&format!("{end}>")) || self.text.contains(&format!("{end}\""))
    }
}

/// Parses a trace of `strace -f`. A call that overlaps with calls of other threads has two lines.
fn calls(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut open: Vec<(String, usize)> = Vec::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((thread, text)) = line.split_once(' ') else {
            continue;
        };
        let (thread, text) = (thread.to_owned(), text.trim_start());
        if text.starts_with("<... ") {
            if let Some(at) = open.iter().position(|(waiting, _)| *waiting == thread) {
                let (_, call) = open.remove(at);
                calls[call].ended = number;
            }
            continue;
        }
        if text.ends_with("<unfinished ...>") {
            open.push((thread.clone(), calls.len()));
        }
        calls.push(Call {
            thread,
            began: number,
            ended: number,
            text: text.to_owned(),
        });
    }
    calls
}

/// Whether `strace` works. Prints a message if not.
fn can_trace() -> bool {
    let tried = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "true"])
        .stderr(Stdio::null())
        .status();
    let can = tried.is_ok_and(|status| status.success());
    if !can {
        // The test harness captures `eprintln!`.
        let _ = writeln!(
            std::io::stderr(),
            "\nSKIPPED: the order of fsync, rename and commit is not checked: strace is missing or not permitted. \
             Install it: `apt-get install strace`"
        );
    }
    can
}

/// Uploads a file to a traced service and returns the calls since then.
async fn trace_upload(folder: &Path, arguments: &[&str], bytes: usize) -> Vec<Call> {
    let trace = folder.join("trace");
    let agb = agb();
    let mut traced = Command::new("strace");
    // -D: the child process is the service, which receives the signals.
    traced.args(["-D", "-f", "-y", "-s", "300", "-e"]);
    traced.arg("trace=fsync,fdatasync,sync_file_range,rename,renameat,renameat2,link,linkat,write,writev,pwrite64,sendto,sendmsg");
    traced.arg("-o").arg(&trace).arg(agb.get_program());
    for (name, _) in agb.get_envs() {
        traced.env_remove(name);
    }
    let serve = Serve::start_by(traced, &folder.join("data"), arguments);
    let there = contexts(&serve.url, "any-key");
    let id = there.get_or_create("one").await.unwrap().id;
    let files = there.files(&id);
    files.upload("/f", vec![1; bytes]).await.unwrap();
    let (status, stderr) = serve.stop("TERM");
    assert!(status.success(), "{stderr}");
    // The tracer holds the stderr of the service, which is closed, so the tracer has ended.
    let text = std::fs::read_to_string(&trace).unwrap();
    assert!(text.contains("+++ exited with"), "the trace has no end");
    since_upload_began(without_marks(calls(&text)))
}

/// Removes the calls for the mark of the blob folder, and those of the background thread that syncs it, which writes no
/// log.
fn without_marks(calls: Vec<Call>) -> Vec<Call> {
    let on_mark = |call: &Call| call.text.contains("/blobs/mark");
    let threads = |chosen: &dyn Fn(&Call) -> bool| -> Vec<String> {
        let chosen = calls.iter().filter(|call| chosen(call));
        chosen.map(|call| call.thread.clone()).collect()
    };
    let syncs = threads(&|call| on_mark(call) && call.is(&["fsync", "fdatasync"]));
    let writers = threads(&|call| call.is(&["write", "pwrite64"]) && call.on("agb.sqlite3-wal"));
    let keeps = |thread: &String| syncs.contains(thread) && !writers.contains(thread);
    let kept: Vec<bool> = calls
        .iter()
        .map(|call| !on_mark(call) && !keeps(&call.thread))
        .collect();
    let calls = calls.into_iter().zip(kept);
    calls
        .filter(|(_, kept)| *kept)
        .map(|(call, _)| call)
        .collect()
}

/// Removes the calls before the response with the URL.
fn since_upload_began(calls: Vec<Call>) -> Vec<Call> {
    let before = calls
        .iter()
        .rposition(|call| answers(call) && call.text.contains("expireTime"));
    let before = before.expect("no answer with a URL");
    calls.into_iter().skip(before + 1).collect()
}

fn answers(call: &Call) -> bool {
    call.is(&["write", "writev", "sendto", "sendmsg"]) && call.text.contains("HTTP/1.1 200")
}

/// The response to the upload, the only one with an ETag.
fn answer(calls: &[Call]) -> &Call {
    let found = calls
        .iter()
        .find(|call| answers(call) && call.text.contains("etag"));
    found.expect("no answer to the upload")
}

/// The last sync of the write-ahead log before the response.
fn commit<'a>(calls: &'a [Call], answer: &Call) -> Option<&'a Call> {
    calls.iter().rfind(|call| {
        call.is(&["fsync", "fdatasync"]) && call.on("agb.sqlite3-wal") && call.ended < answer.began
    })
}

#[tokio::test]
async fn a_large_upload_is_synced_in_order_before_the_response() {
    if !can_trace() {
        return;
    }
    // In one write, in several, and with writes to the disk before the sync.
    for bytes in [100_000, 3_000_000, 20_000_000] {
        let folder = tempfile::tempdir().unwrap();
        let calls = trace_upload(folder.path(), &[], bytes).await;
        let answer = answer(&calls);
        let rename = calls
            .iter()
            .find(|call| {
                call.is(&["rename", "renameat", "renameat2", "link", "linkat"])
                    && call.text.contains("/blobs/")
            })
            .expect("no blob was renamed");
        let content = calls
            .iter()
            .find(|call| call.is(&["fsync", "fdatasync"]) && call.text.contains("#"))
            .expect("no content was synced");
        assert!(content.ended < rename.began, "{content:?} {rename:?}");
        let mut written = calls.iter().filter(|call| {
            call.is(&["write", "writev", "pwrite64", "pwritev"])
                && call.text.contains("/blobs/")
                && call.text.contains("#")
        });
        let last_written = written.next_back().expect("no content was written");
        assert!(
            last_written.ended < content.began,
            "{last_written:?} {content:?}"
        );
        let folder_synced = calls
            .iter()
            .find(|call| {
                call.is(&["fsync", "fdatasync"])
                    && call.text.contains("/blobs/")
                    && !call.text.contains("#")
                    && call.began > rename.ended
            })
            .expect("the folder of the blob was not synced");
        let logged = calls
            .iter()
            .find(|call| call.is(&["write", "pwrite64"]) && call.on("agb.sqlite3-wal"))
            .expect("nothing was written to the log");
        assert!(
            folder_synced.ended < logged.began,
            "{folder_synced:?} {logged:?}"
        );
        let commit = commit(&calls, answer).expect("the commit was not synced before the answer");
        assert!(logged.ended < commit.began, "{logged:?} {commit:?}");
    }
}

#[tokio::test]
async fn relaxed_durability_does_not_wait_for_the_disk() {
    if !can_trace() {
        return;
    }
    for bytes in [4096, 100_000, 3_000_000] {
        let folder = tempfile::tempdir().unwrap();
        let calls = trace_upload(folder.path(), &["--durability", "relaxed"], bytes).await;
        let answer = answer(&calls);
        let synced = calls
            .iter()
            .find(|call| call.is(&["fsync", "fdatasync"]) && call.began < answer.began);
        assert!(synced.is_none(), "{synced:?}");
        let mut logged = calls.iter().filter(|call| call.on("agb.sqlite3-wal"));
        assert!(logged.any(|call| call.is(&["write", "pwrite64"]) && call.ended < answer.began));
    }
}

#[tokio::test]
async fn a_small_upload_needs_one_sync_before_the_response() {
    if !can_trace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let calls = trace_upload(folder.path(), &[], 4096).await;
    let answer = answer(&calls);
    commit(&calls, answer).expect("the commit was not synced before the answer");
    let before = calls.iter().filter(|call| call.began < answer.began);
    let synced: Vec<_> = before
        .filter(|call| call.is(&["fsync", "fdatasync"]))
        .collect();
    assert_eq!(synced.len(), 1, "{synced:?}");
    assert!(!calls.iter().any(|call| call.text.contains("/blobs/")));
}
