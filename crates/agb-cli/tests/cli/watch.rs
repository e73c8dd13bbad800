//! `agb sync --watch`.

use std::{
    io::{BufRead, BufReader, Read},
    net::TcpListener,
    process::{Child, ChildStdout, Command, Output, Stdio},
};

use serde_json::Value;

use super::{
    support::{agb, signal, wait},
    test_env::{KEY, TestEnv},
};

/// A running `agb sync --watch`, whose stderr goes to a file.
struct Watch {
    child: Killed,
    lines: BufReader<ChildStdout>,
    stderr: std::path::PathBuf,
}

impl Watch {
    fn start(mut command: Command, stderr: std::path::PathBuf) -> Self {
        let file = std::fs::File::create(&stderr).unwrap();
        command.stdout(Stdio::piped()).stderr(file);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self {
            child: Killed(child),
            lines,
            stderr,
        }
    }

    fn of(env: &TestEnv, more: &[&str]) -> Self {
        let mut arguments = vec!["sync", "--watch"];
        if !more.contains(&"--interval") {
            arguments.extend(["--interval", "1"]);
        }
        arguments.extend(more);
        Self::start(env.command(&arguments), env.path("stderr"))
    }

    /// Waits for the line of the next change.
    fn next(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        assert_ne!(line, "", "{}", self.stderr());
        line
    }

    fn stderr(&self) -> String {
        std::fs::read_to_string(&self.stderr).unwrap()
    }

    /// The time of the processor in ticks.
    fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.0.id()));
        let stat = stat.unwrap();
        let fields: Vec<_> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// Stops with a signal. Returns the exit code and the remaining lines.
    fn stop(mut self, name: &str) -> (Option<i32>, String) {
        signal(name, self.child.0.id());
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        (self.child.0.wait().unwrap().code(), rest)
    }
}

/// A process that ends with the test, even if the test fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn waits_for(mut condition: impl FnMut() -> bool) {
    for _ in 0..200 {
        if condition() {
            return;
        }
        wait(50);
    }
    panic!("it has not happened for 10 seconds");
}

#[test]
fn changes_of_both_sides_travel_and_each_is_a_line() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    let mut watch = Watch::of(&env, &["--both", "project", "one:/p"]);
    let mut first = [watch.next(), watch.next()];
    first.sort();
    assert_eq!(first, ["upload\t2\tsrc/b\n", "upload\t5\ta.txt\n"]);

    std::fs::write(env.path("project/new"), "new").unwrap();
    assert_eq!(watch.next(), "upload\t3\tnew\n");
    env.print(&["put", "-f", "project/new", "one:/p/there"]);
    assert_eq!(watch.next(), "download\t3\tthere\n");
    std::fs::remove_file(env.path("project/a.txt")).unwrap();
    assert_eq!(watch.next(), "delete-remote\t5\ta.txt\n");
    // A folder that was created later.
    std::fs::create_dir_all(env.path("project/deep/er")).unwrap();
    wait(300);
    std::fs::write(env.path("project/deep/er/c"), "c").unwrap();
    assert_eq!(watch.next(), "upload\t1\tdeep/er/c\n");

    // Nothing travels in circles, and an idle watch takes hardly any time.
    wait(1000);
    let before = watch.ticks();
    wait(3000);
    let busy = watch.ticks() - before;
    assert!(busy < 60, "{busy} ticks of 10 ms in 3 s");
    let stderr = watch.stderr();
    assert_eq!(
        stderr,
        "watching project and one:/p\nnote: 1 skipped (empty folder: deep/er)\n"
    );
    let (code, rest) = watch.stop("INT");
    assert_eq!((code, &*rest), (Some(0), ""));
}

#[test]
fn a_one_way_watch_copies_in_one_direction() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    let schema: Value = serde_json::from_str(&env.print(&["schema"])).unwrap();
    let mut of = schema["commands"]["sync --watch"]["schema"].clone();
    of["$defs"] = schema["$defs"].clone();
    let validator = jsonschema::validator_for(&of).unwrap();
    let mut up = Watch::of(&env, &["--json", "project", "one:/p"]);
    for _ in 0..2 {
        let row: Value = serde_json::from_str(&up.next()).unwrap();
        validator.validate(&row).unwrap();
        assert_eq!(row["change"], "upload");
    }
    let mut down = Watch::of(&env, &["--quiet", "one:/p", "copy"]);
    let mut names = [down.next(), down.next()];
    names.sort();
    assert_eq!(names, ["a.txt\n", "src/b\n"]);
    std::fs::write(env.path("project/a.txt"), "edited").unwrap();
    assert_eq!(down.next(), "a.txt\n");
    assert_eq!(std::fs::read(env.path("copy/a.txt")).unwrap(), b"edited");
    assert_eq!(up.stop("TERM").0, Some(0));
    assert_eq!(down.stop("TERM").0, Some(0));
}

#[test]
fn a_restart_of_the_service_is_survived() {
    let scratch = tempfile::tempdir().unwrap();
    let data = scratch.path().join("data");
    // A port that stays the same.
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = port.local_addr().unwrap().to_string();
    drop(port);
    let start = || {
        let mut command = agb();
        command
            .args(["serve", "--listen", &listen, "--data-dir"])
            .arg(&data);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let stdout = child.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert!(line.starts_with("listening on "), "{line}");
        Killed(child)
    };
    let command = |arguments: &[&str]| {
        let mut command = agb();
        command
            .args(arguments)
            .current_dir(scratch.path())
            .env("AGB_ENDPOINT", format!("http://{listen}"))
            .env("AGB_API_KEY", KEY)
            .env("XDG_STATE_HOME", scratch.path().join("state"));
        command
    };
    let succeeds = |output: Output| assert!(output.status.success(), "{output:?}");
    let serve = start();
    succeeds(command(&["context", "create", "one"]).output().unwrap());
    std::fs::create_dir(scratch.path().join("project")).unwrap();
    std::fs::write(scratch.path().join("project/a"), "a").unwrap();
    let arguments = [
        "sync",
        "--watch",
        "--both",
        "--interval",
        "1",
        "--call-timeout",
        "2",
    ];
    let sync = command(&[&arguments[..], &["project", "one:/p"]].concat());
    let mut watch = Watch::start(sync, scratch.path().join("stderr"));
    assert_eq!(watch.next(), "upload\t1\ta\n");
    drop(serve);
    std::fs::write(scratch.path().join("project/b"), "b").unwrap();
    waits_for(|| watch.stderr().contains("; trying again"));
    let _serve = start();
    assert_eq!(watch.next(), "upload\t1\tb\n");
    waits_for(|| watch.stderr().contains("connected again"));
    let noted = watch.stderr().matches("trying again").count();
    assert_eq!(noted, 1, "an outage is noted once");
    assert_eq!(watch.stop("INT").0, Some(0));
}

#[test]
fn what_needs_a_decision_ends_the_watch() {
    let env = TestEnv::new();
    let (code, stderr) = env.fail(&["sync", "--watch", "project", "one:/p"]);
    assert_eq!(code, 3, "{stderr}");
    env.print(&["context", "create", "one"]);
    let mut watch = Watch::of(&env, &["--both", "project", "one:/p"]);
    drop([watch.next(), watch.next()]);
    // A conflict is printed once, and other changes go on.
    std::fs::write(env.path("other"), "other").unwrap();
    env.print(&["put", "-f", "other", "one:/p/c"]);
    assert_eq!(watch.next(), "download\t5\tc\n");
    signal("STOP", watch.child.0.id());
    std::fs::write(env.path("project/c"), "local").unwrap();
    std::fs::write(env.path("other"), "there").unwrap();
    env.print(&["rm", "one:/p/c"]);
    env.print(&["put", "other", "one:/p/c"]);
    signal("CONT", watch.child.0.id());
    waits_for(|| {
        watch
            .stderr()
            .contains("error: c: the file was changed on both sides")
    });
    std::fs::write(env.path("project/d"), "d").unwrap();
    assert_eq!(watch.next(), "upload\t1\td\n");
    wait(2500);
    assert_eq!(watch.stderr().matches("error: c").count(), 1);
    // A cleared context is not taken for deletions.
    env.print(&["context", "clear", "--yes", "one"]);
    assert_eq!(watch.child.0.wait().unwrap().code(), Some(9));
    assert!(env.path("project/a.txt").exists());
    for arguments in [
        &["sync", "--watch", "--dry-run", "project", "one:/p"][..],
        &["sync", "--interval", "3", "project", "one:/p"],
        &["sync", "--watch", "--interval", "0", "project", "one:/p"],
    ] {
        assert_eq!(env.fail(arguments).0, 2, "{arguments:?}");
    }
}

#[test]
fn a_scan_follows_when_the_system_drops_notifications() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    let mut watch = Watch::of(&env, &["--interval", "600", "--both", "project", "one:/p"]);
    drop([watch.next(), watch.next()]);
    wait(1000);
    let limit = std::fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap();
    let limit: usize = limit.trim().parse().unwrap();
    // The stopped process does not read the queue. Equal events in a row count as one.
    signal("STOP", watch.child.0.id());
    for number in 0..limit {
        for path in ["project/a.txt", "project/src/b"] {
            std::fs::write(env.path(path), number.to_string()).unwrap();
        }
    }
    std::fs::write(env.path("project/late"), "late").unwrap();
    signal("CONT", watch.child.0.id());
    let mut lines = [watch.next(), watch.next(), watch.next()];
    lines.sort();
    assert_eq!(lines[0], "upload\t4\tlate\n", "{lines:?}");
    assert_eq!(watch.stop("INT").0, Some(0));
}
