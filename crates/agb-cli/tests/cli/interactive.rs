//! Conversations on a terminal, the width of tables, and `-v`.

use std::{
    fs::File,
    io::{Read, Write},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize},
};

use super::{
    support::{signal, wait},
    test_env::{KEY, TestEnv},
};

/// A program on a terminal.
pub(super) struct Terminal {
    terminal: File,
    pub(super) child: Child,
    read: Receiver<Vec<u8>>,
    shown: String,
}

impl Terminal {
    pub(super) fn start(mut command: Command, columns: u16) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let size = Winsize {
            ws_row: 40,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&terminal, size).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let open = || {
            let options = File::options().read(true).write(true).clone();
            Stdio::from(options.open(name.to_str().unwrap()).unwrap())
        };
        command
            .env("TERM", "xterm-256color")
            .stdin(open())
            .stdout(open())
            .stderr(open());
        let child = command.spawn().unwrap();
        drop(command);
        let terminal = File::from(terminal);
        let mut reader = terminal.try_clone().unwrap();
        let (send, read) = channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                if send.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self {
            terminal,
            child,
            read,
            shown: String::new(),
        }
    }

    /// Waits until the program shows the text.
    #[track_caller]
    pub(super) fn expect(&mut self, text: &str) {
        while !self.shown.contains(text) {
            match self.read.recv_timeout(Duration::from_secs(60)) {
                Ok(bytes) => self.shown += &String::from_utf8_lossy(&bytes),
                Err(_) => panic!("{text:?} is not shown: {:?}", self.shown),
            }
        }
    }

    pub(super) fn send(&mut self, typed: &str) {
        self.terminal.write_all(typed.as_bytes()).unwrap();
    }

    /// Waits for the end. Returns what was shown, and the exit code.
    pub(super) fn end(mut self) -> (String, Option<i32>) {
        let code = self.child.wait().unwrap().code();
        while let Ok(bytes) = self.read.recv_timeout(Duration::from_millis(300)) {
            self.shown += &String::from_utf8_lossy(&bytes);
        }
        (self.shown, code)
    }

    fn echoes(&self) -> bool {
        let modes = tcgetattr(&self.terminal).unwrap().local_modes;
        modes.contains(LocalModes::ECHO)
    }
}

fn bare(env: &TestEnv, arguments: &[&str]) -> Command {
    let mut command = env.command(arguments);
    command.env_remove("AGB_ENDPOINT").env_remove("AGB_API_KEY");
    command
}

#[test]
fn a_login_asks_for_the_key_without_echo() {
    let env = TestEnv::with(&["--api-key", KEY]);
    let login = ["login", "--endpoint", &env.serve.url];
    let mut terminal = Terminal::start(bare(&env, &login), 80);
    terminal.expect(&format!("API key for {}: ", env.serve.url));
    while terminal.echoes() {
        wait(10);
    }
    terminal.send(&format!("{KEY}\n"));
    terminal.expect("logged in to");
    assert!(terminal.echoes());
    let (shown, code) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert!(!shown.contains(KEY), "{shown}");

    // The endpoint of the environment is named in the prompt.
    let mut exported = env.command(&["login", "--profile", "exported"]);
    exported.env_remove("AGB_API_KEY");
    let mut terminal = Terminal::start(exported, 80);
    terminal.expect(&format!("API key for {}: ", env.serve.url));
    while terminal.echoes() {
        wait(10);
    }
    terminal.send(&format!("{KEY}\n"));
    terminal.expect("logged in to");
    assert_eq!(terminal.end().1, Some(0));

    // Ctrl-C restores the echo.
    let mut terminal = Terminal::start(bare(&env, &login), 80);
    terminal.expect("API key for");
    while terminal.echoes() {
        wait(10);
    }
    super::support::signal("INT", terminal.child.id());
    terminal.expect("interrupted");
    assert!(terminal.echoes());
    assert_eq!(terminal.end().1, Some(130));
    let mut terminal = Terminal::start(bare(&env, &login), 80);
    terminal.expect("API key for");
    while terminal.echoes() {
        wait(10);
    }
    terminal.send("\n");
    terminal.expect("no API key");
    assert_eq!(terminal.end().1, Some(2));
}

#[test]
fn tables_fit_the_terminal_and_not_the_pipe() {
    let env = TestEnv::new();
    let long = "a-name-that-needs-more-than-the-forty-columns-of-a-terminal";
    env.print(&["context", "create", long]);
    let id = env.print(&["context", "list"]);
    let id = id.split('\t').nth(1).unwrap();
    for columns in [40, 70, 100] {
        let list = env.command(&["context", "list", "--color=never"]);
        let (shown, code) = Terminal::start(list, columns).end();
        assert_eq!(code, Some(0), "{shown}");
        assert!(shown.contains('…') && shown.contains("NAME"), "{shown}");
        for line in shown.lines() {
            assert!(line.chars().count() <= usize::from(columns), "{line:?}");
        }
        assert_eq!(shown.contains(id), columns >= 70, "{shown}");
    }
    assert!(
        env.print(&["context", "list"])
            .starts_with(&format!("{long}\t"))
    );
    let mut doctor = bare(
        &env,
        &[
            "doctor",
            "--color=never",
            "--endpoint",
            "http://127.0.0.1:1",
        ],
    );
    doctor.env("AGB_TIMEOUT_MS", "2000");
    let (shown, _) = Terminal::start(doctor, 60).end();
    for line in shown.lines().filter(|line| !line.contains('/')) {
        assert!(line.chars().count() <= 60, "{line:?}");
    }
    let (help, _) = Terminal::start(env.command(&["login", "--help"]), 60).end();
    for line in help.lines() {
        let line = anstream::adapter::strip_str(line).to_string();
        assert!(line.chars().count() <= 60, "{line:?}");
    }
}

#[test]
fn commands_about_settings_run_on_a_terminal() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    env.print(&["put", "project/a.txt", "one:/a.txt"]);
    for (arguments, text) in [
        (&["config", "list"][..], "from the environment"),
        (&["config", "path"], "config.toml"),
        (
            &["config", "set", "region", "here"],
            "set region of the profile",
        ),
        (&["config", "get", "endpoint"], "http://"),
        (&["config", "profiles"], "current"),
        (&["config", "unset", "region"], "removed region"),
        (&["url", "get", "one:/a.txt"], "anyone with this URL"),
        (&["-v", "stat", "one:/a.txt"], "call: GetContext 200"),
        (&["completion", "zsh"], "compdef"),
        (&["man", "pages"], "wrote the pages to pages/man1"),
        (&["schema"], "$schema"),
        (&["doctor"], "the key is valid"),
    ] {
        let (shown, code) = Terminal::start(env.command(arguments), 80).end();
        assert_eq!(code, Some(0), "{arguments:?}: {shown}");
        assert!(shown.contains(text), "{arguments:?}: {shown}");
    }
}

#[test]
fn verbose_shows_calls_without_secrets() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    env.print(&["put", "project/a.txt", "one:/a.txt"]);
    let shown = |arguments: &[&str]| {
        let output = env.run(arguments);
        assert!(output.status.success(), "{output:?}");
        assert!(!String::from_utf8_lossy(&output.stdout).contains("call:"));
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(!shown(&["cat", "one:/a.txt"]).contains("call:"));
    let calls = shown(&["-v", "cat", "one:/a.txt"]);
    let call = calls
        .lines()
        .find(|line| line.starts_with("call: GetContext 200 in "));
    assert!(
        call.is_some_and(|line| line.contains(" ms, request id ")),
        "{calls}"
    );
    assert!(calls.contains("call: Download"), "{calls}");
    assert!(!calls.contains("request: "), "{calls}");
    let requests = shown(&["cat", "one:/a.txt", "-vv"]);
    let get = requests
        .lines()
        .find(|line| line.contains("/objects/v1/"))
        .unwrap();
    assert!(get.starts_with("request: GET http://127.0.0.1:"), "{get}");
    assert!(get.contains("?REDACTED 200 in "), "{get}");
    assert!(
        !requests.contains("signature") && !requests.contains(KEY),
        "{requests}"
    );

    let failing = TestEnv::with(&["--fault", "status=503,op=ListContexts,retry-after=0"]);
    let (code, stderr) = failing.fail(&["context", "list", "-vv"]);
    assert_eq!(code, 7);
    let call = stderr
        .lines()
        .find(|line| line.starts_with("call: "))
        .unwrap();
    assert!(
        call.contains(" 503 in ") && call.contains(" requests"),
        "{stderr}"
    );
    assert!(stderr.contains(", retry 1"), "{stderr}");
    let (code, stderr) = env.fail(&[
        "-v",
        "context",
        "list",
        "--endpoint",
        "http://127.0.0.1:1",
        "--call-timeout",
        "0.2",
    ]);
    assert!(
        code == 7 && stderr.contains("call: ListContexts connection in "),
        "{stderr}"
    );
}

#[test]
fn an_expiry_of_urls_is_explained() {
    let env = TestEnv::new();
    for command in ["get", "put"] {
        let (code, stderr) = env.fail(&["url", command, "one:/a", "--expires", "1h"]);
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains("the service alone decides"), "{stderr}");
    }
}

#[test]
fn an_interrupted_question_ends_its_line_and_deletes_nothing() {
    let env = TestEnv::new();
    env.print(&["context", "create", "precious"]);
    let question = "Type \"precious\" to continue: ";
    for (is_signal, code, message) in [(true, 130, "interrupted"), (false, 1, "not confirmed")] {
        let command = env.command(&["context", "delete", "precious"]);
        let mut terminal = Terminal::start(command, 100);
        terminal.expect(question);
        match is_signal {
            true => signal("INT", terminal.child.id()),
            // Ctrl-D.
            false => terminal.send("\u{4}"),
        }
        let (shown, ended) = terminal.end();
        assert_eq!(ended, Some(code), "{shown}");
        let (_, after) = shown.split_once(question).unwrap();
        assert!(after.starts_with("\r\n"), "{shown:?}");
        assert!(after.contains(message), "{shown:?}");
    }
    env.print(&["context", "get", "precious"]);
}
