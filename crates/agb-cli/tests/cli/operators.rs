//! `agb serve`: key files, TLS, metrics, logs and config files.

use std::{fs, path::Path, process::Output};

use agbcloud::{ErrorDetail, ErrorKind};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Serve, agb, contexts};

fn keys(file: &Path, arguments: &[&str]) -> Output {
    let mut command = agb();
    command.args(["serve", "keys"]).args(arguments);
    command.arg("--keys").arg(file).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Creates a key and returns it with its id.
fn add(file: &Path, tenant: &str) -> (String, String) {
    let output = keys(file, &["add", tenant]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let key = text(&output.stdout).trim_end().to_owned();
    let stderr = text(&output.stderr);
    let id = stderr.trim_end().rsplit(' ').next().unwrap();
    let id = id.trim_end_matches(')').to_owned();
    assert!(!stderr.contains(&key), "{stderr}");
    (key, id)
}

#[tokio::test]
async fn keys_are_created_listed_and_revoked_while_the_service_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    let (first, first_id) = add(&file, "team-a");
    let data = folder.path().join("data");
    let serve = Serve::start(&data, &["--keys", file.to_str().unwrap()]);
    let context = contexts(&serve.url, &first)
        .get_or_create("one")
        .await
        .unwrap();
    let (second, second_id) = add(&file, "team-a");
    let listed = text(&keys(&file, &["list"]).stdout);
    assert_eq!(listed.lines().count(), 2, "{listed}");
    for id in [&first_id, &second_id] {
        assert!(listed.contains(id.as_str()), "{listed}");
    }
    assert!(!listed.contains(&first) && !listed.contains(&second));
    assert!(keys(&file, &["revoke", &first_id]).status.success());
    assert_eq!(keys(&file, &["revoke", &first_id]).status.code(), Some(2));
    let error = contexts(&serve.url, &first)
        .get(&context.id)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    contexts(&serve.url, &second)
        .get(&context.id)
        .await
        .unwrap();

    let files = contexts(&serve.url, &second).files(&context.id);
    files.upload("/a", vec![1; 10]).await.unwrap();
    let before = files.download_url("/a").await.unwrap();
    let rotate = |overlap: &[&str]| {
        let rotated = keys(&file, &[&["rotate-signing"], overlap].concat());
        assert!(rotated.status.success(), "{}", text(&rotated.stderr));
    };
    for overlap in [&[][..], &["--overlap", "3600"]] {
        rotate(overlap);
        let between = files.download_url("/a").await.unwrap();
        for url in [&before, &between] {
            assert_eq!(get(&serve.url, target(url.as_str())).await, 200);
        }
    }
    rotate(&["--overlap", "0"]);
    let after = files.download_url("/a").await.unwrap();
    assert_eq!(get(&serve.url, target(before.as_str())).await, 403);
    assert_eq!(get(&serve.url, target(after.as_str())).await, 200);

    let (status, stderr) = serve.stop("TERM");
    assert!(status.success(), "{stderr}");
    for secret in [&first, &second] {
        assert!(!stderr.contains(secret.as_str()), "{stderr}");
    }
}

#[tokio::test]
async fn keys_have_limits_and_the_list_shows_the_usage() {
    let folder = tempfile::tempdir().unwrap();
    let (file, data) = (folder.path().join("keys"), folder.path().join("data"));
    let limits = ["add", "team-a", "--max-bytes", "2k", "--max-files", "3"];
    let added = keys(&file, &limits);
    assert!(added.status.success(), "{}", text(&added.stderr));
    let key = text(&added.stdout).trim_end().to_owned();
    let (_, other_id) = add(&file, "team-b");
    for invalid in [["--max-bytes", "many"], ["--max-files", "-1"]] {
        let refused = keys(&file, &[&["add", "team-c"], &invalid[..]].concat());
        assert_eq!(refused.status.code(), Some(2), "{invalid:?}");
    }
    let line = |output: &Output, tenant: &str| {
        let listed = text(&output.stdout);
        let line = listed.lines().find(|line| line.contains(tenant)).unwrap();
        line.split_once(tenant).unwrap().1.to_owned()
    };
    let list = || keys(&file, &["list", "--data-dir", data.to_str().unwrap()]);
    let before = list();
    assert_eq!(line(&before, "team-a"), "\t\t3\t\t2048");
    assert!(text(&before.stderr).contains("can't read the usage"));

    let serve = Serve::start(
        &data,
        &[
            "--keys",
            file.to_str().unwrap(),
            "--limits",
            "tenant-files=2",
        ],
    );
    let contexts = contexts(&serve.url, &key);
    let context = contexts.get_or_create("one").await.unwrap();
    let files = contexts.files(&context.id);
    files.upload("/a", vec![1; 2000]).await.unwrap();
    let error = files.upload("/b", vec![1; 49]).await.unwrap_err();
    assert_eq!(error.detail(), Some(ErrorDetail::QuotaExceeded));
    assert_eq!(
        (error.kind(), error.attempts().len()),
        (ErrorKind::Conflict, 1)
    );
    assert!(
        error.message().contains("tenant-bytes: 2000 of 2048"),
        "{error}"
    );
    files.upload("/b", vec![1; 48]).await.unwrap();
    let error = files.upload("/c", Vec::new()).await.unwrap_err();
    assert_eq!(error.detail(), Some(ErrorDetail::QuotaExceeded));
    assert!(error.message().contains("tenant-files: 2 of 2"), "{error}");
    let failed = agb()
        .args(["put", "-", "one:/c"])
        .env("AGB_ENDPOINT", &serve.url)
        .env("AGB_API_KEY", &key)
        .output()
        .unwrap();
    let stderr = text(&failed.stderr);
    assert_eq!(failed.status.code(), Some(6), "{stderr}");
    assert!(stderr.contains("hint: delete files"), "{stderr}");

    let running = list();
    assert_eq!(line(&running, "team-a"), "\t2\t3\t2048\t2048");
    assert_eq!(line(&running, "team-b"), "\t0\t\t0\t");
    assert!(text(&running.stdout).contains(&other_id));

    // A limit that is not given stays. Changes apply to the running service.
    let id = text(&running.stdout)
        .lines()
        .find(|line| line.contains("team-a"))
        .and_then(|line| line.split_whitespace().next().map(str::to_owned))
        .unwrap();
    for invalid in [&[][..], &["--max-bytes", "many"], &["--max-files", "-1"]] {
        let refused = keys(&file, &[&["set-limits", &id], invalid].concat());
        assert_eq!(refused.status.code(), Some(2), "{invalid:?}");
    }
    let missing = keys(&file, &["set-limits", "missing", "--max-files", "1"]);
    assert_eq!(missing.status.code(), Some(2));
    let changed = keys(&file, &["set-limits", &id, "--max-bytes", "4k"]);
    assert!(changed.status.success(), "{}", text(&changed.stderr));
    files.upload("/a", vec![1; 4048]).await.unwrap();
    let error = files.upload("/a", vec![1; 4049]).await.unwrap_err();
    assert_eq!(error.detail(), Some(ErrorDetail::QuotaExceeded));
    let changed = keys(
        &file,
        &[
            "set-limits",
            &id,
            "--max-files",
            "none",
            "--max-bytes",
            "none",
        ],
    );
    assert!(changed.status.success(), "{}", text(&changed.stderr));
    files.upload("/a", vec![1; 4049]).await.unwrap();
    let running = list();
    assert_eq!(line(&running, "team-a"), "\t2\t\t4097\t");
    assert!(serve.stop("TERM").0.success());
    assert_eq!(list().stdout, running.stdout);
}

fn target(url: &str) -> &str {
    &url[url.find("/objects/").unwrap()..]
}

/// The status of a GET.
async fn get(url: &str, target: &str) -> u16 {
    let (status, _) = fetch(url, target).await;
    status
}

pub(crate) async fn fetch(url: &str, target: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(url.strip_prefix("http://").unwrap())
        .await
        .unwrap();
    let request = format!("GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    (answer[9..12].parse().unwrap(), answer)
}

#[test]
fn the_key_file_can_be_set_in_the_environment_or_the_config_file() {
    let folder = tempfile::tempdir().unwrap();
    let (file, config) = (folder.path().join("keys"), folder.path().join("agb.toml"));
    fs::write(&config, format!("keys = {:?}\n", file.to_str().unwrap())).unwrap();
    add(&file, "team-a");
    let by_environment = agb()
        .args(["serve", "keys", "list"])
        .env("AGB_KEYS", &file)
        .env("AGB_LISTEN", "127.0.0.1:0")
        .output()
        .unwrap();
    let by_config = agb()
        .args(["serve", "keys", "list", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    for output in [by_environment, by_config] {
        let listed = text(&output.stdout);
        assert!(listed.contains("team-a"), "{}", text(&output.stderr));
    }
}

#[test]
fn invalid_keys_commands_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    assert_eq!(keys(&file, &["list"]).status.code(), Some(1));
    assert_eq!(keys(&file, &["add", "a b"]).status.code(), Some(2));
    assert!(!file.exists());
    let nowhere = agb().args(["serve", "keys", "list"]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(text(&nowhere.stderr).contains("--keys FILE"));
}

#[cfg(unix)]
#[test]
fn a_key_file_that_others_can_change_is_not_changed() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    add(&file, "team-a");
    let before = fs::read(&file).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    for command in [&["add", "team-b"][..], &["list"], &["rotate-signing"]] {
        let output = keys(&file, command);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{stderr}");
        assert!(
            stderr.contains("others can change") && stderr.contains("chmod go-w"),
            "{stderr}"
        );
    }
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn flags_take_precedence_over_the_config_file() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("agb.toml");
    fs::write(
        &config,
        "listen = \"127.0.0.1:1\"\nmetrics-listen = \"127.0.0.1:0\"\nlimits = \"object-bytes=5\"\napi-key = [\"key-1\"]\n",
    )
    .unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let set = |mode| fs::set_permissions(&config, fs::Permissions::from_mode(mode)).unwrap();
        set(0o604);
        let output = agb()
            .args(["serve", "--config", config.to_str().unwrap()])
            .output()
            .unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{stderr}");
        assert!(
            stderr.contains("others can read") && stderr.contains("chmod go-r"),
            "{stderr}"
        );
        set(0o600);
    }
    // The flag replaces `listen`, whose port 1 is not available.
    let serve = Serve::start(
        &folder.path().join("data"),
        &["--config", config.to_str().unwrap()],
    );
    let there = contexts(&serve.url, "key-1");
    let id = there.get_or_create("one").await.unwrap().id;
    there.files(&id).upload("/a", vec![0; 5]).await.unwrap();
    let error = there.files(&id).upload("/b", vec![0; 6]).await.unwrap_err();
    assert_eq!(error.code(), Some("EntityTooLarge"));
    let (status, stderr) = serve.stop("TERM");
    assert!(status.success(), "{stderr}");
    assert!(stderr.contains("metrics on http://127.0.0.1:"), "{stderr}");

    fs::write(&config, "listen = \"127.0.0.1:0\"\nno-such-name = 1\n").unwrap();
    let output = agb()
        .args(["serve", "--config"])
        .arg(&config)
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("`no-such-name`") && stderr.contains("line 2"),
        "{stderr}"
    );
}

#[tokio::test]
async fn the_log_can_be_json() {
    let folder = tempfile::tempdir().unwrap();
    let serve = Serve::start(folder.path(), &["--log-format", "json", "--log", "info"]);
    contexts(&serve.url, "any-key")
        .get_or_create("one")
        .await
        .unwrap();
    let (_, stderr) = serve.stop("TERM");
    assert!(stderr.lines().count() > 3, "{stderr}");
    for line in stderr.lines() {
        let object = line.starts_with("{\"timestamp\":") && line.ends_with('}');
        assert!(object, "{line}");
    }
    assert!(stderr.contains("\"operation\":\"GetContext\""), "{stderr}");
}

#[test]
fn a_failed_start_is_logged_as_json() {
    for (level, is_json) in [("warn", true), ("off", false)] {
        let output = agb()
            .args(["serve", "--log-format", "json", "--log", level])
            .args(["--durability", "memory", "--listen", "0.0.0.0:0"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        let stderr = text(&output.stderr);
        assert!(stderr.contains("at least one API key"), "{stderr}");
        for line in stderr.lines() {
            let object = line.starts_with("{\"timestamp\":") && line.ends_with('}');
            assert_eq!(object, is_json, "{line}");
        }
        // Warnings are logged.
        assert_eq!(stderr.contains("--public-url"), is_json, "{stderr}");
    }
}

#[test]
fn invalid_settings_are_usage_errors() {
    for (arguments, message) in [
        (&["--tls-cert", "c.pem"][..], "--tls-key"),
        (&["--tls-key", "k.pem"], "--tls-cert"),
        (&["--limits", "connections"], "NAME=VALUE"),
        (&["--limits", "conections=1"], "`conections`"),
        (&["--limits", "connections=0"], "connections"),
        (&["--metrics-listen", "nonsense"], "--metrics-listen"),
        (&["--fault", "colour=red"], "`colour=red`"),
        (&["--simulate", "lag"], "lag=TIME"),
        (
            &["--fault", "html", "--listen", "0.0.0.0:0", "--api-key", "k"],
            "faults are for testing",
        ),
        (&["--log-format", "xml"], "json"),
        (&["--config", "no-such-file.toml"], "no-such-file.toml"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let output = agb()
            .args(["serve", "--data-dir"])
            .arg(folder.path())
            .args(arguments)
            .env("AGB_LISTEN", "127.0.0.1:0")
            .output()
            .unwrap();
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(message), "{arguments:?}: {stderr}");
    }
}

#[tokio::test]
async fn fault_and_simulate_are_the_same_flag() {
    for (flag, fault) in [("--fault", "html,times=1"), ("--simulate", "html,times=1")] {
        let folder = tempfile::tempdir().unwrap();
        let serve = Serve::start(folder.path(), &[flag, fault]);
        assert_eq!(get(&serve.url, "/sdk/ListContexts").await, 502);
        assert_eq!(get(&serve.url, "/sdk/ListContexts").await, 401);
        let (_, stderr) = serve.stop("TERM");
        assert!(stderr.contains("faults are injected"), "{stderr}");
    }
}

#[test]
fn a_public_address_without_tls_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, has_warning) in [
        (&["--listen", "0.0.0.0:0"][..], true),
        (
            &[
                "--listen",
                "0.0.0.0:0",
                "--public-url",
                "http://agb.example.com",
            ],
            true,
        ),
        (
            &[
                "--listen",
                "0.0.0.0:0",
                "--public-url",
                "HTTPS://agb.example.com",
            ],
            false,
        ),
        (&["--listen", "127.0.0.1:0"], false),
    ] {
        let data = folder.path().join("data");
        let mut child = agb()
            .args(["serve", "--api-key", "k", "--data-dir"])
            .arg(&data)
            .args(arguments)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).unwrap();
        assert!(line.starts_with("listening on "), "{line}");
        crate::support::signal("TERM", child.id());
        let stderr = text(&child.wait_with_output().unwrap().stderr);
        assert_eq!(
            stderr.matches("does not use TLS").count(),
            usize::from(has_warning),
            "{stderr}"
        );
    }
}
