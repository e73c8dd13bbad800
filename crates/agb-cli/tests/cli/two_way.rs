//! `agb sync --both`.

use serde_json::Value;

use super::test_env::TestEnv;

fn json(env: &TestEnv, arguments: &[&str]) -> Value {
    serde_json::from_str(&env.print(arguments)).unwrap()
}

fn write(env: &TestEnv, path: &str, text: &str) {
    std::fs::write(env.path(path), text).unwrap();
}

#[test]
fn changes_travel_in_both_directions_whatever_the_order_of_the_folders() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    let first = json(&env, &["sync", "--both", "--json", "project", "one:/p"]);
    assert_eq!(first["copied"], 2);

    write(&env, "new", "new");
    env.print(&["put", "-f", "new", "one:/p/there"]);
    std::fs::remove_file(env.path("project/a.txt")).unwrap();
    write(&env, "project/src/b", "edited");
    let preview = env.print(&["sync", "--both", "-n", "one:/p", "project"]);
    let expected = "upload\t6\tsrc/b\ndownload\t3\tthere\ndelete-remote\t5\ta.txt\n";
    assert_eq!(preview, expected);
    // The order does not matter, and a dry run or diff changes nothing.
    assert_eq!(
        env.print(&["sync", "--both", "-n", "project", "one:/p"]),
        expected
    );
    assert_eq!(
        env.run(&["diff", "--both", "project", "one:/p"]).stdout,
        expected.as_bytes()
    );

    let report = json(&env, &["sync", "--both", "--json", "one:/p", "project"]);
    assert_eq!(
        [&report["copied"], &report["deleted"], &report["restored"]],
        [2, 1, 0]
    );
    assert_eq!(std::fs::read(env.path("project/there")).unwrap(), b"new");
    assert_eq!(env.print(&["cat", "one:/p/src/b"]), "edited");
}

#[test]
fn a_conflict_names_the_ways_to_resolve_it() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    let sync = |more: &[&str]| {
        let arguments = [&["sync", "--both", "project", "one:/p"], more].concat();
        env.run(&arguments)
    };
    assert!(sync(&[]).status.success());
    write(&env, "project/a.txt", "local");
    write(&env, "new", "context");
    env.print(&["rm", "one:/p/a.txt"]);
    env.print(&["rm", "one:/p/src/b"]);
    env.print(&["put", "-f", "new", "one:/p/a.txt"]);
    env.print(&["put", "-f", "new", "one:/p/src/b"]);
    std::fs::remove_file(env.path("project/src/b")).unwrap();

    let failed = sync(&[]);
    let stderr = String::from_utf8(failed.stderr).unwrap();
    assert_eq!(failed.status.code(), Some(6), "{stderr}");
    assert!(
        stderr.contains("error: a.txt: the file was changed on both sides"),
        "{stderr}"
    );
    assert!(
        stderr.contains("hint: pass --conflict newer, local, context, skip or keep-both"),
        "{stderr}"
    );
    let restored = "restored after an edit on one side and a deletion on the other: src/b";
    assert!(stderr.contains(restored), "{stderr}");

    let (code, stderr) = env.fail(&[
        "sync",
        "--both",
        "--conflict",
        "overwrite",
        "project",
        "one:/p",
    ]);
    assert_eq!(code, 2, "{stderr}");
    assert!(
        stderr.contains("hint: pass --conflict local, context or newer"),
        "{stderr}"
    );
    for conflict in ["newer", "local", "context"] {
        let (code, stderr) = env.fail(&["sync", "--conflict", conflict, "project", "one:/p"]);
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains("require --both"), "{stderr}");
        let (code, _) = env.fail(&["put", "-r", "--conflict", conflict, "project", "one:/p"]);
        assert_eq!(code, 2);
    }

    let report = json(
        &env,
        &[
            "sync",
            "--both",
            "--json",
            "--conflict",
            "keep-both",
            "project",
            "one:/p",
        ],
    );
    let kept = report["kept"][0]["kept_as"].as_str().unwrap();
    assert_eq!(
        std::fs::read(env.path(&format!("project/{kept}"))).unwrap(),
        b"local"
    );
    assert_eq!(
        std::fs::read(env.path("project/a.txt")).unwrap(),
        b"context"
    );
    assert_eq!(env.print(&["cat", &format!("one:/p/{kept}")]), "local");
}

#[test]
fn a_cleared_context_or_an_empty_folder_deletes_nothing() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    let sync = ["sync", "--both", "project", "one:/p"];
    env.print(&sync);
    env.print(&["context", "clear", "--yes", "one"]);
    let (code, stderr) = env.fail(&sync);
    assert_eq!(code, 9, "{stderr}");
    assert!(
        stderr.contains("the context folder has no files, and 2 would be deleted"),
        "{stderr}"
    );
    assert!(env.path("project/a.txt").exists());

    // The folder is not mounted.
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    env.print(&sync);
    std::fs::rename(env.path("project"), env.path("elsewhere")).unwrap();
    let (code, stderr) = env.fail(&sync);
    assert_eq!(code, 1, "{stderr}");
    std::fs::create_dir(env.path("project")).unwrap();
    let (code, stderr) = env.fail(&sync);
    assert_eq!(code, 9, "{stderr}");
    for path in ["one:/p/a.txt", "one:/p/src/b"] {
        env.print(&["stat", path]);
    }
    let all = [
        "sync",
        "--both",
        "--max-delete",
        "100%",
        "project",
        "one:/p",
    ];
    assert!(env.run(&all).status.success());
    assert_eq!(env.fail(&["stat", "one:/p/a.txt"]).0, 3);
}

#[test]
fn options_that_contradict_are_refused() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    for option in ["--delete", "--no-state"] {
        let (code, stderr) = env.fail(&["sync", "--both", option, "project", "one:/p"]);
        assert_eq!(code, 2, "{option}: {stderr}");
    }
    let (code, _) = env.fail(&["sync", "--both", "nowhere", "one:/p"]);
    assert_eq!(code, 3);
}
