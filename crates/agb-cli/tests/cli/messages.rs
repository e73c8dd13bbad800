//! What is said, and what a terminal is not sent.

use std::{fs, process::Stdio};

use serde_json::Value;

use super::world::World;

fn world() -> World {
    let world = World::new();
    world.print(&["context", "create", "one"]);
    world
}

#[test]
fn waiting_for_what_is_not_being_cleared_says_just_that() {
    let world = world();
    world.print(&["put", "project/a.txt", "one:/a.txt"]);
    let output = world.run(&["context", "wait", "one"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && said.contains("one is available"),
        "{said}"
    );
    assert!(!said.contains("empty"), "{said}");
    let json = |arguments: &[&str]| -> Value {
        serde_json::from_str(&world.print(&[arguments, &["--json"]].concat())).unwrap()
    };
    let id = json(&["context", "get", "one"])["id"].clone();
    for (arguments, name, done) in [
        (&["context", "wait", "one"][..], "one", "available"),
        (&["context", "clear", "-y", "one"], "one", "cleared"),
        (&["context", "rename", "one", "two"], "two", "renamed"),
        (&["context", "delete", "-y", "two"], "two", "deleted"),
    ] {
        let row = json(arguments);
        assert_eq!((&row["name"], &row["done"]), (&name.into(), &done.into()));
        assert_eq!(row["id"], id);
    }
}

#[test]
fn a_tree_of_what_is_not_there_is_a_failure_for_programs_too() {
    let world = world();
    world.print(&["put", "project/a.txt", "one:/a.txt"]);
    assert_eq!(world.fail(&["tree", "one:/none", "--json"]).0, 3);
    assert_eq!(world.fail(&["tree", "one:/a.txt", "--json"]).0, 2);
}

#[test]
fn a_name_commands_no_terminal() {
    let world = world();
    world.print(&["put", "project/a.txt", "one:/a\u{202e}txt.exe"]);
    for arguments in [
        &["ls", "-q", "one:/"][..],
        &["ls", "one:/"],
        &["tree", "one:/"],
    ] {
        let shown = world.print(arguments);
        assert!(
            shown.contains("a\\u{202e}txt.exe"),
            "{arguments:?}: {shown}"
        );
    }
    let shown = world.print(&["ls", "--json", "one:/"]);
    let row: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        row["name"], "a\u{202e}txt.exe",
        "programs get what there is"
    );
    for name in ["esc\u{1b}[31m", "line\nerror: other"] {
        fs::write(world.path(name), "x").unwrap();
        let (_, said) = world.fail(&["put", name, "one:/odd/"]);
        assert!(!said.contains('\u{1b}') && said.contains("\\u{1b}") == name.contains('\u{1b}'));
        let (_, said) = world.fail(&["get", &format!("one:/{name}")]);
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }
}

#[test]
fn usage_errors_keep_to_what_was_said_of_colours() {
    let world = world();
    for (when, coloured) in [("always", true), ("never", false)] {
        let (code, said) = world.fail(&["ls", "--color", when]);
        assert_eq!((code, said.contains('\u{1b}')), (2, coloured), "{said:?}");
    }
    assert_eq!(world.fail(&["tree", "-L", "0", "one:/"]).0, 2);
    let region = ["context", "create", "two", "--region", "No Region"];
    assert_eq!(world.fail(&region).0, 2);
}

#[test]
fn every_command_shows_how_it_is_used() {
    let world = World::new();
    for command in [
        "ls", "tree", "du", "cat", "stat", "get", "put", "rm", "sync", "diff", "doctor",
    ] {
        let help = world.print(&[command, "--help"]);
        assert!(help.contains(&format!("agb {command}")), "{help}");
    }
    for command in ["list", "get", "create", "rename", "delete", "clear", "wait"] {
        let help = world.print(&["context", command, "--help"]);
        assert!(help.contains("Examples:"), "{help}");
    }
}

#[test]
fn a_reader_that_has_had_enough_of_differences_has_seen_some() {
    let world = world();
    let mut command = world.command(&["diff", "project", "one:/"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(10));
}

#[test]
fn a_doctor_tells_what_is_wrong_and_what_mends_it() {
    use std::os::unix::fs::PermissionsExt;

    let world = world();
    let well = world.print(&["doctor"]);
    for told in [
        "(from the environment)",
        "something answers",
        "the key is good",
    ] {
        assert!(well.contains(told), "{told}: {well}");
    }
    assert_eq!(world.print(&["doctor", "-q"]), "");

    let ill = |endpoint: &str, key: &str| {
        let mut doctor = world.command(&["doctor"]);
        doctor.env("AGB_ENDPOINT", endpoint).env("AGB_API_KEY", key);
        let output = doctor.output().unwrap();
        let shown = String::from_utf8(output.stdout).unwrap();
        (output.status.code().unwrap(), shown)
    };
    let (code, shown) = ill("http://127.0.0.1:1", "k");
    assert_eq!(code, 7, "{shown}");
    assert!(shown.to_lowercase().contains("refused"), "{shown}");
    let (code, shown) = ill(&format!("{}/foo", world.serve.url), "k");
    assert_ne!(code, 4, "{shown}");
    assert!(!shown.contains("is it the key"), "{shown}");

    let (code, shown) = ill(&world.serve.url.replace("http:", "https:"), "k");
    assert_eq!(code, 7, "{shown}");
    assert!(shown.contains("is it http://"), "{shown}");
    let (code, shown) = ill("ftp://127.0.0.1", "k");
    assert_eq!(code, 2, "{shown}");
    assert!(!shown.contains("export AGB_API_KEY"), "{shown}");
    let mut doctor = world.command(&["doctor"]);
    let output = doctor.env("AGB_TIMEOUT_MS", "soon").output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{shown}");
    assert!(shown.contains("AGB_TIMEOUT_MS"), "{shown}");

    let folder = world.path("config/agb");
    fs::create_dir_all(&folder).unwrap();
    let profile = folder.join("config.toml");
    fs::write(&profile, "[default]\napi_key = \"secret-of-profile\"\n").unwrap();
    fs::set_permissions(&profile, fs::Permissions::from_mode(0o644)).unwrap();
    let output = world.run(&["doctor"]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(4), "{shown}");
    assert!(
        shown.contains("chmod 600") && !shown.contains("export"),
        "{shown}"
    );
}

#[test]
fn what_ends_a_whole_folder_names_both_sides() {
    let world = World::with(&[
        "--fault",
        "status=503,op=DescribeContextFiles,retry-after=0",
    ]);
    world.print(&["context", "create", "one"]);
    for (command, told) in [
        (
            &["sync", "project", "one:/p"][..],
            "can't sync project to one:/p: ",
        ),
        (
            &["put", "-r", "project", "one:/p"],
            "can't put project to one:/p: ",
        ),
        (
            &["diff", "project", "one:/p"],
            "can't compare project to one:/p: ",
        ),
    ] {
        let (code, said) = world.fail(command);
        assert_eq!(code, 7, "{said}");
        assert!(said.contains(told), "{said}");
    }
}
