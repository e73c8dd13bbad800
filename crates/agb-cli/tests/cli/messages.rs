//! Messages and their escaping.

use std::{fs, process::Stdio};

use serde_json::Value;

use super::test_env::TestEnv;

fn env() -> TestEnv {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    env
}

#[test]
fn wait_without_a_clear_reports_an_available_context() {
    let env = env();
    env.print(&["put", "project/a.txt", "one:/a.txt"]);
    let output = env.run(&["context", "wait", "one"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && stderr.contains("one is available"),
        "{stderr}"
    );
    assert!(!stderr.contains("cleared"), "{stderr}");
    let json = |arguments: &[&str]| -> Value {
        serde_json::from_str(&env.print(&[arguments, &["--json"]].concat())).unwrap()
    };
    let id = json(&["context", "get", "one"])["id"].clone();
    for (arguments, name, result) in [
        (&["context", "wait", "one"][..], "one", "available"),
        (&["context", "clear", "-y", "one"], "one", "cleared"),
        (&["context", "rename", "one", "two"], "two", "renamed"),
        (&["context", "delete", "-y", "two"], "two", "deleted"),
    ] {
        let row = json(arguments);
        assert_eq!(
            (&row["name"], &row["result"]),
            (&name.into(), &result.into())
        );
        assert_eq!(row["id"], id);
    }
}

#[test]
fn a_tree_of_a_missing_folder_fails_with_json() {
    let env = env();
    env.print(&["put", "project/a.txt", "one:/a.txt"]);
    assert_eq!(env.fail(&["tree", "one:/none", "--json"]).0, 3);
    assert_eq!(env.fail(&["tree", "one:/a.txt", "--json"]).0, 2);
}

#[test]
fn names_are_escaped_on_a_terminal() {
    let env = env();
    env.print(&["put", "project/a.txt", "one:/a\u{202e}txt.exe"]);
    for arguments in [
        &["ls", "-q", "one:/"][..],
        &["ls", "one:/"],
        &["tree", "one:/"],
    ] {
        let shown = env.print(arguments);
        assert!(
            shown.contains("a\\u{202e}txt.exe"),
            "{arguments:?}: {shown}"
        );
    }
    let shown = env.print(&["ls", "--json", "one:/"]);
    let row: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(row["name"], "a\u{202e}txt.exe", "JSON keeps the name");
    for name in ["esc\u{1b}[31m", "line\nerror: other"] {
        fs::write(env.path(name), "x").unwrap();
        let (_, stderr) = env.fail(&["put", name, "one:/odd/"]);
        assert!(
            !stderr.contains('\u{1b}') && stderr.contains("\\u{1b}") == name.contains('\u{1b}')
        );
        let (_, stderr) = env.fail(&["get", &format!("one:/{name}")]);
        assert!(!stderr.contains('\u{1b}'), "{stderr:?}");
    }
}

#[test]
fn usage_errors_respect_the_color_option() {
    let env = env();
    for (when, coloured) in [("always", true), ("never", false)] {
        let (code, stderr) = env.fail(&["cat", "--color", when]);
        assert_eq!(
            (code, stderr.contains('\u{1b}')),
            (2, coloured),
            "{stderr:?}"
        );
    }
    assert_eq!(env.fail(&["tree", "-L", "0", "one:/"]).0, 2);
    let region = ["context", "create", "two", "--region", "No Region"];
    assert_eq!(env.fail(&region).0, 2);
}

#[test]
fn every_command_has_help() {
    let env = TestEnv::new();
    for command in [
        "ls", "tree", "du", "cat", "stat", "get", "put", "rm", "sync", "diff", "doctor",
    ] {
        let help = env.print(&[command, "--help"]);
        assert!(help.contains(&format!("agb {command}")), "{help}");
    }
    for command in ["list", "get", "create", "rename", "delete", "clear", "wait"] {
        let help = env.print(&["context", command, "--help"]);
        assert!(help.contains("Examples:"), "{help}");
    }
}

#[test]
fn diff_into_a_closed_pipe_reports_differences() {
    let env = env();
    let mut command = env.command(&["diff", "project", "one:/"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(10));
}

#[test]
fn doctor_reports_problems_and_fixes() {
    use std::os::unix::fs::PermissionsExt;

    let env = env();
    let passed = env.print(&["doctor"]);
    for message in [
        "(from the environment)",
        "the endpoint responds",
        "the key is valid",
    ] {
        assert!(passed.contains(message), "{message}: {passed}");
    }
    assert_eq!(env.print(&["doctor", "-q"]), "");

    let fail = |endpoint: &str, key: &str| {
        let mut doctor = env.command(&["doctor"]);
        doctor.env("AGB_ENDPOINT", endpoint).env("AGB_API_KEY", key);
        let output = doctor.output().unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), shown)
    };
    let (code, shown) = fail("http://127.0.0.1:1", "k");
    assert_eq!(code, 7, "{shown}");
    assert!(shown.to_lowercase().contains("refused"), "{shown}");
    let (code, shown) = fail(&format!("{}/foo", env.serve.url), "k");
    assert_ne!(code, 4, "{shown}");
    assert!(!shown.contains("the key belongs"), "{shown}");

    let (code, shown) = fail(&env.serve.url.replace("http:", "https:"), "k");
    assert_eq!(code, 7, "{shown}");
    assert!(shown.contains("use http://"), "{shown}");
    let (code, shown) = fail("ftp://127.0.0.1", "k");
    assert_eq!(code, 2, "{shown}");
    assert!(!shown.contains("api_key"), "{shown}");
    let mut doctor = env.command(&["doctor"]);
    let output = doctor.env("AGB_TIMEOUT_MS", "soon").output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{shown}");
    assert!(shown.contains("AGB_TIMEOUT_MS"), "{shown}");

    let folder = env.path("config/agb");
    fs::create_dir_all(&folder).unwrap();
    let profile = folder.join("config.toml");
    fs::write(&profile, "[default]\napi_key = \"secret-of-profile\"\n").unwrap();
    fs::set_permissions(&profile, fs::Permissions::from_mode(0o644)).unwrap();
    let output = env.run(&["doctor"]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(4), "{shown}");
    assert!(
        shown.contains("chmod 600") && !shown.contains("add api_key"),
        "{shown}"
    );
}

#[test]
fn a_failure_of_a_whole_folder_names_both_sides() {
    let env = TestEnv::with(&[
        "--fault",
        "status=503,op=DescribeContextFiles,retry-after=0",
    ]);
    env.print(&["context", "create", "one"]);
    for (command, message) in [
        (
            &["sync", "project", "one:/p"][..],
            "can't sync project to one:/p: ",
        ),
        (&["put", "-r", "project/", "one:/p"], "can't list one:/p: "),
        (
            &["diff", "project", "one:/p"],
            "can't compare project to one:/p: ",
        ),
    ] {
        let (code, stderr) = env.fail(command);
        assert_eq!(code, 7, "{stderr}");
        assert!(stderr.contains(message), "{stderr}");
    }
}

#[test]
fn doctor_goes_on_after_the_first_failure() {
    use std::os::unix::fs::PermissionsExt;

    let env = env();
    let folder = env.path("config/agb");
    fs::create_dir_all(&folder).unwrap();
    let profile = folder.join("config.toml");
    fs::write(&profile, "[default]\n[other]\nendpiont = \"x\"\n[third]\n").unwrap();
    fs::set_permissions(&profile, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(
        env.path(".env"),
        "AGB_API_KEI=secret-1\nAGB_ENDPOINT secret-2\n",
    )
    .unwrap();
    let rows = |command: &mut std::process::Command| -> (i32, Vec<(String, String, String)>) {
        let output = command.arg("--json").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains("secret"), "{text}");
        let rows = text.lines().map(|line| {
            let row: Value = serde_json::from_str(line).unwrap();
            let field = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            assert_eq!(row["ok"], row["status"] == "ok");
            let text = format!("{}; {}", field("message"), field("hint"));
            (field("check"), field("status"), text)
        });
        (output.status.code().unwrap(), rows.collect())
    };
    let has = |rows: &[(String, String, String)], check: &str, status: &str, text: &str| {
        let found = |row: &(String, String, String)| {
            row.0 == check && row.1 == status && row.2.contains(text)
        };
        assert!(rows.iter().any(found), "{check} {status} {text}: {rows:?}");
    };
    let (code, all) = rows(&mut env.command(&["doctor"]));
    assert_eq!(code, 2);
    has(
        &all,
        "profile",
        "failed",
        "line 3: unknown key \"endpiont\"",
    );
    has(&all, "profile", "failed", "did you mean endpoint?");
    has(
        &all,
        ".env",
        "failed",
        "line 1: unknown setting AGB_API_KEI; did you mean AGB_API_KEY?",
    );
    has(
        &all,
        ".env",
        "failed",
        "line 2: AGB_ENDPOINT is not a valid setting",
    );
    has(&all, "access", "ok", "the key is valid");

    // Without a key, the network is checked anyway.
    let mut keyless = env.command(&["doctor", "--no-dotenv"]);
    let (code, all) = rows(keyless.env_remove("AGB_API_KEY"));
    assert_eq!(code, 2);
    has(&all, "key", "failed", "agb login");
    has(&all, ".env", "skipped", "--no-dotenv");
    has(&all, "connection", "ok", "responds");
    has(&all, "access", "skipped", "no key");

    // A profile that is used and broken.
    let mut broken = env.command(&["doctor", "--profile", "other"]);
    let (code, all) = rows(&mut broken);
    assert_eq!(code, 2);
    has(&all, "connection", "skipped", "profile");
    assert!(all.iter().all(|row| row.1 != "ok"), "{all:?}");
    let (_, all) = rows(&mut env.command(&["doctor", "--profile", "none"]));
    has(&all, "profile", "failed", "not found");
}
