//! Contexts as tar archives.

use std::{fs, process::Command};

use serde_json::Value;

use super::{generated::validate, test_env::TestEnv};

/// A service with a context `one` that has a few files.
fn filled() -> TestEnv {
    let env = TestEnv::new();
    let large: Vec<u8> = (0..2_500_000).map(|byte| (byte / 3 % 251) as u8).collect();
    fs::write(env.path("project/large"), large).unwrap();
    fs::write(env.path("project/empty"), "").unwrap();
    let deep = env
        .path("project")
        .join("a folder with a long name/".repeat(3));
    fs::create_dir_all(&deep).unwrap();
    fs::write(
        deep.join("\u{e9} file whose path has more than a hundred bytes"),
        "deep",
    )
    .unwrap();
    env.print(&["context", "create", "one"]);
    env.print(&["sync", "project", "one:/"]);
    env
}

fn json(env: &TestEnv, arguments: &[&str]) -> Value {
    let text = env.print(&[arguments, &["--json"]].concat());
    serde_json::from_str(&text).unwrap()
}

/// Whether two contexts have the same files: `diff` compares checksums.
fn assert_same(env: &TestEnv, context: &str) {
    let copy = format!("copy of {context}");
    env.print(&["sync", &format!("{context}:/"), &copy]);
    let compared = Command::new("diff")
        .args(["-r", "project", &copy])
        .current_dir(env.scratch.path())
        .output()
        .unwrap();
    assert!(compared.status.success(), "{compared:?}");
}

#[test]
fn a_context_is_saved_and_restored() {
    let env = filled();
    let schema = serde_json::from_str(&env.print(&["schema"])).unwrap();
    let saved = env.print(&["context", "snapshot", "one", "--to", "one.tar", "--json"]);
    validate(&schema, "context snapshot", &saved, 1);
    let listed = Command::new("tar")
        .args(["tf", "one.tar"])
        .current_dir(env.scratch.path())
        .output()
        .unwrap();
    let names = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(names.lines().count(), 5, "{names}");
    assert!(names.lines().any(|name| name == "src/b"), "{names}");

    let restored = env.print(&["context", "restore", "one.tar", "two", "--json"]);
    validate(&schema, "context restore", &restored, 1);
    assert_same(&env, "two");
    let again = json(&env, &["context", "restore", "one.tar", "two"]);
    assert_eq!(
        (&again["files"], &again["unchanged"]),
        (&0.into(), &5.into())
    );

    fs::write(env.path("other"), "other").unwrap();
    env.print(&["put", "--force", "other", "two:/a.txt"]);
    let (code, message) = env.fail(&["context", "restore", "one.tar", "two"]);
    assert_eq!(code, 6, "{message}");
    assert!(
        message.contains("1 file would be replaced: /a.txt"),
        "{message}"
    );
    assert_eq!(env.print(&["cat", "two:/a.txt"]), "other");
    env.print(&["context", "restore", "--force", "one.tar", "two"]);
    assert_same(&env, "two");
}

#[test]
fn an_existing_archive_is_kept() {
    let env = filled();
    fs::write(env.path("one.tar"), "precious").unwrap();
    let (code, message) = env.fail(&["context", "snapshot", "one", "--to", "one.tar"]);
    assert_eq!(code, 6);
    assert!(message.contains("pass --force to replace it"), "{message}");
    let (code, message) = env.fail(&["context", "snapshot", "one", "--to", "project"]);
    assert_eq!(code, 2, "{message}");
    assert_eq!(fs::read(env.path("one.tar")).unwrap(), b"precious");
    let (code, message) = env.fail(&["context", "snapshot", "one", "--to", "-"]);
    assert_eq!(code, 2, "{message}");
    assert!(!env.path("-").exists());
}

/// Whatever an interruption has left, the next run makes the same archive.
#[test]
fn an_interrupted_snapshot_continues() {
    let env = filled();
    env.print(&["context", "snapshot", "one", "--to", "one.tar"]);
    let whole = fs::read(env.path("one.tar")).unwrap();
    let mut kept = Vec::new();
    let cuts = [
        0,
        100,
        512,
        1500,
        2_000_000,
        whole.len() - 1500,
        whole.len() - 1024,
        whole.len(),
    ];
    for cut in cuts {
        fs::write(env.path("copy.tar.partial"), &whole[..cut]).unwrap();
        let saved = json(&env, &["context", "snapshot", "one", "--to", "copy.tar"]);
        assert_eq!(saved["files"], 5);
        kept.push(saved["unchanged"].as_u64().unwrap());
        assert!(fs::read(env.path("copy.tar")).unwrap() == whole, "{cut}");
        assert!(!env.path("copy.tar.partial").exists());
        fs::remove_file(env.path("copy.tar")).unwrap();
    }
    assert!(kept.is_sorted() && kept[0] == 0, "{kept:?}");
    assert_eq!(kept.last(), Some(&5));

    // A damaged file is stored again.
    let mut damaged = whole.clone();
    let position = damaged.len() / 2;
    damaged[position] ^= 1;
    fs::write(env.path("copy.tar.partial"), damaged).unwrap();
    env.print(&["context", "snapshot", "one", "--to", "copy.tar"]);
    assert!(fs::read(env.path("copy.tar")).unwrap() == whole);
}

#[test]
fn a_snapshot_that_fails_leaves_no_archive() {
    let env = TestEnv::with(&["--fault", "status=500,op=download"]);
    env.print(&["context", "create", "one"]);
    env.print(&["put", "-f", "project/a.txt", "one:/a.txt"]);
    let (code, message) = env.fail(&["context", "snapshot", "one", "--to", "one.tar"]);
    assert_ne!(code, 0);
    assert!(message.contains("can't read /a.txt"), "{message}");
    assert!(!env.path("one.tar").exists());
}

#[test]
fn what_is_no_archive_creates_no_context() {
    let env = TestEnv::new();
    fs::write(env.path("outside"), "x").unwrap();
    let packed = Command::new("tar")
        .args(["cPf", "outside.tar", "../outside"])
        .current_dir(env.path("project"))
        .status();
    assert!(packed.unwrap().success());
    for archive in ["project/a.txt", "missing.tar", "project/outside.tar"] {
        let (code, message) = env.fail(&["context", "restore", archive, "new"]);
        assert_eq!(code, 1, "{message}");
        assert!(message.contains("can't read the archive"), "{message}");
    }
    assert_eq!(env.print(&["context", "list"]), "");
}

#[test]
fn links_in_an_archive_are_skipped() {
    let env = TestEnv::new();
    std::os::unix::fs::symlink("a.txt", env.path("project/link")).unwrap();
    let packed = Command::new("tar")
        .args(["cf", "p.tar", "project"])
        .current_dir(env.scratch.path())
        .status();
    assert!(packed.unwrap().success());
    let output = env.run(&["context", "restore", "p.tar", "one"]);
    assert!(output.status.success());
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(
        notes.contains("note: project/link is not a file or folder: skipped"),
        "{notes}"
    );
    assert_eq!(env.print(&["ls", "-R", "one:/"]).lines().count(), 4);
}
