//! Commands for single files.

use std::{
    fs,
    process::{Command, Stdio},
    time::SystemTime,
};

use super::{
    support::{ignores, signal, wait},
    test_env::TestEnv,
};

fn env() -> TestEnv {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    env
}

#[test]
fn a_missing_file_does_not_stop_the_others() {
    let env = env();
    for name in ["one:/x", "one:/y"] {
        env.print(&["put", "project/a.txt", name]);
    }
    let output = env.run(&["cat", "one:/x", "one:/none", "one:/y"]);
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(output.stdout, b"hellohello");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("one:/none not found"), "{stderr}");
    assert!(stderr.contains("agb ls 'one:/'"), "{stderr}");
    assert!(stderr.contains("1 of 3 failed"), "{stderr}");
    assert!(stderr.contains("request id"), "{stderr}");

    let (code, stderr) = env.fail(&["rm", "one:/x", "one:/none", "none:/z", "one:/y"]);
    assert_eq!(code, 5, "{stderr}");
    assert_eq!(env.print(&["ls", "one:/"]), "");
    assert_eq!(
        env.print(&["rm", "-f", "one:/x"]),
        "",
        "nothing was deleted"
    );
    assert_eq!(env.fail(&["rm", "one:/x"]).0, 3);
}

#[test]
fn an_existing_file_is_replaced_only_with_force() {
    let env = env();
    env.print(&["put", "-r", "project/", "one:/p"]);
    wait(1100);
    fs::write(env.path("project/a.txt"), "olleh").unwrap();
    let path = env.path("project/a.txt");
    let file = fs::File::options().append(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let (code, stderr) = env.fail(&["put", "-r", "project/", "one:/p"]);
    assert_eq!(code, 6, "{stderr}");
    assert!(
        stderr.contains("a.txt") && stderr.contains("--force"),
        "{stderr}"
    );
    // The remote file is newer.
    let force = ["put", "-rf", "--conflict", "fail", "project/", "one:/p"];
    assert_eq!(env.fail(&force).0, 6);
    assert_eq!(env.print(&["cat", "one:/p/a.txt"]), "hello");
    env.print(&["put", "-rf", "project/", "one:/p"]);
    assert_eq!(env.print(&["cat", "one:/p/a.txt"]), "olleh");
}

#[test]
fn missing_local_folders_are_created() {
    let env = env();
    env.print(&["put", "project/a.txt", "one:/a.txt"]);
    env.print(&["get", "one:/a.txt", "new/deep/b"]);
    env.print(&["get", "one:/a.txt", "other/"]);
    for path in ["new/deep/b", "other/a.txt"] {
        assert_eq!(fs::read(env.path(path)).unwrap(), b"hello", "{path}");
    }
    assert_eq!(env.fail(&["get", "one:/none", "never/deep/b"]).0, 3);
    assert!(!env.path("never").exists());
    let (code, stderr) = env.fail(&["get", "one:/a.txt", "new/deep/b/c"]);
    assert_eq!(code, 1);
    assert!(
        stderr.contains("new/deep/b/c") && !stderr.contains(".part"),
        "{stderr}"
    );
}

#[test]
fn messages_contain_the_whole_path() {
    let env = env();
    env.print(&["put", "project/a.txt", "one:/x"]);
    let paths = [
        "dir; it goes on here/x",
        "a: allow overwriting, or choose another name",
        "no API key; there is not one file",
    ];
    for path in paths {
        env.print(&["get", "one:/x", path]);
        let (code, stderr) = env.fail(&["get", "one:/x", path]);
        assert_eq!(code, 6, "{stderr}");
        let message = format!("error: can't get one:/x: {path} already exists\n");
        assert!(stderr.starts_with(&message), "{stderr}");
        let remote = format!("one:/{path}");
        let (code, stderr) = env.fail(&["cat", &remote]);
        assert_eq!(code, 3, "{stderr}");
        assert!(stderr.starts_with(&format!("error: {remote} not found\n")));
    }
}

#[test]
fn a_path_on_the_wrong_side_is_an_error() {
    let env = env();
    env.print(&["put", "project/a.txt", "one:/fold/a.txt"]);
    for (code, arguments, message) in [
        (
            6,
            ["put", "project/a.txt", "one:/fold"],
            "one:/fold/a.txt already exists",
        ),
        (
            6,
            ["put", "project/a.txt", "one:/fold/a.txt/b"],
            "one:/fold/a.txt is a file",
        ),
        (
            2,
            ["get", "one:/fold/a.txt", "one:/b"],
            "is not a local path",
        ),
        (
            2,
            ["put", "one:/fold/a.txt", "one:/b"],
            "is not a local path",
        ),
        (3, ["put", "none", "one:/b"], "local file none not found"),
        (3, ["sync", "none", "one:/b"], "local folder none not found"),
        (2, ["sync", "project/a.txt", "one:/b"], "is not a folder"),
    ] {
        let (ended, stderr) = env.fail(&arguments);
        assert_eq!(ended, code, "{arguments:?}: {stderr}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
    }
    env.print(&["put", "-f", "project/a.txt", "one:/fold/"]);
    assert_eq!(env.print(&["ls", "-q", "one:/"]).lines().count(), 1);
}

#[test]
fn pipes_and_devices_work_like_files() {
    let env = env();
    let pipe = env.path("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let putting = env.command(&["put", "pipe", "one:/p"]).spawn();
    fs::write(&pipe, "through a pipe").unwrap();
    assert!(putting.unwrap().wait().unwrap().success());
    assert_eq!(env.print(&["cat", "one:/p"]), "through a pipe");

    let mut getting = env.command(&["get", "one:/p", "pipe"]).spawn().unwrap();
    assert_eq!(fs::read_to_string(&pipe).unwrap(), "through a pipe");
    assert!(getting.wait().unwrap().success());
    env.print(&["get", "one:/p", "/dev/null"]);
}

#[test]
fn ctrl_c_stops_a_download_from_a_hanging_service() {
    let env = env();
    env.print(&["put", "project/a.txt", "one:/a.txt"]);
    signal("STOP", env.serve.process());
    for arguments in [
        &["get", "one:/a.txt", "copy"][..],
        &["get", "-r", "one:/", "copies"],
    ] {
        let mut command = env.command(arguments);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        wait(300);
        // SIGINT may be ignored in this process and its children.
        signal(if ignores(2) { "TERM" } else { "INT" }, child.id());
        // Without the signal, the command runs for minutes.
        let mut turns = 0;
        while child.try_wait().unwrap().is_none() {
            turns += 1;
            assert!(turns < 200, "{arguments:?}");
            wait(100);
        }
    }
    signal("CONT", env.serve.process());
}

/// A low limit of open files reduces the concurrency, and no file fails.
#[cfg(target_os = "linux")]
#[test]
fn a_low_limit_of_open_files_is_enough_for_many_files() {
    let env = env();
    let many = 1000;
    for number in 0..many {
        let path = env.path(&format!("many/{}/{number}", number % 10));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, number.to_string()).unwrap();
    }
    for number in 0..20 {
        let path = env.path(&format!("many-20/{number}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    // Opens `taken` descriptors before the command.
    let limited = |limit: u32, taken: u32, arguments: &[&str]| {
        let agb = env.command(arguments);
        let mut shell = Command::new("bash");
        let script = format!(
            "ulimit -n {limit}; for i in $(seq 10 {}); do eval \"exec $i</dev/null\"; done; \
             exec \"$0\" \"$@\"",
            9 + taken
        );
        shell
            .args(["-c", &script])
            .arg(agb.get_program())
            .args(agb.get_args());
        shell.current_dir(agb.get_current_dir().unwrap());
        for (name, value) in agb.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        let output = shell.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "with {limit}: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    for (limit, taken, many) in [(64, 0, many), (90, 0, many), (64, 36, 100), (64, 41, 20)] {
        let remote = format!("one:/many-{limit}-{taken}");
        let local = format!("copy-{limit}-{taken}");
        let from = match many {
            20 => "many-20",
            100 => "many/0",
            _ => "many",
        };
        let limited = |arguments: &[&str]| limited(limit, taken, arguments);
        let sent = limited(&["sync", "--json", from, &remote]);
        assert_eq!(
            (&sent["copied"], &sent["failed"]),
            (&many.into(), &0.into())
        );
        let got = limited(&["sync", "--json", &remote, &local]);
        assert_eq!((&got["copied"], &got["failed"]), (&many.into(), &0.into()));
    }
}

#[test]
fn a_glob_that_can_never_match_exits_with_2_and_a_hint() {
    let env = env();
    for glob in ["../x", "", "a/../b", "~/x", "!x", "[", "a\\b"] {
        for option in ["--include", "--exclude"] {
            let (code, stderr) = env.fail(&["sync", option, glob, "project", "one:/p"]);
            assert_eq!(code, 2, "{glob}: {stderr}");
            assert!(stderr.contains("hint: "), "{glob}: {stderr}");
            assert_eq!(stderr.lines().count(), 2, "{glob}: {stderr}");
        }
    }
    let absolute = env.path("project/a.txt");
    let absolute = absolute.to_str().unwrap();
    let (code, stderr) = env.fail(&["put", "-r", "--exclude", absolute, "project/", "one:/p"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("absolute path"), "{stderr}");
    env.print(&["put", "-r", "--exclude", "./a.txt", "project/", "one:/p"]);
    assert_eq!(env.print(&["ls", "-R", "one:/p"]), "/p/src/\n/p/src/b\n");
}
