//! The commands that show a file in another program: `agb edit` and `agb open`.

mod edit;
mod open;

use std::path::PathBuf;

pub(crate) use edit::EditArguments;
pub(crate) use open::OpenArguments;

use crate::{address::Remote, failure::Failure, output::quote};

/// Maximum length of the name of a local copy, in bytes.
const MAX_NAME: usize = 100;

/// The path of the local copy of a file. The name keeps its ending, by which programs recognize the type.
fn copy_in(folder: &tempfile::TempDir, address: &Remote) -> PathBuf {
    let is_safe = |char: char| char.is_alphanumeric() || matches!(char, '.' | '-' | '_' | ' ');
    let name = address.file_name();
    let name: String = name
        .chars()
        .map(|char| if is_safe(char) { char } else { '_' })
        .collect();
    let excess = name.len().saturating_sub(MAX_NAME);
    let start = (excess..=name.len()).find(|at| name.is_char_boundary(*at));
    // A name that starts with a dot is hidden, and one that starts with a hyphen may be an option.
    let name = name[start.unwrap_or(0)..].trim_start_matches(['-', ' ']);
    folder.path().join(match name {
        "" | "." | ".." => "file",
        name => name,
    })
}

/// Fails for the address of a folder.
fn check_file(address: &Remote, command: &str) -> Result<(), Failure> {
    match address.is_folder() {
        true => Err(
            Failure::usage(format!("{address} is a folder")).with_hint(format!(
                "run: agb {command} {}",
                quote(format_args!("{address}NAME"))
            )),
        ),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::private_folder::private_folder;

    #[test]
    fn a_local_copy_has_a_safe_name_with_the_same_ending() {
        let folder = private_folder("agb-").unwrap();
        let name = |path: &str| {
            let address: Remote = format!("one:{path}").parse().unwrap();
            let path = copy_in(&folder, &address);
            assert_eq!(path.parent(), Some(folder.path()));
            path.file_name().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(name("/a/notes.md"), "notes.md");
        assert_eq!(name("/.env"), ".env");
        assert_eq!(name("/-rf $(x);.sh"), "rf __x__.sh");
        assert_eq!(name("/\u{1b}[31mü"), "_[31mü".replace('[', "_"));
        assert!(name(&format!("/{}.txt", "ü".repeat(100))).ends_with("ü.txt"));
        assert_eq!(name("/--"), "file");
    }
}
