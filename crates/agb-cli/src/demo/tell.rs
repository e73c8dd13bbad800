//! How the story is told: one line a step, with what came of it and the id of the call behind it.

use std::time::Duration;

use crate::say;
use agbcloud::Progress;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A step that begins.
pub(super) fn step(number: usize, of: usize, what: &str) {
    say::story("");
    say::story(format_args!("[{number}/{of}] {what}"));
}

/// What came of it.
pub(super) fn result(text: impl std::fmt::Display, request_id: Option<&str>) {
    match request_id {
        Some(id) => say::story(format_args!("      {text}  (request {id})")),
        None => say::story(format_args!("      {text}")),
    }
}

/// A progress bar on stderr; on what is no terminal, nothing.
pub(super) struct Bar(ProgressBar);

impl Bar {
    pub(super) fn new(what: &'static str, bytes: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template(
            "      {msg} {bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}",
        );
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// What to call as bytes move.
    pub(super) fn listener(&self) -> impl Fn(Progress) + Send + Sync + 'static {
        let bar = self.0.clone();
        move |progress| bar.set_position(progress.bytes)
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// `64.00 MiB`
pub(super) fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}
