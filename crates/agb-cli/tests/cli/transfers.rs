//! Interrupted downloads of large files.

use std::{
    fs,
    process::{Child, Stdio},
};

use serde_json::Value;

use super::{
    generated::validate,
    support::{signal, wait},
    test_env::TestEnv,
};

const PART: usize = 16 << 20;

/// A service that waits before it sends a file, and a file of six parts.
fn slow_download() -> (TestEnv, Vec<u8>) {
    let env = TestEnv::with(&["--fault", "latency=1s,op=download"]);
    let content: Vec<u8> = (0..5 * PART + 3)
        .map(|byte| (byte / 7 % 251) as u8)
        .collect();
    fs::write(env.path("large"), &content).unwrap();
    env.print(&["context", "create", "one"]);
    env.print(&["put", "large", "one:/large"]);
    (env, content)
}

/// Starts a download, and waits until a part is complete.
fn start(env: &TestEnv) -> Child {
    let mut command = env.command(&["get", "one:/large", "copy"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    loop {
        assert!(
            child.try_wait().unwrap().is_none(),
            "the download has ended"
        );
        match listed(env).first() {
            Some(row) if row["received"].as_u64().unwrap() > 0 => break,
            _ => wait(20),
        }
    }
    child
}

fn listed(env: &TestEnv) -> Vec<Value> {
    let text = env.print(&["transfers", "list", "--json"]);
    let rows = text.lines().map(|line| serde_json::from_str(line).unwrap());
    rows.collect()
}

#[test]
fn a_killed_download_continues() {
    let (env, content) = slow_download();
    let mut child = start(&env);
    assert_eq!(listed(&env)[0]["running"], true);
    let (code, message) = env.fail(&["transfers", "clean", "copy"]);
    assert_eq!(code, 6, "{message}");

    child.kill().unwrap();
    child.wait().unwrap();
    let rows = listed(&env);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["running"], false);
    assert_eq!(rows[0]["size"], content.len());
    assert_eq!(rows[0]["target"], env.path("copy").to_str().unwrap());
    assert!(rows[0]["source"].as_str().unwrap().ends_with(":/large"));
    assert!(!env.path("copy").exists());
    // The hidden file is not uploaded.
    env.print(&["put", "-r", ".", "one:/all", "--include", "*.partial"]);
    assert_eq!(env.fail(&["ls", "one:/all"]).0, 3);

    let begun = listed(&env)[0]["received"].as_u64().unwrap();
    assert!(begun >= PART as u64);
    env.print(&["get", "one:/large", "copy"]);
    assert!(fs::read(env.path("copy")).unwrap() == content);
    assert!(listed(&env).is_empty());
}

#[test]
fn an_interrupted_download_is_listed_and_deleted() {
    let (env, _) = slow_download();
    let child = start(&env);
    signal("INT", child.id());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    let kept = || {
        let names = fs::read_dir(env.scratch.path()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.ends_with(".partial")).count()
    };
    assert_eq!(kept(), 1);
    let line = env.print(&["transfers", "list"]);
    assert!(line.starts_with("interrupted\t"), "{line}");

    let (code, message) = env.fail(&["transfers", "clean", "other"]);
    assert_eq!(code, 3);
    assert!(message.contains("no interrupted download to "), "{message}");
    assert_eq!(kept(), 1);
    let schema = serde_json::from_str(&env.print(&["schema"])).unwrap();
    let json = env.print(&["transfers", "list", "--json"]);
    validate(&schema, "transfers list", &json, 1);
    let json = env.print(&["transfers", "clean", "--json"]);
    validate(&schema, "transfers clean", &json, 1);
    assert_eq!(kept(), 0);
    assert_eq!(env.print(&["transfers", "list"]), "");
}
