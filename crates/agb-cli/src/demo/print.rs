//! The output of the demo: steps, results with request ids, and progress bars.

use std::time::Duration;

use agbcloud::Progress;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::print_line_best_effort as print_line;

/// Prints the title of a step.
pub(super) fn step(number: usize, total: usize, title: &str) {
    print_line("");
    print_line(format_args!("[{number}/{total}] {title}"));
}

/// Prints a result of a step.
pub(super) fn result(text: impl std::fmt::Display, request_id: Option<&str>) {
    match request_id {
        Some(id) => print_line(format_args!("      {text}  (request {id})")),
        None => print_line(format_args!("      {text}")),
    }
}

/// A progress bar on stderr. Hidden if stderr is not a terminal.
pub(super) struct TransferBar(ProgressBar);

impl TransferBar {
    pub(super) fn new(label: &'static str, bytes: u64) -> Self {
        let bar = ProgressBar::with_draw_target(Some(bytes), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template(
            "      {msg} {bar:30} {bytes}/{total_bytes} {binary_bytes_per_sec} {eta}",
        );
        if let Ok(style) = style {
            bar.set_style(style);
        }
        bar.set_message(label);
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Returns a listener that updates the bar.
    pub(super) fn listener(&self) -> impl Fn(Progress) + Send + Sync + 'static {
        let bar = self.0.clone();
        move |progress| bar.set_position(progress.bytes)
    }
}

impl Drop for TransferBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// `64.00 MiB`
pub(super) fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}
