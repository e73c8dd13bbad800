//! Listings of several operands, sorted, filtered and found.

use std::fs;

use serde_json::Value;

use super::{support::wait, test_env::TestEnv};

fn env() -> TestEnv {
    let env = TestEnv::new();
    for name in ["one", "two"] {
        env.print(&["context", "create", name]);
    }
    for (name, size) in [("small.md", 10), ("large.md", 3000), ("middle.txt", 200)] {
        fs::write(env.path(name), vec![b'x'; size]).unwrap();
        env.print(&["put", name, "one:/docs/"]);
    }
    env.print(&["put", "small.md", "one:/docs/deep/er/"]);
    env
}

#[test]
fn a_name_is_the_root_of_a_context_and_ls_alone_lists_contexts() {
    let env = env();
    let names = |shown: String| {
        let names = shown
            .lines()
            .map(|line| line.split('\t').next().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let mut listed = names(env.print(&["ls"]));
    listed.sort();
    assert_eq!(listed, ["one", "two"]);
    assert_eq!(names(env.print(&["ls", "--filter", "t*"])), ["two"]);
    assert_eq!(
        names(env.print(&["context", "list", "--limit", "1"])).len(),
        1
    );
    for arguments in [
        &["ls", "one"][..],
        &["list", "one"],
        &["ls", "-la1", "one", "-q"],
    ] {
        assert_eq!(
            env.print(arguments).trim_end_matches("/\n").trim_end(),
            "/docs"
        );
    }
    assert!(env.print(&["tree", "one"]).contains("3 folders, 4 files"));
    assert!(env.print(&["du", "-s", "one"]).ends_with("\t4\t/\n"));
    // A deletion needs a path.
    let (code, stderr) = env.fail(&["rm", "-rf", "one"]);
    assert_eq!(code, 2, "{stderr}");
    assert!(stderr.contains("one:/PATH"), "{stderr}");
}

#[test]
fn entries_are_sorted_reversed_limited_and_filtered() {
    let env = env();
    let ls = |arguments: &[&str]| {
        let shown = env.print(&[&["ls", "one:/docs"], arguments].concat());
        let names = shown
            .lines()
            .map(|line| line.trim_start_matches("/docs/").to_owned());
        names.collect::<Vec<_>>()
    };
    let by_size = ["large.md", "middle.txt", "small.md", "deep/"];
    assert_eq!(ls(&["--sort", "size"]), by_size);
    assert_eq!(ls(&["-S"]), by_size);
    assert_eq!(
        ls(&["-Sr"]),
        ["deep/", "small.md", "middle.txt", "large.md"]
    );
    assert_eq!(ls(&["-S", "--limit", "1"]), ["large.md"]);
    assert_eq!(
        ls(&["--sort", "name", "--filter", "*.md"]),
        ["large.md", "small.md"]
    );
    wait(1100);
    env.print(&["put", "-f", "middle.txt", "one:/docs/"]);
    assert_eq!(ls(&["-t", "--limit", "1"]), ["middle.txt"]);
    assert!(env.print(&["ls", "-lh", "one:/docs"]).contains("2.93 KiB"));
    assert!(env.print(&["du", "-sh", "one:/docs"]).contains("KiB"));
    assert!(env.print(&["ls", "--help"]).contains("--sort"));
}

#[test]
fn several_operands_are_shown_as_addresses() {
    let env = env();
    env.print(&["put", "small.md", "two:/x.md"]);
    assert_eq!(
        env.print(&["ls", "two:/", "one:/docs/*.txt"]),
        "two:/x.md\none:/docs/middle.txt\n"
    );
    assert_eq!(
        env.print(&["ls", "-q", "two:/x.md", "one:/docs/deep"]),
        "two:/x.md\none:/docs/deep/er\n"
    );
    let shown = env.print(&["stat", "--json", "two:/x.md", "one:/docs/large.md"]);
    let rows: Vec<Value> = shown
        .lines()
        .map(|row| serde_json::from_str(row).unwrap())
        .collect();
    assert_eq!(
        (&rows[0]["context"], &rows[1]["size"]),
        (&"two".into(), &3000.into())
    );
    assert_eq!(
        env.print(&["du", "-s", "one:/docs", "two:/"]),
        "3220\t4\tone:/docs\n10\t1\ttwo:/\n"
    );
    assert_eq!(
        env.print(&["url", "get", "two:/x.md", "one:/docs/large.md", "-q"])
            .lines()
            .count(),
        2
    );
    let output = env.run(&["ls", "one:/none", "two:/"]);
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(output.stdout, b"two:/x.md\n");
    env.print(&["rm", "one:/docs/*.md"]);
    assert_eq!(
        env.print(&["ls", "one:/docs"]),
        "/docs/deep/\n/docs/middle.txt\n"
    );
    env.print(&["context", "delete", "-y", "one", "two"]);
    assert_eq!(env.print(&["ls"]), "");
    env.print(&["context", "delete", "-f", "one"]);
    assert_eq!(env.fail(&["context", "delete", "-y", "one"]).0, 3);
}

#[test]
fn find_combines_its_conditions() {
    let env = env();
    let find = |arguments: &[&str]| {
        let shown = env.print(&[&["find", "one:/"], arguments].concat());
        let mut found: Vec<_> = shown.lines().map(str::to_owned).collect();
        found.sort();
        found
    };
    assert_eq!(
        find(&["--name", "*.md"]),
        [
            "one:/docs/deep/er/small.md",
            "one:/docs/large.md",
            "one:/docs/small.md"
        ]
    );
    assert_eq!(
        find(&["--name", "*.md", "--size", "+1k"]),
        ["one:/docs/large.md"]
    );
    assert_eq!(
        find(&["-name", "*.txt", "-size", "-1k"]),
        ["one:/docs/middle.txt"]
    );
    assert_eq!(find(&["--size", "200"]), ["one:/docs/middle.txt"]);
    assert_eq!(
        find(&["--type", "d"]),
        ["one:/docs/", "one:/docs/deep/", "one:/docs/deep/er/"]
    );
    assert_eq!(find(&["--type", "f", "--newer", "1d"]).len(), 4);
    assert_eq!(find(&["--older", "1d"]).len(), 0);
    assert_eq!(find(&["--older", "2999-01-01", "--limit", "2"]).len(), 2);
    assert_eq!(env.fail(&["find", "one:/none"]).0, 3);
    assert_eq!(env.fail(&["find", "one:/", "--newer", "yesterday"]).0, 2);
}

#[test]
fn a_guess_works_or_leads_to_the_command() {
    let env = env();
    env.print(&["new", "three", "-q"]);
    env.print(&["upload", "small.md", "three:/a"]);
    env.print(&["copy", "three:/a", "three:/b"]);
    env.print(&["move", "three:/b", "three:/c"]);
    env.print(&["download", "three:/c", "got"]);
    assert!(env.print(&["show", "three:/c"]).contains("/c"));
    env.print(&["delete", "three:/c"]);
    assert_eq!(env.print(&["ls", "three"]), "/a\n");
    assert!(
        env.print(&["context", "show", "three"])
            .starts_with("three")
    );
    for (arguments, hint) in [
        (&["stat", "three"][..], "agb context get 'three'"),
        (&["mkdir", "three:/docs"], "agb put FILE 'three:/docs/'"),
        (&["cat", "--json", "three:/a"], "agb stat --json 'three:/a'"),
        (&["cat", "three"], "three:/PATH"),
    ] {
        let (code, stderr) = env.fail(arguments);
        assert_eq!(code, 2, "{arguments:?}: {stderr}");
        assert!(stderr.contains(hint), "{arguments:?}: {stderr}");
    }
}

#[test]
fn a_tree_obeys_the_depth_in_every_format() {
    let env = env();
    for format in ["--json", "-q"] {
        let rows = |depth: &str| {
            let shown = env.print(&["tree", format, "-L", depth, "one:/"]);
            shown.lines().count()
        };
        assert_eq!((rows("1"), rows("2"), rows("3"), rows("9")), (1, 5, 6, 7));
    }
}
