//! Progress on stderr: a bar on a terminal, a line every few seconds elsewhere.

use std::{
    collections::HashMap,
    io::IsTerminal,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
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

/// A bar, or a task that prints lines.
struct Display {
    bar: ProgressBar,
    lines: Option<AbortHandle>,
}

impl Display {
    fn new(
        length: Option<u64>,
        tick: Duration,
        style: impl FnOnce(&ProgressBar),
        line: impl Fn() -> String + Send + 'static,
    ) -> Self {
        if std::io::stderr().is_terminal() && !output::is_dumb_terminal() {
            let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
            style(&bar);
            bar.enable_steady_tick(tick);
            return Self { bar, lines: None };
        }
        let lines = tokio::spawn(async move {
            loop {
                clock::sleep(LINE_INTERVAL).await;
                stderr::note(line());
            }
        });
        Self {
            bar: ProgressBar::hidden(),
            lines: Some(lines.abort_handle()),
        }
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
pub(crate) struct Spinner(Option<Arc<SpinnerState>>);

struct SpinnerState {
    action: String,
    state: Arc<Mutex<String>>,
    display: Display,
}

impl Spinner {
    pub(crate) fn start(options: &OutputOptions, action: String) -> Self {
        if !options.shows_progress() {
            return Self(None);
        }
        let action = output::escape(&action).into_owned();
        let state = Arc::new(Mutex::new(action.clone()));
        let current = state.clone();
        let line = move || {
            current
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        };
        let style = |bar: &ProgressBar| {
            bar.set_style(ProgressStyle::default_spinner());
            bar.set_message(action.clone());
        };
        let display = Display::new(None, Duration::from_millis(100), style, line);
        Self(Some(Arc::new(SpinnerState {
            action,
            state,
            display,
        })))
    }

    pub(crate) fn set_state(&self, state: &str) {
        if let Some(spinner) = &self.0 {
            let line = format!("{}: {}", spinner.action, output::escape(state));
            spinner.display.bar.set_message(line.clone());
            *spinner.state.lock().unwrap_or_else(PoisonError::into_inner) = line;
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(spinner) = &self.0 {
            spinner.display.finish();
        }
    }
}

/// Shows how many files and bytes are transferred.
#[derive(Clone)]
pub(crate) struct TransferProgress(Option<Arc<TransferState>>);

struct TransferState {
    counts: Arc<Counts>,
    display: Display,
}

struct Counts {
    action: &'static str,
    files: AtomicU64,
    failed: AtomicU64,
    total_files: u64,
    /// Bytes of the files in progress, by path.
    in_progress: Mutex<HashMap<String, u64>>,
    /// Bytes of the finished files.
    bytes: AtomicU64,
    total_bytes: AtomicU64,
}

impl TransferProgress {
    /// Starts with the total number of files and bytes. 0 bytes means unknown.
    pub(crate) fn start(
        options: &OutputOptions,
        action: &'static str,
        files: u64,
        bytes: u64,
    ) -> Self {
        if !options.shows_progress() {
            return Self(None);
        }
        let counts = Arc::new(Counts {
            action,
            files: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            total_files: files,
            in_progress: Mutex::default(),
            bytes: AtomicU64::new(0),
            total_bytes: AtomicU64::new(bytes),
        });
        let current = counts.clone();
        let title = counts.title();
        let style = |bar: &ProgressBar| {
            let template = "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta} left";
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.set_message(title);
        };
        let line = move || current.line();
        let display = Display::new(Some(bytes), Duration::from_millis(200), style, line);
        Self(Some(Arc::new(TransferState { counts, display })))
    }

    /// Updates the progress of a single file.
    pub(crate) fn update(&self, progress: agbcloud::Progress) {
        if let Some(TransferState { counts, display }) = self.0.as_deref() {
            counts.bytes.store(progress.bytes, Ordering::Relaxed);
            if let Some(total) = progress.total {
                counts.total_bytes.store(total, Ordering::Relaxed);
                display.bar.set_length(total);
            }
            display.bar.set_position(progress.bytes);
        }
    }

    /// Updates the progress of one of many files.
    pub(crate) fn update_file(&self, path: &str, bytes: u64) {
        if let Some(TransferState { counts, display }) = self.0.as_deref() {
            counts.in_progress().insert(path.to_owned(), bytes);
            display.bar.set_position(counts.transferred());
        }
    }

    /// Finishes one of many files. A failed file counts neither as transferred nor in the total.
    pub(crate) fn finish_file(&self, path: &str, bytes: u64, failed: bool) {
        if let Some(TransferState { counts, display }) = self.0.as_deref() {
            counts.in_progress().remove(path);
            if failed {
                counts.failed.fetch_add(1, Ordering::Relaxed);
                let total = &counts.total_bytes;
                let reduce = |total: u64| Some(total.saturating_sub(bytes));
                let _ = total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, reduce);
                display.bar.set_length(total.load(Ordering::Relaxed));
            } else {
                counts.files.fetch_add(1, Ordering::Relaxed);
                counts.bytes.fetch_add(bytes, Ordering::Relaxed);
            }
            display.bar.set_position(counts.transferred());
            display.bar.set_message(counts.title());
        }
    }

    pub(crate) fn finish(&self) {
        if let Some(state) = &self.0 {
            state.display.finish();
        }
    }
}

impl Counts {
    fn in_progress(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.in_progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn transferred(&self) -> u64 {
        let parts: u64 = self.in_progress().values().sum();
        self.bytes.load(Ordering::Relaxed) + parts
    }

    fn title(&self) -> String {
        let done = match self.total_files {
            0 | 1 => self.action.to_owned(),
            total => format!(
                "{} {}/{total}",
                self.action,
                self.files.load(Ordering::Relaxed)
            ),
        };
        match self.failed.load(Ordering::Relaxed) {
            0 => done,
            failed => format!("{done}, {failed} failed"),
        }
    }

    fn line(&self) -> String {
        let bytes = self.transferred();
        let total = match self.total_bytes.load(Ordering::Relaxed) {
            0 => String::new(),
            total => format!(" of {}", BinaryBytes(total)),
        };
        format!("{}: {}{total}", self.title(), BinaryBytes(bytes))
    }
}
