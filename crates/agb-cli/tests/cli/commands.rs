//! Commands for contexts and files, against a real service.

use std::{
    io::{Read, Write},
    path::Path,
    process::Stdio,
};

use serde_json::Value;

use super::{
    support::signal,
    world::{KEY, World},
};

#[test]
fn every_failure_has_its_exit_code_and_says_what_to_do() {
    let world = World::new();
    world.print(&["context", "create", "one"]);
    world.print(&["context", "create", "two"]);
    world.print(&["put", "project/a.txt", "one:/a.txt"]);
    world.print(&["put", "project/a.txt", "one:/deep/a.txt"]);
    std::fs::create_dir(world.path("project/src/deep")).unwrap();
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
        (3, &["tree", "one:/none"]),
        (3, &["du", "one:/none"]),
        (3, &["get", "-r", "one:/none", "copy"]),
        (3, &["sync", "one:/none", "copy"]),
        (2, &["get", "-r", "one:/a.txt", "copy"]),
        (2, &["get", "one:/deep", "copy"]),
        (2, &["get", "one:/deep", "project/src"]),
        (2, &["cat", "one:/deep"]),
        (2, &["rm", "one:/deep"]),
        (2, &["put", "--api-key-stdin", "-", "one:/x"]),
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
    let output = keyless.env_remove("AGB_API_KEY").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said.contains("no API key") && !said.contains("api_key("),
        "{said}"
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
        said.contains("error: a.txt: ") && said.contains("1 file failed"),
        "{said}"
    );
    assert_eq!(
        std::fs::read_to_string(world.path("copy/src/b")).unwrap(),
        "bb"
    );
}

#[test]
fn a_name_means_one_context_of_a_region_and_an_id_any() {
    let world = World::new();
    world.print(&["context", "create", "twin"]);
    let other = world.print(&[
        "context",
        "create",
        "twin",
        "--region",
        "cn-shanghai",
        "--json",
    ]);
    let other: Value = serde_json::from_str(&other).unwrap();
    let id = other["id"].as_str().unwrap();
    assert_eq!(world.print(&["context", "list"]).lines().count(), 2);
    assert!(!world.print(&["context", "get", "twin"]).contains(id));
    assert!(
        world
            .print(&["context", "get", "twin", "--region", "cn-shanghai"])
            .contains(id)
    );
    assert!(world.print(&["context", "get", id]).contains(id));
    let (code, said) = world.fail(&["context", "get", "twin", "--region", "cn-beijing"]);
    assert_eq!(code, 3);
    assert_eq!(
        said.matches("twin (SdkCtx-").count(),
        2,
        "the candidates: {said}"
    );
    for region in ["cn-shanghai", "cn-beijing"] {
        world.print(&["context", "create", "pair", "--region", region]);
    }
    let (code, said) = world.fail(&["context", "get", "pair"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("is ambiguous"), "{said}");
    assert_eq!(said.matches("pair (SdkCtx-").count(), 2, "{said}");
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
    assert_eq!(said.matches("error: ").count(), 2, "{said}");
    assert_eq!(said.matches("request id: ").count(), 1, "{said}");
    assert!(
        said.contains("and 39 more") && said.contains("42 files failed"),
        "{said}"
    );

    // A local cause names the file in its message, and is one all the same.
    let world = World::new();
    world.print(&["context", "create", "one"]);
    world.print(&["put", "-r", "project", "one:/"]);
    for file in ["copy/a.txt", "copy/src/b"] {
        std::fs::create_dir_all(world.path(file)).unwrap();
    }
    let (code, said) = world.fail(&["get", "-r", "--force", "one:/", "copy"]);
    assert_eq!(code, 5, "{said}");
    let hit = ["likewise: a.txt", "likewise: src/b"];
    assert!(hit.iter().any(|hit| said.contains(hit)), "{said}");
    assert_eq!(said.matches("error: ").count(), 2, "{said}");
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
        "--yes",
        "project",
        "one:/p",
    ];
    let named = world.print(&[&arguments[..], &["--dry-run", "--json"]].concat());
    world.fail(&["diff", "project", "one:/p"]);
    assert!(!world.path("state").exists(), "nothing is remembered of it");
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
    // What is too much is named before it is refused.
    let output = world.run(&["sync", "-n", "--delete", "project/src", "one:/p"]);
    assert_eq!(output.status.code(), Some(9));
    assert!(String::from_utf8_lossy(&output.stdout).contains("delete-remote"));
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
    // The pipe stays open: the first line is enough.
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "{KEY}").unwrap();
    assert_eq!(child.wait_with_output().unwrap().stdout, b"mine\n");
    drop(stdin);
    let mut empty = world.command(&list);
    let empty = empty.env("AGB_PROFILE", "").env("AGB_REGION", "");
    assert_eq!(empty.output().unwrap().stdout, b"mine\n");

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
    assert_eq!(trap.stdout, b"mine\n", "a profile goes before a .env");
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
fn a_reader_that_has_had_enough_ends_a_command_without_a_message() {
    let world = World::new();
    world.print(&["context", "create", "one"]);
    std::fs::write(world.path("large"), vec![b'x'; 4 << 20]).unwrap();
    world.print(&["put", "large", "one:/large"]);
    for arguments in [&["cat", "one:/large"][..], &["get", "one:/large", "-"]] {
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
            output.status.code() == Some(141) && said.is_empty(),
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
fn ctrl_c_in_the_middle_of_many_files_leaves_nothing_half_fetched() {
    // Each answer is cut, so that it takes many and lasts until the signal has come.
    let world = World::with(&["--fault", "cut=300000,op=download,times=200"]);
    world.print(&["context", "create", "one"]);
    let large = vec![7; 2 << 20];
    for n in 0..20 {
        std::fs::write(world.path(&format!("project/{n}")), &large).unwrap();
    }
    world.print(&["put", "-r", "project", "one:/p"]);
    let files = || {
        let entries = std::fs::read_dir(world.path("copy")).into_iter().flatten();
        entries.flatten().filter(|entry| entry.path().is_file())
    };
    let mut command = world.command(&["sync", "one:/p", "copy"]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    while files().count() == 0 {
        std::thread::yield_now();
    }
    signal("INT", child.id());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    for file in files() {
        let name = file.file_name().into_string().unwrap();
        assert!(!name.ends_with(".part"), "{name}");
        let whole = std::fs::read(world.path(&format!("project/{name}"))).unwrap();
        assert!(std::fs::read(file.path()).unwrap() == whole, "{name}");
    }
    // The cuts that are left can be more than the retries of one run.
    let again = || world.run(&["sync", "one:/p", "copy"]).status.success();
    assert!((0..10).any(|_| again()));
    assert_eq!(files().count(), 21);
}

#[test]
fn ctrl_c_takes_away_what_was_kept_of_stdin() {
    let world = World::new();
    world.print(&["context", "create", "one"]);
    std::fs::create_dir(world.path("tmp")).unwrap();
    let kept = || std::fs::read_dir(world.path("tmp")).unwrap().count();
    let mut command = world.command(&["put", "-", "one:/in"]);
    let command = command.env("TMPDIR", world.path("tmp"));
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    let _open = child.stdin.take();
    while kept() == 0 {
        std::thread::yield_now();
    }
    signal("INT", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(kept(), 0);
}
