//! What each word of another program does.

use clap::CommandFactory;

use super::*;
use crate::{arguments::Arguments, leading_options::in_order};

/// The words that are parsed in the end, or the tip.
fn guessed(line: &str) -> Result<String, String> {
    let line = format!("agb {line}");
    let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
    let mut root = Arguments::command();
    root.build();
    let mut words = in_order(&root, &words);
    for _ in 0..8 {
        let Err(error) = Arguments::command().try_get_matches_from(&words) else {
            break;
        };
        match correct(&error, &root, &words) {
            Some(replaced) => words = in_order(&root, &replaced),
            None if !error.use_stderr() => break,
            None => {
                let text = explain(error, &root, &words).render().to_string();
                let tip = text
                    .lines()
                    .find_map(|line| line.trim().strip_prefix("tip: "));
                return Err(tip.unwrap_or_default().to_owned());
            }
        }
    }
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    Ok(words[1..].join(" "))
}

#[test]
fn words_of_other_programs_work() {
    for (line, expected) in [
        ("presign n:/f", "url get n:/f"),
        ("link n:/f", "url get n:/f"),
        ("url n:/f", "url get n:/f"),
        ("url share n:/f", "url get n:/f"),
        ("--json presign n:/f", "url get n:/f --json"),
        ("version", "--version"),
        ("whoami", "doctor"),
        ("size n:/", "du -s n:/"),
        ("lsl n:/", "ls -l n:/"),
        ("copyto a n:/b", "cp a n:/b"),
        ("auth login", "login"),
        ("auth logout", "logout"),
        ("login https://a.test", "login --endpoint https://a.test"),
        ("login --with-token", "login --api-key-stdin"),
        ("config show", "config list"),
        ("config rm region", "config unset region"),
        ("context make n", "context create n"),
        ("transfers rm f", "transfers clean f"),
        ("serve start", "serve"),
        ("help presign", "help url get"),
        ("help --help", "help"),
        ("sync -av a n:/", "sync -v a n:/"),
        ("sync -a a n:/", "sync a n:/"),
        ("sync -r a n:/", "sync a n:/"),
        ("sync -avzP a n:/", "sync -v a n:/"),
        ("sync --progress a n:/", "sync a n:/"),
        ("cp -a d n:/", "cp -r d n:/"),
        ("cp -av d n:/", "cp -v -r d n:/"),
        ("put --progress f n:/", "put f n:/"),
        ("cp --dryrun -r d n:/", "cp --dry-run -r d n:/"),
        ("sync --transfers 4 a n:/", "sync --jobs 4 a n:/"),
        ("sync --transfers=4 a n:/", "sync --jobs=4 a n:/"),
        ("ls --all n:/", "ls n:/"),
        ("ls -lah n:/", "ls -lah n:/"),
        ("ls --max-keys 5 n:/", "ls --limit 5 n:/"),
        ("ls -o json", "ls --json"),
        ("ls -ojson", "ls --json"),
        ("ls --output=json", "ls --json"),
        (
            "ls --endpoint-url http://a.test",
            "ls --endpoint http://a.test",
        ),
        ("rm -R n:/d", "rm -R n:/d"),
        ("tree --level 2 n:/", "tree -L 2 n:/"),
        ("find n:/ -newer 1d", "find n:/ --newer 1d"),
        ("url get --expires-in 5 n:/f", "url get --expires 5 n:/f"),
    ] {
        assert_eq!(guessed(line).as_deref(), Ok(expected), "{line}");
    }
}

#[test]
fn other_words_lead_to_a_command() {
    for (line, expected) in [
        ("touch n:/f", "agb put /dev/null"),
        ("mb n", "agb context create"),
        ("rb n", "agb context delete"),
        ("purge n:/d", "agb rm -r"),
        ("head n:/f", "agb cat NAME:/file | head"),
        ("tail n:/f", "| tail"),
        ("less n:/f", "| less"),
        ("snapshot n", "agb context snapshot"),
        ("check a n:/", "agb diff"),
        ("auth", "agb login"),
        ("auth status", "agb login"),
        ("about", "agb du -s"),
        ("upgrade", "install a new version"),
        ("bisync a n:/", "agb sync --both"),
        ("rcat n:/f", "agb put -"),
        ("s3 ls", "omit 's3'"),
        ("context use n", "agb ls NAME:/"),
        ("config use x", "--profile NAME"),
        ("transfers resume f", "continues"),
        ("serve stop", "Ctrl-C"),
        ("serve --port 80", "--listen 127.0.0.1:PORT"),
        ("login --token x", "--api-key-stdin"),
        ("get -o f n:/f", "agb get NAME:/file FILE"),
        ("ls -o yaml", "--json"),
        ("ls --tree n:/", "agb tree"),
        ("rm -i n:/f", "rm -r asks"),
        ("du -d 1 n:/", "agb du -s"),
        ("cp -P a n:/", "--links"),
        ("find n:/ --mtime 1", "--newer 7d"),
        ("find n:/ -mtime 1", "--newer 7d"),
        ("find n:/ -iname x", "--name"),
        ("find n:/ -maxdepth 1", "agb tree -L"),
        // Near names.
        ("snyc a n:/", "'sync'"),
        ("contxt list", "'context'"),
        ("context lsit", "'list'"),
        ("sync --delte a n:/", "'--delete'"),
        ("ls --sort szie n:/", "'size'"),
    ] {
        let tip = guessed(line).expect_err(line);
        assert!(tip.contains(expected), "{line}: {tip}");
    }
}

#[test]
fn no_tip_is_better_than_a_wrong_one() {
    for line in [
        "frobnicate",
        "ps",
        "schedule",
        "context frob",
        "serve frob",
        "ls --frobnicate",
        "ls --modify n:/",
        "ls -Z n:/",
        "ls --sort modified n:/",
        "--both",
    ] {
        assert_eq!(guessed(line), Err(String::new()), "{line}");
    }
}

#[test]
fn tips_name_commands_and_options_that_exist() {
    let mut root = Arguments::command();
    root.build();
    for text in [include_str!("commands.rs"), include_str!("options.rs")] {
        for part in text.split("agb ").skip(1) {
            let end = part.find(['\'', '"', '|', ',', ')']).unwrap_or(part.len());
            let words: Vec<OsString> = ["agb"]
                .into_iter()
                .chain(part[..end].split_whitespace())
                .map(OsString::from)
                .collect();
            let located = locate(&root, &words);
            assert!(!located.path.is_empty(), "{part}");
            for option in words[located.next..]
                .iter()
                .filter_map(|word| word.to_str())
            {
                if let Some(long) = option.strip_prefix("--") {
                    assert!(has_option(located.command, &format!("--{long}")), "{part}");
                }
            }
        }
    }
}
