//! `agb man` and `agb schema`.

use std::path::{Path, PathBuf};

use clap::{Args, Command};

use crate::{failure::Failure, output, stderr};

#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// Command whose page is printed, or else the folder to write all pages to: they are in its folder man1. Defaults to printing
    /// the main page
    #[arg(value_name = "COMMAND|DIR")]
    words: Vec<PathBuf>,
}

/// The folder of the pages of commands in a tree of `MANPATH`.
const SECTION: &str = "man1";

/// Prints a manual page, or writes all of them.
pub(crate) fn man(arguments: &ManArguments, root: Command) -> Result<(), Failure> {
    // The subcommands `help` have no pages.
    let mut root = root.disable_help_subcommand(true);
    root.build();
    let mut command = &root;
    let mut words = arguments.words.iter();
    for word in words.by_ref() {
        let Some(subcommand) = command.find_subcommand(word) else {
            let is_first = command.get_name() == root.get_name();
            return match is_first && arguments.words.len() == 1 {
                true => write_pages(root, word),
                false => Err(no_command(word)),
            };
        };
        command = subcommand;
    }
    let mut page = Vec::new();
    let written = clap_mangen::Man::new(command.clone()).render(&mut page);
    written.map_err(|error| output::write_failure(&error))?;
    output::write(&String::from_utf8_lossy(&page))
}

fn no_command(word: &Path) -> Failure {
    let failure = Failure::usage(format!("there is no command {}", word.display()));
    failure.with_hint("list the commands with 'agb help', or pass one folder for all pages")
}

fn write_pages(root: Command, dir: &Path) -> Result<(), Failure> {
    let failed = |error| Failure::with_cause(format!("can't write to {}", dir.display()), error);
    let section = match dir.ends_with(SECTION) {
        true => dir.to_owned(),
        false => dir.join(SECTION),
    };
    std::fs::create_dir_all(&section).map_err(failed)?;
    clap_mangen::generate_to(root, &section).map_err(failed)?;
    stderr::note(format_args!("wrote the pages to {}", section.display()));
    Ok(())
}

/// Prints the JSON Schema of the output.
pub(crate) fn schema() -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(&output::schema());
    let text = text.map_err(|error| Failure::with_cause("can't format the schema", error))?;
    output::write(&(text + "\n"))
}
