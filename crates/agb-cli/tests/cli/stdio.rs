//! Stdin and stdout that are closed, full or of the wrong kind.

use std::process::Output;

use super::world::World;

/// Runs `agb` with what a shell makes of its redirections.
fn shell(world: &World, arguments: &str, redirections: &str) -> Output {
    let mut command = world.command(&[]);
    let program = command.get_program().to_owned();
    let mut shell = std::process::Command::new("bash");
    shell
        .arg("-c")
        .arg(format!("\"$0\" {arguments} {redirections}"))
        .arg(program)
        .current_dir(world.scratch.path());
    for (name, value) in command.env("TMPDIR", world.path("")).get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.output().unwrap()
}

fn world() -> World {
    let world = World::new();
    world.print(&["context", "create", "t"]);
    world.print(&["put", "project/a.txt", "t:/x"]);
    world
}

#[test]
fn a_stdin_that_is_closed_or_cannot_be_read_changes_nothing() {
    let world = world();
    for (from, redirection) in [
        ("-", "<&-"),
        ("/dev/stdin", "<&-"),
        ("/dev/fd/0", "<&-"),
        ("/proc/self/fd/0", "<&-"),
        ("-", "<project"),
        ("-", "0>out"),
        ("-", "0>/dev/null"),
        ("-", "0<>/dev/null"),
    ] {
        let output = shell(&world, &format!("put {from} t:/x"), redirection);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{from} {redirection}");
        assert!(said.contains("stdin"), "{from} {redirection}: {said}");
        assert_eq!(
            world.print(&["cat", "t:/x"]),
            "hello",
            "{from} {redirection}"
        );
    }
    for redirection in ["<&-", "<project", "0>out"] {
        let output = shell(&world, "ls t:/ --api-key-stdin", redirection);
        assert!(!output.status.success(), "{redirection}");
        let output = shell(&world, "rm -r t:/x", redirection);
        assert!(!output.status.success(), "{redirection}");
    }
    assert_eq!(world.print(&["cat", "t:/x"]), "hello");
}

#[test]
fn a_stdin_that_is_empty_is_an_empty_file() {
    let world = world();
    for (from, redirection) in [
        ("-", "</dev/null"),
        ("/dev/null", ""),
        ("-", "< <(:)"),
        ("-", "<empty"),
    ] {
        std::fs::write(world.path("empty"), "").unwrap();
        world.print(&["put", "project/a.txt", "t:/x"]);
        let output = shell(&world, &format!("put {from} t:/x"), redirection);
        assert!(output.status.success(), "{redirection}: {output:?}");
        assert_eq!(world.print(&["cat", "t:/x"]), "");
    }
    let output = shell(&world, "put - t:/x", "<<< hello");
    assert!(output.status.success());
    assert_eq!(world.print(&["cat", "t:/x"]), "hello\n");
}

#[test]
fn what_can_not_be_written_to_stdout_is_a_failure() {
    let world = world();
    for arguments in [
        "cat t:/x",
        "get t:/x -",
        "ls t:/",
        "ls -l t:/",
        "ls --json t:/",
        "tree t:/",
        "du t:/",
        "stat t:/x",
        "diff project t:/",
        "url get t:/x",
        "url put t:/x",
        "url get --json t:/x",
        "context list",
        "context get t",
        "doctor",
        "completion bash",
        "man",
        "schema",
        "--help",
        "--version",
        "ls --help",
    ] {
        for redirection in [">&-", ">/dev/full", "1</dev/null"] {
            let output = shell(&world, arguments, redirection);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(
                output.status.code(),
                Some(1),
                "{arguments} {redirection}: {said}"
            );
            assert!(
                said.contains("stdout") || said.contains("read t:/x"),
                "{arguments}: {said}"
            );
        }
        let output = shell(&world, arguments, ">/dev/null");
        assert!(
            matches!(output.status.code(), Some(0 | 10)),
            "{arguments}: {output:?}"
        );
    }
    for name in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        for redirection in [">&-", ">/dev/full"] {
            let output = shell(&world, &format!("get t:/x {name} -f"), redirection);
            assert!(!output.status.success(), "{name} {redirection}");
        }
    }
    // What changes something and prints it is done, and says that its output is lost.
    let output = shell(&world, "context create --json u", ">/dev/full");
    assert_eq!(output.status.code(), Some(1));
    let output = shell(&world, "serve keys add --keys keys team", ">/dev/full");
    assert_eq!(output.status.code(), Some(1));
}
