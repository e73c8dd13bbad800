//! The service runs and stops regardless of the state of stderr and stdout.

use std::{
    fs::File,
    net::TcpListener,
    process::{Command, Stdio},
};

use agbcloud::Contexts;

use crate::support::{Serve, agb, contexts, signal, wait};

/// Enough log lines to fill a pipe several times.
const REQUESTS: usize = 1000;

async fn write_and_read(there: &Contexts, requests: usize) {
    let id = there.get_or_create("one").await.unwrap().id;
    let files = there.files(&id);
    for _ in 0..requests / 4 {
        files.upload("/f", vec![7; 40_000]).await.unwrap();
        assert_eq!(files.read("/f").await.unwrap().len(), 40_000);
    }
}

/// Number of dropped log lines.
async fn dropped(metrics: &str) -> u64 {
    let text = crate::operators::fetch(metrics, "/metrics").await.1;
    let after = text.split("\nagb_log_dropped_lines_total ").nth(1).unwrap();
    after.lines().next().unwrap().parse().unwrap()
}

fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

#[tokio::test]
async fn a_closed_stderr_does_not_stop_the_service() {
    let folder = tempfile::tempdir().unwrap();
    let mut serve = Serve::start(folder.path(), &["--log", "trace"]);
    serve.close_stderr();
    write_and_read(&contexts(&serve.url, "k"), 40).await;
    let (status, _) = serve.stop("TERM");
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_blocked_stderr_delays_neither_requests_nor_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = free_address();
    let arguments = ["--log", "trace", "--metrics-listen", &metrics];
    let serve = Serve::start(folder.path(), &arguments);
    write_and_read(&contexts(&serve.url, "k"), REQUESTS).await;
    let url = format!("http://{metrics}");
    // Fills the pipe and the queue.
    while dropped(&url).await == 0 {
        write_and_read(&contexts(&serve.url, "k"), REQUESTS).await;
    }
    let (status, stderr) = serve.stop("TERM");
    assert_eq!(status.code(), Some(0));
    assert!(stderr.len() >= 4096, "the written lines are readable");
}

#[tokio::test]
async fn a_full_disk_for_the_log_does_not_affect_requests() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = free_address();
    let arguments = ["--log", "debug", "--metrics-listen", &metrics];
    let full = File::options().write(true).open("/dev/full").unwrap();
    let serve = Serve::start_with_stderr(agb(), folder.path(), &arguments, full.into());
    write_and_read(&contexts(&serve.url, "k"), 40).await;
    assert!(dropped(&format!("http://{metrics}")).await > 0);
    let (status, _) = serve.stop("TERM");
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_failing_stdout_does_not_stop_the_service() {
    for to in ["/dev/full", "closed"] {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let mut command = match to {
            "closed" => {
                let mut command = Command::new("sh");
                let script = "exec \"$@\" >&- 2>&-";
                command.args(["-c", script, "sh"]).arg(agb().get_program());
                command
            }
            to => {
                let mut command = agb();
                command.stdout(File::options().write(true).open(to).unwrap());
                command.stderr(Stdio::null());
                command
            }
        };
        let mut child = command
            .args(["serve", "--listen", &address, "--data-dir"])
            .arg(folder.path())
            .spawn()
            .unwrap();
        let mut list = agb();
        list.args(["context", "list"])
            .env("AGB_ENDPOINT", format!("http://{address}"))
            .env("AGB_API_KEY", "k");
        let mut answered = false;
        for _ in 0..200 {
            answered = list.output().unwrap().status.success();
            if answered || child.try_wait().unwrap().is_some() {
                break;
            }
            wait(50);
        }
        signal("TERM", child.id());
        let status = child.wait().unwrap();
        assert!(answered && status.success(), "{to}: {status}");
    }
}

#[test]
fn the_service_ends_with_a_blocked_stderr() {
    // A full pipe.
    let script = "mkfifo \"$1\"; exec 3<>\"$1\"; dd if=/dev/zero bs=4096 count=16 >&3 2>/dev/null; shift; exec \"$@\" 2>&3";
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", script, "sh"])
        .arg(folder.path().join("pipe"))
        .arg(agb().get_program());
    let data = folder.path().join("data");
    let mut failing = Command::new("sh");
    failing
        .args(["-c", script, "sh"])
        .arg(folder.path().join("other-pipe"))
        .arg(agb().get_program());
    let serve = Serve::start_with_stderr(command, &data, &[], Stdio::null());
    // The data folder is in use, so the second service fails to start and can't report it.
    let status = failing
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&data)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
    let (status, _) = serve.stop("TERM");
    assert_eq!(status.code(), Some(0));
}
