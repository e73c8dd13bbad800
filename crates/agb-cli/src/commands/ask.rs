//! Asking before something is lost.

use std::io::{self, BufRead, IsTerminal, Write};

use crate::{
    exit::{Code, Failure},
    output::escape,
};

/// Asks on a terminal, and needs `--yes` elsewhere. With a word that word has to be typed.
pub(super) fn before(what: &str, word: Option<&str>, yes: bool) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let failure = Failure::usage(format!("{what}: nobody can be asked here"));
        return Err(failure.hint("say --yes if it is meant"));
    }
    let expected = word.unwrap_or("y");
    let question = match word {
        Some(word) => format!("{what}. Type {word:?} to go on: "),
        None => format!("{what}. Go on? [y/N] "),
    };
    let asked = write!(io::stderr(), "{}", escape(&question)).and_then(|()| io::stderr().flush());
    let mut answer = String::new();
    let read = asked.and_then(|()| io::stdin().lock().read_line(&mut answer));
    read.map_err(|error| Failure::other("can't ask", error))?;
    let answer = answer.trim();
    let agreed = match word {
        Some(_) => answer == expected,
        None => answer.eq_ignore_ascii_case("y") || answer.eq_ignore_ascii_case("yes"),
    };
    match agreed {
        true => Ok(()),
        false => Err(Failure::of(Code::Other, "nothing was done")),
    }
}
