//! Dry runs, and deletions that ask.

use std::fs;

use super::test_env::TestEnv;

fn env() -> TestEnv {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    env.print(&["put", "-r", "project/", "one:/p"]);
    env
}

#[test]
fn a_dry_run_of_one_file_changes_nothing() {
    let env = env();
    fs::write(env.path("new"), "new").unwrap();
    for (arguments, row) in [
        (&["put", "-n", "new", "one:/x"][..], "upload\t3\tx"),
        (&["get", "-n", "one:/p/a.txt", "x"], "download\t5\ta.txt"),
        (&["get", "-n", "one:/p/a.txt", "-"], "download\t5\ta.txt"),
        (&["cp", "-n", "one:/p/a.txt", "one:/x"], "copy\t5\ta.txt"),
        (&["mv", "-n", "one:/p/a.txt", "one:/x"], "move\t5\ta.txt"),
        (&["mv", "-n", "new", "one:/x"], "move\t3\tx"),
        (
            &["rm", "-n", "one:/p/a.txt"],
            "delete-remote\t5\tone:/p/a.txt",
        ),
    ] {
        let printed = env.print(arguments);
        assert!(
            printed.starts_with(row) && printed.lines().count() == 1,
            "{arguments:?}: {printed}"
        );
    }
    assert!(env.path("new").exists() && !env.path("x").exists());
    assert_eq!(env.print(&["ls", "-R", "one:/"]).lines().count(), 4);
    // It fails as the command would.
    for (code, arguments) in [
        (6, ["put", "-n", "new", "one:/p/a.txt"]),
        (6, ["get", "-n", "one:/p/a.txt", "new"]),
        (6, ["cp", "-n", "one:/p/a.txt", "one:/p/src/b"]),
        (3, ["cp", "-n", "one:/none", "one:/p/a.txt"]),
        (3, ["get", "-n", "one:/none", "x"]),
        (2, ["get", "-n", "one:/p", "x"]),
    ] {
        let (failed, stderr) = env.fail(&arguments);
        assert_eq!(failed, code, "{arguments:?}: {stderr}");
    }
    let listed = env.print(&["rm", "-rn", "one:/p"]);
    assert_eq!(
        listed,
        "delete-remote\t5\tone:/p/a.txt\ndelete-remote\t2\tone:/p/src/b\n"
    );
}

#[test]
fn a_glob_for_all_depths_asks_and_reports_no_emptied_folder() {
    let env = env();
    let (code, stderr) = env.fail(&["rm", "one:/**"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(
        stderr.contains("deletes 2 files that match one:/**"),
        "{stderr}"
    );
    assert_eq!(
        env.print(&["find", "one:/", "--type", "f"]).lines().count(),
        2
    );
    assert_eq!(env.print(&["rm", "-n", "one:/**"]).lines().count(), 2);
    let (code, stderr) = env.fail(&["rm", "--yes", "one:/**"]);
    assert_eq!((code, stderr.lines().count()), (0, 2), "{stderr}");
    assert_eq!(env.print(&["ls", "one:/"]), "");
    // Without a match, there is nothing to ask.
    let (code, stderr) = env.fail(&["rm", "one:/**", "one:/none/**"]);
    assert!(code != 2 && !stderr.contains("confirm"), "{code}: {stderr}");
}

#[test]
fn the_limit_of_deletions_counts_conflicts_and_a_dry_run_reports_it() {
    let env = env();
    fs::write(env.path("project/c"), "c").unwrap();
    env.print(&["put", "-rf", "project/", "one:/m"]);
    env.print(&["sync", "one:/m", "local"]);
    // One conflict, one file that is deleted, one that is unchanged.
    fs::write(env.path("local/a.txt"), "changed here").unwrap();
    fs::write(env.path("other"), "changed there").unwrap();
    env.print(&["put", "-f", "other", "one:/m/a.txt"]);
    env.print(&["rm", "one:/m/c"]);
    for dry_run in [&[][..], &["-n"]] {
        let command = ["sync", "--delete", "--max-delete", "0", "one:/m", "local"];
        let (code, stderr) = env.fail(&[&command[..], dry_run].concat());
        assert_eq!(code, 9, "{stderr}");
        assert!(stderr.contains("1 of 3 files"), "{stderr}");
    }
    assert!(env.path("local/c").exists());
}

#[test]
fn a_stream_is_no_target_of_a_move() {
    let env = env();
    for target in ["/dev/null", "/dev/stdout", "-"] {
        let (code, stderr) = env.fail(&["mv", "-f", "one:/p/a.txt", target]);
        assert_eq!(code, 2, "{target}: {stderr}");
        assert!(stderr.contains("agb cp"), "{target}: {stderr}");
    }
    assert_eq!(env.print(&["cat", "one:/p/a.txt"]), "hello");
    // Where a file must be kept, a copy to a stream is fine.
    assert_eq!(env.print(&["cp", "one:/p/a.txt", "-"]), "hello");
}

#[test]
fn a_replaced_link_keeps_its_place() {
    let env = env();
    fs::write(env.path("file"), "old").unwrap();
    std::os::unix::fs::symlink("file", env.path("link")).unwrap();
    let (code, _) = env.fail(&["get", "one:/p/a.txt", "link"]);
    assert_eq!(code, 6);
    env.print(&["get", "-f", "one:/p/a.txt", "link"]);
    assert_eq!(fs::read_to_string(env.path("file")).unwrap(), "hello");
    assert!(env.path("link").is_symlink());
}

#[test]
fn what_is_missing_matters_more_than_what_exists() {
    let env = env();
    fs::create_dir(env.path("none")).unwrap();
    for command in [
        ["get", "one:/none", "."],
        ["cp", "one:/none", "one:/p/a.txt"],
        ["mv", "one:/none", "one:/p/a.txt"],
        ["mv", "one:/none", "project/a.txt"],
    ] {
        let (code, stderr) = env.fail(&command);
        assert_eq!(code, 3, "{command:?}: {stderr}");
        assert!(
            stderr.contains("one:/none not found"),
            "{command:?}: {stderr}"
        );
    }
}

#[test]
fn hints_are_commands_that_a_shell_runs() {
    let env = env();
    env.print(&["context", "create", "it's"]);
    env.print(&["put", "-r", "project", "it's:/"]);
    let folder = env.path("out");
    fs::create_dir(&folder).unwrap();
    for (arguments, created) in [
        (["get", "it's:/project", "out/"], "out/project/a.txt"),
        (["get", "it's:/project", "new"], "new/project/a.txt"),
    ] {
        let (code, stderr) = env.fail(&arguments);
        assert_eq!(code, 2, "{stderr}");
        let (_, hint) = stderr.split_once("hint: run: agb ").unwrap();
        let hint = hint.lines().next().unwrap();
        let command = hint.split("; ").next().unwrap();
        let script = format!("\"$0\" {command}");
        let agb = env.command(&[]);
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", &script]).arg(agb.get_program());
        shell.current_dir(env.path(""));
        let variables = agb.get_envs();
        shell.envs(variables.filter_map(|(name, value)| Some((name, value?))));
        assert!(shell.output().unwrap().status.success(), "{script}");
        assert!(env.path(created).exists(), "{command}");
    }
}

#[test]
fn each_name_that_can_not_be_stored_has_its_own_reason() {
    use std::os::unix::ffi::OsStrExt;

    let env = env();
    fs::write(env.path("project/tab\tx"), "x").unwrap();
    let name = std::ffi::OsStr::from_bytes(b"project/bad\xff");
    fs::write(env.path("").join(name), "x").unwrap();
    let (code, stderr) = env.fail(&["put", "-rf", "project/", "one:/q"]);
    assert_eq!(code, 5, "{stderr}");
    assert!(stderr.contains("control characters"), "{stderr}");
    assert!(stderr.contains("not UTF-8"), "{stderr}");
    assert!(!stderr.contains("to retry"), "{stderr}");
}
