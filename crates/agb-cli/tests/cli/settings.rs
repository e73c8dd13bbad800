//! The endpoint and the key that commands use.

use std::{fs, io::Write, net::TcpListener, os::unix::fs::PermissionsExt, process::Command};

use super::test_env::{KEY, TestEnv};

/// Writes a private file of profiles.
fn profiles(env: &TestEnv, text: &str) {
    let folder = env.path("config/agb");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("config.toml");
    fs::write(&file, text).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Exit code, stdout and stderr.
fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// An endpoint, and a function that returns whether it was called.
fn observed_endpoint() -> (String, impl Fn() -> bool) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    (url, move || listener.accept().is_ok())
}

#[test]
fn a_profile_of_a_flag_takes_precedence_over_the_environment() {
    let (exported, staging) = (TestEnv::new(), TestEnv::new());
    profiles(
        &exported,
        &format!(
            "[staging]\nendpoint = {:?}\napi_key = \"key-of-staging\"\n",
            staging.serve.url
        ),
    );
    let there = |arguments: &[&str]| {
        let mut command = staging.command(arguments);
        command.env("AGB_API_KEY", "key-of-staging");
        let (code, shown, stderr) = run(&mut command);
        assert_eq!(code, 0, "{stderr}");
        shown
    };
    exported.print(&["context", "create", "x"]);
    there(&["context", "create", "x"]);
    let list = ["context", "list", "-q"];
    exported.print(&["context", "delete", "-y", "x", "--profile", "staging"]);
    assert_eq!(
        (exported.print(&list), there(&list)),
        ("x\n".into(), String::new())
    );

    // A profile of the environment has a lower precedence than its other settings.
    there(&["context", "create", "y"]);
    let mut command = exported.command(&list);
    assert_eq!(run(command.env("AGB_PROFILE", "staging")).1, "x\n");
    let mut alone = exported.command(&list);
    alone.env_remove("AGB_ENDPOINT").env_remove("AGB_API_KEY");
    assert_eq!(run(alone.env("AGB_PROFILE", "staging")).1, "y\n");
    // A flag takes precedence over its variable.
    let mut command = exported.command(&[&list[..], &["--profile", "staging"]].concat());
    assert_eq!(run(command.env("AGB_PROFILE", "none")).1, "y\n");

    let doctor = exported.print(&["doctor", "--profile", "staging"]);
    assert_eq!(
        doctor.matches("from --profile staging").count(),
        2,
        "{doctor}"
    );
    assert!(doctor.contains(&staging.serve.url), "{doctor}");
}

#[test]
fn an_incomplete_profile_is_not_completed_for_another_service() {
    let env = TestEnv::new();
    let (url, called) = observed_endpoint();
    profiles(
        &env,
        &format!("[key]\napi_key = \"k\"\n[endpoint]\nendpoint = {url:?}\n[empty]\n"),
    );
    env.print(&["context", "create", "x"]);
    for (profile, missing) in [
        ("key", "endpoint"),
        ("endpoint", "api_key"),
        ("empty", "endpoint"),
    ] {
        let (code, stderr) = env.fail(&["context", "delete", "-y", "x", "--profile", profile]);
        assert_eq!(code, 2, "{profile}: {stderr}");
        assert!(stderr.contains(&format!("has no {missing}")), "{stderr}");
        assert!(
            stderr.contains("from the environment") && stderr.contains("hint:"),
            "{stderr}"
        );
    }
    assert_eq!(env.fail(&["ls", "x:/", "--profile", ""]).0, 2);
    assert!(!called(), "nothing was sent");
    assert_eq!(env.print(&["context", "list", "-q"]), "x\n");
    // Without an endpoint in the environment, its key completes the profile.
    let mut command = env.command(&[
        "context",
        "list",
        "--profile",
        "endpoint",
        "--call-timeout",
        "0.2",
    ]);
    assert_ne!(run(command.env_remove("AGB_ENDPOINT")).0, 2);
    assert!(called());
}

#[test]
fn a_key_is_not_sent_to_an_endpoint_of_a_less_trusted_source() {
    let env = TestEnv::new();
    let (url, called) = observed_endpoint();
    let list = ["context", "list"];
    fs::write(env.path(".env"), format!("export AGB_ENDPOINT='{url}'\n")).unwrap();
    for endpoint in [None, Some(""), Some(" ")] {
        let mut command = env.command(&list);
        match endpoint {
            None => command.env_remove("AGB_ENDPOINT"),
            Some(text) => command.env("AGB_ENDPOINT", text),
        };
        let (code, _, stderr) = run(&mut command);
        assert_eq!(code, 2, "{stderr}");
        assert!(
            stderr.contains("from the environment") && stderr.contains("from .env"),
            "{stderr}"
        );
        assert!(
            stderr.contains("hint:") && !stderr.contains(KEY),
            "{stderr}"
        );
        let (code, shown, _) = run(env.command(&["doctor"]).env("AGB_ENDPOINT", ""));
        assert!(code == 2 && shown.contains("less trusted"), "{shown}");
    }
    profiles(&env, "[default]\napi_key = \"k\"\n");
    let mut of_profile = env.command(&list);
    of_profile
        .env_remove("AGB_ENDPOINT")
        .env_remove("AGB_API_KEY");
    assert_eq!(run(&mut of_profile).0, 2);
    // A key from stdin, with an endpoint from the environment or from `.env`.
    for endpoint in [url.as_str(), ""] {
        let mut command = env.command(&["context", "list", "--api-key-stdin"]);
        command
            .env("AGB_ENDPOINT", endpoint)
            .stdin(std::process::Stdio::piped());
        let mut child = command
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        writeln!(child.stdin.take().unwrap(), "{KEY}").unwrap();
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("from stdin"), "{stderr}");
    }
    assert!(!called(), "nothing was sent");
}

#[test]
fn a_dotenv_is_read_only_in_the_working_directory() {
    let env = TestEnv::new();
    env.print(&["context", "create", "x"]);
    let text = format!("AGB_ENDPOINT={}\nAGB_API_KEY={KEY}\n", env.serve.url);
    fs::write(env.path(".env"), text).unwrap();
    let bare = |arguments: &[&str]| {
        let mut command = env.command(arguments);
        command.env_remove("AGB_API_KEY").env_remove("AGB_ENDPOINT");
        command
    };
    let list = ["context", "list", "-q"];
    assert_eq!(run(&mut bare(&list)).1, "x\n");
    for (code, command) in [
        (
            2,
            bare(&[&list[..], &["--no-dotenv"]].concat()).env("X", "1"),
        ),
        (2, bare(&list).env("AGB_NO_DOTENV", "1")),
        (2, bare(&list).current_dir(env.path("project"))),
        (0, bare(&list).env("AGB_NO_DOTENV", "0")),
        (0, bare(&list).env("AGB_NO_DOTENV", "")),
    ] {
        let (ended, _, stderr) = run(command);
        assert_eq!(ended, code, "{stderr}");
        assert!(code == 0 || stderr.contains("no API key"), "{stderr}");
    }
    // Other lines of .env do not set a proxy.
    let (proxy, called) = observed_endpoint();
    let text = format!("HTTP_PROXY={proxy}\nhttp_proxy={proxy}\nALL_PROXY={proxy}\n");
    fs::write(env.path(".env"), text).unwrap();
    assert_eq!(env.print(&list), "x\n");
    assert!(!called());
}

#[test]
fn a_wrong_endpoint_path_is_not_a_missing_context() {
    let env = TestEnv::new();
    env.print(&["context", "create", "x"]);
    env.print(&["put", "project/a.txt", "x:/a.txt"]);
    for arguments in [
        &["context", "get", "x"][..],
        &["context", "get", "SdkCtx-1"],
        &["context", "delete", "-y", "x"],
        &["context", "create", "x"],
        &["ls", "x:/"],
        &["cat", "x:/a.txt"],
        &["get", "x:/a.txt", "copy"],
        &["put", "project/a.txt", "x:/b.txt"],
        &["rm", "-f", "x:/a.txt"],
        &["sync", "project", "x:/p"],
        &["context", "list"],
    ] {
        let mut command = env.command(arguments);
        command.env("AGB_ENDPOINT", format!("{}/sdk", env.serve.url));
        let (code, _, stderr) = run(&mut command);
        assert_eq!(code, 2, "{arguments:?}: {stderr}");
        assert!(stderr.contains("hint: check the endpoint"), "{stderr}");
        assert!(
            !stderr.contains("not found") && !stderr.contains("agb context"),
            "{stderr}"
        );
    }
    let mut doctor = env.command(&["doctor"]);
    let doctor = doctor.env("AGB_ENDPOINT", format!("{}/sdk", env.serve.url));
    let (code, shown, _) = run(doctor);
    assert!(code == 2 && shown.contains("and its path"), "{shown}");
    assert_eq!(env.fail(&["context", "get", "none"]).0, 3);
    assert_eq!(env.print(&["cat", "x:/a.txt"]), "hello");
}
