//! What copying folders skips, fails on, and says about it.

use super::world::World;

/// The file at fault may be another than those that it fails, and each message may name its own file.
#[cfg(unix)]
#[test]
fn failures_name_what_is_at_fault_in_a_few_lines() {
    let world = World::new();
    world.print(&["context", "create", "one"]);
    for n in 0..200 {
        for folder in ["project/blocked", "project/other"] {
            std::fs::create_dir_all(world.path(folder)).unwrap();
            std::fs::write(world.path(&format!("{folder}/{n}")), "x").unwrap();
        }
        std::fs::write(world.path(&format!("project/back\\slash{n}")), "x").unwrap();
    }
    let (code, said) = world.fail(&["put", "-r", "project", "one:/p"]);
    assert_eq!(code, 5, "{said}");
    assert!(said.contains("back\\slash"), "{said}");
    assert!(said.contains("and 197 more"), "{said}");
    assert!(said.lines().count() < 10, "{said}");

    // Each file of a folder fails for what is in the place of the folder.
    std::fs::create_dir(world.path("copy")).unwrap();
    for name in ["copy/blocked", "copy/other"] {
        std::fs::write(world.path(name), "in the way").unwrap();
    }
    let (code, said) = world.fail(&["get", "-r", "--force", "one:/p", "copy"]);
    assert_eq!(code, 5, "{said}");
    for name in ["copy/blocked", "copy/other"] {
        let line = said.lines().find(|line| line.contains(name));
        let line = line.unwrap_or_else(|| panic!("{name} is lost: {said}"));
        assert!(line.contains("and 197 more"), "{said}");
    }
    assert!(said.lines().count() < 10, "{said}");
}

#[cfg(unix)]
#[test]
fn what_is_skipped_is_named_with_its_reason() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let world = World::new();
    world.print(&["context", "create", "one"]);
    std::fs::create_dir(world.path("project/bare")).unwrap();
    std::fs::set_permissions(
        world.path("project/src/b"),
        PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    symlink("a.txt", world.path("project/link")).unwrap();
    let notes = |arguments: &[&str]| {
        let output = world.run(arguments);
        assert!(output.status.success(), "{output:?}");
        let texts = [output.stdout, output.stderr];
        texts.map(|text| String::from_utf8(text).unwrap())
    };
    let named = "2 to skip (symbolic link: link; empty folder: bare)";
    for command in [
        ["put", "-rn", "project", "one:/p"],
        ["sync", "-n", "project", "one:/p"],
    ] {
        let [shown, said] = notes(&command);
        assert!(shown.contains("skip\t\tlink\n"), "{shown}");
        assert!(shown.contains("skip\t\tbare\n"), "{shown}");
        assert!(said.contains(named), "{said}");
        assert!(said.contains("executable bit of 1 file (src/b)"), "{said}");
        let [shown, _] = notes(&[&command[..], &["--json"]].concat());
        let rows = shown.lines();
        let rows: Vec<serde_json::Value> =
            rows.map(|row| serde_json::from_str(row).unwrap()).collect();
        let link = rows.iter().find(|row| row["path"] == "link").unwrap();
        assert_eq!(link["reason"], "symlink");
        let file = rows.iter().find(|row| row["path"] == "src/b").unwrap();
        assert_eq!(file["executable"], true);
    }
    let output = world.run(&["diff", "project", "one:/p"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(named), "{said}");
    assert!(!String::from_utf8(output.stdout).unwrap().contains("link"));

    let [_, said] = notes(&["put", "-r", "project", "one:/p"]);
    let named = "2 skipped (symbolic link: link; empty folder: bare)";
    assert!(said.contains(named), "{said}");
    assert!(said.contains("executable bit of 1 file (src/b)"), "{said}");
    let [shown, _] = notes(&["sync", "project", "one:/q", "--json"]);
    let row: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(row["skipped"], 2);
    assert_eq!(row["executable_files"][0], "src/b");
    let reasons = row["skipped_entries"].as_array().unwrap().iter();
    let mut reasons: Vec<_> = reasons.map(|entry| entry["reason"].as_str()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, [Some("empty_folder"), Some("symlink")]);

    for n in 0..50 {
        symlink("a.txt", world.path(&format!("project/link{n}"))).unwrap();
    }
    let [_, said] = notes(&["put", "-r", "project", "one:/p"]);
    assert!(said.contains("and 48 more; empty folder: bare)"), "{said}");
}

#[cfg(unix)]
#[test]
fn the_options_of_sync_hold_for_put_and_get() {
    let world = World::new();
    world.print(&["context", "create", "one"]);
    std::os::unix::fs::symlink("a.txt", world.path("project/link")).unwrap();
    std::fs::write(world.path("project/.gitignore"), "src/\n").unwrap();
    world.print(&[
        "put",
        "-r",
        "--gitignore",
        "--links",
        "follow",
        "project",
        "one:/p",
    ]);
    assert_eq!(
        world.print(&["ls", "one:/p"]),
        "/p/.gitignore\n/p/a.txt\n/p/link\n"
    );
    world.print(&["get", "-r", "--exclude", "link", "one:/p", "copy"]);
    assert!(!world.path("copy/link").exists() && world.path("copy/a.txt").exists());
    world.print(&["get", "-rn", "one:/p", "dry"]);
    assert!(!world.path("dry").exists());
    let (code, said) = world.fail(&["put", "--links", "refuse", "-r", "project", "one:/p"]);
    assert_eq!(code, 5, "{said}");
    for arguments in [
        ["put", "--links=follow", "project/a.txt", "one:/x"],
        ["put", "-n", "project/a.txt", "one:/x"],
        ["get", "--checksum", "one:/p/a.txt", "x"],
    ] {
        let (code, said) = world.fail(&arguments);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("pass -r"), "{said}");
    }
}
