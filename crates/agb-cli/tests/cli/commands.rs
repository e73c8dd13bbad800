//! Commands for contexts and files, against a real service.

use std::{
    io::{Read, Write},
    path::Path,
    process::Stdio,
};

use serde_json::Value;

use super::{
    support::signal,
    test_env::{KEY, TestEnv},
};

#[test]
fn every_failure_has_its_exit_code_and_message() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    env.print(&["context", "create", "two"]);
    env.print(&["put", "project/a.txt", "one:/a.txt"]);
    env.print(&["put", "project/a.txt", "one:/deep/a.txt"]);
    std::fs::create_dir(env.path("project/src/deep")).unwrap();
    for (code, arguments) in [
        (2, &["rm", "one"][..]),
        (2, &["ls", "one:a.txt"]),
        (2, &["context", "delete", "one"]),
        (2, &["rm", "-r", "one:/"]),
        (2, &["put", "project", "one:/x"]),
        (2, &["sync", "project", "project"]),
        (
            2,
            &[
                "sync",
                "--delete",
                "--max-delete",
                "101%",
                "project",
                "one:/",
            ],
        ),
        (3, &["context", "get", "none"]),
        (3, &["ls", "none:/"]),
        (3, &["cat", "one:/none"]),
        (3, &["stat", "one:/none"]),
        (3, &["rm", "one:/none"]),
        (3, &["tree", "one:/none"]),
        (3, &["du", "one:/none"]),
        (3, &["get", "-r", "one:/none/", "copy"]),
        (3, &["sync", "one:/none", "copy"]),
        (2, &["get", "-r", "one:/a.txt/", "copy"]),
        (2, &["get", "project/a.txt", "copy"]),
        (2, &["cp", "project/a.txt", "copy"]),
        (2, &["cp", "one:/deep", "two:/"]),
        (2, &["mv", "one:/a.txt", "one:/a.txt"]),
        (3, &["cp", "one:/none", "two:/"]),
        (3, &["mv", "one:/none*", "two:/"]),
        (2, &["get", "one:/deep", "copy"]),
        (2, &["get", "one:/deep", "project/src"]),
        (2, &["cat", "one:/deep"]),
        (2, &["rm", "one:/deep"]),
        (2, &["put", "--api-key-stdin", "-", "one:/x"]),
        (6, &["get", "one:/a.txt", "project/a.txt"]),
        (6, &["context", "rename", "one", "two"]),
        (6, &["put", "project/a.txt", "one:/a.txt"]),
        (9, &["sync", "--delete", "project/src", "one:/"]),
        (10, &["diff", "project", "one:/"]),
    ] {
        let (ended, stderr) = env.fail(arguments);
        assert_eq!(ended, code, "{arguments:?}: {stderr}");
        assert!(
            code == 10 || stderr.contains("error: "),
            "{arguments:?}: {stderr}"
        );
    }
    let mut keyless = env.command(&["context", "list"]);
    let output = keyless.env_remove("AGB_API_KEY").output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr.contains("no API key") && stderr.contains("hint: "),
        "{stderr}"
    );
    let mut nowhere = env.command(&["context", "list"]);
    let output = nowhere
        .env("AGB_ENDPOINT", "http://127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("hint: find the cause with 'agb doctor'")
    );
    let locked = TestEnv::with(&["--api-key", "another-key-123"]);
    assert_eq!(locked.fail(&["context", "list"]).0, 4);
    let doctor = locked.run(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("access\tfailed"));
}

#[test]
fn a_failed_file_does_not_stop_the_others_and_exits_with_5() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    // A folder has the name of one of the files.
    env.print(&["put", "-r", "project/", "one:/"]);
    std::fs::create_dir_all(env.path("copy/a.txt")).unwrap();
    let (code, stderr) = env.fail(&["get", "-r", "--force", "one:/", "copy"]);
    assert_eq!(code, 5, "{stderr}");
    assert!(
        stderr.contains("error: a.txt: ") && stderr.contains("1 file failed"),
        "{stderr}"
    );
    assert_eq!(
        std::fs::read_to_string(env.path("copy/src/b")).unwrap(),
        "bb"
    );
}

#[test]
fn a_name_is_unique_in_a_region_and_an_id_everywhere() {
    let env = TestEnv::new();
    env.print(&["context", "create", "twin"]);
    let other = env.print(&[
        "context",
        "create",
        "twin",
        "--region",
        "cn-shanghai",
        "--json",
    ]);
    let other: Value = serde_json::from_str(&other).unwrap();
    let id = other["id"].as_str().unwrap();
    assert_eq!(env.print(&["context", "list"]).lines().count(), 2);
    assert!(!env.print(&["context", "get", "twin"]).contains(id));
    assert!(
        env.print(&["context", "get", "twin", "--region", "cn-shanghai"])
            .contains(id)
    );
    assert!(env.print(&["context", "get", id]).contains(id));
    let (code, stderr) = env.fail(&["context", "get", "twin", "--region", "cn-beijing"]);
    assert_eq!(code, 3);
    assert_eq!(stderr.matches("twin (SdkCtx-").count(), 2, "{stderr}");
    for region in ["cn-shanghai", "cn-beijing"] {
        env.print(&["context", "create", "pair", "--region", region]);
    }
    let (code, stderr) = env.fail(&["context", "get", "pair"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("is ambiguous"), "{stderr}");
    assert_eq!(stderr.matches("pair (SdkCtx-").count(), 2, "{stderr}");
}

#[test]
fn a_cause_is_reported_once_for_many_files() {
    let env = TestEnv::with(&["--fault", "expired-urls,op=upload"]);
    env.print(&["context", "create", "one"]);
    for n in 0..40 {
        std::fs::write(env.path(&format!("project/{n}")), "x").unwrap();
    }
    let (code, stderr) = env.fail(&["put", "-r", "project/", "one:/p"]);
    assert_eq!(code, 5, "{stderr}");
    assert_eq!(stderr.matches("error: ").count(), 2, "{stderr}");
    assert_eq!(stderr.matches("request id: ").count(), 1, "{stderr}");
    assert!(
        stderr.contains("and 39 more") && stderr.contains("42 files failed"),
        "{stderr}"
    );

    // The messages of a local cause differ by the file they name.
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    env.print(&["put", "-r", "project/", "one:/"]);
    for file in ["copy/a.txt", "copy/src/b"] {
        std::fs::create_dir_all(env.path(file)).unwrap();
    }
    let (code, stderr) = env.fail(&["get", "-r", "--force", "one:/", "copy"]);
    assert_eq!(code, 5, "{stderr}");
    let others = ["the same for a.txt", "the same for src/b"];
    assert!(
        others.iter().any(|other| stderr.contains(other)),
        "{stderr}"
    );
    assert_eq!(stderr.matches("error: ").count(), 2, "{stderr}");
}

#[test]
fn an_unfinished_clear_reports_its_state_and_exits_with_8() {
    let env = TestEnv::with(&["--fault", "stuck-clear"]);
    env.print(&["context", "create", "one"]);
    let (code, stderr) = env.fail(&["context", "clear", "--yes", "--timeout", "6", "one"]);
    assert_eq!(code, 8, "{stderr}");
    assert!(
        stderr.contains("clearing one: clearing"),
        "a line every few seconds: {stderr}"
    );
    assert!(stderr.contains("agb context wait"), "{stderr}");
}

#[test]
fn files_of_a_folder_are_replaced_only_with_force() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    env.print(&["put", "-r", "project/", "one:/p"]);
    env.print(&["get", "-r", "one:/p/", "copy"]);
    env.print(&["get", "-r", "one:/p/", "copy"]);
    std::fs::write(env.path("copy/a.txt"), "changed here").unwrap();
    let (code, stderr) = env.fail(&["get", "-r", "one:/p/", "copy"]);
    assert_eq!(code, 6, "{stderr}");
    let (code, _) = env.fail(&["put", "-r", "copy/", "one:/p"]);
    assert_eq!(code, 6);
    env.print(&["get", "-r", "--force", "one:/p/", "copy"]);
    assert_eq!(
        std::fs::read_to_string(env.path("copy/a.txt")).unwrap(),
        "hello"
    );
}

#[test]
fn a_change_on_the_other_side_is_a_conflict() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    env.print(&["sync", "project", "one:/p"]);
    std::fs::write(env.path("theirs"), "theirs!").unwrap();
    env.print(&["put", "-f", "theirs", "one:/p/a.txt"]);
    std::fs::write(env.path("project/a.txt"), "mine").unwrap();
    let (code, stderr) = env.fail(&["sync", "project", "one:/p"]);
    assert_eq!(code, 6, "{stderr}");
    assert!(stderr.contains("--conflict"), "{stderr}");
    assert_eq!(env.print(&["cat", "one:/p/a.txt"]), "theirs!");
    env.print(&["sync", "--conflict", "keep-both", "project", "one:/p"]);
    assert_eq!(env.print(&["cat", "one:/p/a.txt"]), "mine");
    let listed = env.print(&["ls", "one:/p"]);
    assert!(listed.contains("/p/a.conflict-"), "{listed}");
    // The state is in the state folder.
    assert_eq!(
        std::fs::read_dir(env.path("state/agb/sync"))
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn a_dry_run_lists_the_changes_of_the_run() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    env.print(&["put", "project/a.txt", "one:/p/old"]);
    let arguments = [
        "sync",
        "--delete",
        "--max-delete",
        "100%",
        "--yes",
        "project",
        "one:/p",
    ];
    let listed = env.print(&[&arguments[..], &["--dry-run", "--json"]].concat());
    env.fail(&["diff", "project", "one:/p"]);
    assert!(!env.path("state").exists(), "a dry run writes no state");
    let listed: Vec<Value> = listed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let count = |change: &str| listed.iter().filter(|row| row["change"] == change).count() as u64;
    let done: Value =
        serde_json::from_str(&env.print(&[&arguments[..], &["--json"]].concat())).unwrap();
    assert_eq!(done["copied"], count("upload"));
    assert_eq!(done["deleted"], count("delete-remote"));
    assert_eq!((count("upload"), count("delete-remote")), (2, 1));
    assert_eq!(env.print(&["diff", "project", "one:/p", "-q"]), "");
    // Too many deletions are listed before the command fails.
    let output = env.run(&["sync", "-n", "--delete", "project/src", "one:/p"]);
    assert_eq!(output.status.code(), Some(9));
    assert!(String::from_utf8_lossy(&output.stdout).contains("delete-remote"));
}

#[test]
fn no_output_contains_the_key_and_only_url_contains_a_signature() {
    let env = TestEnv::new();
    let run = |arguments: &[&str]| {
        let output = env.run(arguments);
        let shown = format!("{output:?}");
        assert!(!shown.contains(KEY), "{arguments:?}: {shown}");
        let signed = shown.contains("signature=");
        assert_eq!(signed, arguments[0] == "url", "{arguments:?}: {shown}");
    };
    for arguments in [
        &["context", "create", "one"][..],
        &["put", "-r", "project/", "one:/p"],
        &["put", "none", "one:/p/x"],
        &["get", "-r", "one:/p/", "copy"],
        &["get", "one:/none", "x"],
        &["url", "get", "one:/p/a.txt"],
        &["doctor"],
        &["ls", "none:/"],
        &["schema"],
    ] {
        run(arguments);
    }
    // No argument sets the key, since others could see it in the list of processes.
    let (code, _) = env.fail(&["context", "list", "--api-key", KEY]);
    assert_eq!(code, 2);
}

#[test]
fn a_key_comes_from_stdin_or_a_private_profile() {
    let env = TestEnv::new();
    env.print(&["context", "create", "mine"]);
    let list = ["context", "list", "-q"];
    let bare = |arguments: &[&str]| {
        let mut command = env.command(arguments);
        command.env_remove("AGB_API_KEY").env_remove("AGB_ENDPOINT");
        command
    };
    let mut child = bare(
        &[
            &list[..],
            &["--api-key-stdin", "--endpoint", &env.serve.url],
        ]
        .concat(),
    );
    let mut child = child
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The pipe stays open.
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{KEY}").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"mine\n");
    drop(stdin);
    let mut empty = env.command(&list);
    let empty = empty.env("AGB_PROFILE", "").env("AGB_REGION", "");
    assert_eq!(empty.output().unwrap().stdout, b"mine\n");

    let config = env.path("config/agb");
    std::fs::create_dir_all(&config).unwrap();
    let file = config.join("config.toml");
    let profile = format!(
        "[default]\nendpoint = {:?}\napi_key = {KEY:?}\n[empty]\n",
        env.serve.url
    );
    std::fs::write(&file, profile).unwrap();
    set_mode(&file, 0o644);
    let rejected = bare(&list).output().unwrap();
    let stderr = String::from_utf8_lossy(&rejected.stderr).into_owned();
    assert_eq!(rejected.status.code(), Some(4), "{stderr}");
    assert!(
        stderr.contains("chmod 600") && !stderr.contains(KEY),
        "{stderr}"
    );
    set_mode(&file, 0o600);
    assert_eq!(bare(&list).output().unwrap().stdout, b"mine\n");
    let with_profile = |name| {
        bare(&[&list[..], &["--profile", name]].concat())
            .output()
            .unwrap()
    };
    assert_eq!(with_profile("empty").status.code(), Some(2), "no key");
    assert_eq!(with_profile("none").status.code(), Some(2));

    std::fs::write(env.path(".env"), "AGB_ENDPOINT=http://127.0.0.1:1\n").unwrap();
    let output = bare(&list).output().unwrap();
    assert_eq!(
        output.stdout, b"mine\n",
        "a profile takes precedence over .env"
    );
    std::fs::remove_file(env.path(".env")).unwrap();

    std::fs::write(&file, format!("[default]\napi_key = {KEY}\n")).unwrap();
    let damaged = bare(&list).output().unwrap();
    let stderr = String::from_utf8_lossy(&damaged.stderr).into_owned();
    assert!(
        stderr.contains("line 2") && !stderr.contains(KEY),
        "{stderr}"
    );
}

fn set_mode(file: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;

    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_closed_pipe_ends_a_command_without_a_message() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    std::fs::write(env.path("large"), vec![b'x'; 4 << 20]).unwrap();
    env.print(&["put", "large", "one:/large"]);
    for arguments in [&["cat", "one:/large"][..], &["get", "one:/large", "-"]] {
        let mut child = env
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut start = [0; 1];
        child.stdout.take().unwrap().read_exact(&mut start).unwrap();
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.code() == Some(141) && stderr.is_empty(),
            "{arguments:?}: {stderr}"
        );
    }
}

#[test]
fn stdin_and_stdout_can_replace_files() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    let content: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    let mut child = env.command(&["put", "-", "one:/in"]);
    let mut child = child.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&content).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(env.run(&["cat", "one:/in"]).stdout == content);
    assert!(env.run(&["get", "one:/in", "-"]).stdout == content);
}

#[test]
fn ctrl_c_leaves_no_partial_file_and_shows_how_to_continue() {
    // The response never arrives, so the download is in progress.
    let env = TestEnv::with(&["--fault", "latency=60s,op=download"]);
    env.print(&["context", "create", "one"]);
    env.print(&["put", "-r", "project/", "one:/p"]);
    let mut command = env.command(&["get", "-r", "one:/p/", "copy"]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    while !env.path("copy").exists() {
        std::thread::yield_now();
    }
    signal("INT", child.id());
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(
        stderr.contains("run the same command to continue"),
        "{stderr}"
    );
    let files = std::fs::read_dir(env.path("copy")).unwrap().flatten();
    let files: Vec<_> = files.filter(|entry| entry.path().is_file()).collect();
    assert!(files.is_empty(), "{files:?}");
}

#[test]
fn ctrl_c_during_many_downloads_leaves_no_partial_file() {
    // Every response is cut, so each download takes several and is in progress when the signal arrives.
    let env = TestEnv::with(&["--fault", "cut=300000,op=download,times=200"]);
    env.print(&["context", "create", "one"]);
    let large = vec![7; 2 << 20];
    for n in 0..20 {
        std::fs::write(env.path(&format!("project/{n}")), &large).unwrap();
    }
    env.print(&["put", "-r", "project/", "one:/p"]);
    let files = || {
        let entries = std::fs::read_dir(env.path("copy")).into_iter().flatten();
        entries.flatten().filter(|entry| entry.path().is_file())
    };
    let mut command = env.command(&["sync", "one:/p", "copy"]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    while files().count() == 0 {
        std::thread::yield_now();
    }
    signal("INT", child.id());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    for file in files() {
        let name = file.file_name().into_string().unwrap();
        assert!(!name.ends_with(".part"), "{name}");
        let whole = std::fs::read(env.path(&format!("project/{name}"))).unwrap();
        assert!(std::fs::read(file.path()).unwrap() == whole, "{name}");
    }
    // The remaining cuts may exceed the retries of one run.
    let again = || env.run(&["sync", "one:/p", "copy"]).status.success();
    assert!((0..10).any(|_| again()));
    assert_eq!(files().count(), 21);
}

#[test]
fn ctrl_c_removes_the_spooled_stdin() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    std::fs::create_dir(env.path("tmp")).unwrap();
    let spooled = || std::fs::read_dir(env.path("tmp")).unwrap().count();
    let mut command = env.command(&["put", "-", "one:/in"]);
    let command = command.env("TMPDIR", env.path("tmp"));
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let _open = child.stdin.take();
    while spooled() == 0 {
        std::thread::yield_now();
    }
    signal("INT", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(spooled(), 0);
}
