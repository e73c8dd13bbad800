//! Names that people know from other programs, and names with typing errors.

use std::{fs, os::unix::ffi::OsStrExt, process::Command};

use super::test_env::{KEY, TestEnv};

/// Exit code, stdout and stderr.
fn run(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn commands_of_other_programs_work() {
    let env = TestEnv::new();
    env.print(&["context", "make", "one"]);
    env.print(&["put", "project/a.txt", "one:/a.txt"]);
    for words in [
        &["presign", "one:/a.txt"][..],
        &["url", "one:/a.txt"],
        &["-q", "link", "one:/a.txt"],
    ] {
        assert!(env.print(words).starts_with("http://"), "{words:?}");
    }
    assert!(env.print(&["version"]).starts_with("agb "));
    assert!(env.print(&["whoami"]).contains("the key is valid"));
    assert!(env.print(&["config", "show"]).contains("endpoint\t"));
    assert!(env.print(&["help", "--help"]).contains("Commands:"));
    assert_eq!(env.print(&["ls", "--all", "one:/"]), "/a.txt\n");
    assert!(env.print(&["ls", "-o", "json", "one:/"]).starts_with('{'));
    for words in [
        &["sync", "-av", "project", "one:/s"][..],
        &["sync", "-r", "--progress", "project", "one:/s"],
        &["cp", "-a", "project", "one:/c"],
        &["rm", "-R", "-y", "one:/c"],
    ] {
        env.print(words);
    }
    assert_eq!(env.print(&["du", "-s", "one:/s"]), "7\t2\t/s\n");
    assert_eq!(env.fail(&["stat", "one:/c"]).0, 3);
}

#[test]
fn a_wrong_word_leads_to_the_right_one_or_to_none() {
    let env = TestEnv::new();
    for (words, tip) in [
        (&["touch", "one:/f"][..], "agb put /dev/null"),
        (&["context", "use", "one"], "agb ls NAME:/"),
        (&["serve", "stop"], "Ctrl-C"),
        (&["serve", "--port", "80"], "--listen 127.0.0.1:PORT"),
        (&["get", "-o", "f", "one:/f"], "agb get NAME:/file FILE"),
        (&["snyc", "a", "one:/"], "'sync'"),
    ] {
        let (code, stderr) = env.fail(words);
        assert_eq!(code, 2, "{words:?}: {stderr}");
        let tips: Vec<_> = stderr
            .lines()
            .filter(|line| line.contains("tip:"))
            .collect();
        assert!(
            tips.len() == 1 && tips[0].contains(tip),
            "{words:?}: {stderr}"
        );
    }
    for words in [&["ps"][..], &["ls", "--modify"], &["ls", "-Z", "one:/"]] {
        let (code, stderr) = env.fail(words);
        assert!(code == 2 && !stderr.contains("tip:"), "{words:?}: {stderr}");
        assert!(!stderr.contains("--call-timeout"), "{stderr}");
    }
    fs::write(env.path("-Z"), "x").unwrap();
    let (_, stderr) = env.fail(&["put", "-Z", "one:/"]);
    assert!(stderr.contains("'-- -Z'"), "{stderr}");
    let (_, stderr) = env.fail(&["ls", "one/d"]);
    assert!(stderr.contains("one:/d"), "{stderr}");
    let (_, stderr) = env.fail(&["sync", "project", "one"]);
    assert!(stderr.contains("write one:/"), "{stderr}");
    fs::write(env.path("x.tar"), "x").unwrap();
    let (_, stderr) = env.fail(&["context", "restore", "one", "x.tar"]);
    assert!(
        stderr.contains("agb context restore 'x.tar' 'one'"),
        "{stderr}"
    );
    let invalid = std::ffi::OsStr::from_bytes(b"one:/\xff");
    let (code, _, stderr) = run(env.command(&["ls"]).arg(invalid));
    assert!(code == 2 && stderr.contains("is not UTF-8"), "{stderr}");
}

#[test]
fn similar_contexts_are_near() {
    let env = TestEnv::new();
    for name in ["e", "k", "del1", "my-project", "team"] {
        env.print(&["context", "create", name]);
    }
    for (given, expected) in [
        ("del2:", "hint: similar names: del1\n"),
        ("my-projekt:", "hint: similar names: my-project\n"),
        ("tema:", "hint: similar names: team\n"),
        ("other:", "hint: list contexts"),
    ] {
        let (code, stderr) = env.fail(&["ls", given]);
        assert!(code == 3 && stderr.contains(expected), "{stderr}");
    }
}

#[test]
fn a_page_of_the_manual_is_printed() {
    let env = TestEnv::new();
    assert!(
        env.print(&["man", "ls"])
            .contains("List files, or contexts")
    );
    let page = env.print(&["man", "context", "create"]);
    assert!(page.contains("Create a context, or show"), "{page}");
    assert!(!env.path("ls").exists() && !env.path("context").exists());
    assert_eq!(env.fail(&["man", "context", "frob"]).0, 2);
    env.print(&["man", "./ls"]);
    assert!(env.path("ls/man1/agb-ls.1").exists());
    for (name, about) in [
        ("ls", "List files, or contexts"),
        ("cp", "Copy files and folders"),
    ] {
        let page = fs::read_to_string(env.path(&format!("ls/man1/agb-{name}.1"))).unwrap();
        assert!(page.contains(about), "{page}");
        assert!(!page.contains("The options for the connection"), "{page}");
    }
}

#[test]
fn a_wrong_line_of_dotenv_prevents_that_a_key_is_sent() {
    let env = TestEnv::new();
    let bare = |arguments: &[&str]| {
        let mut command = env.command(arguments);
        command.env_remove("AGB_API_KEY").env_remove("AGB_ENDPOINT");
        // Nothing can be sent to the default endpoint.
        command.env("HTTPS_PROXY", "http://127.0.0.1:1");
        command
    };
    let url = &env.serve.url;
    for (text, message) in [
        (
            format!("AGB_ENDPOIN={url}\nAGB_API_KEY={KEY}\n"),
            "line 1: unknown setting AGB_ENDPOIN",
        ),
        (
            format!("AGB_ENDPOINT=\"{url}\nAGB_API_KEY={KEY}\n"),
            "line 1: AGB_ENDPOINT is not a valid",
        ),
        (
            format!("AGB_API_KEY={KEY}\nAGB_URL={url}\n"),
            "line 2: unknown setting AGB_URL",
        ),
    ] {
        fs::write(env.path(".env"), &text).unwrap();
        for words in [
            &["ls"][..],
            &["cat", "one:/a"],
            &["sync", "project", "one:/"],
        ] {
            let (code, _, stderr) = run(&mut bare(words));
            assert_eq!(code, 2, "{stderr}");
            assert!(stderr.contains(message), "{stderr}");
            assert!(stderr.contains("no API key is sent"), "{stderr}");
            assert!(
                stderr.contains("--no-dotenv") && !stderr.contains(KEY),
                "{stderr}"
            );
        }
        // The environment has everything: a warning is enough.
        let (code, stderr) = env.fail(&["ls"]);
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(stderr.matches("warning: .env, ").count(), 1, "{stderr}");
        assert_eq!(env.fail(&["ls", "--no-dotenv"]).1, "");
        assert_eq!(env.fail(&["ls", "-q"]).1, "");
    }
    fs::write(
        env.path(".env"),
        format!("AGB_ENDPOINT={url}\nAGB_API_KEY={KEY}\nAGB_LISTEN=x\nAPP_API_KEY=x\n"),
    )
    .unwrap();
    let (code, _, stderr) = run(&mut bare(&["ls"]));
    assert_eq!((code, stderr.as_str()), (0, ""));
    fs::write(
        env.path(".env"),
        format!("AGB_ENDPOINT={url}\nAGB_API_KEY={KEY}\nAGB_REGION=x\n"),
    )
    .unwrap();
    let (code, _, stderr) = run(&mut bare(&["ls"]));
    assert!(
        code == 0 && stderr.contains("AGB_REGION is not read from .env"),
        "{stderr}"
    );
}

#[test]
fn an_option_without_effect_is_refused() {
    let env = TestEnv::new();
    for words in [
        &["ls", "--region", "nowhere"][..],
        &["context", "list", "--region", "nowhere"],
    ] {
        let (code, stderr) = env.fail(words);
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains("--region has no effect"), "{stderr}");
    }
    let (code, _, stderr) = run(env.command(&["ls"]).env("AGB_REGION", "nowhere"));
    assert_eq!(code, 0, "{stderr}");
    // A service that never responds.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let start = std::time::Instant::now();
    let (code, shown, _) =
        run(&mut env.command(&["doctor", "--call-timeout", "1", "--endpoint", &endpoint]));
    assert!(matches!(code, 7 | 8), "{shown}");
    assert!(start.elapsed().as_secs() < 6, "{:?}", start.elapsed());
}

#[test]
fn an_unknown_key_of_a_profile_can_be_removed() {
    let env = TestEnv::new();
    let folder = env.path("config/agb");
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join("config.toml"),
        "[default]\nendpont = 'x'\nregion = 'y'\n",
    )
    .unwrap();
    let (code, stderr) = env.fail(&["config", "unset", "regoin"]);
    assert!(
        code == 2 && stderr.contains("did you mean region"),
        "{stderr}"
    );
    env.print(&["config", "unset", "endpont"]);
    let text = fs::read_to_string(folder.join("config.toml")).unwrap();
    assert_eq!(text, "[default]\nregion = 'y'\n");
    assert_eq!(env.fail(&["config", "unset", "endpoint"]).0, 3);
}
