//! A file and a folder of one name, which a context can have and a local folder can't.

use std::fs;

use super::{
    support::contexts,
    test_env::{KEY, TestEnv},
};

/// A context with the files `/d/a`, `/d/a/b`, `/d/a/deep/c` and `/d/x`. Only a presigned URL creates such files.
fn env() -> TestEnv {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    for path in ["/d/a", "/d/a/b", "/d/a/deep/c", "/d/x"] {
        write(&env, path);
    }
    env
}

fn write(env: &TestEnv, path: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(async {
        let contexts = contexts(&env.serve.url, KEY);
        let context = contexts.get_by_name("one").await.unwrap();
        let files = contexts.files(&context.id);
        files.upload(path, path.as_bytes().to_vec()).await.unwrap();
    });
}

fn read(env: &TestEnv, path: &str) -> String {
    fs::read_to_string(env.path(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs the command that a hint shows after `agb`.
fn run_hinted(env: &TestEnv, stderr: &str) {
    let hint = stderr.lines().find(|line| line.starts_with("hint: "));
    let hint = hint.unwrap_or_else(|| panic!("no hint: {stderr}"));
    let (_, command) = hint.split_once("agb ").unwrap();
    let words: Vec<&str> = command
        .split_whitespace()
        .map(|word| word.trim_matches('\''))
        .collect();
    env.print(&words);
}

#[test]
fn the_file_is_fetched_and_the_hinted_command_fetches_the_folder() {
    let commands: [&[&str]; 6] = [
        &["get", "-r", "one:/d/", "out"],
        &["cp", "-r", "one:/d/", "out"],
        &["sync", "one:/d", "out"],
        &["sync", "--delete", "--yes", "one:/d", "out"],
        &["sync", "--both", "out", "one:/d"],
        &["sync", "--both", "one:/d", "out"],
    ];
    for command in commands {
        let env = env();
        let (code, stderr) = env.fail(command);
        assert_eq!(code, 6, "{command:?}: {stderr}");
        assert!(stderr.contains("also a file"), "{command:?}: {stderr}");
        assert!(!stderr.contains("--conflict"), "{command:?}: {stderr}");
        assert_eq!(read(&env, "out/a"), "/d/a", "{command:?}");
        assert_eq!(read(&env, "out/x"), "/d/x", "{command:?}");
        run_hinted(&env, &stderr);
        assert_eq!(read(&env, "a.folder/b"), "/d/a/b", "{command:?}");
        assert_eq!(read(&env, "a.folder/deep/c"), "/d/a/deep/c", "{command:?}");
        // Nothing was deleted in the context, and a second run does the same.
        let (again, stderr) = env.fail(command);
        assert_eq!(again, 6, "{command:?}: {stderr}");
        let listed = env.print(&["ls", "-R", "one:/d"]);
        for file in ["/d/a\n", "/d/a/b\n", "/d/a/deep/c\n", "/d/x\n"] {
            assert!(listed.contains(file), "{command:?}: {listed}");
        }
    }
}

#[test]
fn a_local_folder_stays_one_and_the_hinted_command_fetches_the_file() {
    let commands: [&[&str]; 4] = [
        &["get", "-rf", "one:/d/", "out"],
        &["sync", "one:/d", "out"],
        &["sync", "--delete", "--yes", "one:/d", "out"],
        &["sync", "--both", "out", "one:/d"],
    ];
    for command in commands {
        let env = env();
        fs::create_dir_all(env.path("out/a")).unwrap();
        let (code, stderr) = env.fail(command);
        assert_eq!(code, 6, "{command:?}: {stderr}");
        assert!(stderr.contains("also a folder"), "{command:?}: {stderr}");
        assert_eq!(read(&env, "out/a/b"), "/d/a/b", "{command:?}");
        assert_eq!(read(&env, "out/a/deep/c"), "/d/a/deep/c", "{command:?}");
        run_hinted(&env, &stderr);
        assert_eq!(read(&env, "a.file"), "/d/a", "{command:?}");
    }
}

#[test]
fn a_filter_decides_which_one_is_fetched() {
    let env = env();
    env.print(&["get", "-r", "--include", "b", "one:/d/", "folder"]);
    assert_eq!(read(&env, "folder/a/b"), "/d/a/b");
    env.print(&["get", "-r", "--exclude", "a/", "one:/d/", "file"]);
    assert_eq!(read(&env, "file/a"), "/d/a");
}

#[test]
fn a_move_keeps_what_can_not_be_local() {
    let env = env();
    let (code, stderr) = env.fail(&["mv", "-r", "one:/d/", "out"]);
    assert_eq!(code, 6, "{stderr}");
    assert_eq!(read(&env, "out/a"), "/d/a");
    let listed = env.print(&["ls", "-R", "one:/d"]);
    assert!(
        listed.contains("/d/a/b\n") && listed.contains("/d/a/deep/c\n"),
        "{listed}"
    );
    assert!(
        !listed.contains("/d/a\n") && !listed.contains("/d/x"),
        "{listed}"
    );
    run_hinted(&env, &stderr);
    assert_eq!(read(&env, "a.folder/deep/c"), "/d/a/deep/c");

    let env = self::env();
    fs::create_dir_all(env.path("out/a")).unwrap();
    let (code, stderr) = env.fail(&["mv", "-rf", "one:/d/", "out"]);
    assert_eq!(code, 6, "{stderr}");
    assert_eq!(read(&env, "out/a/b"), "/d/a/b");
    run_hinted(&env, &stderr);
    assert_eq!(read(&env, "a.file"), "/d/a");
}

#[test]
fn no_command_creates_a_file_and_a_folder_of_one_name() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    env.print(&["context", "create", "two"]);
    fs::create_dir_all(env.path("local/n")).unwrap();
    fs::write(env.path("local/n/f"), "below").unwrap();
    fs::write(env.path("n"), "file").unwrap();
    fs::create_dir_all(env.path("flat")).unwrap();
    fs::write(env.path("flat/n"), "file").unwrap();
    // The target has a file, and the command would create a folder; and the other way round.
    env.print(&["put", "n", "one:/file/n"]);
    env.print(&["put", "-r", "local/", "one:/folder"]);
    env.print(&["put", "n", "two:/src/n"]);
    env.print(&["put", "-r", "local/", "two:/tree"]);
    let commands: [&[&str]; 14] = [
        &["put", "local/n/f", "one:/file/n/f"],
        &["put", "-r", "local/", "one:/file"],
        &["put", "-r", "flat/", "one:/folder"],
        &["cp", "local/n/f", "one:/file/n/f"],
        &["cp", "-r", "local/", "one:/file"],
        &["cp", "-r", "two:/tree/", "one:/file"],
        &["cp", "-r", "two:/src/", "one:/folder"],
        &["mv", "local/n/f", "one:/file/n/f"],
        &["mv", "-r", "local/", "one:/file"],
        &["mv", "-r", "flat/", "one:/folder"],
        &["mv", "-r", "two:/tree/", "one:/file"],
        &["mv", "-r", "two:/src/", "one:/folder"],
        &["sync", "--no-state", "local", "one:/file"],
        &["sync", "--no-state", "flat", "one:/folder"],
    ];
    for command in commands {
        let forced = [command, &["--force"]].concat();
        let words = if command[0] == "sync" {
            command
        } else {
            &forced[..]
        };
        let (code, stderr) = env.fail(words);
        assert_eq!(code, 6, "{words:?}: {stderr}");
        assert!(stderr.contains("hint: "), "{words:?}: {stderr}");
    }
    for (folder, files) in [
        ("one:/file", "/file/n\n"),
        ("one:/folder", "/folder/n/\n/folder/n/f\n"),
    ] {
        assert_eq!(env.print(&["ls", "-R", folder]), files);
    }
    // With --delete, the folder makes way.
    env.print(&[
        "sync",
        "--delete",
        "--yes",
        "--max-delete",
        "100%",
        "flat",
        "one:/folder",
    ]);
    assert_eq!(env.print(&["ls", "-R", "one:/folder"]), "/folder/n\n");
}
