//! `--bwlimit`. The SDK's tests measure the rate in paused time.

use std::fs;

use super::test_env::TestEnv;

#[test]
fn every_command_that_transfers_content_accepts_a_limit() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    let content = "some content\n".repeat(20_000);
    fs::write(env.path("big"), &content).unwrap();
    // Fast enough for a test: the limit only has to change nothing else.
    let commands: [&[&str]; 12] = [
        &["put", "--bwlimit", "64M", "big", "one:/big"],
        &["--bwlimit=64MiB", "put", "-r", "project", "one:/"],
        &["get", "one:/big", "got", "--bwlimit", "67108864"],
        &["get", "-r", "--bwlimit", "64m", "one:/project", "folder"],
        &["cp", "--bwlimit", "1G", "one:/big", "one:/copy"],
        &["mv", "--bwlimit", "64M", "one:/copy", "one:/moved"],
        &["sync", "--bwlimit", "64M", "one:/", "synced"],
        &["sync", "--bwlimit", "64M", "--both", "synced", "one:/"],
        &["open", "--bwlimit", "64M", "one:/project/a.txt"],
        &[
            "context",
            "snapshot",
            "one",
            "--to",
            "one.tar",
            "--bwlimit",
            "64M",
        ],
        &["context", "restore", "--bwlimit", "64M", "one.tar", "two"],
        &["context", "copy", "--bwlimit", "64M", "two", "three"],
    ];
    for command in commands {
        if command[0] == "open" {
            // No program may be there to open it.
            env.run(command);
            continue;
        }
        env.print(command);
    }
    for file in ["got", "synced/big", "synced/moved"] {
        assert!(
            fs::read_to_string(env.path(file)).unwrap() == content,
            "{file}"
        );
    }
    assert!(env.print(&["cat", "--bwlimit", "64M", "two:/moved"]) == content);
    let mut editor = env.command(&["edit", "--bwlimit", "64M", "one:/big"]);
    editor.env("VISUAL", "cp project/a.txt");
    assert!(editor.output().unwrap().status.success());
    assert_eq!(env.print(&["cat", "one:/big"]), "hello");
}

#[test]
fn a_limit_of_zero_or_no_number_is_refused_with_a_hint() {
    let env = TestEnv::new();
    for (rate, hint) in [
        ("0", "omit the option for no limit"),
        ("fast", "such as 500K, 2M or 1G"),
        ("1.5M", "such as 500K, 2M or 1G"),
        ("-1", "such as 500K, 2M or 1G"),
    ] {
        let (code, stderr) = env.fail(&["put", &format!("--bwlimit={rate}"), "big", "one:/"]);
        assert_eq!(code, 2, "{rate}");
        assert!(stderr.contains(hint), "{rate}: {stderr}");
    }
    assert_eq!(env.fail(&["ls", "--bwlimit", "1M", "one:/"]).0, 2);
    assert_eq!(env.fail(&["--bwlimit", "1M", "ls", "one:/"]).0, 2);
}
