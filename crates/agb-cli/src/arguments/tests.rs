//! What holds for every command.

use super::*;

#[test]
fn the_arguments_are_consistent() {
    Arguments::command().debug_assert();
}

/// Calls `check` for each command without subcommands.
fn for_each_command(command: &clap::Command, check: &mut impl FnMut(&clap::Command)) {
    let mut subcommands = command.get_subcommands().peekable();
    if subcommands.peek().is_none() {
        check(command);
    }
    for subcommand in subcommands {
        for_each_command(subcommand, check);
    }
}

#[test]
fn every_command_has_examples_that_parse() {
    for_each_command(&Arguments::command(), &mut |command| {
        let name = command.get_name();
        let examples = command.get_after_long_help();
        let examples = examples.unwrap_or_else(|| panic!("{name} has no examples"));
        let examples = examples.to_string();
        let mut lines = examples.lines();
        assert_eq!(lines.next(), Some("Examples:"), "{name}");
        for line in lines {
            let (_, command) = line.split_once("agb ").expect(line);
            let command = command.split(['|', '>', ')']).next().unwrap();
            let words = ["agb"].into_iter().chain(command.split_whitespace());
            let words: Vec<_> = words.map(OsString::from).collect();
            Arguments::parse(&words).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    });
}

/// The arguments of the first example of each command.
fn examples() -> Vec<Vec<OsString>> {
    let mut examples = Vec::new();
    for_each_command(&Arguments::command(), &mut |command| {
        let text = command.get_after_long_help().unwrap().to_string();
        let (_, words) = text.split_once("agb ").unwrap();
        let words = words.split(['|', '>', ')', '\n']).next().unwrap();
        examples.push(words.split_whitespace().map(OsString::from).collect());
    });
    examples
}

/// Whether the options of the example's command have this name.
fn has_option(example: &[OsString], name: &str) -> bool {
    let mut root = Arguments::command();
    root.build();
    let mut command = &root;
    // Options may stand between the words of the command.
    for word in example {
        command = command.find_subcommand(word).unwrap_or(command);
    }
    let mut options = command.get_arguments();
    options.any(|option| option.get_long() == Some(name))
}

#[test]
fn options_are_accepted_before_and_after_each_command() {
    let options: [&[&str]; 16] = [
        &["--endpoint", "https://agb.test"],
        &["--profile=other"],
        &["--region", "here"],
        &["--api-key-stdin"],
        &["--no-dotenv"],
        &["--ca-file", "ca.pem"],
        &["--client-cert", "client.pem"],
        &["--client-key", "key.pem"],
        &["--insecure"],
        &["--allow-insecure-urls"],
        &["--call-timeout", "3"],
        &["--json"],
        &["--quiet"],
        &["-vv"],
        &["--color", "never"],
        &["--bwlimit", "2M"],
    ];
    let defined = crate::leading_options::movable_options();
    assert_eq!(defined.get_arguments().count(), options.len());
    for option in options {
        let flag = option[0].split('=').next().unwrap();
        let option: Vec<_> = option.iter().map(OsString::from).collect();
        for example in examples() {
            let parse = |words: &[&[OsString]]| {
                let words = words.concat().into_iter();
                let words: Vec<_> = [OsString::from("agb")].into_iter().chain(words).collect();
                Arguments::parse(&words)
            };
            let has = |flag: &str| example.iter().any(|word| word == flag);
            if has(flag) || (flag == "--quiet" && has("--json")) {
                continue;
            }
            let name = flag.trim_start_matches('-');
            let name = if name == "vv" { "verbose" } else { name };
            let (first, others) = example.split_at(1);
            let results = [
                parse(&[&option, &example]),
                parse(&[first, &option, others]),
                parse(&[&example, &option]),
            ];
            if !has_option(&example, name) {
                assert!(results.iter().all(Result::is_err), "{example:?} {option:?}");
                continue;
            }
            let shown = results.map(|result| {
                let (arguments, _) = result.unwrap_or_else(|error| panic!("{error}"));
                format!("{:?}", arguments.command)
            });
            assert_eq!(shown[0], shown[1], "{example:?} {option:?}");
            assert_eq!(shown[0], shown[2], "{example:?} {option:?}");
        }
    }
}

#[test]
fn the_later_of_repeated_options_takes_precedence() {
    let parse = |line: &str| {
        let words: Vec<_> = line.split_whitespace().map(OsString::from).collect();
        let parsed = Arguments::parse(&words);
        parsed.map(|(arguments, _)| format!("{:?}", arguments.command))
    };
    for (repeated, last) in [
        (
            "agb --endpoint one ls --endpoint two n:/",
            "agb ls --endpoint two n:/",
        ),
        (
            "agb --endpoint=one --endpoint two ls n:/",
            "agb ls --endpoint two n:/",
        ),
        (
            "agb context --region a list --region b",
            "agb context list --region b",
        ),
        ("agb --json ls --json n:/", "agb ls --json n:/"),
        ("agb -q ls -q --quiet n:/", "agb ls -q n:/"),
        (
            "agb --bwlimit 1M get --bwlimit 2M n:/a",
            "agb get --bwlimit 2M n:/a",
        ),
        (
            "agb ls --sort size --sort time n:/",
            "agb ls --sort time n:/",
        ),
        ("agb rm -f -f n:/a", "agb rm -f n:/a"),
        // These count, or collect.
        ("agb -v ls -v n:/", "agb ls -vv n:/"),
        (
            "agb --insecure ls --insecure n:/",
            "agb ls --insecure --insecure n:/",
        ),
    ] {
        assert_eq!(parse(repeated).unwrap(), parse(last).unwrap(), "{repeated}");
    }
    let globs = parse("agb sync --exclude a --exclude b src n:/").unwrap();
    assert!(globs.contains(r#"exclude: ["a", "b"]"#), "{globs}");
    for conflicting in [
        "agb --quiet ls --json n:/",
        "agb --json ls --quiet n:/",
        "agb put --no-clobber --force a n:/",
        "agb ls n:/ --unknown",
    ] {
        assert!(parse(conflicting).is_err(), "{conflicting}");
    }
}

/// The names of the commands without subcommands that have the option `--json`.
fn with_json(command: &clap::Command, path: &str, found: &mut Vec<String>) {
    let mut subcommands = command.get_subcommands().peekable();
    let mut options = command.get_arguments();
    if subcommands.peek().is_none() && options.any(|option| option.get_long() == Some("json")) {
        found.push(path.trim_start().to_owned());
    }
    for subcommand in subcommands.filter(|subcommand| subcommand.get_name() != "help") {
        with_json(
            subcommand,
            &format!("{path} {}", subcommand.get_name()),
            found,
        );
    }
}

#[test]
fn every_command_with_json_has_a_schema() {
    let mut root = Arguments::command();
    root.build();
    let mut found = Vec::new();
    with_json(&root, "", &mut found);
    assert!(found.len() > 30, "{found:?}");
    let schema = crate::output::schema();
    let described = schema["commands"].as_object().unwrap();
    found.retain(|name| !described.contains_key(name));
    assert_eq!(
        found,
        ["cat", "console", "mcp", "dav", "mkdir"],
        "a file is not JSON, servers print only their address, and mkdir only fails"
    );
}

#[test]
fn help_fits_the_terminal() {
    for_each_command(&Arguments::command(), &mut |command| {
        let help = command
            .clone()
            .term_width(80)
            .render_long_help()
            .to_string();
        for line in help.lines().filter(|line| !line.starts_with("Usage:")) {
            let longest = line.split(' ').map(str::len).max().unwrap_or(0);
            let fits = line.chars().count() <= 80 || longest > 40;
            assert!(fits, "{}: {line}", command.get_name());
        }
    });
}

/// The descriptions of all commands, by their path.
fn descriptions(command: &clap::Command, path: &str, found: &mut Vec<(String, [String; 2])>) {
    let text =
        |text: Option<&clap::builder::StyledStr>| text.map(ToString::to_string).unwrap_or_default();
    let texts = [text(command.get_about()), text(command.get_long_about())];
    found.push((path.to_owned(), texts));
    for subcommand in command.get_subcommands() {
        if subcommand.get_name() != "help" {
            let path = format!("{path} {}", subcommand.get_name());
            descriptions(subcommand, &path, found);
        }
    }
}

#[test]
fn help_describes_a_command_like_the_list_of_commands() {
    let (mut listed, mut shown) = (Vec::new(), Vec::new());
    descriptions(&Arguments::command(), "agb", &mut listed);
    let mut built = Arguments::command();
    built.build();
    descriptions(&built, "agb", &mut shown);
    assert!(listed.len() > 40, "{listed:?}");
    assert_eq!(listed, shown);
    for (path, [about, long_about]) in shown {
        assert!(!about.is_empty(), "{path}");
        assert!(!about.starts_with("The options"), "{path}: {about}");
        let is_same_text = long_about.is_empty() || long_about.starts_with(&about);
        assert!(is_same_text, "{path}: {long_about}");
    }
}

#[test]
fn summaries_are_short_and_end_without_a_period() {
    for_each_command(&Arguments::command(), &mut |command| {
        let about = command.get_about().unwrap().to_string();
        assert!(about.len() <= 70 && !about.ends_with('.'), "{about}");
    });
}
