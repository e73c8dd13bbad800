//! `agb console`, `agb serve --console` and `agb demo --console`.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

use crate::support::{Serve, agb, contexts, signal};

/// A running command and its lines on stdout.
struct Running {
    process: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Running {
    fn start(command: &mut Command) -> Self {
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = process.stdout.take().unwrap();
        Self {
            process,
            lines: BufReader::new(stdout).lines(),
        }
    }

    /// The rest of the next line, which starts with this text.
    fn expect(&mut self, start: &str) -> String {
        let line = self.lines.next().unwrap().unwrap();
        let rest = line.strip_prefix(start);
        rest.unwrap_or_else(|| panic!("{line:?} does not start with {start:?}"))
            .to_owned()
    }

    /// The lines on stderr up to one that starts with this text.
    #[cfg(target_os = "linux")]
    fn read_stderr_until(&mut self, start: &str) -> String {
        let mut read = String::new();
        let stderr = self.process.stderr.take().unwrap();
        let mut stderr = BufReader::new(stderr);
        loop {
            let mut line = String::new();
            assert!(stderr.read_line(&mut line).unwrap() > 0, "only {read}");
            read += &line;
            if line.starts_with(start) {
                return read;
            }
        }
    }

    /// Stops the command, and returns its exit code and its stderr.
    fn stop(self) -> (Option<i32>, String) {
        signal("TERM", self.process.id());
        let output = self.process.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code(), stderr)
    }
}

/// Signs in with a link, and returns the list of contexts.
async fn sign_in(link: &str) -> String {
    let (url, _) = link.split_once("/login?token=").unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let page = http.get(link).send().await.unwrap();
    let cookie = page.headers()["set-cookie"].to_str().unwrap().to_owned();
    let cookie = cookie.split(';').next().unwrap();
    let list = http.get(url).header("cookie", cookie).send().await.unwrap();
    list.text().await.unwrap()
}

#[tokio::test]
async fn the_console_uses_the_settings_of_all_commands() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &["--api-key", "key-1"]);
    let one = contexts(&serve.url, "key-1").get_or_create("one");
    one.await.unwrap();
    let mut console = Running::start(
        agb()
            .args(["console", "--endpoint", &serve.url])
            .env("AGB_API_KEY", "key-1"),
    );
    let link = console.expect("console on ");
    let list = sign_in(&link).await;
    assert!(
        list.contains(">one</a>") && !list.contains("key-1"),
        "{list}"
    );
    assert_eq!(console.stop(), (Some(0), String::new()));
}

/// A console that opens its link with the programs of a folder.
#[cfg(target_os = "linux")]
fn opening(endpoint: &str, programs: &std::path::Path) -> Running {
    Running::start(
        agb()
            .args(["console", "--open", "--endpoint", endpoint])
            .env("AGB_API_KEY", "key-1")
            .env("PATH", programs),
    )
}

#[cfg(target_os = "linux")]
fn create_opener(folder: &std::path::Path, script: &str) {
    use std::os::unix::fs::PermissionsExt;

    let path = folder.join("xdg-open");
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_console_runs_without_a_browser() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &["--api-key", "key-1"]);
    let programs = tempfile::tempdir().unwrap();
    for (script, cause) in [
        (None, "warning: can't run xdg-open\ncause: "),
        (
            Some("exit 3"),
            "warning: xdg-open failed (exit status: 3)\n",
        ),
    ] {
        if let Some(script) = script {
            create_opener(programs.path(), script);
        }
        let mut console = opening(&serve.url, programs.path());
        let link = console.expect("console on ");
        let warning = console.read_stderr_until("hint: ");
        assert!(warning.starts_with(cause), "{warning}");
        assert!(
            warning.ends_with("hint: open the link above in a browser\n"),
            "{warning}"
        );
        let list = sign_in(&link).await;
        assert!(list.contains("There are no contexts yet"), "{list}");
        assert_eq!(console.stop().0, Some(0));
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_browser_in_the_foreground_blocks_neither_the_console_nor_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &["--api-key", "key-1"]);
    let programs = tempfile::tempdir().unwrap();
    create_opener(programs.path(), "echo $$ >&2\nexec /bin/sleep 60");
    let mut console = opening(&serve.url, programs.path());
    let link = console.expect("console on ");
    let opener: u32 = console.read_stderr_until("").trim().parse().unwrap();
    let list = sign_in(&link).await;
    assert!(list.contains("There are no contexts yet"), "{list}");
    signal("TERM", console.process.id());
    assert_eq!(console.process.wait().unwrap().code(), Some(0));
    // Fails if the console has waited until the opener ended.
    signal("KILL", opener);
}

#[tokio::test]
async fn serve_runs_a_console_with_its_metrics() {
    let folder = tempfile::tempdir().unwrap();
    for (keys, key, variable) in [
        (
            &["--api-key", "key-1", "--api-key", "key-2"][..],
            "key-1",
            None,
        ),
        (&[], "any-key", None),
        (&[], "key-3", Some("key-3")),
    ] {
        let mut command = agb();
        command
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--console",
                "--data-dir",
            ])
            .arg(folder.path())
            .args(keys)
            .env_remove("AGB_API_KEY");
        if let Some(variable) = variable {
            command.env("AGB_API_KEY", variable);
        }
        let mut serve = Running::start(&mut command);
        let url = serve.expect("listening on ");
        let link = serve.expect("console on ");
        let name = format!("of-{key}");
        contexts(&url, key).get_or_create(&*name).await.unwrap();
        let list = sign_in(&link).await;
        assert!(list.contains(&format!(">{name}</a>")), "{list}");
        assert!(list.contains("href=\"/metrics\""), "{list}");
        let (code, stderr) = serve.stop();
        assert_eq!(code, Some(0), "{stderr}");
    }
}

#[test]
fn wrong_addresses_and_missing_keys_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let added = agb()
        .args(["serve", "keys", "add", "team", "--keys"])
        .arg(&keys)
        .output();
    assert!(added.unwrap().status.success());
    let keys = keys.to_str().unwrap();
    let data = folder.path().join("data");
    let serve = [
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--data-dir",
        data.to_str().unwrap(),
    ];
    for (arguments, message, hint) in [
        (
            vec![
                "console",
                "--listen",
                "0.0.0.0:0",
                "--endpoint",
                "http://127.0.0.1:1",
            ],
            "0.0.0.0:0 is not a loopback address",
            "ssh -L",
        ),
        (
            vec![
                "console",
                "--metrics",
                "https://a.example",
                "--endpoint",
                "http://127.0.0.1:1",
            ],
            "is not an http URL",
            "--metrics-listen",
        ),
        (
            [&serve[..], &["--console=0.0.0.0:0"]].concat(),
            "0.0.0.0:0 is not a loopback address",
            "ssh -L",
        ),
        (
            [&serve[..], &["--console", "--keys", keys]].concat(),
            "--console has no API key",
            "AGB_API_KEY",
        ),
    ] {
        let mut command = agb();
        command.args(&arguments).env_remove("AGB_API_KEY");
        if arguments[0] == "console" {
            command.env("AGB_API_KEY", "key-1");
        }
        let output = command.output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(
            stderr.contains(message) && stderr.contains(hint),
            "{stderr}"
        );
    }
}

#[tokio::test]
async fn the_demo_fills_a_console_and_stores_nothing() {
    let scratch = tempfile::tempdir().unwrap();
    let mut demo = Running::start(
        agb()
            .args(["demo", "--console"])
            .env("TMPDIR", scratch.path()),
    );
    demo.expect("temporary service at http://127.0.0.1:");
    demo.expect("created 6 contexts with 251 files");
    let link = demo.expect("console on ");
    let list = sign_in(&link).await;
    assert!(list.contains(">research-agent</a>"), "{list}");
    let (code, stderr) = demo.stop();
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
}
