//! What can be typed.

use std::collections::HashSet;

use clap::{
    ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, parser::ValueSource,
};

use crate::commands::{
    CatArguments, CompletionArguments, ContextCommand, DiffArguments, DoctorArguments, DuArguments,
    GetArguments, LsArguments, ManArguments, PutArguments, RmArguments, StatArguments,
    SyncArguments, TreeArguments, UrlCommand, With,
};
use crate::output::escape;

/// AGB Cloud contexts: named, persistent storage for AI-agent sandboxes.
///
/// Files are addressed as NAME:/path, where NAME is the name or the id of a context.
#[derive(Debug, Parser)]
#[command(name = "agb", version, max_term_width = 100, after_help = EXIT)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 not allowed, 5 some files failed, 6 conflict,
7 service unavailable, 8 timed out, 9 stopped by a safety limit, 10 differences, 130 interrupted, 141 broken pipe.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make, list, rename, clear and delete contexts
    #[command(visible_alias = "ctx", subcommand)]
    Context(ContextCommand),
    /// List files
    #[command(after_help = "Examples:\n  agb ls my-project:/docs\n  agb ls -R -l my-project:/")]
    Ls(With<LsArguments>),
    /// Show folders and files as a tree
    #[command(after_help = "Examples:\n  agb tree my-project:/\n  agb tree -L 2 my-project:/src")]
    Tree(With<TreeArguments>),
    /// Sum up the sizes of what is in a folder
    #[command(after_help = "Examples:\n  agb du my-project:/")]
    Du(With<DuArguments>),
    /// Write files to stdout
    #[command(after_help = "Examples:\n  agb cat my-project:/docs/README.md | less")]
    Cat(With<CatArguments>),
    /// Show one file or folder
    #[command(after_help = "Examples:\n  agb stat my-project:/docs/README.md")]
    Stat(With<StatArguments>),
    /// Fetch a file or folder
    #[command(
        after_help = "Examples:\n  agb get my-project:/docs/README.md\n  agb get -r my-project:/src ./src\n  agb get my-project:/data.tar - | tar t"
    )]
    Get(With<GetArguments>),
    /// Send a file or folder
    #[command(
        after_help = "Examples:\n  agb put notes.txt my-project:/docs/\n  agb put -r ./src my-project:/src\n  pg_dump db | agb put - my-project:/db.sql"
    )]
    Put(With<PutArguments>),
    /// Delete files
    #[command(
        after_help = "Examples:\n  agb rm my-project:/docs/README.md\n  agb rm -r my-project:/old"
    )]
    Rm(With<RmArguments>),
    /// Make a folder like another: one of this machine, one of a context
    ///
    /// What differs by size or time moves. What was moved is remembered, so that files with new times and old contents (after
    /// a fresh checkout) do not move, and what was changed in DST since is a conflict and not lost.
    #[command(
        after_help = "Examples:\n  agb sync ./src my-project:/src\n  agb sync --delete -n my-project:/src ./src"
    )]
    Sync(With<SyncArguments>),
    /// Show what sync would do; ends with 10 if that is anything
    #[command(after_help = "Examples:\n  agb diff ./src my-project:/src")]
    Diff(With<DiffArguments>),
    /// Print presigned URLs
    #[command(subcommand)]
    Url(UrlCommand),
    /// Look for what is wrong with settings, network, clock and key
    #[command(after_help = "Examples:\n  agb doctor\n  agb doctor --profile staging")]
    Doctor(With<DoctorArguments>),
    /// Run a context service on this machine
    ///
    /// Prints `listening on http://…` when it is ready. Ctrl-C or SIGTERM ends it: no new connection is taken,
    /// and what is under way gets ten seconds to finish, unless --limits says otherwise.
    #[cfg(feature = "serve")]
    Serve(Box<crate::serve::ServeArguments>),
    /// Show what contexts are for, step by step
    ///
    /// Without an endpoint it starts a service of its own on a free port, in a temporary folder.
    Demo(DemoArguments),
    /// Print what makes a shell complete commands and names: source <(agb completion bash)
    Completion(CompletionArguments),
    /// Print the manual, or write its pages into a folder
    Man(ManArguments),
    /// Print the schema of what --json prints
    Schema,
}

/// The names of the settings whose values come from the environment.
#[derive(Debug, Default)]
pub(crate) struct Ambient(HashSet<String>);

impl Ambient {
    fn read(mut matches: &ArgMatches) -> Self {
        let mut names = HashSet::new();
        loop {
            let ids = matches.ids().map(clap::Id::as_str);
            let of_environment = |id: &&str| {
                // Groups have ids too, and no values of their own.
                matches.try_contains_id(id).is_ok()
                    && matches.value_source(id) == Some(ValueSource::EnvVariable)
            };
            names.extend(ids.filter(of_environment).map(str::to_owned));
            match matches.subcommand() {
                Some((_, below)) => matches = below,
                None => return Self(names),
            }
        }
    }

    /// Whether the value of this setting comes from the environment.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    #[cfg(all(test, feature = "serve"))]
    pub(crate) fn of(names: &[&str]) -> Self {
        Self(names.iter().map(|name| (*name).to_owned()).collect())
    }
}

impl Arguments {
    /// What was typed. Where it can't be understood, the message has no character of it that a terminal would obey.
    pub(crate) fn typed() -> Result<(Self, Ambient), clap::Error> {
        let words: Vec<_> = std::env::args_os().collect();
        Self::of(&words).map_err(|error| {
            let shown = words
                .iter()
                .map(|word| escape(&word.to_string_lossy()).into_owned());
            let shown: Vec<_> = shown.map(std::ffi::OsString::from).collect();
            // The same words with escapes are refused in the same way, and quoted as they are then.
            match shown == words {
                true => error,
                false => Self::of(&shown).err().unwrap_or_else(|| {
                    let message = "an argument has characters that are not allowed there";
                    Self::command().error(error.kind(), message)
                }),
            }
        })
    }

    fn of(words: &[std::ffi::OsString]) -> Result<(Self, Ambient), clap::Error> {
        let matches = Self::command().try_get_matches_from(words)?;
        let ambient = Ambient::read(&matches);
        Ok((Self::from_arg_matches(&matches)?, ambient))
    }
}

impl Command {
    /// Whether its result is what it prints.
    pub(crate) fn prints(&self) -> bool {
        match self {
            Self::Context(command) => command.prints(),
            Self::Ls(_) | Self::Tree(_) | Self::Du(_) | Self::Cat(_) | Self::Stat(_) => true,
            Self::Diff(_) | Self::Url(_) | Self::Doctor(_) => true,
            Self::Completion(_) | Self::Man(_) | Self::Schema => true,
            _ => false,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    /// Service to use, with the key of AGB_API_KEY; everything that is made there is deleted again
    #[arg(long, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Arguments::command().debug_assert();
    }
}
