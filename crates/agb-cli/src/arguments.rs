//! [`Arguments`]: the commands of the program.

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, builder::Styles};

#[cfg(feature = "console")]
use crate::commands::ConsoleArguments;
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
    guesses,
    leading_options::in_order,
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
    /// Run a web console for contexts and files
    ///
    /// Prints `console on http://…`, a link that signs one browser in, once. The console has the permissions of the API key and
    /// listens on loopback only; the key never reaches the browser. Ctrl-C or SIGTERM stops it.
    #[cfg(feature = "console")]
    #[command(
        aliases = ["ui", "web"],
        after_long_help = "Examples:\n  agb console --open\n  agb console --listen 127.0.0.1:8790 --metrics http://127.0.0.1:9780/metrics"
    )]
    Console(WithSession<ConsoleArguments>),
    /// Give agents access to contexts by the Model Context Protocol
    ///
    /// An agent starts this command and speaks to it over stdin and stdout. By default, its tools only read. With --listen, the
    /// command serves streamable HTTP, prints `listening on http://…`, and each request needs a bearer token. Ctrl-C or SIGTERM
    /// stops it.
    #[cfg(feature = "mcp")]
    #[command(
        after_long_help = "Examples:\n  agb mcp --context my-project\n  agb mcp --context my-project --allow-write\n  agb mcp --listen 127.0.0.1:8790"
    )]
    Mcp(WithSession<crate::commands::McpArguments>),
    /// Run a local context service
    ///
    /// Prints `listening on http://…` when the service is ready. Ctrl-C or SIGTERM stops it: it accepts no new connections and
    /// waits for open requests, for 10 seconds by default (--limits drain-time).
    #[cfg(feature = "serve")]
    #[command(
        after_long_help = "Examples:\n  agb serve\n  agb serve --listen 127.0.0.1:9000 --data-dir /var/lib/agb --keys keys.jsonl"
    )]
    Serve(Box<crate::serve::ServeArguments>),
    /// Serve a context as a WebDAV share
    ///
    /// Prints `listening on http://…` when the share is ready, and how to mount it. Only local programs reach it, and clients
    /// can only read, by default. Ctrl-C or SIGTERM stops it. Folders without files, properties and locks end with it.
    #[cfg(feature = "dav")]
    #[command(
        after_long_help = "Examples:\n  agb dav my-project\n  agb dav my-project --write --listen 127.0.0.1:0\n  AGB_DAV_PASSWORD=… agb dav my-project --listen 0.0.0.0:8785 --host nas.local"
    )]
    Dav(WithSession<crate::commands::DavArguments>),
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
    /// With a folder, writes DIR/man1/agb.1 and a page for each command. Add DIR to MANPATH unless man searches it by default. A
    /// folder with the name of a command needs a path: ./ls.
    #[command(
        after_long_help = "Examples:\n  agb man context create | man -l -\n  agb man ~/.local/share/man"
    )]
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
                    let not_utf8 = words.iter().find(|word| word.to_str().is_none());
                    let message = match not_utf8 {
                        Some(word) => {
                            format!(
                                "the argument '{}' is not UTF-8",
                                escape(&word.to_string_lossy())
                            )
                        }
                        None => "an argument contains characters that are not allowed".to_owned(),
                    };
                    Self::command().error(error.kind(), message)
                }),
            }
        })
    }

    /// Parses the arguments. Words of other programs are replaced by those that do the same here.
    fn parse(words: &[OsString]) -> Result<(Self, EnvironmentArguments), clap::Error> {
        let command = Self::command();
        let mut words = in_order(&command, words);
        let error = match Self::parse_exactly(command, &words) {
            Err(error) if error.use_stderr() => error,
            parsed => return parsed,
        };
        let mut root = Self::command();
        root.build();
        let mut corrected = error;
        for _ in 0..MAX_CORRECTIONS {
            let Some(replaced) = guesses::correct(&corrected, &root, &words) else {
                break;
            };
            words = in_order(&root, &replaced);
            match Self::parse_exactly(Self::command(), &words) {
                Err(error) if error.use_stderr() => corrected = error,
                parsed => return parsed,
            }
        }
        Err(guesses::explain(corrected, &root, &words))
    }

    fn parse_exactly(
        mut command: clap::Command,
        words: &[OsString],
    ) -> Result<(Self, EnvironmentArguments), clap::Error> {
        if !output::shows_colors() {
            // Most of the time of `--help` is the removal of escape sequences.
            command = command.styles(Styles::plain());
        }
        let mut matches = command.try_get_matches_from(words)?;
        let environment = EnvironmentArguments::read(&matches);
        Ok((Self::from_arg_matches_mut(&mut matches)?, environment))
    }
}

/// Maximum number of words of other programs in one command line.
const MAX_CORRECTIONS: usize = 8;

impl Command {
    /// Whether the command requires stdout.
    pub(crate) fn prints(&self) -> bool {
        match self {
            Self::Context(command) => command.prints(),
            Self::Transfers(command) => command.prints(),
            Self::Config(command) => command.prints(),
            Self::Ls(_) | Self::Tree(_) | Self::Du(_) | Self::Cat(_) | Self::Stat(_) => true,
            Self::Find(_) | Self::New(_) => true,
            #[cfg(feature = "mcp")]
            Self::Mcp(_) => true,
            Self::Diff(_) | Self::Url(_) | Self::Doctor(_) => true,
            Self::Open(_) | Self::Completion(_) | Self::Man(_) | Self::Schema => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
