//! Skipped and failed files of folder copies.

use super::test_env::TestEnv;

/// The cause may be another file than the failed one, and the messages may differ by file.
#[cfg(unix)]
#[test]
fn failures_name_their_causes_in_a_few_lines() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    for n in 0..200 {
        for folder in ["project/blocked", "project/other"] {
            std::fs::create_dir_all(env.path(folder)).unwrap();
            std::fs::write(env.path(&format!("{folder}/{n}")), "x").unwrap();
        }
        std::fs::write(env.path(&format!("project/back\\slash{n}")), "x").unwrap();
    }
    let (code, stderr) = env.fail(&["put", "-r", "project/", "one:/p"]);
    assert_eq!(code, 5, "{stderr}");
    assert!(stderr.contains("back\\slash"), "{stderr}");
    assert!(stderr.contains("and 197 more"), "{stderr}");
    assert!(stderr.lines().count() < 10, "{stderr}");

    // A file has the name of each folder, so all files of the folder fail.
    std::fs::create_dir(env.path("copy")).unwrap();
    for name in ["copy/blocked", "copy/other"] {
        std::fs::write(env.path(name), "in the way").unwrap();
    }
    let (code, stderr) = env.fail(&["get", "-r", "--force", "one:/p/", "copy"]);
    assert_eq!(code, 5, "{stderr}");
    for name in ["copy/blocked", "copy/other"] {
        let line = stderr.lines().find(|line| line.contains(name));
        let line = line.unwrap_or_else(|| panic!("{name} is missing: {stderr}"));
        assert!(line.contains("and 197 more"), "{stderr}");
    }
    assert!(stderr.lines().count() < 10, "{stderr}");
}

#[cfg(unix)]
#[test]
fn skipped_entries_are_listed_with_their_reason() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    std::fs::create_dir(env.path("project/bare")).unwrap();
    std::fs::set_permissions(env.path("project/src/b"), PermissionsExt::from_mode(0o755)).unwrap();
    symlink("a.txt", env.path("project/link")).unwrap();
    let notes = |arguments: &[&str]| {
        let output = env.run(arguments);
        assert!(output.status.success(), "{output:?}");
        let texts = [output.stdout, output.stderr];
        texts.map(|text| String::from_utf8(text).unwrap())
    };
    for command in [
        ["put", "-rn", "project/", "one:/p"],
        ["sync", "-n", "project", "one:/p"],
    ] {
        let [shown, stderr] = notes(&command);
        assert!(shown.contains("skip\t\tlink\tsymlink\n"), "{shown}");
        assert!(shown.contains("skip\t\tbare\tempty_folder\n"), "{shown}");
        assert!(stderr.contains("2 to skip\n"), "{stderr}");
        assert!(!stderr.contains("link"), "named once: {stderr}");
        assert!(
            stderr.contains("executable bit of 1 file (src/b)"),
            "{stderr}"
        );
        let [shown, _] = notes(&[&command[..], &["--json"]].concat());
        let rows = shown.lines();
        let rows: Vec<serde_json::Value> =
            rows.map(|row| serde_json::from_str(row).unwrap()).collect();
        let link = rows.iter().find(|row| row["path"] == "link").unwrap();
        assert_eq!(link["reason"], "symlink");
        let file = rows.iter().find(|row| row["path"] == "src/b").unwrap();
        assert_eq!(file["executable"], true);
    }
    let named = "2 to skip (symbolic link: link; empty folder: bare)";
    let output = env.run(&["diff", "project", "one:/p"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains(named), "{stderr}");
    assert!(!String::from_utf8(output.stdout).unwrap().contains("link"));

    let [_, stderr] = notes(&["put", "-r", "project/", "one:/p"]);
    let named = "2 skipped (symbolic link: link; empty folder: bare)";
    assert!(stderr.contains(named), "{stderr}");
    assert!(
        stderr.contains("executable bit of 1 file (src/b)"),
        "{stderr}"
    );
    let [shown, _] = notes(&["sync", "project", "one:/q", "--json"]);
    let row: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(row["skipped"], 2);
    assert_eq!(row["executable_files"][0], "src/b");
    let reasons = row["skipped_entries"].as_array().unwrap().iter();
    let mut reasons: Vec<_> = reasons.map(|entry| entry["reason"].as_str()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, [Some("empty_folder"), Some("symlink")]);

    for n in 0..50 {
        symlink("a.txt", env.path(&format!("project/link{n}"))).unwrap();
    }
    let [_, stderr] = notes(&["put", "-r", "project/", "one:/p"]);
    assert!(
        stderr.contains("and 48 more; empty folder: bare)"),
        "{stderr}"
    );
}

#[cfg(unix)]
#[test]
fn put_and_get_accept_the_options_of_sync() {
    let env = TestEnv::new();
    env.print(&["context", "create", "one"]);
    std::os::unix::fs::symlink("a.txt", env.path("project/link")).unwrap();
    std::fs::write(env.path("project/.gitignore"), "src/\n").unwrap();
    env.print(&[
        "put",
        "-r",
        "--gitignore",
        "--links",
        "follow",
        "project/",
        "one:/p",
    ]);
    assert_eq!(
        env.print(&["ls", "one:/p"]),
        "/p/.gitignore\n/p/a.txt\n/p/link\n"
    );
    env.print(&["get", "-r", "--exclude", "link", "one:/p/", "copy"]);
    assert!(!env.path("copy/link").exists() && env.path("copy/a.txt").exists());
    env.print(&["get", "-rn", "one:/p/", "dry"]);
    assert!(!env.path("dry").exists());
    let (code, stderr) = env.fail(&["put", "--links", "refuse", "-r", "project/", "one:/p"]);
    assert_eq!(code, 5, "{stderr}");
    for arguments in [
        ["put", "--links=follow", "project/a.txt", "one:/x"],
        ["get", "--checksum", "one:/p/a.txt", "x"],
    ] {
        let (code, stderr) = env.fail(&arguments);
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains("pass -r"), "{stderr}");
    }
}
