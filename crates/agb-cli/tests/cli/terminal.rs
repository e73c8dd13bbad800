//! Output and prompts on a terminal.

use std::{
    fs::File,
    io::{Read, Write},
    process::{Command, Stdio},
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::test_env::TestEnv;

impl TestEnv {
    /// Runs the command on a terminal with the input. Returns the output and the exit code.
    fn at_terminal(&self, arguments: &[&str], typed: &str) -> (String, i32) {
        self.at_terminal_with(arguments, typed, |_| ())
    }

    fn at_terminal_with(
        &self,
        arguments: &[&str],
        typed: &str,
        change: impl FnOnce(&mut Command),
    ) -> (String, i32) {
        let mut command = self.command(arguments);
        command.env("TERM", "xterm-256color");
        change(&mut command);
        run_at_terminal(command, typed)
    }
}

/// Runs a command on a terminal with the input. Returns the output and the exit code.
fn run_at_terminal(mut command: Command, typed: &str) -> (String, i32) {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let other = File::options()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    let end = |file: &File| Stdio::from(file.try_clone().unwrap());
    command
        .stdin(end(&other))
        .stdout(end(&other))
        .stderr(end(&other));
    let mut child = command.spawn().unwrap();
    drop((command, other));
    let mut terminal = File::from(terminal);
    terminal.write_all(typed.as_bytes()).unwrap();
    let mut shown = Vec::new();
    let mut buffer = [0; 4096];
    // The read fails when the other end is closed.
    while let Ok(read @ 1..) = terminal.read(&mut buffer) {
        shown.extend_from_slice(&buffer[..read]);
    }
    let code = child.wait().unwrap().code().unwrap();
    (String::from_utf8(shown).unwrap(), code)
}

#[test]
fn a_terminal_gets_a_heading_columns_and_relative_times() {
    let env = TestEnv::new();
    env.at_terminal(&["context", "create", "short"], "");
    env.at_terminal(&["context", "create", "a-much-longer-name"], "");
    let (shown, code) = env.at_terminal(&["context", "list"], "");
    assert_eq!(code, 0);
    assert!(shown.contains("\u{1b}[1mNAME"), "{shown:?}");
    assert!(
        shown.contains("just now") || shown.contains("second"),
        "{shown:?}"
    );
    let column = |name: &str| {
        let line = shown.lines().find(|line| line.starts_with(name)).unwrap();
        line.find("SdkCtx-").unwrap()
    };
    assert_eq!(column("short"), column("a-much-longer-name"), "{shown}");
    for plain in [
        env.at_terminal_with(&["context", "list"], "", |command| {
            command.env("NO_COLOR", "1");
        }),
        env.at_terminal_with(&["context", "list"], "", |command| {
            command.env("TERM", "dumb");
        }),
        env.at_terminal_with(&["context", "list"], "", |command| {
            command.env("TERM", "dumb").env("CI", "true");
        }),
        env.at_terminal(&["context", "list", "--color", "never"], ""),
    ] {
        assert!(
            plain.0.contains("NAME") && !plain.0.contains('\u{1b}'),
            "{plain:?}"
        );
    }
    let (help, _) = env.at_terminal_with(&["--help"], "", |command| {
        command.env("TERM", "dumb").env("CI", "true");
    });
    assert!(
        help.contains("Usage:") && !help.contains('\u{1b}'),
        "{help:?}"
    );
    let (shown, _) = env.at_terminal(&["context", "get", "short"], "");
    assert!(shown.contains("last used:"), "{shown:?}");
}

#[test]
fn a_deletion_requires_the_typed_name() {
    let env = TestEnv::new();
    env.at_terminal(&["context", "create", "precious"], "");
    for typed in ["\n", "y\n", "preciou\n"] {
        let (shown, code) = env.at_terminal(&["context", "delete", "precious"], typed);
        assert_eq!(code, 1, "{shown}");
        assert!(shown.contains("nothing was deleted"), "{shown}");
    }
    let (shown, code) = env.at_terminal(&["context", "clear", "precious"], "no\n");
    assert_eq!(code, 1, "{shown}");
    let (_, code) = env.at_terminal(&["context", "get", "precious"], "");
    assert_eq!(code, 0);
    let (shown, code) = env.at_terminal(&["context", "delete", "precious"], "precious\n");
    assert_eq!(code, 0, "{shown}");
    let (_, code) = env.at_terminal(&["context", "get", "precious"], "");
    assert_eq!(code, 3);
}

#[test]
fn folder_commands_ask_for_confirmation_and_show_progress() {
    let env = TestEnv::new();
    env.at_terminal(&["context", "create", "one"], "");
    let folder = env.scratch.path().join("many");
    std::fs::create_dir(&folder).unwrap();
    for n in 0..50 {
        std::fs::write(folder.join(n.to_string()), vec![7; 10_000]).unwrap();
    }
    let (shown, code) = env.at_terminal(&["put", "-r", "many/", "one:/many"], "");
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("put ") && shown.contains("/50"), "{shown:?}");
    assert!(shown.contains("50 copied"), "{shown:?}");
    let (shown, _) = env.at_terminal(&["put", "-q", "-r", "many/", "one:/quiet"], "");
    assert_eq!(shown, "", "--quiet shows no progress");
    let (shown, code) = env.at_terminal(&["rm", "-r", "one:/many"], "n\n");
    assert_eq!(code, 1, "{shown}");
    assert!(shown.contains("deletes 50 files of one:/many"), "{shown:?}");
    let (shown, code) = env.at_terminal(&["rm", "-r", "one:/many"], "y\n");
    assert_eq!(code, 0, "{shown}");
    assert!(
        shown.contains("delete ") && shown.contains("/50"),
        "{shown:?}"
    );
    assert!(shown.contains("deleted 50 files of one:/many"), "{shown:?}");
    env.at_terminal(&["put", "many/1", "one:/kept"], "");
    let (shown, code) = env.at_terminal(&["rm", "-r", "one:/"], "y\n");
    assert_eq!(code, 1, "{shown}");
    let (shown, code) = env.at_terminal(&["rm", "-r", "one:/"], "one\n");
    assert_eq!(code, 0, "{shown}");
    let (shown, _) = env.at_terminal(&["context", "clear", "one"], "one\n");
    assert!(
        shown.contains("clearing one") && shown.contains("cleared one in"),
        "{shown:?}"
    );
}

#[test]
fn copies_of_a_context_show_progress() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    let folder = env.scratch.path().join("many");
    std::fs::create_dir(&folder).unwrap();
    for n in 0..50 {
        std::fs::write(folder.join(n.to_string()), vec![7; 10_000]).unwrap();
    }
    env.print(&["put", "-r", "many/", "one:/"]);
    for (arguments, action, done) in [
        (
            &["context", "copy", "one", "two"][..],
            "copying ",
            "50 files copied to two (488.28 KiB)",
        ),
        (
            &["context", "snapshot", "one", "--to", "saved/"],
            "save ",
            "50 files saved in saved/ (488.28 KiB)",
        ),
        (
            &["context", "snapshot", "one", "--to", "one.tar"],
            "saving ",
            "50 files (488.28 KiB) in one.tar",
        ),
        (
            &["context", "restore", "one.tar", "three"],
            "restoring ",
            "50 files restored (488.28 KiB)",
        ),
        (
            &["context", "restore", "saved/", "four"],
            "restore ",
            "50 files restored (488.28 KiB)",
        ),
    ] {
        let (shown, code) = env.at_terminal(arguments, "");
        assert_eq!(code, 0, "{arguments:?}: {shown}");
        let (bar, rest) = shown.rsplit_once("\u{1b}[2K").unwrap();
        assert!(
            bar.contains(action) && bar.contains("/50"),
            "{arguments:?}: {shown:?}"
        );
        // The bar is removed before the result.
        assert_eq!(rest.trim_end(), done, "{arguments:?}: {shown:?}");
    }
}

#[test]
fn a_watch_shows_its_state_below_the_changes() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    let watch = ["sync", "--watch", "--interval", "1", "project", "one:/p"];
    let (shown, code) = std::thread::scope(|scope| {
        scope.spawn(|| {
            super::support::wait(2000);
            env.print(&["context", "delete", "--yes", "one"]);
        });
        env.at_terminal(&watch, "")
    });
    assert_eq!(code, 3, "{shown:?}");
    assert!(shown.contains("upload"), "{shown:?}");
    assert!(
        shown.contains("watching project to one:/p: 2 changes, last 20"),
        "{shown:?}"
    );
    // The state line is removed before the error.
    let (_, rest) = shown.rsplit_once("watching").unwrap();
    let error = rest.split_once("\u{1b}[2K").unwrap().1;
    assert!(error.contains("not found"), "{shown:?}");
}
