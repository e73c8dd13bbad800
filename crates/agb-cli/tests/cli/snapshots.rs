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
    let (code, message) = env.fail(&["context", "snapshot", "one", "--to", "one.tar.GZ"]);
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
    for (archive, expected, text) in [
        ("project/a.txt", 1, "can't read the archive"),
        ("project/outside.tar", 1, "can't read the archive"),
        ("missing.tar", 3, "archive missing.tar not found"),
    ] {
        let (code, message) = env.fail(&["context", "restore", archive, "new"]);
        assert_eq!(code, expected, "{message}");
        assert!(message.contains(text), "{message}");
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

/// A folder is compared by checksum, whatever the times are.
#[test]
fn a_context_is_saved_in_a_folder_and_restored_from_it() {
    let env = filled();
    let schema = serde_json::from_str(&env.print(&["schema"])).unwrap();
    let saved = env.print(&["context", "snapshot", "one", "--to", "saved/", "--json"]);
    validate(&schema, "context snapshot", &saved, 1);
    let saved: Value = serde_json::from_str(&saved).unwrap();
    assert_eq!(
        (&saved["files"], &saved["folder"]),
        (&5.into(), &"saved/".into())
    );
    let compared = Command::new("diff")
        .args(["-r", "project", "saved"])
        .current_dir(env.scratch.path())
        .status();
    assert!(compared.unwrap().success());
    // An existing folder needs no slash. A file is missing, and another is only here.
    fs::remove_file(env.path("saved/large")).unwrap();
    fs::write(env.path("saved/other"), "other").unwrap();
    let output = env.run(&["context", "snapshot", "one", "--to", "saved"]);
    let notes = String::from_utf8(output.stderr).unwrap();
    assert!(
        notes.contains("1 file saved in saved (2.38 MiB), 4 unchanged"),
        "{notes}"
    );
    assert!(notes.contains("saved has 1 file more"), "{notes}");
    assert!(output.status.success() && env.path("saved/other").exists());

    // The same size and time, but another content.
    let modified = fs::metadata(env.path("saved/a.txt")).unwrap().modified();
    fs::write(env.path("saved/a.txt"), "HELLO").unwrap();
    fs::File::options()
        .write(true)
        .open(env.path("saved/a.txt"))
        .unwrap()
        .set_modified(modified.unwrap())
        .unwrap();
    fs::remove_file(env.path("saved/large")).unwrap();
    for arguments in [
        &["context", "snapshot", "one", "--to", "saved"][..],
        &["context", "restore", "saved", "one"],
    ] {
        let (code, message) = env.fail(arguments);
        assert_eq!(code, 6, "{message}");
        assert!(
            message.contains("1 file would be replaced: /a.txt"),
            "{message}"
        );
    }
    assert!(!env.path("saved/large").exists());
    assert_eq!(env.print(&["cat", "one:/a.txt"]), "hello");
    env.print(&["context", "snapshot", "one", "--to", "saved", "--force"]);
    fs::remove_file(env.path("saved/other")).unwrap();
    let restored = env.print(&["context", "restore", "saved", "two", "--json"]);
    validate(&schema, "context restore", &restored, 1);
    assert_same(&env, "two");
    let again = json(&env, &["context", "restore", "saved/", "two"]);
    assert_eq!(
        (&again["files"], &again["unchanged"]),
        (&0.into(), &5.into())
    );
}

#[test]
fn a_context_is_saved_in_and_restored_from_another() {
    let env = filled();
    let schema = serde_json::from_str(&env.print(&["schema"])).unwrap();
    let saved = env.print(&["context", "snapshot", "one", "--to", "two:", "--json"]);
    validate(&schema, "context snapshot", &saved, 1);
    assert_same(&env, "two");
    let restored = env.print(&["context", "restore", "two:/", "three", "--json"]);
    validate(&schema, "context restore", &restored, 1);
    let (saved, restored): (Value, Value) = (
        serde_json::from_str(&saved).unwrap(),
        serde_json::from_str(&restored).unwrap(),
    );
    assert_eq!(saved["other_context"], restored["other_context"]);
    assert_eq!(restored["files"], 5);
    assert_same(&env, "three");
    assert_eq!(
        env.fail(&["context", "snapshot", "one", "--to", "one:"]).0,
        2
    );
    assert_eq!(env.fail(&["context", "restore", "one:", "one"]).0, 2);
}

#[test]
fn an_ambiguous_target_is_refused_with_the_right_forms() {
    let env = filled();
    env.print(&["context", "create", "two"]);
    for (arguments, hint) in [
        (
            &["context", "snapshot", "one", "--to", "two"][..],
            "write two: for the context, ./two for a tar file and two/ for a folder",
        ),
        (
            &["context", "restore", "two", "one"],
            "write two: for the context",
        ),
        (
            &["context", "snapshot", "one", "--to", "two:x"],
            "write ./two:x for a local file, and two: for a context",
        ),
        (
            &["context", "snapshot", "one", "--to", "two:/x"],
            "write two: for the context",
        ),
        (
            &["context", "snapshot", "one:/src", "--to", "x.tar"],
            "agb cp -r 'one:/src/'",
        ),
        (&["context", "restore", "-", "one"], "save it in a file"),
    ] {
        let (code, message) = env.fail(arguments);
        assert_eq!(code, 2, "{message}");
        assert!(message.contains(hint), "{arguments:?}: {message}");
    }
    env.print(&["context", "snapshot", "one", "--to", "./two"]);
    assert!(env.path("two").is_file());
    env.print(&["context", "snapshot", "one", "--to", "./a:b.tar"]);
    assert!(env.path("a:b.tar").is_file());
    assert_eq!(env.print(&["ls", "two:/"]), "");
}

#[test]
fn empty_contexts_and_unusual_names_survive_every_snapshot() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    env.print(&["context", "snapshot", "one", "--to", "empty.tar"]);
    env.print(&["context", "snapshot", "one", "--to", "empty/"]);
    assert!(env.path("empty").is_dir());
    for from in ["empty.tar", "empty/", "one:"] {
        let name = format!("copy of {}", from.trim_end_matches(['/', ':']));
        env.print(&["context", "restore", from, &name]);
        assert_eq!(env.print(&["ls", &format!("{name}:/")]), "");
    }

    let long = ["x".repeat(240).as_str(); 4].join("/");
    let names = [
        "a b",
        "-n",
        "*?[x]",
        "\u{202e}txt",
        "...",
        "\u{e9}",
        "e\u{301}",
        "a:b",
        ".git/.x",
        &long,
    ];
    for name in names {
        env.print(&["put", "project/a.txt", &format!("one:/{name}")]);
    }
    env.print(&["context", "snapshot", "one", "--to", "one.tar"]);
    env.print(&["context", "snapshot", "one", "--to", "folder/"]);
    env.print(&["context", "snapshot", "one", "--to", "other:"]);
    let listed = |context: &str| env.print(&["ls", "-R", &format!("{context}:/")]);
    for from in ["one.tar", "folder", "other:"] {
        let name = format!("from {}", from.trim_end_matches(':'));
        let restored = json(&env, &["context", "restore", from, &name]);
        assert_eq!(restored["files"], names.len());
        assert_eq!(listed(&name), listed("one"));
    }
}

#[test]
fn a_file_and_a_folder_never_get_the_same_name_by_a_restore() {
    let env = filled();
    env.print(&["context", "snapshot", "one", "--to", "one.tar"]);
    for path in ["two:/src", "three:/a.txt/below"] {
        let name = path.split_once(':').unwrap().0;
        env.print(&["context", "create", name]);
        env.print(&["put", "project/a.txt", path]);
        for from in ["one.tar", "project", "one:"] {
            let (code, message) = env.fail(&["context", "restore", "-f", from, name]);
            assert_eq!(code, 6, "{from}: {message}");
            assert!(message.contains("so no f"), "{from}: {message}");
        }
        assert_eq!(
            env.print(&["find", &format!("{name}:/"), "--type", "f"])
                .trim_end(),
            path
        );
    }
}

/// Killed in the middle, the next run saves the rest only, in a folder and in an archive.
#[test]
fn a_killed_snapshot_continues() {
    let env = TestEnv::with(&["--fault", "latency=100ms,op=download"]);
    env.print(&["context", "create", "one"]);
    fs::create_dir(env.path("many")).unwrap();
    for name in 0..100 {
        let content = vec![name; 1000 + usize::from(name)];
        fs::write(env.path(&format!("many/{name}")), content).unwrap();
    }
    env.print(&["put", "-r", "many/", "one:/"]);
    for (to, grows) in [("saved/", "saved"), ("one.tar", "one.tar.partial")] {
        let arguments = ["context", "snapshot", "one", "--to", to];
        let mut child = env.command(&arguments).spawn().unwrap();
        let path = env.path(grows);
        let has_begun = || match path.is_dir() {
            true => fs::read_dir(&path).unwrap().count() > 10,
            false => path.metadata().is_ok_and(|file| file.len() > 20_000),
        };
        while !has_begun() {
            assert!(child.try_wait().unwrap().is_none());
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let rest = json(&env, &arguments);
        let kept = rest["unchanged"].as_u64().unwrap();
        assert!((5..100).contains(&kept), "{rest}");
        assert_eq!(rest["failed"], 0);
        let name = grows.split('.').next().unwrap();
        env.print(&["context", "restore", to, name]);
        let copy = format!("copy of {name}");
        env.print(&["get", "-r", &format!("{name}:/"), &copy]);
        let compared = Command::new("diff")
            .args(["-r", "many", &copy])
            .current_dir(env.scratch.path())
            .output()
            .unwrap();
        assert!(compared.status.success(), "{compared:?}");
    }
}

#[test]
fn two_snapshots_never_write_to_one_archive() {
    let env = TestEnv::with(&["--fault", "latency=2s,op=download"]);
    env.print(&["context", "create", "one"]);
    env.print(&["put", "project/a.txt", "one:/"]);
    let arguments = ["context", "snapshot", "one", "--to", "one.tar"];
    let mut child = env.command(&arguments).spawn().unwrap();
    while !env.path("one.tar.partial").exists() {
        assert!(child.try_wait().unwrap().is_none());
    }
    super::support::wait(200);
    let (code, message) = env.fail(&arguments);
    assert_eq!(code, 6, "{message}");
    assert!(message.contains("another snapshot is writing"), "{message}");
    assert!(child.wait().unwrap().success());
    env.print(&["context", "restore", "one.tar", "two"]);
}

#[test]
fn a_file_that_is_deleted_during_a_snapshot_is_reported() {
    let env = TestEnv::with(&["--fault", "latency=3s,op=download"]);
    env.print(&["context", "create", "one"]);
    env.print(&["put", "project/a.txt", "one:/kept"]);
    for to in ["saved/", "one.tar", "two:"] {
        env.print(&["put", "project/a.txt", "one:/deleted"]);
        let mut command = env.command(&["context", "snapshot", "one", "--to", to]);
        let child = command
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        super::support::wait(1000);
        env.print(&["rm", "one:/deleted"]);
        let output = child.wait_with_output().unwrap();
        let notes = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{to}: {notes}");
        assert!(
            notes.contains("note: /deleted was deleted before it was read"),
            "{to}: {notes}"
        );
        assert!(notes.starts_with("1 file "), "{to}: {notes}");
    }
}
