//! Every command on a terminal of 60 columns.

use std::{collections::BTreeSet, fs};

use super::{interactive::Terminal, support::signal, test_env::TestEnv};

const COLUMNS: u16 = 60;

/// Arguments, what is typed, and the exit code. In an order that works in one context.
const COMMANDS: [(&str, &str, i32); 55] = [
    ("context create one", "", 0),
    ("new two", "", 0),
    ("context list", "", 0),
    ("context get one", "", 0),
    ("context rename two three", "", 0),
    ("put -r project/ one:/p", "", 0),
    ("get one:/p/a.txt copy.txt", "", 0),
    ("cp -r one:/p/ one:/c", "", 0),
    ("mv one:/c/a.txt one:/moved", "", 0),
    ("ls one:/", "", 0),
    ("tree one:/", "", 0),
    ("du one:/", "", 0),
    ("cat one:/p/a.txt", "", 0),
    ("stat one:/p/a.txt", "", 0),
    ("find one:/ --name a*", "", 0),
    ("sync project one:/s", "", 0),
    ("diff project one:/other", "", 10),
    ("transfers list", "", 0),
    ("transfers clean", "", 0),
    ("edit one:/p/a.txt", "", 0),
    ("open one:/p/a.txt", "", 0),
    ("url get one:/p/a.txt", "", 0),
    ("url put one:/p/new.txt", "", 0),
    ("rm -r one:/c", "y\n", 0),
    ("context copy one four", "", 0),
    ("context snapshot one --to one.tar", "", 0),
    ("context restore one.tar five", "", 0),
    ("context clear five", "five\n", 0),
    ("context wait five", "", 0),
    ("context delete five", "five\n", 0),
    ("config set region here --profile other", "", 0),
    ("logout --profile other", "", 3),
    ("config list", "", 0),
    ("config get endpoint", "", 0),
    ("config set region here", "", 0),
    ("config unset region", "", 0),
    ("config path", "", 0),
    ("config profiles", "", 0),
    ("dav one --write --listen 127.0.0.1:0", "", 0),
    ("doctor", "", 0),
    ("console", "", 0),
    ("completion bash", "", 0),
    ("man ls", "", 0),
    ("schema", "", 0),
    ("mcp", "\u{4}", 0),
    ("serve keys --keys keys add team", "", 0),
    ("serve keys --keys keys list", "", 0),
    (
        "serve keys --keys keys set-limits none --max-files 1",
        "",
        2,
    ),
    ("serve keys --keys keys revoke none", "", 2),
    ("serve keys --keys keys rotate-signing", "", 0),
    ("serve --listen 127.0.0.1:0 --data-dir store", "", 0),
    ("serve backup --data-dir store store.tar", "", 0),
    ("serve restore store.tar --data-dir restored", "", 0),
    ("serve migrate --from sqlite:store --to sqlite:moved", "", 0),
    ("serve fsck --data-dir store", "", 0),
];

/// Commands whose lines are for programs, or contain a URL or a path.
const UNWRAPPED: [&str; 8] = [
    "completion",
    "console",
    "schema",
    "man",
    "url",
    "dav",
    "serve",
    "mcp",
];

#[test]
fn every_command_runs_on_a_narrow_terminal() {
    let env = TestEnv::new();
    for (words, typed, code) in COMMANDS {
        let arguments: Vec<&str> = words.split(' ').collect();
        let mut command = env.command(&arguments);
        command
            .env("EDITOR", "true")
            .env("PATH", path_with_opener(&env));
        let mut terminal = Terminal::start(command, COLUMNS);
        terminal.send(typed);
        let ready = match words {
            "console" => Some("console on"),
            _ if words.contains(" --listen ") => Some("listening on"),
            _ => None,
        };
        if let Some(ready) = ready {
            terminal.expect(ready);
            signal("INT", terminal.child.id());
        }
        let (shown, ended) = terminal.end();
        assert_eq!(ended, Some(code), "{words}: {shown}");
        assert!(!shown.contains("panicked"), "{words}: {shown}");
        let hidden = shown.matches("\u{1b}[?25l").count();
        assert!(
            hidden <= shown.matches("\u{1b}[?25h").count(),
            "{words}: {shown:?}"
        );
        let visible = without_escapes(&shown);
        // The content of a file is printed as it is.
        let has_end = visible.is_empty() || visible.ends_with('\n');
        assert!(has_end || words.starts_with("cat"), "{words}: {shown:?}");
        if UNWRAPPED.iter().any(|name| words.starts_with(name)) {
            continue;
        }
        for line in visible.lines().filter(|line| !line.contains(['/', '\r'])) {
            let width = line.chars().count();
            // The terminal wraps a question.
            let fits = width <= COLUMNS.into() || line.starts_with("This deletes");
            assert!(fits, "{words}: {width}: {line:?}");
        }
    }
}

/// The program that `agb open` starts does nothing.
fn path_with_opener(env: &TestEnv) -> std::ffi::OsString {
    use std::os::unix::fs::PermissionsExt;

    let folder = env.path("programs");
    let opener = folder.join("xdg-open");
    fs::create_dir_all(&folder).unwrap();
    fs::write(&opener, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).unwrap();
    let path = std::env::var_os("PATH").unwrap();
    std::env::join_paths([folder].into_iter().chain(std::env::split_paths(&path))).unwrap()
}

/// Removes what changes the color or the cursor.
fn without_escapes(text: &str) -> String {
    let mut visible = String::new();
    let mut parts = text.split("\u{1b}[");
    visible += parts.next().unwrap();
    for part in parts {
        let end = part.find(|char: char| char.is_ascii_alphabetic()).unwrap();
        visible += &part[end + 1..];
    }
    visible
}

#[test]
fn the_manual_has_a_page_for_each_command_and_the_list_is_complete() {
    let env = TestEnv::new();
    env.print(&["man", "pages/"]);
    let pages = fs::read_dir(env.path("pages/man1")).unwrap();
    let pages = pages.map(|page| page.unwrap().file_name().into_string().unwrap());
    let pages: BTreeSet<String> = pages
        .map(|page| page.trim_end_matches(".1").replacen("agb", "", 1))
        .collect();
    assert!(pages.len() > 50 && !pages.contains("-help"), "{pages:?}");
    let is_group = |page: &str| {
        pages
            .iter()
            .any(|other| other.starts_with(&format!("{page}-")))
    };
    let run: Vec<String> = COMMANDS
        .iter()
        .map(|(words, ..)| format!("-{}", words.replace("--keys keys ", "").replace(' ', "-")))
        .collect();
    // Tested elsewhere: one takes long, and the other reads a secret from the terminal that controls it.
    let missing = pages.iter().filter(|page| {
        !is_group(page)
            && !["-demo", "-login"].contains(&page.as_str())
            && !run.iter().any(|words| words.starts_with(*page))
    });
    assert_eq!(missing.collect::<Vec<_>>(), Vec::<&String>::new());
}
