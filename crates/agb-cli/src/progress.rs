//! How far something has come: a bar on a terminal, a line every few seconds elsewhere.

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
    output::{self, Look},
    say,
};

/// How often a line is written where there is no terminal.
const LINE: Duration = Duration::from_secs(5);

/// Whether what moves can be seen.
fn is_screen() -> bool {
    std::io::stderr().is_terminal() && !output::is_dumb()
}

/// Where it is shown: a bar, or lines every few seconds.
struct Shown {
    bar: ProgressBar,
    lines: Option<AbortHandle>,
}

impl Shown {
    fn new(
        length: Option<u64>,
        tick: Duration,
        dress: impl FnOnce(&ProgressBar),
        line: impl Fn() -> String + Send + 'static,
    ) -> Self {
        if is_screen() {
            let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
            // Before it is drawn for the first time.
            dress(&bar);
            bar.enable_steady_tick(tick);
            return Self { bar, lines: None };
        }
        let lines = tokio::spawn(async move {
            loop {
                clock::sleep(LINE).await;
                say::note(line());
            }
        });
        Self {
            bar: ProgressBar::hidden(),
            lines: Some(lines.abort_handle()),
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
        if let Some(lines) = &self.lines {
            lines.abort();
        }
    }
}

/// Waiting for something that says what it is doing.
#[derive(Clone)]
pub(crate) struct Waiting(Option<Arc<Waited>>);

struct Waited {
    what: String,
    state: Arc<Mutex<String>>,
    shown: Shown,
}

impl Waiting {
    pub(crate) fn begin(look: &Look, what: String) -> Self {
        if !look.tells_progress() {
            return Self(None);
        }
        let what = output::escape(&what).into_owned();
        let state = Arc::new(Mutex::new(what.clone()));
        let told = state.clone();
        let line = move || told.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let dress = |bar: &ProgressBar| {
            bar.set_style(ProgressStyle::default_spinner());
            bar.set_message(what.clone());
        };
        let shown = Shown::new(None, Duration::from_millis(100), dress, line);
        Self(Some(Arc::new(Waited { what, state, shown })))
    }

    pub(crate) fn tell(&self, state: &str) {
        if let Some(waited) = &self.0 {
            let line = format!("{}: {}", waited.what, output::escape(state));
            waited.shown.bar.set_message(line.clone());
            *waited.state.lock().unwrap_or_else(PoisonError::into_inner) = line;
        }
    }

    pub(crate) fn end(&self) {
        if let Some(waited) = &self.0 {
            waited.shown.end();
        }
    }
}

/// Files and bytes that move.
#[derive(Clone)]
pub(crate) struct Moving(Option<Arc<Moved>>);

struct Moved {
    counts: Arc<Counts>,
    shown: Shown,
}

struct Counts {
    what: &'static str,
    files: AtomicU64,
    failed: AtomicU64,
    all_files: u64,
    /// What has come of the files that are under way.
    under_way: Mutex<HashMap<String, u64>>,
    bytes: AtomicU64,
    all_bytes: AtomicU64,
}

impl Moving {
    /// Of so many files and bytes; bytes of 0 are not known yet.
    pub(crate) fn begin(look: &Look, what: &'static str, files: u64, bytes: u64) -> Self {
        if !look.tells_progress() {
            return Self(None);
        }
        let counts = Arc::new(Counts {
            what,
            files: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            all_files: files,
            under_way: Mutex::default(),
            bytes: AtomicU64::new(0),
            all_bytes: AtomicU64::new(bytes),
        });
        let told = counts.clone();
        let title = counts.title();
        let dress = |bar: &ProgressBar| {
            let form = "{msg} {wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta} left";
            if let Ok(style) = ProgressStyle::with_template(form) {
                bar.set_style(style);
            }
            bar.set_message(title);
        };
        let line = move || told.line();
        let shown = Shown::new(Some(bytes), Duration::from_millis(200), dress, line);
        Self(Some(Arc::new(Moved { counts, shown })))
    }

    /// One file has come so far.
    pub(crate) fn at(&self, progress: agbcloud::Progress) {
        if let Some(Moved { counts, shown }) = self.0.as_deref() {
            counts.bytes.store(progress.bytes, Ordering::Relaxed);
            if let Some(total) = progress.total {
                counts.all_bytes.store(total, Ordering::Relaxed);
                shown.bar.set_length(total);
            }
            shown.bar.set_position(progress.bytes);
        }
    }

    /// One of many files has come so far.
    pub(crate) fn part(&self, path: &str, bytes: u64) {
        if let Some(Moved { counts, shown }) = self.0.as_deref() {
            counts.under_way().insert(path.to_owned(), bytes);
            shown.bar.set_position(counts.moved());
        }
    }

    /// Another of many files is over. One that failed has moved nothing, and nothing of it is left to be moved.
    pub(crate) fn file(&self, path: &str, bytes: u64, failed: bool) {
        if let Some(Moved { counts, shown }) = self.0.as_deref() {
            counts.under_way().remove(path);
            if failed {
                counts.failed.fetch_add(1, Ordering::Relaxed);
                let all = &counts.all_bytes;
                let less = |all: u64| Some(all.saturating_sub(bytes));
                let _ = all.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
                shown.bar.set_length(all.load(Ordering::Relaxed));
            } else {
                counts.files.fetch_add(1, Ordering::Relaxed);
                counts.bytes.fetch_add(bytes, Ordering::Relaxed);
            }
            shown.bar.set_position(counts.moved());
            shown.bar.set_message(counts.title());
        }
    }

    pub(crate) fn end(&self) {
        if let Some(moved) = &self.0 {
            moved.shown.end();
        }
    }
}

impl Counts {
    fn under_way(&self) -> MutexGuard<'_, HashMap<String, u64>> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn moved(&self) -> u64 {
        let parts: u64 = self.under_way().values().sum();
        self.bytes.load(Ordering::Relaxed) + parts
    }

    fn title(&self) -> String {
        let done = match self.all_files {
            0 | 1 => self.what.to_owned(),
            all => format!("{} {}/{all}", self.what, self.files.load(Ordering::Relaxed)),
        };
        match self.failed.load(Ordering::Relaxed) {
            0 => done,
            failed => format!("{done}, {failed} failed"),
        }
    }

    fn line(&self) -> String {
        let bytes = self.moved();
        let all = match self.all_bytes.load(Ordering::Relaxed) {
            0 => String::new(),
            all => format!(" of {}", BinaryBytes(all)),
        };
        format!("{}: {}{all}", self.title(), BinaryBytes(bytes))
    }
}
