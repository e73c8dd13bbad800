//! Closed, full and unsuitable stdin and stdout.

use std::process::Output;

use super::test_env::TestEnv;

/// Runs `agb` in a shell with redirections.
fn shell(env: &TestEnv, arguments: &str, redirections: &str) -> Output {
    let mut command = env.command(&[]);
    let program = command.get_program().to_owned();
    let mut shell = std::process::Command::new("bash");
    shell
        .arg("-c")
        .arg(format!("\"$0\" {arguments} {redirections}"))
        .arg(program)
        .current_dir(env.scratch.path());
    for (name, value) in command.env("TMPDIR", env.path("")).get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell.output().unwrap()
}

fn env() -> TestEnv {
    let env = TestEnv::new();
    env.print(&["context", "create", "t"]);
    env.print(&["put", "-f", "project/a.txt", "t:/x"]);
    env
}

#[test]
fn a_closed_or_unreadable_stdin_changes_nothing() {
    let env = env();
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
        let output = shell(&env, &format!("put -f {from} t:/x"), redirection);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success(), "{from} {redirection}");
        assert!(stderr.contains("stdin"), "{from} {redirection}: {stderr}");
        assert_eq!(env.print(&["cat", "t:/x"]), "hello", "{from} {redirection}");
    }
    for redirection in ["<&-", "<project", "0>out"] {
        let output = shell(&env, "ls t:/ --api-key-stdin", redirection);
        assert!(!output.status.success(), "{redirection}");
        let output = shell(&env, "rm -r t:/x", redirection);
        assert!(!output.status.success(), "{redirection}");
    }
    assert_eq!(env.print(&["cat", "t:/x"]), "hello");
}

#[test]
fn an_empty_stdin_is_an_empty_file() {
    let env = env();
    for (from, redirection) in [
        ("-", "</dev/null"),
        ("/dev/null", ""),
        ("-", "< <(:)"),
        ("-", "<empty"),
    ] {
        std::fs::write(env.path("empty"), "").unwrap();
        env.print(&["put", "-f", "project/a.txt", "t:/x"]);
        let output = shell(&env, &format!("put -f {from} t:/x"), redirection);
        assert!(output.status.success(), "{redirection}: {output:?}");
        assert_eq!(env.print(&["cat", "t:/x"]), "");
    }
    let output = shell(&env, "put -f - t:/x", "<<< hello");
    assert!(output.status.success());
    assert_eq!(env.print(&["cat", "t:/x"]), "hello\n");
}

#[test]
fn a_failed_write_to_stdout_is_a_failure() {
    let env = env();
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
            let output = shell(&env, arguments, redirection);
            let stderr = String::from_utf8(output.stderr).unwrap();
            assert_eq!(
                output.status.code(),
                Some(1),
                "{arguments} {redirection}: {stderr}"
            );
            assert!(
                stderr.contains("stdout") || stderr.contains("read t:/x"),
                "{arguments}: {stderr}"
            );
        }
        let output = shell(&env, arguments, ">/dev/null");
        assert!(
            matches!(output.status.code(), Some(0 | 10)),
            "{arguments}: {output:?}"
        );
    }
    for name in ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"] {
        for redirection in [">&-", ">/dev/full"] {
            let output = shell(&env, &format!("get t:/x {name} -f"), redirection);
            assert!(!output.status.success(), "{name} {redirection}");
        }
    }
    // The change is made, and the lost output is reported.
    let output = shell(&env, "context create --json u", ">/dev/full");
    assert_eq!(output.status.code(), Some(1));
    let output = shell(&env, "serve keys add --keys keys team", ">/dev/full");
    assert_eq!(output.status.code(), Some(1));
}
