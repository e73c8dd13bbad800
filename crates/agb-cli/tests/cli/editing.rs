//! `agb edit` and `agb open`.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    process::Command,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::{interactive::Terminal, test_env::TestEnv};

/// A program in the folder `bin` of the test.
fn script(env: &TestEnv, name: &str, text: &str) -> String {
    fs::create_dir_all(env.path("bin")).unwrap();
    let path = env.path("bin").join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn an_edit_saves_the_version_that_was_opened() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    env.print(&["put", "project/a.txt", "one:/a.txt"]);
    let edit = |editor: &str, file: &str| {
        let mut command = env.command(&["edit", file]);
        command.env("EDITOR", "false").env("VISUAL", editor);
        let output = command.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), stderr)
    };
    let append = script(
        &env,
        "append",
        "[ \"$1\" = -x ] && shift; echo more >> \"$1\"; basename \"$1\" > name",
    );
    // An editor with an argument.
    let (code, stderr) = edit(&format!("'{append}' -x"), "one:/a.txt");
    assert_eq!((code, stderr.as_str()), (0, "saved one:/a.txt (10 B)\n"));
    assert_eq!(env.print(&["cat", "one:/a.txt"]), "hellomore\n");
    assert_eq!(fs::read_to_string(env.path("name")).unwrap(), "a.txt\n");
    let (code, stderr) = edit("true", "one:/a.txt");
    assert_eq!((code, stderr.as_str()), (0, "one:/a.txt is unchanged\n"));
    let (code, stderr) = edit("true", "one:/new/b.txt");
    assert_eq!(
        (code, stderr.as_str()),
        (0, "one:/new/b.txt was not created: nothing was written\n")
    );
    assert_eq!(env.fail(&["cat", "one:/new/b.txt"]).0, 3);
    let (code, stderr) = edit(&append, "one:/new/b.txt");
    assert_eq!(
        (code, stderr.as_str()),
        (0, "created one:/new/b.txt (5 B)\n")
    );

    // Conflicts: another client changes, deletes or creates the file.
    let agb = env!("CARGO_BIN_EXE_agb");
    fs::write(env.path("other"), "other").unwrap();
    let rival = |name: &str, command: &str| {
        script(
            &env,
            name,
            &format!("echo mine >> \"$1\"; '{agb}' {command}"),
        )
    };
    for (editor, file) in [
        (rival("change", "put -f other one:/a.txt"), "one:/a.txt"),
        (rival("delete", "rm one:/new/b.txt"), "one:/new/b.txt"),
        (rival("create", "put other one:/c.txt"), "one:/c.txt"),
    ] {
        let (code, stderr) = edit(&editor, file);
        assert_eq!(code, 6, "{stderr}");
        assert!(stderr.contains("by another client"), "{stderr}");
        let (_, path) = stderr.split_once("your version is in ").unwrap();
        let path = path.lines().next().unwrap();
        assert!(fs::read_to_string(path).unwrap().ends_with("mine\n"));
        assert!(stderr.contains("hint: compare:"), "{stderr}");
        fs::remove_dir_all(std::path::Path::new(path).parent().unwrap()).unwrap();
    }
    assert_eq!(env.print(&["cat", "one:/a.txt"]), "other");
    assert_eq!(env.print(&["cat", "one:/c.txt"]), "other");

    // A failed editor saves nothing and loses nothing.
    let (code, stderr) = edit(
        &script(&env, "fail", "echo x >> \"$1\"; exit 3"),
        "one:/a.txt",
    );
    assert!(
        code == 1 && stderr.contains("your version is in"),
        "{stderr}"
    );
    let (code, stderr) = edit("false", "one:/a.txt");
    assert!(code == 1 && !stderr.contains("your version"), "{stderr}");
    let (code, stderr) = edit("/no/such/editor", "one:/a.txt");
    assert!(code == 1 && stderr.contains("editor"), "{stderr}");
    for (file, expected) in [("one:/new", 0), ("one:/", 2), ("none:/x", 3)] {
        assert_eq!(edit("true", file).0, expected, "{file}");
    }
    let mut without = env.command(&["edit", "one:/a.txt"]);
    let without = without
        .env_remove("VISUAL")
        .env_remove("EDITOR")
        .output()
        .unwrap();
    assert_eq!(without.status.code(), Some(2));
}

#[test]
fn an_editor_that_is_a_program_runs_again_after_a_conflict() {
    const EDITS: usize = 8;
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    let append = script(&env, "append", "echo line >> \"$1\"");
    let start = |retries: &str, editor: &str| {
        let mut command = env.command(&["edit", "one:/log", "--retries", retries]);
        command.env("VISUAL", editor).spawn().unwrap()
    };
    let edits: Vec<_> = (0..EDITS).map(|_| start("50", &append)).collect();
    for mut edit in edits {
        assert!(edit.wait().unwrap().success());
    }
    assert_eq!(env.print(&["cat", "one:/log"]), "line\n".repeat(EDITS));

    // The editor always loses.
    let agb = env!("CARGO_BIN_EXE_agb");
    let lose = format!(
        "echo run >> runs; echo line >> \"$1\"; date +%s%N > next; '{agb}' put -f next one:/log"
    );
    let lose = script(&env, "lose", &lose);
    assert_eq!(start("2", &lose).wait().unwrap().code(), Some(6));
    let runs = fs::read_to_string(env.path("runs")).unwrap();
    assert_eq!(runs.lines().count(), 3);
}

/// What replaces the response to the next `PUT` of `/log`.
enum Replacement {
    /// The connection ends after the service has executed the request, and after the command.
    Lost(Command),
    /// The request is not forwarded, and answered as by S3 to two conditional requests at the same time.
    Conflict,
}

const CONFLICT: &str = "HTTP/1.1 409 Conflict\r\ncontent-length: 54\r\n\r\n\
                        <Error><Code>ConditionalRequestConflict</Code></Error>";

/// Whether the bytes are a request with its whole content.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    let length = head.split("content-length: ").nth(1).unwrap_or_default();
    let length = length.lines().next().unwrap_or_default();
    length.parse() == Ok(body.len())
}

/// Forwards the connections of `listener` to a service.
async fn relay(listener: TcpListener, service: String, instead: Arc<Mutex<Option<Replacement>>>) {
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        let (service, instead) = (service.clone(), instead.clone());
        tokio::spawn(async move {
            let mut server = TcpStream::connect(service).await?;
            let (mut requests, mut responses) = (vec![0; 65536], vec![0; 65536]);
            let (mut lost, mut refused) = (None::<Command>, None::<Vec<u8>>);
            loop {
                tokio::select! {
                    length = client.read(&mut requests) => {
                        let bytes = &requests[..length?];
                        let head = String::from_utf8_lossy(bytes);
                        // The path in Base64.
                        if head.starts_with("PUT ") && head.contains("/L2xvZw?") {
                            match instead.lock().unwrap().take() {
                                Some(Replacement::Lost(command)) => lost = Some(command),
                                Some(Replacement::Conflict) => refused = Some(Vec::new()),
                                None => {}
                            }
                        }
                        if let Some(request) = &mut refused {
                            request.extend_from_slice(bytes);
                            if is_whole(request) {
                                refused = None;
                                client.write_all(CONFLICT.as_bytes()).await?;
                            }
                            continue;
                        }
                        if bytes.is_empty() {
                            return Ok::<_, std::io::Error>(());
                        }
                        server.write_all(bytes).await?;
                    }
                    length = server.read(&mut responses) => {
                        let bytes = &responses[..length?];
                        if let Some(mut command) = lost {
                            let status = tokio::task::spawn_blocking(move || command.status());
                            assert!(status.await.unwrap()?.success());
                            return Ok(());
                        }
                        if bytes.is_empty() {
                            return Ok(());
                        }
                        client.write_all(bytes).await?;
                    }
                }
            }
        });
    }
}

/// A service behind a relay, with the file `/log` of the context `one`.
async fn relayed() -> (TestEnv, Arc<Mutex<Option<Replacement>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let env = TestEnv::with(&["--public-url", &url]);
    let service = env.serve.url.trim_start_matches("http://").to_owned();
    let instead = Arc::new(Mutex::new(None));
    tokio::spawn(relay(listener, service, instead.clone()));
    env.print(&["context", "create", "one"]);
    fs::write(env.path("first"), "old\n").unwrap();
    env.print(&["put", "first", "one:/log"]);
    (env, instead)
}

/// Running the editor again would make its change twice.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_not_repeated_after_a_lost_response() {
    for has_rival in [false, true] {
        let (env, instead) = relayed().await;

        fs::write(env.path("second"), "old\nline\nrival\n").unwrap();
        let rival = env.command(&["put", "--force", "second", "one:/log"]);
        let without_rival = Command::new("true");
        let command = if has_rival { rival } else { without_rival };
        *instead.lock().unwrap() = Some(Replacement::Lost(command));
        let editor = script(&env, "append", "echo run >> runs; echo line >> \"$1\"");
        let mut edit = env.command(&["edit", "one:/log", "--retries", "5"]);
        let output = edit.env("VISUAL", &editor).output().unwrap();

        assert!(instead.lock().unwrap().is_none(), "no response was lost");
        assert_eq!(fs::read_to_string(env.path("runs")).unwrap(), "run\n");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(6), "{stderr}");
        assert!(stderr.contains("may contain your version"), "{stderr}");
        let (_, copy) = stderr.split_once("your version is in ").unwrap();
        let copy = std::path::Path::new(copy.lines().next().unwrap());
        assert_eq!(fs::read_to_string(copy).unwrap(), "old\nline\n");
        fs::remove_dir_all(copy.parent().unwrap()).unwrap();
        let remote = if has_rival { "rival\n" } else { "" };
        let remote = format!("old\nline\n{remote}");
        assert_eq!(env.print(&["cat", "one:/log"]), remote);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_repeated_after_writes_at_the_same_time() {
    let (env, instead) = relayed().await;

    let editor = script(&env, "append", "echo run >> runs; echo line >> \"$1\"");
    for (retries, code, runs) in [("0", 6, 1), ("1", 0, 2)] {
        *instead.lock().unwrap() = Some(Replacement::Conflict);
        let mut edit = env.command(&["edit", "one:/log", "--retries", retries]);
        let output = edit.env("VISUAL", &editor).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            instead.lock().unwrap().is_none(),
            "no response was replaced"
        );
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        let counted = fs::read_to_string(env.path("runs")).unwrap();
        assert_eq!(counted.lines().count(), runs, "{stderr}");
        fs::remove_file(env.path("runs")).unwrap();
        if let Some((_, copy)) = stderr.split_once("your version is in ") {
            let copy = std::path::Path::new(copy.lines().next().unwrap());
            fs::remove_dir_all(copy.parent().unwrap()).unwrap();
        }
    }
    assert_eq!(env.print(&["cat", "one:/log"]), "old\nline\n");
}

/// A process and all that it started.
fn descendants(process: u32) -> Vec<u32> {
    let mut found = vec![process];
    for thread in fs::read_dir(format!("/proc/{process}/task")).unwrap() {
        let children = fs::read_to_string(thread.unwrap().path().join("children")).unwrap();
        let children = children.split_whitespace();
        found.extend(children.flat_map(|child| descendants(child.parse().unwrap())));
    }
    found
}

#[test]
fn an_editor_has_the_terminal() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    env.print(&["put", "project/a.txt", "one:/a.txt"]);
    let editor = script(
        &env,
        "ask",
        "trap 'echo caught' INT; printf 'change? '; read answer || read answer; echo \"$answer\" > \"$1\"",
    );
    let mut command = env.command(&["edit", "one:/a.txt"]);
    command.env("VISUAL", &editor);
    let mut terminal = Terminal::start(command, 80);
    terminal.expect("change? ");
    // Ctrl-C reaches the editor, and ends neither agb nor the shell between them.
    let processes = descendants(terminal.child.id());
    assert!(processes.len() > 1, "{processes:?}");
    for process in processes {
        super::support::signal("INT", process);
    }
    terminal.expect("caught");
    terminal.send("typed\n");
    terminal.expect("saved one:/a.txt");
    assert_eq!(terminal.end().1, Some(0));
    assert_eq!(env.print(&["cat", "one:/a.txt"]), "typed\n");
}

#[test]
fn open_starts_the_program_of_the_platform() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    env.print(&["put", "project/a.txt", "one:/docs/a.txt"]);
    script(&env, "xdg-open", "cp \"$1\" opened");
    let path = format!("{}:/usr/bin:/bin", env.path("bin").display());
    let open = |file: &str, path: &str| {
        env.command(&["open", file])
            .env("PATH", path)
            .output()
            .unwrap()
    };
    let output = open("one:/docs/a.txt", &path);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(fs::read_to_string(env.path("opened")).unwrap(), "hello");
    let local = String::from_utf8(output.stdout).unwrap();
    let local = std::path::Path::new(local.trim_end());
    assert_eq!(fs::read_to_string(local).unwrap(), "hello");
    fs::remove_dir_all(local.parent().unwrap()).unwrap();
    let output = open("one:/docs/a.txt", "/nowhere");
    assert_eq!(output.status.code(), Some(1));
    let local = String::from_utf8(output.stdout).unwrap();
    fs::remove_dir_all(std::path::Path::new(local.trim_end()).parent().unwrap()).unwrap();
    env.print(&["put", "project/a.txt", "one:/a.desktop"]);
    for (file, code) in [
        ("one:/none", 3),
        ("one:/docs", 2),
        ("one:/docs/", 2),
        ("one:/a.desktop", 2),
    ] {
        assert_eq!(open(file, &path).status.code(), Some(code), "{file}");
    }
}
