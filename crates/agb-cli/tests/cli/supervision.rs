//! A task that ends unexpectedly ends the process with an error.

use std::{
    io::Read,
    net::TcpStream,
    process::{Command, ExitStatus, Stdio},
};

use agbcloud::Contexts;
use tokio::task::JoinSet;

use crate::support::{Serve, agb, contexts, signal};

/// Starts the service with a crash point, acts, and waits for its end.
fn run_to_crash(point: &str, arguments: &[&str], act: impl FnOnce(&Serve)) -> (ExitStatus, String) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = agb();
    command.env("AGB_TEST_CRASH_POINT", point);
    let serve = Serve::start_by(command, folder.path(), arguments);
    act(&serve);
    serve.ended()
}

fn connect(url: &str) {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap()).unwrap();
    // Waits until the connection is closed.
    let _ = stream.read(&mut [0]);
}

#[test]
fn a_panicked_task_ends_the_process_with_an_error() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let metrics = free.local_addr().unwrap().to_string();
    drop(free);
    let metrics_url = format!("http://{metrics}");
    type Act<'a> = &'a dyn Fn(&Serve);
    let cases: [(&str, &str, Act<'_>); 3] = [
        ("accept", "accepts connections", &|serve| {
            connect(&serve.url)
        }),
        ("accept-metrics", "accepts connections for metrics", &|_| {
            connect(&metrics_url)
        }),
        ("collect", "collects deleted files", &|_| {}),
    ];
    for (point, task, act) in cases {
        let (status, stderr) = run_to_crash(point, &["--metrics-listen", &metrics], act);
        assert_eq!(status.code(), Some(1), "{point}: {stderr}");
        let error = format!("error: the task that {task} has panicked");
        assert!(stderr.contains(&error), "{point}: {stderr}");
    }
}

async fn write_and_read(there: Contexts, number: usize) {
    let id = there.get_or_create(format!("c{number}")).await.unwrap().id;
    let files = there.files(&id);
    for round in 0..10 {
        files.upload("/f", vec![round; 40_000]).await.unwrap();
        assert_eq!(files.read("/f").await.unwrap(), vec![round; 40_000]);
    }
}

#[tokio::test]
async fn a_low_limit_of_open_files_reduces_connections() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    let script = "ulimit -n 64; exec \"$@\"";
    command.args(["-c", script, "sh"]).arg(agb().get_program());
    let serve = Serve::start_by(command, folder.path(), &[]);
    let address = serve.url.strip_prefix("http://").unwrap();
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(TcpStream::connect(address).unwrap());
    }
    let mut clients = JoinSet::new();
    for number in 0..8 {
        clients.spawn(write_and_read(contexts(&serve.url, "k"), number));
    }
    clients.join_all().await;
    let list = Command::new("sh")
        .args(["-c", "ls /proc/$0/fd | wc -l", &serve.process().to_string()])
        .stdout(Stdio::piped())
        .output()
        .unwrap();
    let open: usize = String::from_utf8(list.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert!(open < 64, "{open}");
    signal("TERM", serve.process());
    let (status, stderr) = serve.ended();
    assert!(status.success(), "{stderr}");
    assert!(
        stderr.contains("fewer connections") && !stderr.contains("can't accept"),
        "{stderr}"
    );
}
