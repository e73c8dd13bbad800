//! Progress on stderr: a bar on a terminal, a line every few seconds elsewhere.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use indicatif::{BinaryBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::AbortHandle;

use crate::{
    clock,
    output::{self, OutputOptions},
    stderr,
};

/// Interval of the lines without a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(5);

const KNOWN_TOTAL: &str =
    "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta} left";
/// A full bar would be misleading.
const UNKNOWN_TOTAL: &str = "{spinner} {msg} {binary_bytes} {binary_bytes_per_sec}";
const FILES: &str = "{msg} {wide_bar} {eta} left";

/// A bar, which is hidden without a terminal, where a task prints its state as lines.
#[derive(Clone)]
struct Display {
    bar: ProgressBar,
    lines: Option<AbortHandle>,
}

impl Display {
    /// `None` with `--quiet`.
    fn start(
        is_shown: bool,
        style: ProgressStyle,
        message: String,
        length: Option<u64>,
        line: fn(&ProgressBar) -> String,
    ) -> Option<Self> {
        if !is_shown {
            return None;
        }
        if OutputOptions::is_live() {
            let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
            bar.set_style(style);
            bar.set_message(message);
            bar.enable_steady_tick(Duration::from_millis(100));
            return Some(Self { bar, lines: None });
        }
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::hidden());
        bar.set_message(message);
        let state = bar.clone();
        let lines = tokio::spawn(async move {
            loop {
                clock::sleep(LINE_INTERVAL).await;
                stderr::note(line(&state));
            }
        });
        let lines = Some(lines.abort_handle());
        Some(Self { bar, lines })
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
        if let Some(lines) = &self.lines {
            lines.abort();
        }
    }
}

/// Shows an action without a known length, and its state.
#[derive(Clone)]
pub(crate) struct Spinner {
    action: String,
    display: Option<Display>,
}

impl Spinner {
    pub(crate) fn start(options: &OutputOptions, action: String) -> Self {
        Self::start_if(options.shows_progress(), action)
    }

    /// Shows nothing unless `is_shown`.
    pub(crate) fn start_if(is_shown: bool, action: String) -> Self {
        let action = output::escape(&action).into_owned();
        let style = ProgressStyle::default_spinner();
        let display = Display::start(is_shown, style, action.clone(), None, ProgressBar::message);
        Self { action, display }
    }

    pub(crate) fn set_state(&self, state: &str) {
        if let Some(display) = &self.display {
            let state = output::escape(state);
            display.bar.set_message(format!("{}: {state}", self.action));
        }
    }

    /// Hides the line while other lines are printed.
    pub(crate) fn suspend(&self, print: impl FnOnce()) {
        match &self.display {
            Some(display) => display.bar.suspend(print),
            None => print(),
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(display) = &self.display {
            display.finish();
        }
    }
}

/// Shows how many files and bytes are transferred.
#[derive(Clone)]
pub(crate) struct TransferProgress(Option<(Display, Arc<Mutex<Transfer>>)>);

struct Transfer {
    action: &'static str,
    /// Whether the bar counts files instead of bytes.
    counts_files: bool,
    total_files: u64,
    finished: u64,
    failed: u64,
    /// Bytes of the finished files.
    bytes: u64,
    /// Bytes of the files in progress, by path.
    in_progress: HashMap<String, u64>,
}

impl TransferProgress {
    /// Starts with the total number of files and bytes. 0 bytes means unknown.
    pub(crate) fn start(
        options: &OutputOptions,
        action: &'static str,
        total_files: u64,
        total_bytes: u64,
    ) -> Self {
        let transfer = Transfer::new(action, total_files, false);
        let (template, total) = match total_bytes {
            0 => (UNKNOWN_TOTAL, None),
            total => (KNOWN_TOTAL, Some(total)),
        };
        Self::start_with(options, transfer, template, total, line)
    }

    /// Counts files, such as those that are deleted.
    pub(crate) fn count(options: &OutputOptions, action: &'static str, total_files: u64) -> Self {
        let transfer = Transfer::new(action, total_files, true);
        Self::start_with(
            options,
            transfer,
            FILES,
            Some(total_files),
            ProgressBar::message,
        )
    }

    fn start_with(
        options: &OutputOptions,
        transfer: Transfer,
        template: &str,
        total: Option<u64>,
        line: fn(&ProgressBar) -> String,
    ) -> Self {
        let title = transfer.title();
        let display = Display::start(
            options.shows_progress(),
            style(template),
            title,
            total,
            line,
        );
        Self(display.map(|display| (display, Arc::new(Mutex::new(transfer)))))
    }

    /// Updates the progress of a single file.
    pub(crate) fn update(&self, progress: agbcloud::Progress) {
        if let Some((Display { bar, .. }, _)) = &self.0 {
            if let Some(total) = progress.total {
                if bar.length().is_none() {
                    bar.set_style(style(KNOWN_TOTAL));
                }
                bar.set_length(total);
            }
            bar.set_position(progress.bytes);
        }
    }

    /// Updates the progress of one of many files.
    pub(crate) fn update_file(&self, path: &str, bytes: u64) {
        if let Some((display, mut transfer)) = self.lock() {
            transfer.in_progress.insert(path.to_owned(), bytes);
            display.bar.set_position(transfer.position());
        }
    }

    /// Finishes one of many files. A failed file counts neither as transferred nor in the total.
    pub(crate) fn finish_file(&self, path: &str, bytes: u64, failed: bool) {
        if let Some((Display { bar, .. }, mut transfer)) = self.lock() {
            transfer.in_progress.remove(path);
            if failed {
                transfer.failed += 1;
                let failed = if transfer.counts_files { 1 } else { bytes };
                if let Some(length) = bar.length() {
                    bar.set_length(length.saturating_sub(failed));
                }
            } else {
                transfer.finished += 1;
                transfer.bytes += bytes;
            }
            bar.set_position(transfer.position());
            bar.set_message(transfer.title());
        }
    }

    pub(crate) fn finish(&self) {
        if let Some((display, _)) = &self.0 {
            display.finish();
        }
    }

    fn lock(&self) -> Option<(&Display, MutexGuard<'_, Transfer>)> {
        let (display, transfer) = self.0.as_ref()?;
        let transfer = transfer.lock().unwrap_or_else(PoisonError::into_inner);
        Some((display, transfer))
    }
}

impl Transfer {
    fn new(action: &'static str, total_files: u64, counts_files: bool) -> Self {
        Self {
            action,
            counts_files,
            total_files,
            finished: 0,
            failed: 0,
            bytes: 0,
            in_progress: HashMap::new(),
        }
    }

    fn position(&self) -> u64 {
        match self.counts_files {
            true => self.finished,
            false => self.bytes + self.in_progress.values().sum::<u64>(),
        }
    }

    fn title(&self) -> String {
        let title = match self.total_files {
            0 | 1 => self.action.to_owned(),
            total => format!("{} {}/{total}", self.action, self.finished),
        };
        match self.failed {
            0 => title,
            failed => format!("{title}, {failed} failed"),
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn line(bar: &ProgressBar) -> String {
    let transferred = BinaryBytes(bar.position());
    let total = match bar.length() {
        None | Some(0) => String::new(),
        Some(total) => format!(" of {}", BinaryBytes(total)),
    };
    format!("{}: {transferred}{total}", bar.message())
}
