//! Signals that come twice, late, or to what is to outlive its terminal.

use std::{
    fs::{self, File},
    process::{Child, Command, Output, Stdio},
};

use super::{
    support::{Serve, agb, signal, wait},
    world::World,
};

/// Ctrl-C, again and again.
fn interrupt(mut child: Child) -> Output {
    while child.try_wait().unwrap().is_none() {
        signal("INT", child.id());
        wait(100);
    }
    child.wait_with_output().unwrap()
}

#[test]
fn ctrl_c_twice_waits_for_nothing() {
    let world = World::new();
    world.print(&["context", "create", "one"]);
    fs::write(world.path("large"), vec![7; 4 << 20]).unwrap();
    world.print(&["put", "large", "one:/large"]);
    let pipe = world.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let mut command = world.command(&["get", "one:/large", "pipe"]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    // Nobody reads: what writes into the pipe can't be broken off, and is waited for after the first.
    let _open = File::open(&pipe).unwrap();
    wait(500);
    let output = interrupt(child);
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(output.stderr, b"", "it was waited for");
}

#[test]
fn ctrl_c_ends_what_comes_after_a_part_that_could_be_stopped() {
    let world = World::with(&["--fault", "latency=30s,op=DeleteContextFile"]);
    world.print(&["context", "create", "one"]);
    world.print(&["put", "project/a.txt", "one:/a.txt"]);
    // No folder: after that was seen, the file is deleted.
    let mut command = world.command(&["rm", "-r", "-y", "one:/a.txt"]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    wait(500);
    let output = interrupt(child);
    assert_eq!(output.status.code(), Some(130), "{output:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn what_nohup_has_started_outlives_its_terminal() {
    let scratch = tempfile::tempdir().unwrap();
    let mut command = Command::new("sh");
    command
        .args(["-c", "trap '' HUP; exec \"$@\"", "sh"])
        .arg(agb().get_program());
    let serve = Serve::start_by(command, scratch.path(), &[]);
    signal("HUP", serve.process());
    wait(300);
    let mut list = agb();
    list.args(["context", "list"])
        .env("AGB_ENDPOINT", &serve.url)
        .env("AGB_API_KEY", "k");
    assert!(list.output().unwrap().status.success());
    let (status, _) = serve.stop("TERM");
    assert!(status.success());
}
