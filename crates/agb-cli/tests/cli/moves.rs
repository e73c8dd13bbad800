//! Moves with filters, after interruptions, and of files that change.

use std::{fs, path::Path};

use serde_json::Value;

use super::{
    support::{signal, wait},
    test_env::TestEnv,
};

fn env() -> TestEnv {
    let env = TestEnv::new();
    for name in ["one", "two"] {
        env.print(&["context", "create", name]);
    }
    env
}

/// The remote files, in order.
fn remote(env: &TestEnv, folder: &str) -> Vec<String> {
    let shown = env.print(&["ls", "-R", folder]);
    let mut files: Vec<_> = shown.lines().filter(|line| !line.ends_with('/')).collect();
    files.sort_unstable();
    files.into_iter().map(str::to_owned).collect()
}

fn write(env: &TestEnv, files: &[(&str, &str)]) {
    for (path, content) in files {
        let path = env.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

#[test]
fn filtered_files_stay_at_the_source_and_are_counted() {
    let env = env();
    let files = [
        ("m/a.rs", "a"),
        ("m/b.txt", "b"),
        ("m/deep/c.rs", "c"),
        ("m/full/d.rs", "d"),
        ("m/full/e.txt", "e"),
        ("m/target/f.rs", "f"),
    ];
    write(&env, &files);
    fs::create_dir_all(env.path("m/empty")).unwrap();
    let only = ["--include", "*.rs", "--exclude", "target/"];
    let moved = |paths: &[&str]| {
        let words = [&["mv", "-r", "--jobs", "2"], &only[..], paths].concat();
        let output = env.run(&words);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let listed = env.print(&[&["mv", "-rn"], &only[..], &["m/", "one:/m"]].concat());
    assert_eq!(listed.lines().count(), 3, "{listed}");
    assert!(remote(&env, "one:/").is_empty());

    let stderr = moved(&["m/", "one:/m"]);
    assert!(
        stderr.contains("3 left at the source (filtered)"),
        "{stderr}"
    );
    let rust = ["/m/a.rs", "/m/deep/c.rs", "/m/full/d.rs"];
    assert_eq!(remote(&env, "one:/"), rust);
    // A folder stays if something is in it, or if nothing of it was moved.
    for (path, stays) in [
        ("m/a.rs", false),
        ("m/b.txt", true),
        ("m/deep", false),
        ("m/full/d.rs", false),
        ("m/full/e.txt", true),
        ("m/target/f.rs", true),
        ("m/empty", true),
    ] {
        assert_eq!(env.path(path).exists(), stays, "{path}");
    }

    env.print(&["put", "-r", "m/", "one:/m"]);
    moved(&["one:/m/", "two:/m"]);
    assert_eq!(remote(&env, "two:/"), rust);
    let left = ["/m/b.txt", "/m/full/e.txt", "/m/target/f.rs"];
    assert_eq!(remote(&env, "one:/"), left);
    let json = env.print(&[
        "mv",
        "-r",
        "--json",
        "--exclude",
        "/a.rs",
        "two:/m/",
        "down",
    ]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!([&json["deleted"], &json["filtered"]], [2, 1], "{json}");
    assert_eq!(remote(&env, "two:/"), ["/m/a.rs"]);
    assert_eq!(fs::read_to_string(env.path("down/deep/c.rs")).unwrap(), "c");

    let (code, stderr) = env.fail(&["mv", "--include", "*.rs", "m", "one:/"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("--include requires -r"), "{stderr}");
    let (code, stderr) = env.fail(&["mv", "-r", "--exclude", "../x", "m", "one:/"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("outside of the folder"), "{stderr}");
    assert_eq!(
        env.fail(&["mv", "-r", "--exclude", "../x", "one:/m", "two:/"])
            .0,
        2
    );
    assert_eq!(env.fail(&["mv", "-r", "--gitignore", "m", "one:/"]).0, 2);
}

#[test]
fn a_move_that_was_interrupted_after_the_copy_is_finished_without_force() {
    let env = env();
    write(
        &env,
        &[("m/a", "first"), ("m/deep/b", "second"), ("m/empty", "")],
    );
    // The state between the copy and the deletion, for each kind of move.
    let (up, down, within) = (["m/", "one:/m"], ["one:/m/", "d"], ["one:/m/", "two:/m"]);
    env.print(&["cp", "-r", up[0], up[1]]);
    env.print(&["mv", "-r", up[0], up[1]]);
    assert!(!env.path("m/a").exists() && !env.path("m/deep").exists());
    env.print(&["cp", "-r", within[0], within[1]]);
    env.print(&["mv", "-r", within[0], within[1]]);
    assert!(remote(&env, "one:/").is_empty());
    env.print(&["cp", "-r", "two:/m/", "one:/m"]);
    env.print(&["cp", "-r", down[0], down[1]]);
    env.print(&["mv", "-r", down[0], down[1]]);
    assert!(remote(&env, "one:/").is_empty());
    assert_eq!(fs::read_to_string(env.path("d/deep/b")).unwrap(), "second");

    for (from, to) in [("d/a", "one:/a"), ("one:/a", "two:/a"), ("two:/a", "e")] {
        env.print(&["cp", from, to]);
        env.print(&["mv", from, to]);
    }
    assert!(!env.path("d/a").exists());
    assert_eq!(remote(&env, "two:/"), ["/m/a", "/m/deep/b", "/m/empty"]);
    assert_eq!(fs::read_to_string(env.path("e")).unwrap(), "first");
}

#[test]
fn a_target_of_the_same_size_and_another_content_keeps_the_source() {
    let env = env();
    write(
        &env,
        &[
            ("m/a", "first"),
            ("m/b", "b"),
            ("n/a", "other"),
            ("f", "fffff"),
        ],
    );
    env.print(&["put", "-r", "n/", "one:/m"]);
    env.print(&["put", "n/a", "one:/f"]);
    env.print(&["put", "-r", "m/", "two:/m"]);
    env.print(&["put", "f", "two:/f"]);
    for (flag, from, to) in [
        ("-r", "m/", "one:/m"),
        ("-r", "two:/m/", "one:/m"),
        ("-r", "two:/m/", "n"),
        ("-v", "f", "one:/f"),
        ("-v", "two:/f", "one:/f"),
        ("-v", "two:/f", "n/a"),
    ] {
        let (code, stderr) = env.fail(&["mv", flag, from, to]);
        assert_eq!(code, 6, "{from} {to}: {stderr}");
        assert!(stderr.contains("--force"), "{stderr}");
    }
    for (path, content) in [
        ("m/a", "first"),
        ("m/b", "b"),
        ("n/a", "other"),
        ("f", "fffff"),
    ] {
        assert_eq!(fs::read_to_string(env.path(path)).unwrap(), content);
    }
    assert_eq!(remote(&env, "one:/"), ["/f", "/m/a"]);
    assert_eq!(remote(&env, "two:/"), ["/f", "/m/a", "/m/b"]);
}

#[test]
fn a_local_target_that_is_a_link_does_not_count_as_a_copy() {
    let env = env();
    write(&env, &[("m/a", "first"), ("real", "first")]);
    env.print(&["put", "-r", "m/", "one:/m"]);
    fs::remove_file(env.path("m/a")).unwrap();
    std::os::unix::fs::symlink(env.path("real"), env.path("m/a")).unwrap();
    assert_eq!(env.fail(&["mv", "-r", "one:/m/", "m"]).0, 6);
    assert_eq!(remote(&env, "one:/"), ["/m/a"]);
}

/// The content of all files on both sides, by name. A file may be on both.
fn content(env: &TestEnv, local: &Path, name: &str) -> Option<String> {
    let path = local.join(name);
    let local = fs::read_to_string(path).ok();
    local.or_else(|| {
        let output = env.run(&["cat", &format!("one:/m/{name}")]);
        let found = output.status.success();
        found.then(|| String::from_utf8(output.stdout).unwrap())
    })
}

#[test]
fn a_killed_move_loses_nothing_and_the_same_command_finishes_it() {
    let env = env();
    let names: Vec<String> = (0..40).map(|number| format!("f{number}")).collect();
    let text = |name: &str| format!("content of {name}");
    for name in &names {
        write(&env, &[(&format!("m/{name}"), &text(name))]);
    }
    let folder = env.path("m");
    let command = ["mv", "-r", "--jobs", "4", "m/", "one:/m"];
    for milliseconds in [30, 60, 90, 120, 150, 200] {
        let mut child = env.command(&command).spawn().unwrap();
        wait(milliseconds);
        if child.try_wait().unwrap().is_none() {
            signal("KILL", child.id());
        }
        child.wait().unwrap();
        for name in &names {
            assert_eq!(content(&env, &folder, name), Some(text(name)), "{name}");
        }
    }
    let left = fs::read_dir(&folder).unwrap().count();
    if left > 0 {
        env.print(&command);
    }
    assert_eq!(fs::read_dir(&folder).map_or(0, Iterator::count), 0);
    assert_eq!(remote(&env, "one:/m").len(), names.len());
}

#[test]
fn a_source_that_changes_during_a_move_is_kept() {
    let env = env();
    let path = env.path("big");
    fs::write(&path, vec![b'a'; 200 * 1024]).unwrap();
    // Two seconds, in which the file changes.
    let mut child = env.command(&["mv", "--bwlimit", "100K", "big", "one:/big"]);
    let mut child = child.spawn().unwrap();
    wait(700);
    fs::write(&path, vec![b'b'; 200 * 1024]).unwrap();
    assert!(!child.wait().unwrap().success());
    assert_eq!(fs::read(&path).unwrap(), vec![b'b'; 200 * 1024]);

    env.print(&["put", "-f", "big", "one:/big"]);
    let mut child = env.command(&["mv", "--bwlimit", "100K", "one:/big", "got"]);
    let mut child = child.spawn().unwrap();
    wait(700);
    fs::write(&path, "newer").unwrap();
    env.print(&["put", "-f", "big", "one:/big"]);
    assert!(!child.wait().unwrap().success());
    assert_eq!(env.print(&["cat", "one:/big"]), "newer");
}
