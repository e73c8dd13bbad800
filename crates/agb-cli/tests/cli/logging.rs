//! Whatever becomes of stderr and stdout, the service goes on, and ends when it is asked to.

use std::{
    fs::File,
    net::TcpListener,
    process::{Command, Stdio},
};

use agbcloud::Contexts;

use crate::support::{Serve, agb, contexts, signal, wait};

/// Enough for what is logged of it to fill a pipe several times.
const REQUESTS: usize = 1000;

async fn write_and_read(there: &Contexts, requests: usize) {
    let id = there.get_or_create("one").await.unwrap().into_inner().id;
    let files = there.files(&id);
    for _ in 0..requests / 4 {
        files.upload("/f", vec![7; 40_000]).await.unwrap();
        assert_eq!(files.read("/f").await.unwrap().len(), 40_000);
    }
}

/// Lines of the log that were dropped.
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
async fn a_reader_of_stderr_that_is_gone_takes_nothing_along() {
    let folder = tempfile::tempdir().unwrap();
    let mut serve = Serve::start(folder.path(), &["--log", "trace"]);
    serve.close_stderr();
    write_and_read(&contexts(&serve.url, "k"), 40).await;
    let (status, _) = serve.stop("TERM");
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_stderr_that_nobody_reads_holds_up_neither_requests_nor_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = free_address();
    let arguments = ["--log", "trace", "--metrics-listen", &metrics];
    let serve = Serve::start(folder.path(), &arguments);
    write_and_read(&contexts(&serve.url, "k"), REQUESTS).await;
    let url = format!("http://{metrics}");
    // The pipe and the queue are full of it sooner or later.
    while dropped(&url).await == 0 {
        write_and_read(&contexts(&serve.url, "k"), REQUESTS).await;
    }
    let (status, said) = serve.stop("TERM");
    assert_eq!(status.code(), Some(0));
    assert!(said.len() >= 4096, "what was written can be read");
}

#[tokio::test]
async fn a_full_disk_under_the_log_is_nothing_to_those_who_ask() {
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
fn a_stdout_that_takes_nothing_does_not_end_it() {
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
fn an_end_that_nobody_reads_of_is_an_end() {
    // A pipe that is full already, as that of a program that has stopped reading.
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
    // The folder is in use: that is why the second one does not start, and it can't report it.
    let status = failing
        .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
        .arg(&data)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
    let (status, _) = serve.stop("TERM");
    assert_eq!(status.code(), Some(0));
}
