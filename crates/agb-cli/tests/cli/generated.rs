//! What is made of the arguments and the output themselves.

use serde_json::Value;

use super::world::World;

#[test]
fn json_is_as_the_schema_says() {
    let world = World::new();
    let schema: Value = serde_json::from_str(&world.print(&["schema"])).unwrap();
    assert_eq!(schema["version"], 1);
    let holds = |command: &str, arguments: &[&str], lines: usize| {
        let entry = &schema["commands"][command];
        let mut of = entry["schema"].clone();
        of["$defs"] = schema["$defs"].clone();
        let validator = jsonschema::validator_for(&of).unwrap();
        let output = world.run(&[arguments, &["--json"]].concat());
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(text.lines().count(), lines, "{command}: {text}");
        assert!(lines == 1 || entry["lines"] == true, "{command}");
        for line in text.lines() {
            let value: Value = serde_json::from_str(line).unwrap();
            validator
                .validate(&value)
                .unwrap_or_else(|error| panic!("{command}: {error}"));
            // The schema is not so wide that everything fits.
            assert!(!validator.is_valid(&Value::Array(Vec::new())), "{command}");
        }
    };
    holds("context create", &["context", "create", "one"], 1);
    holds("context list", &["context", "list"], 1);
    holds("context get", &["context", "get", "one"], 1);
    holds("put --dry-run", &["put", "-rn", "project", "one:/p"], 2);
    holds("put", &["put", "-r", "project", "one:/p"], 1);
    holds("get --dry-run", &["get", "-rn", "one:/p", "elsewhere"], 2);
    holds("ls", &["ls", "-R", "one:/"], 4);
    holds("tree", &["tree", "one:/"], 4);
    holds("du", &["du", "one:/p"], 3);
    holds("stat", &["stat", "one:/p/a.txt"], 1);
    holds("get", &["get", "one:/p/a.txt", "copy.txt"], 1);
    holds("url get", &["url", "get", "one:/p/a.txt"], 1);
    holds("url put", &["url", "put", "one:/p/a.txt"], 1);
    holds("diff", &["diff", "project", "one:/q"], 2);
    holds("sync --dry-run", &["sync", "-n", "project", "one:/q"], 2);
    holds("sync", &["sync", "project", "one:/q"], 1);
    holds("rm", &["rm", "-r", "--yes", "one:/q"], 2);
    holds("doctor", &["doctor"], 6);
    holds("context rename", &["context", "rename", "one", "two"], 1);
    holds(
        "context clear",
        &["context", "clear", "--yes", "--no-wait", "two"],
        1,
    );
    holds("context wait", &["context", "wait", "two"], 1);
    holds("context delete", &["context", "delete", "--yes", "two"], 1);
    let commands = schema["commands"].as_object().unwrap();
    assert_eq!(
        commands.len(),
        22,
        "every command that prints JSON is tried above"
    );
}

#[test]
fn a_shell_completes_names_of_contexts() {
    let world = World::new();
    for name in ["my-project", "my-notes", "other"] {
        world.print(&["context", "create", name]);
    }
    assert!(world.print(&["completion", "bash"]).contains("COMPLETE"));
    let complete = |words: &[&str]| {
        let mut command = world.command(&[&["--"], words].concat());
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
        world.print(&["put", "project/a.txt", path]);
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
    assert_eq!(complete(&elsewhere), [""; 0], "what was typed counts");
}

#[cfg(unix)]
#[test]
fn bash_completes_what_stands_behind_a_colon() {
    let world = World::new();
    world.print(&["context", "create", "with space"]);
    world.print(&["context", "create", "one"]);
    world.print(&["put", "project/a.txt", "one:/docs/a b"]);
    world.print(&["context", "create", "two"]);
    world.print(&["put", "project/a.txt", "two:/$(touch)&"]);
    std::fs::write(
        world.path("completion"),
        world.print(&["completion", "bash"]),
    )
    .unwrap();
    let binary = std::path::Path::new(env!("CARGO_BIN_EXE_agb"));
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{path}", binary.parent().unwrap().display());
    // As readline splits what was typed.
    for (words, proposed) in [
        (&["agb", "ls", "on"][..], "one:/"),
        (&["agb", "ls", "one", ":", "/do"], "/docs/"),
        (&["agb", "ls", "one", ":", "/docs/"], "/docs/a\\ b"),
        (&["agb", "get", "one", ":", "/docs/a", "no-such"], ""),
        (&["agb", "ls", "wi"], "with\\ space:/"),
        // Nothing of a name is carried out by the shell into which it is put.
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
            .current_dir(world.scratch.path());
        let output = bash
            .env("PATH", &path)
            .env("AGB_ENDPOINT", &world.serve.url)
            .env("AGB_API_KEY", super::world::KEY)
            .env("XDG_CONFIG_HOME", world.path("config"))
            .output()
            .unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        assert_eq!(shown.trim_end(), proposed, "{words:?}");
    }
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let world = World::new();
    world.print(&["man", "pages"]);
    let help = world.print(&["--help"]);
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
        let page = std::fs::read_to_string(world.path(&format!("pages/agb-{name}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{name}");
        assert!(world.run(&[name, "--help"]).status.success(), "{name}");
    }
    for command in ["list", "get", "create", "rename", "delete", "clear", "wait"] {
        assert!(
            world
                .print(&["context", command, "--help"])
                .contains("--json")
        );
    }
}
