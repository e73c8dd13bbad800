//! Files that are named one by one, at either end.

use std::{
    fs,
    process::{Command, Stdio},
    time::SystemTime,
};

use super::{
    support::{ignores, signal, wait},
    world::World,
};

fn world() -> World {
    let world = World::new();
    world.print(&["context", "create", "one"]);
    world
}

#[test]
fn one_that_is_not_there_stops_no_other() {
    let world = world();
    for name in ["one:/x", "one:/y"] {
        world.print(&["put", "project/a.txt", name]);
    }
    let output = world.run(&["cat", "one:/x", "one:/none", "one:/y"]);
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(output.stdout, b"hellohello");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("there is no one:/none"), "{said}");
    assert!(said.contains("agb ls 'one:/'"), "{said}");
    assert!(said.contains("1 of 3 failed"), "{said}");
    assert!(said.contains("request id"), "{said}");

    let (code, said) = world.fail(&["rm", "one:/x", "one:/none", "none:/z", "one:/y"]);
    assert_eq!(code, 5, "{said}");
    assert_eq!(world.print(&["ls", "one:/"]), "");
    assert_eq!(
        world.print(&["rm", "-f", "one:/x"]),
        "",
        "nothing was deleted"
    );
    assert_eq!(world.fail(&["rm", "one:/x"]).0, 3);
}

#[test]
fn an_older_file_replaces_a_newer_one_only_where_that_is_asked_for() {
    let world = world();
    world.print(&["put", "-r", "project", "one:/p"]);
    wait(1100);
    fs::write(world.path("project/a.txt"), "olleh").unwrap();
    let path = world.path("project/a.txt");
    let file = fs::File::options().append(true).open(path).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    let (code, said) = world.fail(&["put", "-r", "project", "one:/p"]);
    assert_eq!(code, 6, "{said}");
    assert!(
        said.contains("a.txt") && said.contains("--conflict"),
        "{said}"
    );
    assert_eq!(world.print(&["cat", "one:/p/a.txt"]), "hello");
    world.print(&["put", "-r", "--conflict", "overwrite", "project", "one:/p"]);
    assert_eq!(world.print(&["cat", "one:/p/a.txt"]), "olleh");
}

#[test]
fn a_local_path_is_made_as_far_as_it_is_missing() {
    let world = world();
    world.print(&["put", "project/a.txt", "one:/a.txt"]);
    world.print(&["get", "one:/a.txt", "new/deep/b"]);
    world.print(&["get", "one:/a.txt", "other/"]);
    for path in ["new/deep/b", "other/a.txt"] {
        assert_eq!(fs::read(world.path(path)).unwrap(), b"hello", "{path}");
    }
    assert_eq!(world.fail(&["get", "one:/none", "never/deep/b"]).0, 3);
    assert!(!world.path("never").exists());
    let (code, said) = world.fail(&["get", "one:/a.txt", "new/deep/b/c"]);
    assert_eq!(code, 1);
    assert!(
        said.contains("new/deep/b/c") && !said.contains(".part"),
        "{said}"
    );
}

#[test]
fn what_is_no_path_of_the_right_place_is_told() {
    let world = world();
    world.print(&["put", "project/a.txt", "one:/fold/a.txt"]);
    for (code, arguments, told) in [
        (
            2,
            ["put", "project/a.txt", "one:/fold"],
            "one:/fold is a folder",
        ),
        (2, ["get", "one:/fold/a.txt", "one:/b"], "in the service"),
        (2, ["put", "one:/fold/a.txt", "one:/b"], "in the service"),
        (
            3,
            ["put", "none", "one:/b"],
            "there is no none on this machine",
        ),
        (
            3,
            ["sync", "none", "one:/b"],
            "there is no none on this machine",
        ),
        (2, ["sync", "project/a.txt", "one:/b"], "is no folder"),
    ] {
        let (ended, said) = world.fail(&arguments);
        assert_eq!(ended, code, "{arguments:?}: {said}");
        assert!(said.contains(told), "{arguments:?}: {said}");
    }
    world.print(&["put", "project/a.txt", "one:/fold/"]);
    assert_eq!(world.print(&["ls", "-q", "one:/"]).lines().count(), 1);
}

#[test]
fn a_pipe_or_a_device_takes_and_gives_what_a_file_does() {
    let world = world();
    let pipe = world.path("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let putting = world.command(&["put", "pipe", "one:/p"]).spawn();
    fs::write(&pipe, "through a pipe").unwrap();
    assert!(putting.unwrap().wait().unwrap().success());
    assert_eq!(world.print(&["cat", "one:/p"]), "through a pipe");

    let mut getting = world.command(&["get", "one:/p", "pipe"]).spawn().unwrap();
    assert_eq!(fs::read_to_string(&pipe).unwrap(), "through a pipe");
    assert!(getting.wait().unwrap().success());
    world.print(&["get", "one:/p", "/dev/null"]);
}

#[test]
fn ctrl_c_ends_a_download_from_a_service_that_hangs() {
    let world = world();
    world.print(&["put", "project/a.txt", "one:/a.txt"]);
    signal("STOP", world.serve.process());
    for arguments in [
        &["get", "one:/a.txt", "copy"][..],
        &["get", "-r", "one:/", "copies"],
    ] {
        let mut command = world.command(arguments);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        wait(300);
        // Until it waits for the service to answer, what is ignored does nothing.
        signal(if ignores(2) { "TERM" } else { "INT" }, child.id());
        // Without the signal it would take minutes.
        let mut turns = 0;
        while child.try_wait().unwrap().is_none() {
            turns += 1;
            assert!(turns < 200, "{arguments:?}");
            wait(100);
        }
    }
    signal("CONT", world.serve.process());
}

/// With few descriptors fewer files move at a time, and none fails.
#[cfg(target_os = "linux")]
#[test]
fn few_open_files_are_enough_for_many_files() {
    let world = world();
    let many = 1000;
    for number in 0..many {
        let path = world.path(&format!("many/{}/{number}", number % 10));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, number.to_string()).unwrap();
    }
    for number in 0..20 {
        let path = world.path(&format!("many-20/{number}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "x").unwrap();
    }
    // Some may be taken from the start.
    let limited = |limit: u32, taken: u32, arguments: &[&str]| {
        let agb = world.command(arguments);
        let mut shell = Command::new("bash");
        let script = format!(
            "ulimit -n {limit}; for i in $(seq 10 {}); do eval \"exec $i</dev/null\"; done; \
             exec \"$0\" \"$@\"",
            9 + taken
        );
        shell
            .args(["-c", &script])
            .arg(agb.get_program())
            .args(agb.get_args());
        shell.current_dir(agb.get_current_dir().unwrap());
        for (name, value) in agb.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        let output = shell.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "with {limit}: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    for (limit, taken, many) in [(64, 0, many), (90, 0, many), (64, 36, 100), (64, 41, 20)] {
        let remote = format!("one:/many-{limit}-{taken}");
        let local = format!("copy-{limit}-{taken}");
        let from = match many {
            20 => "many-20",
            100 => "many/0",
            _ => "many",
        };
        let limited = |arguments: &[&str]| limited(limit, taken, arguments);
        let sent = limited(&["sync", "--json", from, &remote]);
        assert_eq!(
            (&sent["transferred"], &sent["failed"]),
            (&many.into(), &0.into())
        );
        let got = limited(&["sync", "--json", &remote, &local]);
        assert_eq!(
            (&got["transferred"], &got["failed"]),
            (&many.into(), &0.into())
        );
    }
}

#[test]
fn a_glob_that_can_never_match_ends_with_two_and_a_hint() {
    let world = world();
    for glob in ["../x", "", "a/../b", "~/x", "!x", "[", "a\\b"] {
        for option in ["--include", "--exclude"] {
            let (code, said) = world.fail(&["sync", option, glob, "project", "one:/p"]);
            assert_eq!(code, 2, "{glob}: {said}");
            assert!(said.contains("hint: "), "{glob}: {said}");
            assert_eq!(said.lines().count(), 2, "{glob}: {said}");
        }
    }
    let absolute = world.path("project/a.txt");
    let absolute = absolute.to_str().unwrap();
    let (code, said) = world.fail(&["put", "-r", "--exclude", absolute, "project", "one:/p"]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("absolute path"), "{said}");
    world.print(&["put", "-r", "--exclude", "./a.txt", "project", "one:/p"]);
    assert_eq!(world.print(&["ls", "-R", "one:/p"]), "/p/src/\n/p/src/b\n");
}
