//! Confirmation before a command deletes files.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    sync::mpsc::{RecvTimeoutError, channel},
    time::Duration,
};

use crate::{failure::Failure, output::escape, signals::Interrupt, stderr};

/// How long a signal may wait.
const SIGNAL_INTERVAL: Duration = Duration::from_millis(50);

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
    let interrupt = Interrupt::new()?;
    let asked = write!(io::stderr(), "{}", escape(&question)).and_then(|()| io::stderr().flush());
    let answer = asked.and_then(|()| read_line(&interrupt));
    let answer = answer.map_err(|error| Failure::with_cause("can't read the answer", error))?;
    let answer = answer.unwrap_or_default();
    if !answer.ends_with('\n') {
        // Ctrl-C or Ctrl-D: the cursor is still behind the question.
        stderr::note("");
    }
    if interrupt.has_arrived() {
        return Err(Failure::interrupted().with_hint("nothing was deleted"));
    }
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

/// Reads a line of stdin, in a thread that ends with the process. Returns `None` after a signal.
fn read_line(interrupt: &Interrupt) -> io::Result<Option<String>> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = io::stdin().lock().read_line(&mut line);
        // The command may have ended.
        let _ = sender.send(read.map(|_| line));
    });
    loop {
        match lines.recv_timeout(SIGNAL_INTERVAL) {
            Ok(line) => return line.map(Some),
            Err(RecvTimeoutError::Timeout) if !interrupt.has_arrived() => {}
            Err(_) => return Ok(None),
        }
    }
}
