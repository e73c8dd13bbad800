//! [`Arguments`]: the commands of the program.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, builder::Styles};

use crate::{
    commands::{
        CatArguments, CompletionArguments, ConfigCommand, ContextCommand, CpArguments,
        CreateArguments, DiffArguments, DoctorArguments, DuArguments, EditArguments, FindArguments,
        GetArguments, LoginArguments, LogoutArguments, LsArguments, ManArguments, MkdirArguments,
        MvArguments, OpenArguments, PutArguments, RmArguments, Session, StatArguments,
        SyncArguments, TransfersCommand, TreeArguments, UrlCommand, WithSession,
    },
    demo::DemoArguments,
    environment::EnvironmentArguments,
    leading_options::move_behind_command,
    output::{self, escape},
};

/// AGB Cloud contexts: named, persistent storage for AI-agent sandboxes.
///
/// The address of a file is NAME:/path, where NAME is the name or the id of a context.
#[derive(Debug, Parser)]
#[command(
    name = "agb",
    version,
    max_term_width = 100,
    after_help = EXIT_CODES,
    args_override_self = true
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
    /// Defined here for the help and for completions. Each command that uses the service has its own.
    #[command(flatten)]
    session: Session,
}

const EXIT_CODES: &str = "\
Exit codes: 0 success, 1 other failure, 2 wrong usage or settings, 3 not found, 4 not allowed, 5 some files failed, \
6 conflict, 7 service unavailable, 8 timeout, 9 safety limit, 10 differences, 130 interrupted, 141 broken pipe.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create, list, rename, clear and delete contexts
    #[command(visible_alias = "ctx", alias = "contexts", subcommand)]
    Context(ContextCommand),
    /// List files, or contexts
    #[command(
        aliases = ["list", "dir"],
        disable_help_flag = true,
        after_long_help = "Examples:\n  agb ls\n  agb ls my-project\n  agb ls -lh --sort size my-project:/docs\n  agb ls -R -l my-project:/"
    )]
    Ls(WithSession<LsArguments>),
    /// Find files by name, size and time
    ///
    /// Prints an address for each. All conditions must match.
    #[command(
        after_long_help = "Examples:\n  agb find my-project:/ --name '*.md'\n  agb find my-project:/logs --size +1M --older 7d --type f"
    )]
    Find(WithSession<FindArguments>),
    /// Show folders and files as a tree
    #[command(
        after_long_help = "Examples:\n  agb tree my-project:/\n  agb tree -L 2 my-project:/src"
    )]
    Tree(WithSession<TreeArguments>),
    /// Show the sizes of folders
    #[command(
        disable_help_flag = true,
        after_long_help = "Examples:\n  agb du my-project:/\n  agb du -sh my-project:/src"
    )]
    Du(WithSession<DuArguments>),
    /// Print files
    #[command(after_long_help = "Examples:\n  agb cat my-project:/docs/README.md | less")]
    Cat(WithSession<CatArguments>),
    /// Show files and folders
    #[command(aliases = ["show", "info", "describe"], after_long_help = "Examples:\n  agb stat my-project:/docs/README.md")]
    Stat(WithSession<StatArguments>),
    /// Download files and folders
    #[command(
        aliases = ["download", "pull"],
        after_long_help = "Examples:\n  agb get my-project:/docs/README.md\n  agb get -r my-project:/src ./src\n  agb get my-project:/data.tar - | tar t"
    )]
    Get(WithSession<GetArguments>),
    /// Upload files and folders
    #[command(
        aliases = ["upload", "push"],
        after_long_help = "Examples:\n  agb put notes.txt my-project:/docs/\n  agb put -r ./src my-project:/src\n  pg_dump db | agb put - my-project:/db.sql"
    )]
    Put(WithSession<PutArguments>),
    /// Copy files and folders within the service, or to or from it
    ///
    /// Between a context and the local disk, cp is put or get. Between contexts, the content passes through this program.
    #[command(
        alias = "copy",
        after_long_help = "Examples:\n  agb cp my-project:/docs/README.md my-project:/docs/README.old\n  agb cp -r my-project:/docs other:/backup\n  agb cp notes.txt my-project:/docs/"
    )]
    Cp(WithSession<CpArguments>),
    /// Move files and folders, also to and from the service
    ///
    /// Deletes a source only after its copy is verified, and only if the source is still the version that was copied. To rename
    /// a folder, write a slash at its end: its contents go to the new name.
    #[command(
        aliases = ["move", "rename"],
        after_long_help = "Examples:\n  agb mv my-project:/a.txt my-project:/b.txt\n  agb mv -r my-project:/old-name/ my-project:/new-name\n  agb mv results.csv my-project:/results/"
    )]
    Mv(WithSession<MvArguments>),
    /// Delete files and folders
    #[command(
        aliases = ["delete", "remove", "del"],
        after_long_help = "Examples:\n  agb rm my-project:/docs/README.md\n  agb rm -r my-project:/old"
    )]
    Rm(WithSession<RmArguments>),
    /// Mirror a local folder to a context, or a context to a local folder
    ///
    /// Copies files whose size, time or checksum differs. The state of the last sync is stored locally: files with a new time
    /// and the same content, as after a fresh checkout, are not copied again, and a file that changed in DST since the last
    /// sync is a conflict.
    #[command(
        after_long_help = "Examples:\n  agb sync ./src my-project:/src\n  agb sync --delete -n my-project:/src ./src"
    )]
    Sync(WithSession<SyncArguments>),
    /// List the changes that sync would make
    ///
    /// Exits with 10 if there are differences.
    #[command(after_long_help = "Examples:\n  agb diff ./src my-project:/src")]
    Diff(WithSession<DiffArguments>),
    /// List and delete what is kept of interrupted downloads
    ///
    /// An interrupted download of more than 16 MiB continues when the same command runs again. What it has received is kept
    /// beside the target, in a hidden file.
    #[command(subcommand)]
    Transfers(TransfersCommand),
    /// Change a file in an editor
    ///
    /// Runs the editor in VISUAL or EDITOR, or else vi. The file is saved only if no other client changed it meanwhile: otherwise
    /// the local copy is kept, and the message names it. A file that does not exist is created.
    #[command(
        after_long_help = "Examples:\n  agb edit my-project:/docs/README.md\n  VISUAL='code --wait' agb edit my-project:/notes.md"
    )]
    Edit(WithSession<EditArguments>),
    /// Download a file and open it with the program for its type
    ///
    /// Prints the path of the local copy, which stays in the temporary folder of the system. Changes are not uploaded.
    #[command(after_long_help = "Examples:\n  agb open my-project:/report.pdf")]
    Open(WithSession<OpenArguments>),
    /// Print presigned URLs
    #[command(subcommand)]
    Url(UrlCommand),
    /// Check an API key and store it in a profile
    ///
    /// Asks for the key on a terminal, and reads the first line of stdin elsewhere. The endpoint is that of --endpoint, of the
    /// profile, or the default. The profile is written only if the service accepts the key; only its owner can read the file.
    /// --ca-file, --client-cert and --client-key are stored too.
    #[command(
        after_long_help = "Examples:\n  agb login\n  agb login --profile staging --endpoint https://agb.example.com\n  cat key-file | agb login"
    )]
    Login(WithSession<LoginArguments>),
    /// Remove the API key of a profile
    #[command(after_long_help = "Examples:\n  agb logout\n  agb logout --profile staging")]
    Logout(WithSession<LogoutArguments>),
    /// Show and change the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Check the settings, the network, the clock and the API key
    #[command(after_long_help = "Examples:\n  agb doctor\n  agb doctor --profile staging")]
    Doctor(WithSession<DoctorArguments>),
    /// Run a local context service
    ///
    /// Prints `listening on http://…` when the service is ready. Ctrl-C or SIGTERM stops it: it accepts no new connections and
    /// waits for open requests, for 10 seconds by default (--limits drain-time).
    #[cfg(feature = "serve")]
    #[command(
        after_long_help = "Examples:\n  agb serve\n  agb serve --listen 127.0.0.1:9000 --data-dir /var/lib/agb --keys keys.jsonl"
    )]
    Serve(Box<crate::serve::ServeArguments>),
    /// Demonstrate contexts step by step
    ///
    /// Starts a temporary local service by default. With --endpoint, it uses that service with the key in AGB_API_KEY. All
    /// created contexts are deleted.
    #[command(
        after_long_help = "Examples:\n  agb demo\n  agb demo --endpoint https://sdk-api.agb.cloud"
    )]
    Demo(DemoArguments),
    /// Print the completion script of a shell
    #[command(after_long_help = "Examples:\n  source <(agb completion bash)")]
    Completion(CompletionArguments),
    /// Print the manual or write its pages to a folder
    ///
    /// With a folder, writes DIR/man1/agb.1 and a page for each command. Add DIR to MANPATH unless man searches it by default.
    #[command(after_long_help = "Examples:\n  agb man ~/.local/share/man")]
    Man(ManArguments),
    /// Create a context: the same as 'context create'
    #[command(
        hide = true,
        aliases = ["create", "init"],
        after_long_help = "Examples:\n  agb new my-project"
    )]
    New(WithSession<CreateArguments>),
    /// Explain that folders need not be created
    #[command(
        hide = true,
        after_long_help = "Examples:\n  agb mkdir my-project:/docs"
    )]
    Mkdir(WithSession<MkdirArguments>),
    /// Print the JSON Schema of the output
    #[command(after_long_help = "Examples:\n  agb schema > schema.json")]
    Schema,
}

impl Arguments {
    /// Parses the arguments of the process. The error message is safe for a terminal.
    pub(crate) fn parse_process() -> Result<(Self, EnvironmentArguments), clap::Error> {
        let words: Vec<_> = std::env::args_os().collect();
        Self::parse(&words).map_err(|error| {
            let escaped = words
                .iter()
                .map(|word| escape(&word.to_string_lossy()).into_owned());
            let escaped: Vec<_> = escaped.map(OsString::from).collect();
            // Escaped arguments fail for the same reason, with a message that quotes them escaped.
            match escaped == words {
                true => error,
                false => Self::parse(&escaped).err().unwrap_or_else(|| {
                    let message = "an argument contains characters that are not allowed";
                    Self::command().error(error.kind(), message)
                }),
            }
        })
    }

    fn parse(words: &[OsString]) -> Result<(Self, EnvironmentArguments), clap::Error> {
        let mut command = Self::command();
        if !output::shows_colors() {
            // Most of the time of `--help` is the removal of escape sequences.
            command = command.styles(Styles::plain());
        }
        let moved = move_behind_command(&command, words);
        let words = words_of_find(moved.as_deref().unwrap_or(words));
        let mut matches = command.try_get_matches_from(words)?;
        let environment = EnvironmentArguments::read(&matches);
        Ok((Self::from_arg_matches_mut(&mut matches)?, environment))
    }
}

/// Accepts the options of `find` with one dash, as in find(1).
fn words_of_find(words: &[OsString]) -> Vec<OsString> {
    let mut words = words.to_vec();
    if words.get(1).is_some_and(|word| word == "find") {
        for word in words.iter_mut().skip(2) {
            if ["-name", "-type", "-size"]
                .iter()
                .any(|option| word == option)
            {
                let mut option = OsString::from("-");
                option.push(&word);
                *word = option;
            }
        }
    }
    words
}

impl Command {
    /// Whether the command requires stdout.
    pub(crate) fn prints(&self) -> bool {
        match self {
            Self::Context(command) => command.prints(),
            Self::Transfers(command) => command.prints(),
            Self::Config(command) => command.prints(),
            Self::Ls(_) | Self::Tree(_) | Self::Du(_) | Self::Cat(_) | Self::Stat(_) => true,
            Self::Find(_) | Self::New(_) => true,
            Self::Diff(_) | Self::Url(_) | Self::Doctor(_) => true,
            Self::Open(_) | Self::Completion(_) | Self::Man(_) | Self::Schema => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
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
            ["cat", "mkdir"],
            "a file is not JSON, and mkdir only fails"
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

    #[test]
    fn summaries_are_short_and_end_without_a_period() {
        for_each_command(&Arguments::command(), &mut |command| {
            let about = command.get_about().unwrap().to_string();
            assert!(about.len() <= 70 && !about.ends_with('.'), "{about}");
        });
    }
}
