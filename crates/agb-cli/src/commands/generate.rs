//! What is made of the arguments themselves: completions, manual pages, the schema of the output.

use std::path::PathBuf;

use clap::{Args, CommandFactory, ValueEnum};
use clap_complete::env::Shells;

use crate::{arguments::Arguments, exit::Failure, output};

#[derive(Debug, Args)]
pub(crate) struct CompletionArguments {
    /// Shell to complete in
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

/// Prints what the shell has to read: from then on it asks this program, which knows the names of contexts too.
pub(crate) fn completion(arguments: &CompletionArguments) -> Result<(), Failure> {
    let name = arguments.shell.to_possible_value();
    let name = name.as_ref().map_or("bash", |name| name.get_name());
    let mut script = Vec::new();
    let shells = Shells::builtins();
    let written = match shells.completer(name) {
        Some(shell) => shell.write_registration("COMPLETE", "agb", "agb", "agb", &mut script),
        None => return Err(Failure::usage(format!("{name} is not known"))),
    };
    written.map_err(output::unwritten)?;
    if name == "bash" {
        script.extend_from_slice(include_bytes!("completion.bash"));
    }
    output::write(&String::from_utf8_lossy(&script))
}

#[derive(Debug, Args)]
pub(crate) struct ManArguments {
    /// Folder to write a page for each command into; without it the first page goes to stdout
    dir: Option<PathBuf>,
}

/// Writes the manual pages.
pub(crate) fn man(arguments: &ManArguments) -> Result<(), Failure> {
    let command = Arguments::command();
    let Some(dir) = &arguments.dir else {
        let mut page = Vec::new();
        let written = clap_mangen::Man::new(command).render(&mut page);
        written.map_err(output::unwritten)?;
        return output::write(&String::from_utf8_lossy(&page));
    };
    let failed = |error| Failure::other(format!("can't write into {}", dir.display()), error);
    std::fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(command, dir).map_err(failed)
}

/// Prints the schema of what `--json` prints.
pub(crate) fn schema() -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(&output::schema::all());
    let text = text.map_err(|error| Failure::other("can't write the schema", error))?;
    output::write(&(text + "\n"))
}
