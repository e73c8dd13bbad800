//! `agb demo`.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use crate::support::{Serve, agb, contexts, ignores, signal};

#[test]
fn the_demo_tells_its_story_with_request_ids_and_leaves_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let output = agb()
        .arg("demo")
        .env("TMPDIR", scratch.path())
        .output()
        .unwrap();
    let (told, said) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(output.status.success(), "{told}\n{said}");
    for part in [
        "31 of 31",
        "/data/large.bin is the same",
        "the state is `clearing`",
        "`available` after",
        "InvalidContext.NotFound",
        "Request has expired",
        "Unauthorized",
        "31 contexts deleted, none is left",
    ] {
        assert!(told.contains(part), "{part:?} is not in:\n{told}");
    }
    assert!(told.matches("(request ").count() > 15, "{told}");
    assert!(
        told.trim_end()
            .lines()
            .last()
            .unwrap()
            .starts_with("done: 31 contexts"),
        "{told}"
    );
    assert!(!told.contains("signature=") && !said.contains("signature="));
    assert_eq!(
        std::fs::read_dir(scratch.path()).unwrap().count(),
        0,
        "temporary files are left"
    );
}

#[test]
fn the_demo_runs_against_a_named_service_and_cleans_up_there() {
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
        // Twice: what the first has left would be in the way of nothing.
        for _ in 0..2 {
            let output = demo();
            let told = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(
                output.status.success(),
                "{told}\n{}",
                String::from_utf8_lossy(&output.stderr)
            );
            assert!(told.contains("31 of 31"), "{told}");
            assert!(told.contains("SignatureDoesNotMatch"), "{told}");
        }
    }
}

#[test]
fn a_service_that_is_not_there_and_a_key_that_is_missing_are_told_apart() {
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
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(part), "{said}");
        assert!(!said.contains("secret-key-1"), "{said}");
    }
}

#[tokio::test]
async fn a_reader_that_goes_away_or_a_signal_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &["--api-key", "key-1"]);
    for how in ["pipe", "TERM", "INT", "HUP"] {
        if how == "HUP" && ignores(1) {
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
        let mut told = BufReader::new(demo.stdout.take().unwrap()).lines();
        // Contexts have been made by then.
        told.find(|line| line.as_ref().unwrap().starts_with("[2/"))
            .unwrap()
            .unwrap();
        if how == "pipe" {
            drop(told);
            assert_eq!(demo.wait().unwrap().code(), Some(0));
        } else {
            signal(how, demo.id());
            assert_eq!(demo.wait().unwrap().code(), Some(130), "{how}");
        }
        let left = contexts(&serve.url, "key-1").list().send().await.unwrap();
        assert_eq!(left.total_count, Some(0), "{how}");
        assert_eq!(
            std::fs::read_dir(scratch.path()).unwrap().count(),
            0,
            "{how}"
        );
    }
}
