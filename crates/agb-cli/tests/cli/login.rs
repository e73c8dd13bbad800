//! `agb login`, `agb logout` and `agb config`.

use std::{
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use super::test_env::{KEY, TestEnv};

/// A command without settings in the environment.
fn bare(env: &TestEnv, arguments: &[&str]) -> Command {
    let mut command = env.command(arguments);
    command.env_remove("AGB_ENDPOINT").env_remove("AGB_API_KEY");
    command
}

/// Runs a command with a line on stdin.
fn with_stdin(mut command: Command, line: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that fails early does not read it.
    let _ = writeln!(stdin, "{line}");
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn config(env: &TestEnv) -> std::path::PathBuf {
    env.path("config/agb/config.toml")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A service that accepts only [`KEY`].
fn env() -> TestEnv {
    TestEnv::with(&["--api-key", KEY])
}

#[test]
fn a_key_is_stored_after_the_service_accepted_it() {
    let env = env();
    let login = ["login", "--endpoint", &env.serve.url];
    let refused = with_stdin(bare(&env, &login), "another-key");
    let stderr = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(4), "{stderr}");
    assert!(stderr.contains("rejected the API key"), "{stderr}");
    assert!(!stderr.contains("another-key"), "{stderr}");
    assert!(!config(&env).exists());
    let unreachable = with_stdin(
        bare(
            &env,
            &[
                "login",
                "--endpoint",
                "http://127.0.0.1:1",
                "--call-timeout",
                "0.2",
            ],
        ),
        KEY,
    );
    assert!(
        matches!(unreachable.status.code(), Some(7 | 8)),
        "{unreachable:?}"
    );
    assert!(!config(&env).exists());

    let output = with_stdin(bare(&env, &login), &format!(" {KEY} "));
    let stderr = text(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(
        stderr.contains("logged in to http://") && !stderr.contains(KEY),
        "{stderr}"
    );
    let file = config(&env);
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let expected = format!(
        "[default]\nendpoint = {:?}\napi_key = {KEY:?}\n",
        env.serve.url
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), expected);
    assert!(bare(&env, &["context", "list"]).status().unwrap().success());
    // The endpoint of the profile is kept for a new key, and the file becomes private again.
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(with_stdin(bare(&env, &["login"]), KEY).status.success());
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let logout = bare(&env, &["logout", "--json"]).output().unwrap();
    let value: Value = serde_json::from_slice(&logout.stdout).unwrap();
    assert_eq!(value["result"], "logged out");
    let expected = format!("[default]\nendpoint = {:?}\n", env.serve.url);
    assert_eq!(fs::read_to_string(&file).unwrap(), expected);
    let again = bare(&env, &["logout"]).output().unwrap();
    assert_eq!(again.status.code(), Some(3), "{again:?}");
}

#[test]
fn a_key_goes_to_no_endpoint_that_is_not_named() {
    let env = env();
    for arguments in [&["login"][..], &["login", "--profile", "x"]] {
        let mut command = env.command(arguments);
        command.env_remove("AGB_API_KEY");
        let output = with_stdin(command, KEY);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        let hint = format!("hint: pass --endpoint {}", env.serve.url);
        assert!(
            stderr.contains(&hint) && stderr.contains("AGB_ENDPOINT"),
            "{stderr}"
        );
    }
    fs::write(
        env.path(".env"),
        format!("AGB_ENDPOINT={}\n", env.serve.url),
    )
    .unwrap();
    let output = with_stdin(bare(&env, &["login"]), KEY);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("the file .env"), "{stderr}");
    assert!(!config(&env).exists());
    // The profile has the endpoint already.
    let login = ["login", "--endpoint", &env.serve.url, "--region", "here"];
    assert!(with_stdin(bare(&env, &login), KEY).status.success());
    let stored = fs::read_to_string(config(&env)).unwrap();
    assert!(stored.contains("region = \"here\""), "{stored}");
    let mut again = env.command(&["login"]);
    again.env_remove("AGB_API_KEY");
    let output = with_stdin(again, KEY);
    let stderr = text(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(!stderr.contains("warning"), "the same endpoint: {stderr}");

    let both = with_stdin(env.command(&["login", "--endpoint", &env.serve.url]), KEY);
    let stderr = text(&both.stderr);
    assert!(
        stderr.contains("AGB_API_KEY in the environment takes precedence"),
        "{stderr}"
    );
    let logout = env.run(&["logout"]);
    let stderr = text(&logout.stderr);
    assert!(stderr.contains("still use AGB_API_KEY"), "{stderr}");
    assert!(!stderr.contains("--profile"), "{stderr}");
}

#[test]
fn a_login_keeps_the_rest_of_the_file() {
    let env = env();
    let file = config(&env);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let before = "# Mine\n[other] # theirs\nendpoint = 'https://other.test'\nfuture = 1\n";
    let real = env.path("dotfiles.toml");
    fs::write(&real, before).unwrap();
    std::os::unix::fs::symlink(&real, &file).unwrap();
    let login = [
        "login",
        "--profile",
        "new one",
        "--endpoint",
        &env.serve.url,
    ];
    let output = with_stdin(bare(&env, &login), KEY);
    assert!(output.status.success(), "{output:?}");
    let after = fs::read_to_string(&real).unwrap();
    assert!(after.starts_with(before), "{after}");
    assert!(after.contains("[\"new one\"]"), "{after}");
    assert!(file.is_symlink());
    assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o600);

    // An invalid file is not changed.
    fs::write(&real, "[default\nkey = 'secret'\n").unwrap();
    let output = with_stdin(bare(&env, &["login", "--endpoint", &env.serve.url]), KEY);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("line 1") && !stderr.contains("secret"),
        "{stderr}"
    );
    assert!(fs::read_to_string(&real).unwrap().starts_with("[default\n"));
}

#[test]
fn settings_are_shown_with_their_sources() {
    let env = env();
    let row = |output: &Output, name: &str| -> (Value, Value) {
        let rows = text(&output.stdout);
        let mut rows = rows
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        let row = rows.find(|row| row["name"] == name).unwrap();
        (row["value"].clone(), row["source"].clone())
    };
    let list = env.run(&["config", "list", "--json", "--region=x"]);
    assert_eq!(
        row(&list, "endpoint"),
        (env.serve.url.as_str().into(), "from the environment".into())
    );
    assert_eq!(
        row(&list, "api_key"),
        ("(set)".into(), "from the environment".into())
    );
    assert_eq!(row(&list, "region"), ("x".into(), "from --region".into()));
    assert_eq!(row(&list, "ca_file"), (Value::Null, Value::Null));
    assert!(!text(&list.stdout).contains(KEY));
    let unset = bare(&env, &["config", "list", "--json"]).output().unwrap();
    assert_eq!(
        row(&unset, "endpoint"),
        ("https://sdk-api.agb.cloud".into(), "by default".into())
    );
    assert_eq!(row(&unset, "api_key"), (Value::Null, Value::Null));

    let set = |arguments: &[&str]| {
        bare(&env, &[&["config", "set"], arguments].concat())
            .output()
            .unwrap()
    };
    assert!(set(&["endpoint", "agb.test/"]).status.success());
    assert!(set(&["region", "here"]).status.success());
    fs::write(env.path("ca.pem"), "").unwrap();
    assert!(
        set(&["--profile", "p", "ca-file", "ca.pem"])
            .status
            .success()
    );
    for (arguments, hint) in [
        (&["api_key", "k"][..], "agb login"),
        (&["ca_file", "none.pem"], "none.pem"),
        (&["endpoint", "ftp://x"], "http"),
        (&["regoin", "x"], "did you mean region"),
        (&["profile", "x"], "--profile"),
    ] {
        let output = set(arguments);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(hint), "{stderr}");
    }
    let get = |arguments: &[&str]| {
        bare(&env, &[&["config", "get"], arguments].concat())
            .output()
            .unwrap()
    };
    assert_eq!(text(&get(&["endpoint"]).stdout), "https://agb.test\n");
    assert_eq!(get(&["api-key"]).status.code(), Some(3));
    let listed = bare(&env, &["config", "list", "--json"]).output().unwrap();
    assert_eq!(
        row(&listed, "region"),
        ("here".into(), "from the profile default".into())
    );
    // What a profile says about its service does not apply to another one.
    let elsewhere = env.run(&["config", "list", "--json"]);
    assert_eq!(row(&elsewhere, "region"), (Value::Null, Value::Null));
    let profiles = bare(&env, &["config", "profiles"]).output().unwrap();
    assert_eq!(
        text(&profiles.stdout),
        "default\thttps://agb.test\tno key\tcurrent\np\t\tno key\t\n"
    );
    let path = bare(&env, &["config", "path"]).output().unwrap();
    assert_eq!(
        text(&path.stdout).trim_end(),
        config(&env).to_str().unwrap()
    );
    assert!(
        bare(&env, &["config", "unset", "region"])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(
        bare(&env, &["config", "unset", "region"])
            .status()
            .unwrap()
            .code(),
        Some(3)
    );
}

#[test]
fn a_broken_profile_that_is_not_used_blocks_nothing() {
    let env = env();
    let file = config(&env);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    let write = |text: &str| {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    };
    let good = format!(
        "[default]\nendpoint = {:?}\napi_key = {KEY:?}\n",
        env.serve.url
    );
    write(&format!("{good}[broken]\napikey = 3\n"));
    assert!(bare(&env, &["context", "list"]).status().unwrap().success());
    let broken = bare(&env, &["context", "list", "--profile", "broken"])
        .output()
        .unwrap();
    let stderr = text(&broken.stderr);
    assert_eq!(broken.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("line 5: unknown key \"apikey\""),
        "{stderr}"
    );
    assert!(stderr.contains("did you mean api_key?"), "{stderr}");
    // The environment has everything.
    write("not toml");
    assert!(env.run(&["context", "list"]).status.success());
    assert_eq!(
        bare(&env, &["context", "list"]).status().unwrap().code(),
        Some(2)
    );
}
