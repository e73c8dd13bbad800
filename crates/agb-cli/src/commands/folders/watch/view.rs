//! What a watching sync shows: a line for each change, and on a terminal a line with its state.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use agbcloud::FileOutcome;

use crate::{
    clock,
    commands::session::Session,
    failure::Failure,
    output::{OutputOptions, Rows, counted, duration, records::ChangeRow, rfc3339},
    progress::Spinner,
    stderr,
};

/// The output of a watching sync. Clones share it.
#[derive(Clone)]
pub(super) struct View(Arc<Shared>);

struct Shared {
    /// Only on a terminal.
    state_line: Spinner,
    state: Mutex<State>,
}

struct State {
    rows: Rows,
    /// Number of changes since the start.
    changes: u64,
    last_change: Option<String>,
    /// Number of files that failed in the last round.
    failed: u64,
    is_disconnected: bool,
    /// An error of the notifications was printed.
    has_noted: bool,
    /// The first failed write to stdout.
    output_failure: Option<Failure>,
}

impl View {
    pub(super) fn start(session: &Session, title: &str) -> Self {
        let options = &session.output;
        let is_live = options.shows_progress() && OutputOptions::is_live();
        if options.shows_progress() && !is_live {
            stderr::note(title);
        }
        Self::new(options, Spinner::start_if(is_live, title.to_owned()))
    }

    fn new(options: &OutputOptions, state_line: Spinner) -> Self {
        Self(Arc::new(Shared {
            state_line,
            state: Mutex::new(State {
                rows: Rows::new(options),
                changes: 0,
                last_change: None,
                failed: 0,
                is_disconnected: false,
                has_noted: false,
                output_failure: None,
            }),
        }))
    }

    #[cfg(test)]
    pub(super) fn hidden() -> Self {
        #[derive(clap::Parser)]
        struct Options {
            #[command(flatten)]
            output: OutputOptions,
        }

        let Options { output } = clap::Parser::parse_from(["agb", "--quiet"]);
        Self::new(&output, Spinner::start_if(false, String::new()))
    }

    pub(super) fn finish(&self) {
        self.0.state_line.finish();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints while the state line is hidden.
    pub(super) fn suspended(&self, print: impl FnOnce()) {
        self.0.state_line.suspend(print);
    }

    /// Returns the printer of changes.
    pub(super) fn changes(&self) -> Changes {
        Changes(self.clone())
    }

    /// Returns the printer of notes.
    pub(super) fn notes(&self) -> Notes {
        Notes(self.clone())
    }

    /// Fails if a change could not be printed.
    pub(super) fn check_output(&self) -> Result<(), Failure> {
        let failure = self.state().output_failure.take();
        failure.map_or(Ok(()), Err)
    }

    pub(super) fn set_failed(&self, failed: u64) {
        self.state().failed = failed;
    }

    /// Shows that the round has ended.
    pub(super) fn waiting(&self) {
        let text = {
            let state = self.state();
            let last = state.last_change.as_ref();
            let last = last.map(|time| format!(", last {time}"));
            let failed = match state.failed {
                0 => String::new(),
                failed => format!(", {failed} failed"),
            };
            format!(
                "{}{}{failed}",
                counted(state.changes, "change"),
                last.unwrap_or_default()
            )
        };
        self.0.state_line.set_state(&text);
    }

    /// Shows that the service can't be reached, once for each outage.
    pub(super) fn disconnected(&self, failure: &Failure, retry: Duration) {
        if !std::mem::replace(&mut self.state().is_disconnected, true) {
            self.suspended(|| stderr::note(format_args!("{failure}; trying again")));
        }
        let text = format!("not connected, next attempt in {}", duration(retry));
        self.0.state_line.set_state(&text);
    }

    pub(super) fn connected(&self) {
        if std::mem::replace(&mut self.state().is_disconnected, false) {
            self.suspended(|| stderr::note("connected again"));
        }
    }
}

/// Prints a line for each change.
pub(super) struct Changes(View);

impl Changes {
    /// Failures are printed after the round.
    pub(super) fn print(&self, outcome: &FileOutcome<'_>) {
        let Some(row) = ChangeRow::of_outcome(outcome) else {
            return;
        };
        let View(shared) = &self.0;
        shared.state_line.suspend(|| {
            let mut state = self.0.state();
            state.changes += 1;
            state.last_change = rfc3339(clock::now());
            let printed = state.rows.print(&[row]);
            if let Err(failure) = printed {
                state.output_failure.get_or_insert(failure);
            }
        });
    }
}

/// Prints notes about the notifications of local changes, also from another thread.
pub(super) struct Notes(View);

impl Notes {
    /// Prints the first error. More may follow at each change.
    pub(super) fn print_once(&self, error: &notify::Error) {
        if std::mem::replace(&mut self.0.state().has_noted, true) {
            return;
        }
        let text = format!("note: some local changes are found only at the interval: {error}");
        self.0.suspended(|| stderr::note(text));
    }
}
