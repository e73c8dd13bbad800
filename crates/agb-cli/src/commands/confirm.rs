//! Confirmation before a command deletes files.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::{failure::Failure, output::escape};

/// Asks the user to confirm on a terminal, and requires `--yes` elsewhere. The user must type `word` if there is one.
pub(super) fn confirm(action: &str, word: Option<&str>, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let failure = Failure::usage(format!("can't ask for confirmation: this {action}"));
        return Err(failure.with_hint("not a terminal: pass --yes to confirm"));
    }
    let question = match word {
        Some(word) => format!("This {action}. Type {word:?} to continue: "),
        None => format!("This {action}. Continue? [y/N] "),
    };
    let asked = write!(io::stderr(), "{}", escape(&question)).and_then(|()| io::stderr().flush());
    let mut answer = String::new();
    let read = asked.and_then(|()| io::stdin().lock().read_line(&mut answer));
    read.map_err(|error| Failure::with_cause("can't read the answer", error))?;
    let answer = answer.trim();
    let confirmed = match word {
        Some(word) => answer == word,
        None => answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes"),
    };
    match confirmed {
        true => Ok(()),
        false => Err(Failure::new("not confirmed, nothing was deleted")),
    }
}
