//! The schema, completions and the manual.

use serde_json::Value;

use super::test_env::TestEnv;

#[test]
fn json_output_matches_the_schema() {
    let env = TestEnv::new();
    let schema: Value = serde_json::from_str(&env.print(&["schema"])).unwrap();
    assert_eq!(schema["version"], 1);
    let checked = std::cell::RefCell::new(std::collections::HashSet::new());
    let check = |command: &str, arguments: &[&str], lines: usize| {
        checked.borrow_mut().insert(command.to_owned());
        let output = env.run(&[arguments, &["--json"]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        validate(&schema, command, &text, lines);
    };
    check("context create", &["context", "create", "one"], 1);
    check("new", &["new", "one"], 1);
    check("context list", &["context", "list"], 1);
    check("context get", &["context", "get", "one"], 1);
    check("put --dry-run", &["put", "-rn", "project/", "one:/p"], 2);
    check("put", &["put", "-r", "project/", "one:/p"], 1);
    check("get --dry-run", &["get", "-rn", "one:/p/", "elsewhere"], 2);
    check("cp", &["cp", "-r", "one:/p/", "one:/c"], 1);
    check(
        "cp --dry-run",
        &["cp", "-rnf", "one:/p/", "one:/elsewhere"],
        2,
    );
    check("mv --dry-run", &["mv", "-rn", "one:/c/", "one:/m"], 2);
    check("mv", &["mv", "-r", "one:/c/", "one:/m"], 1);
    check("rm --dry-run", &["rm", "-rn", "one:/m"], 2);
    check("rm", &["rm", "-r", "--yes", "one:/m"], 2);
    check("ls", &["ls", "-R", "one:/"], 4);
    check("tree", &["tree", "one:/"], 4);
    check("find", &["find", "one:/p", "--type", "f"], 2);
    check("du", &["du", "one:/p"], 3);
    check("stat", &["stat", "one:/p/a.txt"], 1);
    check("get", &["get", "one:/p/a.txt", "copy.txt"], 1);
    check("url get", &["url", "get", "one:/p/a.txt"], 1);
    check("url put", &["url", "put", "one:/p/a.txt"], 1);
    check("diff", &["diff", "project", "one:/q"], 2);
    check("sync --dry-run", &["sync", "-n", "project", "one:/q"], 2);
    check("sync", &["sync", "project", "one:/q"], 1);
    check("rm", &["rm", "-r", "--yes", "one:/q"], 2);
    check("doctor", &["doctor"], 8);
    check("config list", &["config", "list"], 7);
    check("config get", &["config", "get", "endpoint"], 1);
    check("config path", &["config", "path"], 1);
    check("config set", &["config", "set", "region", "x"], 1);
    check("config profiles", &["config", "profiles"], 1);
    check("config unset", &["config", "unset", "region"], 1);
    env.print(&["serve", "keys", "--keys", "keys.jsonl", "add", "my-tenant"]);
    let keys = ["serve", "keys", "--keys", "keys.jsonl", "list"];
    check("serve keys list", &keys, 1);
    let running = super::support::Serve::start(&env.path("store"), &[]);
    running.stop("TERM");
    let backup = ["serve", "backup", "--data-dir", "store", "one.tar"];
    check("serve backup", &backup, 1);
    let restore = ["serve", "restore", "one.tar", "--data-dir", "restored"];
    check("serve restore", &restore, 1);
    let fsck = ["serve", "fsck", "--data-dir", "restored"];
    check("serve fsck", &fsck, 1);
    check("context rename", &["context", "rename", "one", "two"], 1);
    check(
        "context clear",
        &["context", "clear", "--yes", "--no-wait", "two"],
        1,
    );
    check("context wait", &["context", "wait", "two"], 1);
    check("context delete", &["context", "delete", "--yes", "two"], 1);
    // Tested elsewhere: they read stdin, run a program, do not end or need an interruption.
    let checked = checked.into_inner();
    let commands = schema["commands"].as_object().unwrap();
    let unchecked: Vec<_> = commands
        .keys()
        .filter(|name| !checked.contains(*name))
        .collect();
    assert_eq!(
        unchecked,
        [
            "context copy",
            "context copy --dry-run",
            "context restore",
            "context snapshot",
            "edit",
            "login",
            "logout",
            "open",
            "serve migrate",
            "sync --watch",
            "transfers clean",
            "transfers list",
        ]
    );
}

/// Checks the output of a command, which has this number of lines.
pub(crate) fn validate(schema: &Value, command: &str, text: &str, lines: usize) {
    let entry = &schema["commands"][command];
    let mut of = entry["schema"].clone();
    of["$defs"] = schema["$defs"].clone();
    let validator = jsonschema::validator_for(&of).unwrap();
    assert_eq!(text.lines().count(), lines, "{command}: {text}");
    assert!(lines == 1 || entry["lines"] == true, "{command}");
    for line in text.lines() {
        let value: Value = serde_json::from_str(line).unwrap();
        validator
            .validate(&value)
            .unwrap_or_else(|error| panic!("{command}: {error}"));
        // The schema does not accept everything.
        assert!(!validator.is_valid(&Value::Array(Vec::new())), "{command}");
    }
}

#[test]
fn a_shell_completes_context_names_and_paths() {
    let env = TestEnv::new();
    for name in ["my-project", "my-notes", "other"] {
        env.print(&["context", "create", name]);
    }
    assert!(env.print(&["completion", "bash"]).contains("COMPLETE"));
    let complete = |words: &[&str]| {
        let mut command = env.command(&[&["--"], words].concat());
        let last = (words.len() - 1).to_string();
        let completed = command
            .env("COMPLETE", "bash")
            .env("_CLAP_COMPLETE_INDEX", last)
            .env("_CLAP_IFS", "\n")
            .output()
            .unwrap();
        let text = String::from_utf8(completed.stdout).unwrap();
        let mut names: Vec<String> = text.lines().map(str::to_owned).collect();
        names.sort();
        names
    };
    assert_eq!(
        complete(&["agb", "ls", "my"]),
        ["my-notes:/", "my-project:/"]
    );
    assert_eq!(complete(&["agb", "context", "get", "o"]), ["other"]);
    for path in ["my-notes:/docs/a.txt", "my-notes:/docs/b/c", "my-notes:/do"] {
        env.print(&["put", "project/a.txt", path]);
    }
    assert_eq!(
        complete(&["agb", "ls", "my-notes:/do"]),
        ["my-notes:/do", "my-notes:/docs/"]
    );
    assert_eq!(
        complete(&["agb", "cat", "agb://my-notes/docs/"]),
        ["agb://my-notes/docs/a.txt", "agb://my-notes/docs/b/"]
    );
    let elsewhere = ["agb", "ls", "--endpoint", "http://127.0.0.1:1", "my"];
    assert_eq!(
        complete(&elsewhere),
        [""; 0],
        "completion uses the typed endpoint"
    );
}

#[cfg(unix)]
#[test]
fn bash_completes_words_with_colons() {
    let env = TestEnv::new();
    env.print(&["context", "create", "with space"]);
    env.print(&["context", "create", "one"]);
    env.print(&["put", "project/a.txt", "one:/docs/a b"]);
    env.print(&["context", "create", "two"]);
    env.print(&["put", "project/a.txt", "two:/$(touch)&"]);
    std::fs::write(env.path("completion"), env.print(&["completion", "bash"])).unwrap();
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_agb"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", binary.parent().unwrap().display());
    // Words as readline splits them.
    for (words, expected) in [
        (&["agb", "ls", "on"][..], "one:/"),
        (&["agb", "ls", "one", ":", "/do"], "/docs/"),
        (&["agb", "ls", "one", ":", "/docs/"], "/docs/a\\ b"),
        (&["agb", "get", "one", ":", "/docs/a", "no-such"], ""),
        (&["agb", "ls", "wi"], "with\\ space:/"),
        // The shell executes no part of a name.
        (&["agb", "ls", "two", ":", "/"], "/\\$\\(touch\\)\\&"),
    ] {
        let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
        let script = format!(
            ". ./completion; COMP_WORDS=({}); COMP_CWORD={}; _agb agb '{}' x; \
             echo \"${{COMPREPLY[*]}}\"",
            quoted.join(" "),
            words.len() - 1,
            words.last().unwrap(),
        );
        let mut bash = std::process::Command::new("bash");
        let bash = bash
            .args(["--norc", "-c", &script])
            .current_dir(env.scratch.path());
        let output = bash
            .env("PATH", &path)
            .env("AGB_ENDPOINT", &env.serve.url)
            .env("AGB_API_KEY", super::test_env::KEY)
            .env("XDG_CONFIG_HOME", env.path("config"))
            .output()
            .unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        assert_eq!(shown.trim_end(), expected, "{words:?}");
    }
}

#[test]
fn the_manual_has_a_page_for_every_command() {
    let env = TestEnv::new();
    env.print(&["man", "pages"]);
    let help = env.print(&["--help"]);
    let commands = help
        .split("Commands:\n")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    for line in commands.lines() {
        let name = line.split_whitespace().next().unwrap();
        if name == "help" {
            continue;
        }
        let page = std::fs::read_to_string(env.path(&format!("pages/man1/agb-{name}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{name}");
        assert!(env.run(&[name, "--help"]).status.success(), "{name}");
    }
    for command in ["list", "get", "create", "rename", "delete", "clear", "wait"] {
        assert!(
            env.print(&["context", command, "--help"])
                .contains("--json")
        );
    }
}

#[test]
fn the_help_of_a_command_begins_with_what_it_does() {
    for (command, description) in [
        (&["tree"][..], "Show folders and files as a tree"),
        (&["context", "rename"], "Rename a context"),
        (&["context", "copy"], "Copy the files of a context"),
    ] {
        for flag in ["-h", "--help"] {
            let output = super::support::agb()
                .args(command)
                .arg(flag)
                .output()
                .unwrap();
            let help = String::from_utf8(output.stdout).unwrap();
            assert!(help.starts_with(description), "{command:?}: {help}");
        }
    }
}
