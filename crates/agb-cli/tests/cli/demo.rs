//! `agb demo`.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use crate::support::{Serve, agb, contexts, ignores, signal};

#[test]
fn the_demo_prints_request_ids_and_leaves_nothing_behind() {
    let scratch = tempfile::tempdir().unwrap();
    let output = agb()
        .arg("demo")
        .env("TMPDIR", scratch.path())
        .output()
        .unwrap();
    let (stdout, stderr) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(output.status.success(), "{stdout}\n{stderr}");
    for part in [
        "31 of 31",
        "/data/large.bin is identical",
        "the state is `clearing`",
        "`available` after",
        "InvalidContext.NotFound",
        "Request has expired",
        "Unauthorized",
        "31 contexts deleted, none remains",
    ] {
        assert!(stdout.contains(part), "{part:?} is not in:\n{stdout}");
    }
    assert!(stdout.matches("(request ").count() > 15, "{stdout}");
    assert!(
        stdout
            .trim_end()
            .lines()
            .last()
            .unwrap()
            .starts_with("done: 31 contexts"),
        "{stdout}"
    );
    assert!(!stdout.contains("signature=") && !stderr.contains("signature="));
    assert_eq!(
        std::fs::read_dir(scratch.path()).unwrap().count(),
        0,
        "temporary files remain"
    );
}

#[test]
fn the_demo_runs_against_another_service_and_cleans_up() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["--api-key", "key-1"][..], &[]] {
        let serve = Serve::start(folder.path(), arguments);
        let demo = || {
            agb()
                .args(["demo", "--endpoint", &serve.url])
                .env("AGB_API_KEY", "key-1")
                .output()
                .unwrap()
        };
        // The second run does not depend on the first.
        for _ in 0..2 {
            let output = demo();
            let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                output.status.success(),
                "{stdout}\n{}",
                String::from_utf8_lossy(&output.stderr)
            );
            assert!(stdout.contains("31 of 31"), "{stdout}");
            assert!(stdout.contains("SignatureDoesNotMatch"), "{stdout}");
        }
    }
}

#[test]
fn a_missing_service_and_a_missing_key_fail_differently() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let scratch = tempfile::tempdir().unwrap();
    let demo = |key: Option<&str>| {
        let mut command = agb();
        command
            .args(["demo", "--endpoint", &endpoint])
            .current_dir(scratch.path());
        if let Some(key) = key {
            command.env("AGB_API_KEY", key);
        }
        command.output().unwrap()
    };
    for (key, code, part) in [
        (None, 2, "AGB_API_KEY"),
        (Some("secret-key-1"), 7, "can't connect"),
    ] {
        let output = demo(key);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(part), "{stderr}");
        assert!(!stderr.contains("secret-key-1"), "{stderr}");
    }
}

#[tokio::test]
async fn a_closed_pipe_or_a_signal_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &["--api-key", "key-1"]);
    for cause in ["pipe", "TERM", "INT", "HUP"] {
        if cause == "HUP" && ignores(1) {
            continue;
        }
        let scratch = tempfile::tempdir().unwrap();
        let mut demo = agb()
            .args(["demo", "--endpoint", &serve.url])
            .env("AGB_API_KEY", "key-1")
            .env("TMPDIR", scratch.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines();
        // The contexts exist when the second step starts.
        lines
            .find(|line| line.as_ref().unwrap().starts_with("[2/"))
            .unwrap()
            .unwrap();
        if cause == "pipe" {
            drop(lines);
            assert_eq!(demo.wait().unwrap().code(), Some(0));
        } else {
            signal(cause, demo.id());
            assert_eq!(demo.wait().unwrap().code(), Some(130), "{cause}");
        }
        let page = contexts(&serve.url, "key-1").list().send().await.unwrap();
        assert_eq!(page.total_count, Some(0), "{cause}");
        assert_eq!(
            std::fs::read_dir(scratch.path()).unwrap().count(),
            0,
            "{cause}"
        );
    }
}
