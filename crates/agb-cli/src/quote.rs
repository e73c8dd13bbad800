//! [`quote`]: words of commands in hints, which a user pastes into a shell.

use std::fmt::Display;

/// Quotes a word for a POSIX shell.
pub(crate) fn quote(word: impl Display) -> String {
    format!("'{}'", word.to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_the_word_back() {
        for word in [
            "my-project:/docs",
            "it's:/",
            "a b",
            "'",
            "$HOME `id` \\ \"",
            "",
        ] {
            let script = format!("printf %s {}", quote(word));
            let output = std::process::Command::new("sh")
                .args(["-c", &script])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }
}
