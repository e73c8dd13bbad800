//! `agb context copy`: what is copied, skipped, refused and continued.

use std::{fs, process::Stdio};

use serde_json::Value;

use super::{
    generated::validate,
    support::{self, signal, wait},
    test_env::{KEY, TestEnv},
};

fn json(env: &TestEnv, arguments: &[&str]) -> Value {
    let text = env.print(&[arguments, &["--json"]].concat());
    serde_json::from_str(&text).unwrap()
}

/// Fills a context with files of several kinds.
fn fill(env: &TestEnv) {
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 3 % 251) as u8).collect();
    fs::write(env.path("project/large"), large).unwrap();
    fs::write(env.path("project/empty"), "").unwrap();
    fs::create_dir_all(env.path("project/.hidden/.git")).unwrap();
    fs::write(env.path("project/.hidden/.git/.x"), "hidden").unwrap();
    env.print(&["context", "create", "one"]);
    env.print(&["put", "-r", "project/", "one:/"]);
}

/// Checksums of all files of a context.
fn contents(env: &TestEnv, context: &str) -> Vec<(String, Vec<u8>)> {
    let listed = env.print(&["find", &format!("{context}:/"), "--type", "f", "--json"]);
    let mut files: Vec<_> = listed
        .lines()
        .map(|line| {
            let entry: Value = serde_json::from_str(line).unwrap();
            let path = entry["path"].as_str().unwrap();
            let output = env.run(&["cat", &format!("{context}:{path}")]);
            assert!(output.status.success(), "{path}: {output:?}");
            (path.to_owned(), output.stdout)
        })
        .collect();
    files.sort();
    files
}

#[test]
fn a_context_is_copied_and_equal_files_are_skipped() {
    let env = TestEnv::new();
    fill(&env);
    let schema = serde_json::from_str(&env.print(&["schema"])).unwrap();
    let preview = env.print(&["context", "copy", "-n", "one", "two", "--json"]);
    validate(&schema, "context copy --dry-run", &preview, 5);
    assert!(!env.print(&["context", "list"]).contains("two"));
    let copied = env.print(&["context", "copy", "one", "two", "--json"]);
    validate(&schema, "context copy", &copied, 1);
    let copied: Value = serde_json::from_str(&copied).unwrap();
    assert_eq!(
        (&copied["files"], &copied["unchanged"], &copied["others"]),
        (&5.into(), &0.into(), &0.into())
    );
    assert_eq!(contents(&env, "one"), contents(&env, "two"));

    env.print(&["put", "project/a.txt", "two:/only/here"]);
    env.print(&["put", "project/a.txt", "one:/new"]);
    let output = env.run(&["context", "cp", "one:", "agb://two"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("1 file copied to two (5 B), 5 unchanged"),
        "{stderr}"
    );
    assert!(
        stderr.contains("note: two has 1 file more, which stay"),
        "{stderr}"
    );
    assert_eq!(env.print(&["cat", "two:/only/here"]), "hello");
    assert_eq!(env.print(&["context", "copy", "-n", "one", "two"]), "");
}

#[test]
fn a_file_that_differs_is_replaced_only_with_force() {
    let env = TestEnv::new();
    fill(&env);
    env.print(&["context", "create", "two"]);
    fs::write(env.path("other"), "HELLO").unwrap();
    env.print(&["put", "other", "two:/a.txt"]);
    let (code, stderr) = env.fail(&["context", "copy", "one", "two"]);
    assert_eq!(code, 6, "{stderr}");
    assert!(
        stderr.contains("1 file would be replaced: /a.txt"),
        "{stderr}"
    );
    assert!(stderr.contains("--force"), "{stderr}");
    assert_eq!(contents(&env, "two"), [("/a.txt".into(), b"HELLO".into())]);
    let output = env.run(&["context", "copy", "-n", "one", "two", "--json"]);
    assert_eq!(output.status.code(), Some(6));
    let listed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(listed.lines().count(), 5, "{listed}");
    assert_eq!(listed.matches("\"replaces\":true").count(), 1, "{listed}");
    env.print(&["context", "clone", "--force", "one", "two"]);
    assert_eq!(contents(&env, "one"), contents(&env, "two"));
}

#[test]
fn a_context_is_not_copied_to_itself_or_in_part() {
    let env = TestEnv::new();
    fill(&env);
    let id = json(&env, &["context", "get", "one"])["id"].clone();
    let id = id.as_str().unwrap();
    for to in ["one", "one:", "one:/", "agb://one/", id] {
        for from in ["one", id] {
            let (code, stderr) = env.fail(&["context", "copy", "-f", from, to]);
            assert_eq!(code, 2, "{from} {to}: {stderr}");
            assert!(stderr.contains("itself"), "{stderr}");
        }
    }
    let (code, stderr) = env.fail(&["context", "copy", "one:/src", "two"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("agb cp -r 'one:/src/'"), "{stderr}");
    // Neither a missing source nor the id of no context creates a context.
    assert_eq!(env.fail(&["context", "copy", "none", "two"]).0, 3);
    assert_eq!(env.fail(&["context", "copy", "one", "SdkCtx-none"]).0, 3);
    assert_eq!(env.print(&["context", "list"]).lines().count(), 1);
}

#[test]
fn a_file_and_a_folder_never_get_the_same_name() {
    let env = TestEnv::new();
    fill(&env);
    for path in ["two:/src", "three:/a.txt/below"] {
        let name = path.split_once(':').unwrap().0;
        env.print(&["context", "create", name]);
        env.print(&["put", "project/a.txt", path]);
        let before = contents(&env, name);
        let (code, stderr) = env.fail(&["context", "copy", "-f", "one", name]);
        assert_eq!(code, 6, "{stderr}");
        assert!(stderr.contains("so no f"), "{stderr}");
        assert_eq!(contents(&env, name), before);
    }
}

#[test]
fn an_empty_context_and_unusual_names_are_copied() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    let output = env.run(&["context", "copy", "one", "two"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("0 files copied to two (0 B)"), "{stderr}");

    let long = ["x".repeat(240).as_str(); 4].join("/");
    let names = [
        "a b",
        "-n",
        "*?[x]{y}",
        "\u{202e}txt",
        "...",
        "\u{e9}",
        "e\u{301}",
        "%2e%2e",
        "a:b",
        &long,
    ];
    for name in names {
        env.print(&["put", "project/a.txt", &format!("one:/{name}")]);
    }
    let copied = json(&env, &["context", "copy", "one", "two"]);
    assert_eq!(copied["files"], names.len());
    assert_eq!(contents(&env, "one"), contents(&env, "two"));
}

/// Killed in the middle, the next run copies the rest only.
#[test]
fn a_killed_copy_continues() {
    let env = TestEnv::with(&["--fault", "latency=100ms,op=download"]);
    env.print(&["context", "create", "one"]);
    fs::create_dir(env.path("many")).unwrap();
    for name in 0..30 {
        let content = vec![name; 1000 + usize::from(name)];
        fs::write(env.path(&format!("many/{name}")), content).unwrap();
    }
    env.print(&["put", "-r", "many", "one:/"]);
    for name in ["KILL", "INT"] {
        let mut command = env.command(&["context", "copy", "--jobs", "2", "one", name]);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let count = || {
            let listed = env.run(&["ls", "-R", &format!("{name}:/many")]);
            String::from_utf8(listed.stdout).unwrap().lines().count()
        };
        while count() < 4 {
            assert!(child.try_wait().unwrap().is_none());
        }
        signal(name, child.id());
        assert!(!child.wait().unwrap().success());
        let copied = count() as u64;
        assert!((4..30).contains(&copied), "{copied}");
        let rest = json(&env, &["context", "copy", "one", name]);
        // A request in progress may have ended after the signal.
        let unchanged = rest["unchanged"].as_u64().unwrap();
        assert!((copied..=copied + 2).contains(&unchanged), "{rest}");
        assert_eq!(rest["files"], 30 - unchanged);
        let again = json(&env, &["context", "copy", "one", name]);
        assert_eq!(again["unchanged"], 30);
    }
    let compared = env.run(&["get", "-r", "KILL:/many", "copy"]);
    assert!(compared.status.success());
    for name in 0..30 {
        let content = fs::read(env.path(&format!("copy/many/{name}"))).unwrap();
        assert_eq!(content, vec![name; 1000 + usize::from(name)]);
    }
}

/// Downloads that end early and failed requests are repeated, and nothing half-written is visible.
#[test]
fn a_copy_survives_an_unreliable_service() {
    let env = TestEnv::with(&[
        "--fault",
        "cut=1000,op=download,rate=0.3,seed=3,times=20",
        "--fault",
        "status=503,op=upload,rate=0.2,times=5,retry-after=0",
    ]);
    fill(&env);
    for _ in 0..3 {
        let output = env.run(&["context", "copy", "one", "two"]);
        if output.status.success() {
            break;
        }
    }
    let two = contents(&env, "two");
    assert_eq!(contents(&env, "one"), two);
}

#[tokio::test]
async fn files_that_change_during_a_copy_are_noticed() {
    let env = TestEnv::with(&["--fault", "latency=300ms,op=download"]);
    env.print(&["context", "create", "one"]);
    env.print(&["context", "create", "two"]);
    for path in ["one:/a", "one:/b", "one:/c", "one:/d", "two:/c"] {
        fs::write(env.path("content"), path).unwrap();
        env.print(&["put", "content", path]);
    }
    let arguments = ["context", "copy", "-f", "--jobs", "1", "one", "two"];
    let mut command = env.command(&arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    wait(400);
    let contexts = support::contexts(&env.serve.url, KEY);
    let files = async |name: &str| {
        let mut listed = contexts.list().by_item();
        loop {
            let context = listed.next().await.unwrap().unwrap();
            if context.name == name {
                return contexts.files(&context.id);
            }
        }
    };
    let (one, two) = (files("one").await, files("two").await);
    two.upload("/c", &b"changed"[..]).await.unwrap();
    two.upload("/b", &b"created"[..]).await.unwrap();
    one.delete("/d").await.unwrap();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(6), "{stderr}");
    assert!(stderr.contains("two:/c was changed meanwhile"), "{stderr}");
    assert!(stderr.contains("two:/b already exists"), "{stderr}");
    assert!(
        stderr.contains("note: /d was deleted before it was read"),
        "{stderr}"
    );
    assert_eq!(two.read("/a").await.unwrap(), b"one:/a"[..]);
    assert_eq!(two.read("/b").await.unwrap(), b"created"[..]);
    assert_eq!(two.read("/c").await.unwrap(), b"changed"[..]);
}
