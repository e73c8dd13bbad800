//! Commands for contexts and files, against a real service.

use std::{
    io::{Read, Write},
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::Value;

use super::support::{Serve, agb, signal};

const KEY: &str = "a-key-that-nobody-may-see";

struct World {
    scratch: tempfile::TempDir,
    serve: Serve,
}

impl World {
    fn new() -> Self {
        Self::with(&[])
    }

    fn with(arguments: &[&str]) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let serve = Serve::start(&scratch.path().join("data"), arguments);
        std::fs::create_dir_all(scratch.path().join("project/src")).unwrap();
        for (path, content) in [("project/a.txt", "hello"), ("project/src/b", "bb")] {
            std::fs::write(scratch.path().join(path), content).unwrap();
        }
        Self { scratch, serve }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = agb();
        command
            .args(arguments)
            .current_dir(self.scratch.path())
            .env("AGB_ENDPOINT", &self.serve.url)
            .env("AGB_API_KEY", KEY)
            .env("XDG_CONFIG_HOME", self.scratch.path().join("config"))
            .env("XDG_STATE_HOME", self.scratch.path().join("state"))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What is printed by a command that ends well.
    fn print(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Exit code and messages.
    fn fail(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), said)
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.scratch.path().join(path)
    }
}

#[test]
fn every_failure_has_its_exit_code_and_says_what_to_do() {
    let world = World::new();
    world.print(&["context", "create", "one"]);
    world.print(&["context", "create", "two"]);
    world.print(&["put", "project/a.txt", "one:/a.txt"]);
    for (code, arguments) in [
        (2, &["ls", "one"][..]),
        (2, &["ls", "one:a.txt"]),
        (2, &["context", "delete", "one"]),
        (2, &["rm", "-r", "one:/"]),
        (2, &["put", "project", "one:/x"]),
        (2, &["sync", "project", "project"]),
        (
            2,
            &[
                "sync",
                "--delete",
                "--max-delete",
                "101%",
                "project",
                "one:/",
            ],
        ),
        (3, &["context", "get", "none"]),
        (3, &["ls", "none:/"]),
        (3, &["cat", "one:/none"]),
        (3, &["stat", "one:/none"]),
        (3, &["rm", "one:/none"]),
        (6, &["get", "one:/a.txt", "project/a.txt"]),
        (6, &["context", "rename", "one", "two"]),
        (6, &["put", "--no-clobber", "project/a.txt", "one:/a.txt"]),
        (9, &["sync", "--delete", "project/src", "one:/"]),
        (10, &["diff", "project", "one:/"]),
    ] {
        let (ended, said) = world.fail(arguments);
        assert_eq!(ended, code, "{arguments:?}: {said}");
        assert!(
            code == 10 || said.contains("error: "),
            "{arguments:?}: {said}"
        );
    }
    let mut keyless = world.command(&["context", "list"]);
    assert_eq!(
        keyless
            .env_remove("AGB_API_KEY")
            .output()
            .unwrap()
            .status
            .code(),
        Some(2)
    );
    let mut nowhere = world.command(&["context", "list"]);
    let output = nowhere
        .env("AGB_ENDPOINT", "http://127.0.0.1:1")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(7));
    assert!(String::from_utf8_lossy(&output.stderr).contains("hint: agb doctor"));
    let locked = World::with(&["--api-key", "another-key-123"]);
    assert_eq!(locked.fail(&["context", "list"]).0, 4);
    let doctor = locked.run(&["doctor"]);
    assert_eq!(doctor.status.code(), Some(4));
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("access\twrong"));
}

#[test]
fn one_file_that_fails_does_not_stop_the_others_and_gives_five() {
    let world = World::new();
    world.print(&["context", "create", "one"]);
    // A folder is in the way of one of the files.
    world.print(&["put", "-r", "project", "one:/"]);
    std::fs::create_dir_all(world.path("copy/a.txt")).unwrap();
    let (code, said) = world.fail(&["get", "-r", "--force", "one:/", "copy"]);
    assert_eq!(code, 5, "{said}");
    assert!(
        said.contains("a.txt") && said.contains("1 files failed"),
        "{said}"
    );
    assert_eq!(
        std::fs::read_to_string(world.path("copy/src/b")).unwrap(),
        "bb"
    );
}

#[test]
fn one_cause_is_told_once_however_many_files_it_hits() {
    let world = World::with(&["--fault", "expired-urls,op=upload"]);
    world.print(&["context", "create", "one"]);
    for n in 0..40 {
        std::fs::write(world.path(&format!("project/{n}")), "x").unwrap();
    }
    let (code, said) = world.fail(&["put", "-r", "project", "one:/p"]);
    assert_eq!(code, 5, "{said}");
    assert_eq!(said.matches("url_rejected").count(), 1, "{said}");
    assert!(
        said.contains("and 39 more") && said.contains("42 files failed"),
        "{said}"
    );
}

#[test]
fn a_clear_that_does_not_end_tells_where_it_is_and_gives_eight() {
    let world = World::with(&["--fault", "stuck-clear"]);
    world.print(&["context", "create", "one"]);
    let (code, said) = world.fail(&["context", "clear", "--yes", "--timeout", "6", "one"]);
    assert_eq!(code, 8, "{said}");
    assert!(
        said.contains("clearing one: clearing"),
        "a line every few seconds: {said}"
    );
    assert!(said.contains("agb context wait"), "{said}");
}

#[test]
fn files_of_a_folder_are_replaced_only_when_told() {
    let world = World::new();
    world.print(&["context", "create", "one"]);
    world.print(&["put", "-r", "project", "one:/p"]);
    world.print(&["get", "-r", "one:/p", "copy"]);
    world.print(&["get", "-r", "one:/p", "copy"]);
    std::fs::write(world.path("copy/a.txt"), "changed here").unwrap();
    let (code, said) = world.fail(&["get", "-r", "one:/p", "copy"]);
    assert_eq!(code, 6, "{said}");
    let (code, _) = world.fail(&["put", "-r", "--no-clobber", "copy", "one:/p"]);
    assert_eq!(code, 6);
    world.print(&["get", "-r", "--force", "one:/p", "copy"]);
    assert_eq!(
        std::fs::read_to_string(world.path("copy/a.txt")).unwrap(),
        "hello"
    );
}

#[test]
fn what_changed_on_the_other_side_is_a_conflict() {
    let world = World::new();
    world.print(&["context", "create", "one"]);
    world.print(&["sync", "project", "one:/p"]);
    std::fs::write(world.path("theirs"), "theirs!").unwrap();
    world.print(&["put", "theirs", "one:/p/a.txt"]);
    std::fs::write(world.path("project/a.txt"), "mine").unwrap();
    let (code, said) = world.fail(&["sync", "project", "one:/p"]);
    assert_eq!(code, 6, "{said}");
    assert!(said.contains("--conflict"), "{said}");
    assert_eq!(world.print(&["cat", "one:/p/a.txt"]), "theirs!");
    world.print(&["sync", "--conflict", "keep-both", "project", "one:/p"]);
    assert_eq!(world.print(&["cat", "one:/p/a.txt"]), "mine");
    let listed = world.print(&["ls", "one:/p"]);
    assert!(listed.contains("/p/a.conflict-"), "{listed}");
    // What is remembered is in the folder for that.
    assert_eq!(
        std::fs::read_dir(world.path("state/agb/sync"))
            .unwrap()
            .count(),
        1
    );
}

#[test]
fn what_a_dry_run_names_is_what_a_run_does() {
    let world = World::new();
    world.print(&["context", "create", "one"]);
    world.print(&["put", "project/a.txt", "one:/p/old"]);
    let arguments = [
        "sync",
        "--delete",
        "--max-delete",
        "100%",
        "project",
        "one:/p",
    ];
    let named = world.print(&[&arguments[..], &["--dry-run", "--json"]].concat());
    let named: Vec<Value> = named
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let of = |change: &str| named.iter().filter(|row| row["change"] == change).count() as u64;
    let done: Value =
        serde_json::from_str(&world.print(&[&arguments[..], &["--json"]].concat())).unwrap();
    assert_eq!(done["transferred"], of("upload"));
    assert_eq!(done["deleted"], of("delete-remote"));
    assert_eq!((of("upload"), of("delete-remote")), (2, 1));
    assert_eq!(world.print(&["diff", "project", "one:/p", "-q"]), "");
}

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
    holds("put", &["put", "-r", "project", "one:/p"], 1);
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
    holds("doctor", &["doctor"], 5);
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
        20,
        "every command that prints JSON is tried above"
    );
}

#[test]
fn no_output_holds_the_key_and_only_url_holds_a_signature() {
    let world = World::new();
    let run = |arguments: &[&str]| {
        let output = world.run(arguments);
        let shown = format!("{output:?}");
        assert!(!shown.contains(KEY), "{arguments:?}: {shown}");
        let signed = shown.contains("signature=");
        assert_eq!(signed, arguments[0] == "url", "{arguments:?}: {shown}");
    };
    for arguments in [
        &["context", "create", "one"][..],
        &["put", "-r", "project", "one:/p"],
        &["put", "none", "one:/p/x"],
        &["get", "-r", "one:/p", "copy"],
        &["get", "one:/none", "x"],
        &["url", "get", "one:/p/a.txt"],
        &["doctor"],
        &["ls", "none:/"],
        &["schema"],
    ] {
        run(arguments);
    }
    // Not in the list of processes either: it is no argument.
    let (code, _) = world.fail(&["context", "list", "--api-key", KEY]);
    assert_eq!(code, 2);
}

#[test]
fn a_key_comes_from_stdin_or_from_a_profile_that_nobody_else_can_read() {
    let world = World::new();
    world.print(&["context", "create", "mine"]);
    let list = ["context", "list", "-q"];
    let bare = |arguments: &[&str]| {
        let mut command = world.command(arguments);
        command.env_remove("AGB_API_KEY").env_remove("AGB_ENDPOINT");
        command
    };
    let mut child = bare(
        &[
            &list[..],
            &["--api-key-stdin", "--endpoint", &world.serve.url],
        ]
        .concat(),
    );
    let mut child = child
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{KEY}").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"mine\n");

    let config = world.path("config/agb");
    std::fs::create_dir_all(&config).unwrap();
    let file = config.join("config.toml");
    let profile = format!(
        "[default]\nendpoint = {:?}\napi_key = {KEY:?}\n[empty]\n",
        world.serve.url
    );
    std::fs::write(&file, profile).unwrap();
    permit(&file, 0o644);
    let refused = bare(&list).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(4), "{said}");
    assert!(said.contains("chmod 600") && !said.contains(KEY), "{said}");
    permit(&file, 0o600);
    assert_eq!(bare(&list).output().unwrap().stdout, b"mine\n");
    let of = |name| {
        bare(&[&list[..], &["--profile", name]].concat())
            .output()
            .unwrap()
    };
    assert_eq!(of("empty").status.code(), Some(2), "it has no key");
    assert_eq!(of("none").status.code(), Some(2));

    std::fs::write(world.path(".env"), "AGB_ENDPOINT=http://127.0.0.1:1\n").unwrap();
    let trap = bare(&list).output().unwrap();
    assert_eq!(
        trap.status.code(),
        Some(2),
        "the key goes nowhere that a .env says"
    );
    std::fs::remove_file(world.path(".env")).unwrap();

    std::fs::write(&file, format!("[default]\napi_key = {KEY}\n")).unwrap();
    let damaged = bare(&list).output().unwrap();
    let said = String::from_utf8_lossy(&damaged.stderr).into_owned();
    assert!(said.contains("line 2") && !said.contains(KEY), "{said}");
}

fn permit(file: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;

    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_reader_that_has_had_enough_is_no_failure() {
    let world = World::new();
    world.print(&["context", "create", "one"]);
    std::fs::write(world.path("large"), vec![b'x'; 4 << 20]).unwrap();
    world.print(&["put", "large", "one:/large"]);
    for arguments in [&["cat", "one:/large"][..], &["schema"]] {
        let mut child = world
            .command(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut start = [0; 1];
        child.stdout.take().unwrap().read_exact(&mut start).unwrap();
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success() && said.is_empty(),
            "{arguments:?}: {said}"
        );
    }
}

#[test]
fn stdin_and_stdout_are_files_too() {
    let world = World::new();
    world.print(&["context", "create", "one"]);
    let content: Vec<u8> = (0..200_000_u32).map(|n| (n % 251) as u8).collect();
    let mut child = world.command(&["put", "-", "one:/in"]);
    let mut child = child.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&content).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(world.run(&["cat", "one:/in"]).stdout == content);
    assert!(world.run(&["get", "one:/in", "-"]).stdout == content);
}

#[test]
fn ctrl_c_leaves_no_broken_file_and_says_how_to_go_on() {
    // Nothing of an answer comes: the download is in the middle of it.
    let world = World::with(&["--fault", "latency=60s,op=download"]);
    world.print(&["context", "create", "one"]);
    world.print(&["put", "-r", "project", "one:/p"]);
    let mut command = world.command(&["get", "-r", "one:/p", "copy"]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    while !world.path("copy").exists() {
        std::thread::yield_now();
    }
    signal("INT", child.id());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("the same command goes on"), "{said}");
    let left = std::fs::read_dir(world.path("copy")).unwrap().flatten();
    let left: Vec<_> = left.filter(|entry| entry.path().is_file()).collect();
    assert!(left.is_empty(), "{left:?}");
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
