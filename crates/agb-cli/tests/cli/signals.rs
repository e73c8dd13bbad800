//! Repeated and late signals, and SIGHUP under nohup.

use std::{
    fs::{self, File},
    process::{Child, Command, Output, Stdio},
};

use super::{
    support::{Serve, agb, signal, wait},
    test_env::TestEnv,
};

/// Sends Ctrl-C until the process ends.
fn interrupt(mut child: Child) -> Output {
    while child.try_wait().unwrap().is_none() {
        signal("INT", child.id());
        wait(100);
    }
    child.wait_with_output().unwrap()
}

#[test]
fn a_second_ctrl_c_ends_the_process() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    fs::write(env.path("large"), vec![7; 4 << 20]).unwrap();
    env.print(&["put", "large", "one:/large"]);
    let pipe = env.path("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let mut command = env.command(&["get", "one:/large", "pipe"]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    // The pipe is full, and the first signal waits for the write.
    let _open = File::open(&pipe).unwrap();
    wait(500);
    let output = interrupt(child);
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    assert_eq!(output.stderr, b"", "the second signal does not wait");
}

#[test]
fn ctrl_c_ends_a_step_after_an_interruptible_one() {
    let env = TestEnv::with(&["--fault", "latency=30s,op=DeleteContextFile"]);
    env.print(&["context", "create", "one"]);
    env.print(&["put", "project/a.txt", "one:/a.txt"]);
    // Deletes the contents of the folder, then the file.
    let mut command = env.command(&["rm", "-r", "-y", "one:/a.txt"]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    wait(500);
    let output = interrupt(child);
    assert_eq!(output.status.code(), Some(130), "{output:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_service_under_nohup_ignores_sighup() {
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
