//! Copies and moves: the slash rule, several sources, globs, and what keeps a source.

use std::fs;

use serde_json::Value;

use super::test_env::TestEnv;

fn env() -> TestEnv {
    let env = TestEnv::new();
    for name in ["one", "two"] {
        env.print(&["context", "create", name]);
    }
    env
}

fn listed(env: &TestEnv, folder: &str) -> Vec<String> {
    let shown = env.print(&["ls", "-R", folder]);
    let mut files: Vec<_> = shown.lines().filter(|line| !line.ends_with('/')).collect();
    files.sort_unstable();
    files.into_iter().map(str::to_owned).collect()
}

#[test]
fn a_slash_at_the_end_of_a_folder_means_its_contents_in_every_command() {
    let env = env();
    env.print(&["put", "-r", "project", "one:/put"]);
    env.print(&["put", "-r", "project/", "one:/contents"]);
    assert_eq!(
        listed(&env, "one:/"),
        [
            "/contents/a.txt",
            "/contents/src/b",
            "/put/project/a.txt",
            "/put/project/src/b"
        ]
    );
    // Whether the target exists makes no difference.
    env.print(&["put", "-r", "project", "one:/put"]);
    env.print(&["cp", "-r", "one:/contents", "two:/copy"]);
    env.print(&["cp", "-r", "one:/contents/", "two:/copy"]);
    env.print(&["mv", "-r", "two:/copy/contents", "two:/moved"]);
    env.print(&["mv", "-r", "two:/copy/", "two:/renamed"]);
    assert_eq!(
        listed(&env, "two:/"),
        [
            "/moved/contents/a.txt",
            "/moved/contents/src/b",
            "/renamed/a.txt",
            "/renamed/src/b"
        ]
    );
    env.print(&["get", "-r", "one:/contents"]);
    env.print(&["get", "-r", "one:/contents/", "got"]);
    env.print(&["mv", "-r", "two:/renamed", "down"]);
    env.print(&["mv", "-r", "two:/moved/contents/", "down"]);
    for file in [
        "contents/src/b",
        "got/src/b",
        "down/renamed/src/b",
        "down/src/b",
    ] {
        assert_eq!(fs::read_to_string(env.path(file)).unwrap(), "bb", "{file}");
    }
    assert!(listed(&env, "two:/").is_empty());
    env.print(&["mv", "-r", "down", "two:/up"]);
    assert!(!env.path("down").exists());
    assert_eq!(
        listed(&env, "two:/up"),
        [
            "/up/down/a.txt",
            "/up/down/renamed/a.txt",
            "/up/down/renamed/src/b",
            "/up/down/src/b"
        ]
    );
}

#[test]
fn a_copy_passes_between_contexts_and_never_onto_itself() {
    let env = env();
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    fs::write(env.path("large"), &large).unwrap();
    fs::write(env.path("empty"), "").unwrap();
    env.print(&["put", "large", "empty", "one:/d"]);
    env.print(&["cp", "one:/d/large", "one:/d/empty", "two:/"]);
    env.print(&["cp", "two:/large", "two:/other"]);
    env.print(&["mv", "two:/other", "got"]);
    assert_eq!(fs::read(env.path("got")).unwrap(), large);
    assert_eq!(listed(&env, "two:/"), ["/empty", "/large"]);

    let id = env.print(&["context", "get", "one", "--json"]);
    let id: Value = serde_json::from_str(&id).unwrap();
    let id = id["id"].as_str().unwrap();
    for (from, to) in [
        ("one:/d/large", "one:/d/large"),
        ("one:/d/large", "one:/d"),
        ("one:/d/large", &format!("{id}:/d/")),
        ("one:/d/", "one:/d"),
        ("one:/d", "one:/d/deeper"),
        ("one:/d", "one:/"),
    ] {
        for command in ["cp", "mv"] {
            let (code, stderr) = env.fail(&[command, "-rf", from, to]);
            assert_eq!(code, 2, "{command} {from} {to}: {stderr}");
        }
    }
    assert_eq!(listed(&env, "one:/"), ["/d/empty", "/d/large"]);
}

#[test]
fn an_existing_target_is_replaced_only_with_force_by_every_command() {
    let env = env();
    env.print(&["put", "-r", "project/", "one:/p"]);
    fs::write(env.path("other"), "other").unwrap();
    env.print(&["put", "other", "two:/a.txt"]);
    fs::create_dir(env.path("folder")).unwrap();
    fs::write(env.path("folder/a.txt"), "local").unwrap();
    for (arguments, force) in [
        (&["put", "other", "one:/p/a.txt"][..], true),
        (&["get", "one:/p/a.txt", "folder"], true),
        (&["cp", "one:/p/a.txt", "two:/"], true),
        (&["cp", "-r", "one:/p/", "two:/"], true),
        (&["put", "-r", "folder/", "two:/"], true),
        (&["get", "-r", "one:/p/", "folder"], true),
        (&["mv", "-r", "one:/p/", "folder"], false),
        (&["mv", "-r", "folder/", "one:/p"], false),
        (&["mv", "one:/p/a.txt", "two:/a.txt"], false),
    ] {
        fs::write(env.path("folder/a.txt"), "local").unwrap();
        fs::write(env.path("theirs"), "theirs").unwrap();
        env.print(&["put", "-f", "theirs", "two:/a.txt"]);
        let (code, stderr) = env.fail(arguments);
        assert_eq!(code, 6, "{arguments:?}: {stderr}");
        assert!(stderr.contains("--force"), "{arguments:?}: {stderr}");
        if force {
            env.print(&[arguments, &["-f"]].concat());
        }
    }
    assert_eq!(env.print(&["cat", "one:/p/a.txt"]), "other");
    env.print(&["mv", "-rf", "one:/p/", "two:/"]);
    assert_eq!(listed(&env, "two:/"), ["/a.txt", "/src/b"]);
    assert!(listed(&env, "one:/").is_empty());
}

#[test]
fn a_file_and_a_folder_never_get_the_same_name() {
    let env = env();
    env.print(&["put", "-r", "project/", "one:/p"]);
    fs::write(env.path("project/p"), "a file").unwrap();
    fs::create_dir_all(env.path("clash/a.txt")).unwrap();
    fs::write(env.path("clash/a.txt/x"), "x").unwrap();
    for arguments in [
        &["put", "-f", "project/p", "one:/"][..],
        &["put", "-f", "project/p", "one:/p/a.txt/below"],
        &["put", "-rf", "project", "one:/p/a.txt"],
        &["cp", "-f", "one:/p/a.txt", "one:/p/src/b/below"],
        &["mv", "-rf", "clash/", "one:/p"],
        &["put", "-rf", "clash/", "one:/p"],
    ] {
        let (code, stderr) = env.fail(arguments);
        assert_eq!(code, 6, "{arguments:?}: {stderr}");
        assert!(stderr.contains("hint: "), "{arguments:?}: {stderr}");
    }
    assert_eq!(listed(&env, "one:/"), ["/p/a.txt", "/p/src/b"]);
}

#[test]
fn globs_match_as_in_a_shell_and_an_exact_name_takes_precedence() {
    let env = env();
    for name in ["a.gz", "b.gz", "c.txt", "x/d.gz"] {
        env.print(&["put", "project/a.txt", &format!("one:/logs/{name}")]);
    }
    env.print(&["get", "one:/logs/*.gz", "got"]);
    let names = |folder: &str| {
        let entries = fs::read_dir(env.path(folder)).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("got"), ["a.gz", "b.gz"]);
    env.print(&["get", "one:/**/*.gz", "deep"]);
    assert_eq!(names("deep"), ["a.gz", "b.gz", "d.gz"]);
    // One match still goes into a folder.
    env.print(&["get", "one:/logs/[c].*", "single"]);
    assert_eq!(names("single"), ["c.txt"]);
    env.print(&["get", "-r", "one:/l*/{x,c.txt}", "mixed"]);
    assert_eq!(names("mixed"), ["c.txt", "x"]);

    fs::write(env.path("star"), "star").unwrap();
    env.print(&["put", "star", "one:/logs/*.gz"]);
    env.print(&["get", "one:/logs/*.gz", "exact"]);
    assert_eq!(fs::read_to_string(env.path("exact")).unwrap(), "star");
    env.print(&["cp", r"one:/logs/\*.gz", "two:/escaped"]);
    assert_eq!(listed(&env, "two:/"), ["/escaped/*.gz"]);

    let (code, stderr) = env.fail(&["cp", "one:/logs/*.zip", "two:/"]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("matches one:/logs/*.zip"), "{stderr}");
    let (code, _) = env.fail(&["cp", "one:/logs/[a", "two:/"]);
    assert_eq!(code, 2);
}

#[test]
fn several_sources_are_one_document_and_one_failure_stops_no_other() {
    let env = env();
    env.print(&["put", "project/a.txt", "project/src/b", "one:/d"]);
    let output = env.run(&[
        "get",
        "one:/d/a.txt",
        "one:/none",
        "one:/d/b",
        "dir",
        "--json",
    ]);
    assert_eq!(output.status.code(), Some(5));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&summary["copied"], &summary["failed"]),
        (&2.into(), &1.into())
    );
    assert_eq!(summary["failures"][0]["path"], "one:/none");
    assert_eq!(summary["failures"][0]["kind"], "not_found");
    // Two sources never have the same target.
    env.print(&["put", "project/src/b", "one:/a.txt"]);
    let (code, stderr) = env.fail(&["mv", "-f", "one:/d/a.txt", "one:/a.txt", "two:/"]);
    assert_eq!(code, 5, "{stderr}");
    assert!(
        stderr.contains("two sources have the same target"),
        "{stderr}"
    );
    assert_eq!(env.print(&["cat", "one:/a.txt", "two:/a.txt"]), "bbhello");
}

#[cfg(unix)]
#[test]
fn a_move_keeps_what_is_not_copied() {
    let env = env();
    std::os::unix::fs::symlink("a.txt", env.path("project/link")).unwrap();
    let listed = env.print(&["mv", "-rn", "project", "one:/"]);
    assert!(listed.contains("skip\t\tlink\tsymlink\n"), "{listed}");
    let output = env.run(&["mv", "-r", "project", "one:/"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("2 moved (7 B), 1 skipped (symbolic link: link)"),
        "{stderr}"
    );
    assert!(env.path("project/link").symlink_metadata().is_ok());
    assert!(!env.path("project/src").exists());
    fs::write(env.path("project/a.txt"), "again").unwrap();
    assert_eq!(env.fail(&["mv", "project/link", "one:/"]).0, 2);
    assert!(env.path("project/link").symlink_metadata().is_ok());

    // A service that rejects uploads.
    let broken = TestEnv::with(&["--fault", "status=500,op=upload"]);
    broken.print(&["context", "create", "one"]);
    assert_ne!(broken.fail(&["mv", "project/a.txt", "one:/"]).0, 0);
    assert_ne!(broken.fail(&["mv", "-r", "project", "one:/"]).0, 0);
    assert!(broken.path("project/a.txt").exists() && broken.path("project/src/b").exists());
}
