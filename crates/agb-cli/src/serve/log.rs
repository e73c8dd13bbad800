//! The log of the service: a bounded queue of lines, and a thread that writes them to stderr.
//!
//! Logging never blocks: if stderr is a full pipe, a closed pipe or a full disk, lines are dropped and counted.
//! `tracing-appender` is similar, but limits its queue by lines instead of bytes, does not report dropped lines in the log, and
//! prints to stdout if its thread does not end, which panics if stdout is closed.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tracing::Dispatch;
use tracing_subscriber::{filter::LevelFilter, fmt::MakeWriter};

use super::settings::LogFormat;

/// Maximum size of the queue in bytes. Further lines are dropped.
const MAX_BYTES: usize = 1024 * 1024;
/// Bytes of a line in addition to its text.
const LINE_OVERHEAD: usize = 64;

/// The queue of lines. Clones share it.
#[derive(Clone, Default)]
pub(super) struct LogQueue(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<QueueState>,
    /// Notified after a line is added or written.
    changed: Condvar,
    dropped: Arc<AtomicU64>,
}

#[derive(Default)]
struct QueueState {
    lines: VecDeque<Vec<u8>>,
    bytes: usize,
    /// Dropped lines that are not reported in the log yet.
    unreported: u64,
    /// Whether the thread is writing a line.
    writing: bool,
}

impl LogQueue {
    /// Adds a line, or drops it if the queue is full.
    pub(super) fn push(&self, line: Vec<u8>) {
        let mut state = self.lock();
        let bytes = state.bytes + line.len() + LINE_OVERHEAD;
        if bytes > MAX_BYTES {
            self.count_dropped(&mut state);
            return;
        }
        state.bytes = bytes;
        state.lines.push_back(line);
        drop(state);
        self.0.changed.notify_all();
    }

    /// Number of dropped lines.
    pub(super) fn dropped(&self) -> Arc<AtomicU64> {
        self.0.dropped.clone()
    }

    /// Waits until all lines are written, for at most `timeout`. Returns whether they are.
    pub(super) fn flush(&self, timeout: Duration) -> bool {
        let pending = |state: &mut QueueState| state.writing || !state.lines.is_empty();
        let waited = self
            .0
            .changed
            .wait_timeout_while(self.lock(), timeout, pending);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        !pending(&mut state)
    }

    /// Starts the thread that writes the lines. `report` formats the number of dropped lines.
    pub(super) fn write_to(
        &self,
        sink: impl Write + Send + 'static,
        report: impl Fn(u64) -> Vec<u8> + Send + 'static,
    ) -> io::Result<()> {
        let queue = self.clone();
        let writer = thread::Builder::new().name("log".to_owned());
        writer.spawn(move || queue.write(sink, report)).map(drop)
    }

    fn write(&self, mut sink: impl Write, report: impl Fn(u64) -> Vec<u8>) {
        // Whether only a part of the last line was written.
        let mut cut = false;
        loop {
            let (line, unreported) = self.next();
            let mut text = Vec::new();
            if cut {
                text.push(b'\n');
            }
            if unreported > 0 {
                text.extend(report(unreported));
            }
            text.extend(line);
            let written = write_all(&mut sink, &text);
            let mut state = self.lock();
            state.writing = false;
            if written == text.len() {
                cut = false;
                state.unreported -= unreported;
            } else {
                cut |= written > 0;
                self.count_dropped(&mut state);
            }
            drop(state);
            self.0.changed.notify_all();
        }
    }

    /// Waits for the next line, and returns it with the number of unreported dropped lines.
    fn next(&self) -> (Vec<u8>, u64) {
        let mut state = self.lock();
        loop {
            if let Some(line) = state.lines.pop_front() {
                state.bytes -= line.len() + LINE_OVERHEAD;
                state.writing = true;
                return (line, state.unreported);
            }
            let woken = self.0.changed.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn count_dropped(&self, state: &mut QueueState) {
        state.unreported += 1;
        self.0.dropped.fetch_add(1, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes until the sink fails, and returns the number of written bytes.
fn write_all(sink: &mut impl Write, text: &[u8]) -> usize {
    let mut written = 0;
    while written < text.len() {
        match sink.write(&text[written..]) {
            Ok(0) => break,
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    written
}

/// Adds each write to the queue as a line.
pub(super) struct LineWriter(LogQueue);

impl Write for LineWriter {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.push(text.to_owned());
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for LogQueue {
    type Writer = LineWriter;

    fn make_writer(&'a self) -> LineWriter {
        LineWriter(self.clone())
    }
}

/// A subscriber that ignores failed writes.
pub(super) fn dispatch<W>(level: LevelFilter, format: LogFormat, writer: W) -> Dispatch
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_writer(writer)
        .log_internal_errors(false)
        .with_ansi(false);
    match format {
        LogFormat::Text => log.into(),
        LogFormat::Json => log.json().flatten_event(true).into(),
    }
}

/// Formats the number of dropped lines in the format of the log.
pub(super) fn report(format: LogFormat, dropped: u64) -> Vec<u8> {
    let lines = LogQueue::default();
    let dispatch = dispatch(LevelFilter::WARN, format, lines.clone());
    tracing::dispatcher::with_default(&dispatch, || {
        tracing::warn!(dropped, "log lines dropped");
    });
    lines.lock().lines.drain(..).flatten().collect()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(20);

    /// Forwards what is written after it receives a result.
    struct Sink {
        results: mpsc::Receiver<io::Result<usize>>,
        written: mpsc::Sender<String>,
    }

    impl Write for Sink {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let most = self.results.recv().map_err(io::Error::other)??;
            let text = &text[..most.min(text.len())];
            let passed = String::from_utf8(text.to_owned()).unwrap();
            self.written.send(passed).map_err(io::Error::other)?;
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    type Results = mpsc::Sender<io::Result<usize>>;

    fn queue() -> (LogQueue, Results, mpsc::Receiver<String>) {
        let (send, results) = mpsc::channel();
        let (written, read) = mpsc::channel();
        let queue = LogQueue::default();
        let report = |dropped| format!("{dropped} dropped\n").into_bytes();
        queue.write_to(Sink { results, written }, report).unwrap();
        (queue, send, read)
    }

    fn disk_full() -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }

    #[test]
    fn a_blocked_sink_drops_lines_without_blocking() {
        let (queue, send, read) = queue();
        queue.push(b"first".to_vec());
        while !queue.lock().writing {
            thread::yield_now();
        }
        let line = vec![b'x'; 100_000];
        for _ in 1..1000 {
            queue.push(line.clone());
        }
        let dropped = queue.dropped().load(Ordering::Relaxed);
        assert_eq!(dropped, 989);
        assert!(queue.lock().bytes <= MAX_BYTES);
        assert!(!queue.flush(Duration::from_millis(1)));
        for _ in dropped..1000 {
            send.send(Ok(usize::MAX)).unwrap();
        }
        assert!(queue.flush(TIMEOUT));
        queue.push(b"last".to_vec());
        send.send(Ok(usize::MAX)).unwrap();
        assert!(queue.flush(TIMEOUT));
        let all: Vec<_> = read.try_iter().collect();
        let reports = |text: &&String| text.contains(&format!("{dropped} dropped\n"));
        assert_eq!(all.iter().filter(reports).count(), 1, "reported once");
        assert_eq!(all.last().unwrap(), "last");
        assert_eq!(all.len() as u64, 1001 - dropped);
    }

    #[test]
    fn a_failed_sink_is_used_again_and_dropped_lines_are_counted() {
        let (queue, send, read) = queue();
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            queue.push(line.into());
        }
        let whole = || Ok(usize::MAX);
        for outcome in [whole(), disk_full(), Ok(2), disk_full(), whole()] {
            send.send(outcome).unwrap();
        }
        assert!(queue.flush(TIMEOUT));
        let all: String = read.try_iter().collect();
        // The third line and its report of the second one were written in part.
        assert_eq!(all, "one\n1 \n2 dropped\nfour\n");
        assert_eq!(queue.dropped().load(Ordering::Relaxed), 2);
    }

    #[test]
    fn the_report_has_the_format_of_the_log() {
        let text = String::from_utf8(report(LogFormat::Text, 7)).unwrap();
        assert!(
            text.contains("WARN") && text.contains("dropped=7"),
            "{text}"
        );
        let json = report(LogFormat::Json, 7);
        let event: serde_json::Value = serde_json::from_slice(&json).unwrap();
        assert_eq!(
            (&event["level"], &event["dropped"]),
            (&"WARN".into(), &7.into())
        );
        assert!(json.ends_with(b"\n"));
    }
}
