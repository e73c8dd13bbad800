//! Notifications about changes of a local folder.

use std::{path::Path, time::Duration};

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher, event::EventKind};
use tokio::sync::watch;

use super::view::View;
use crate::clock;

/// Counts the events of a folder and everything in it. Keeps no paths.
pub(super) struct LocalChanges {
    events: watch::Receiver<u64>,
    _watcher: RecommendedWatcher,
}

impl LocalChanges {
    /// Watches a folder. If that is impossible, for example because it has too many folders for the limit of the system,
    /// prints a note and returns `None`.
    pub(super) fn of(folder: &Path, view: &View) -> Option<Self> {
        let (sender, events) = watch::channel(0_u64);
        let notes = view.notes();
        let on_event = move |event: notify::Result<Event>| {
            match event {
                Ok(event) if !is_change(&event) => return,
                // An overflow is an event without a path.
                Ok(_) => {}
                Err(error) => notes.print_once(&error),
            }
            sender.send_modify(|count| *count = count.wrapping_add(1));
        };
        let watched = notify::recommended_watcher(on_event).and_then(|mut watcher| {
            watcher.watch(folder, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        match watched {
            Ok(watcher) => Some(Self {
                events,
                _watcher: watcher,
            }),
            Err(error) => {
                view.notes().print_once(&error);
                None
            }
        }
    }

    /// Waits for an event, and then until there are none for a while, but not longer than the maximum.
    pub(super) async fn wait(&mut self, quiet: Duration, max: Duration) {
        if self.events.changed().await.is_err() {
            // The watcher has ended.
            std::future::pending::<()>().await;
        }
        let settle = async {
            while let Some(Ok(())) = clock::timeout(quiet, self.events.changed()).await {}
        };
        clock::timeout(max, settle).await;
    }
}

/// Whether an event may be a change of content. Reading a file is none, and neither is a temporary file of a sync.
fn is_change(event: &Event) -> bool {
    if event.need_rescan() {
        return true;
    }
    let is_temporary = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| {
            // The second is that of an unnamed file on Linux.
            let is_number = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit());
            let is_part = name.starts_with(".agb-") || name.starts_with(".tmp");
            is_part || name.strip_prefix('#').is_some_and(is_number)
        })
    };
    let is_access = matches!(event.kind, EventKind::Access(_));
    let all_temporary =
        !event.paths.is_empty() && event.paths.iter().all(|path| is_temporary(path));
    !is_access && !all_temporary
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, CreateKind, Flag, ModifyKind};

    use super::*;

    fn event(kind: EventKind, paths: &[&str]) -> Event {
        let mut event = Event::new(kind);
        event.paths = paths.iter().map(Into::into).collect();
        event
    }

    #[test]
    fn reads_and_temporary_files_are_no_changes() {
        let create = EventKind::Create(CreateKind::File);
        let modify = EventKind::Modify(ModifyKind::Any);
        for (event, expected) in [
            (event(create, &["a/notes.txt"]), true),
            (event(modify, &["a/notes.txt"]), true),
            (event(EventKind::Access(AccessKind::Any), &["a"]), false),
            (event(create, &["a/.agb-0123.part"]), false),
            (event(create, &["a/#1234"]), false),
            (event(create, &["a/#notes#"]), true),
            // A rename of a temporary file to its name.
            (event(modify, &["a/.agb-0123.part", "a/notes.txt"]), true),
            // An overflow has no path.
            (event(EventKind::Other, &[]).set_flag(Flag::Rescan), true),
        ] {
            assert_eq!(is_change(&event), expected, "{event:?}");
        }
    }

    #[tokio::test]
    async fn events_are_collected_until_it_is_quiet() {
        let folder = tempfile::tempdir().unwrap();
        let view = View::hidden();
        let mut changes = LocalChanges::of(folder.path(), &view).unwrap();
        let (quiet, max) = (Duration::from_millis(50), Duration::from_secs(5));
        for number in 0..500 {
            std::fs::write(folder.path().join(format!("{number}")), "x").unwrap();
        }
        changes.wait(quiet, max).await;
        // All events belong to the first wait.
        let again = clock::timeout(Duration::from_millis(300), changes.wait(quiet, max));
        assert!(again.await.is_none());
        // Folders that were created later are watched, too.
        std::fs::create_dir(folder.path().join("new")).unwrap();
        changes.wait(quiet, max).await;
        std::fs::write(folder.path().join("new/file"), "x").unwrap();
        let seen = clock::timeout(Duration::from_secs(5), changes.wait(quiet, max));
        assert!(seen.await.is_some());
    }
}
