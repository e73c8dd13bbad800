//! `agb man` and `agb schema`.

use std::path::PathBuf;

use clap::{Args, Command};

use crate::{failure::Failure, output, stderr};

#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// Folder to write to: the pages are in its folder man1. Defaults to printing the main page
    dir: Option<PathBuf>,
}

/// The folder of the pages of commands in a tree of `MANPATH`.
const SECTION: &str = "man1";

/// Writes the manual pages.
pub(crate) fn man(arguments: &ManArguments, command: Command) -> Result<(), Failure> {
    let Some(dir) = &arguments.dir else {
        let mut page = Vec::new();
        let written = clap_mangen::Man::new(command).render(&mut page);
        written.map_err(|error| output::write_failure(&error))?;
        return output::write(&String::from_utf8_lossy(&page));
    };
    let failed = |error| Failure::with_cause(format!("can't write to {}", dir.display()), error);
    let section = match dir.ends_with(SECTION) {
        true => dir.clone(),
        false => dir.join(SECTION),
    };
    std::fs::create_dir_all(&section).map_err(failed)?;
    clap_mangen::generate_to(command, &section).map_err(failed)?;
    stderr::note(format_args!("wrote the pages to {}", section.display()));
    Ok(())
}

/// Prints the JSON Schema of the output.
pub(crate) fn schema() -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(&output::schema());
    let text = text.map_err(|error| Failure::with_cause("can't format the schema", error))?;
    output::write(&(text + "\n"))
}
