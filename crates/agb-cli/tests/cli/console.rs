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
