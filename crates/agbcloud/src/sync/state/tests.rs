use std::{sync::Arc, time::SystemTime};

use super::{
    format::{ENTRY_SIZE, MAGIC},
    *,
};

mod processes;

fn version(number: u64) -> SyncedVersion {
    let then = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 7);
    SyncedVersion {
        crc64: number,
        etag: etag_number(Some("\"abc\"")),
        local: LocalIdentity::from_numbers([number, 1, 2, 3]),
        recent: number.is_multiple_of(2),
        remote: match number % 4 {
            0 => RemoteTime::Unknown,
            1 => RemoteTime::Acknowledged(then),
            2 => RemoteTime::Listed {
                modified: then,
                recent: true,
            },
            _ => RemoteTime::Listed {
                modified: then,
                recent: false,
            },
        },
    }
}

fn open_result(path: &Path, context: &str) -> Result<SyncState> {
    SyncState::open(path, &ContextId::new(context).unwrap(), Time::default())
}

/// Opens a state for reading.
fn open(path: &Path) -> Arc<SyncState> {
    Arc::new(open_result(path, "SdkCtx-1").unwrap())
}

/// Opens a state for writing.
async fn begun(path: &Path) -> Arc<SyncState> {
    let state = open(path);
    state.begin().await.unwrap();
    state
}

fn remote(n: u64) -> RemotePath {
    RemotePath::new(format!("/{n}")).unwrap()
}

async fn put(state: &SyncState, n: u64, number: u64) {
    state.put(&remote(n), Some(version(number))).await.unwrap();
}

/// Writes a state file with seven keys whose entries were replaced many times.
async fn write_replaced(path: &Path) {
    let state = begun(path).await;
    for n in 0..MAX_REPLACED + 10 {
        put(&state, n % 7, n).await;
    }
}

fn length_of(entries: u64) -> u64 {
    MAGIC.len() as u64 + entries * ENTRY_SIZE as u64
}

#[tokio::test]
async fn entries_survive_the_end_of_the_process_at_any_point() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("below/state");
    let state = begun(&path).await;
    for n in 0..3 {
        put(&state, n, n).await;
    }
    put(&state, 1, 11).await;
    state.put(&remote(2), None).await.unwrap();
    assert_eq!(
        state.get(&remote(0)),
        None,
        "new entries count in the next sync"
    );
    // The process ends in the middle of an entry.
    let whole = std::fs::read(&path).unwrap();
    put(&state, 0, 99).await;
    let torn = std::fs::read(&path).unwrap();
    std::fs::write(&path, &torn[..torn.len() - 1]).unwrap();

    let state = begun(&path).await;
    assert_eq!(state.get(&remote(0)), Some(version(0)));
    assert_eq!(state.get(&remote(1)), Some(version(11)));
    assert_eq!(state.get(&remote(2)), None);
    put(&state, 3, 3).await;
    let written = std::fs::read(&path).unwrap();
    assert_eq!(
        written[..whole.len()],
        whole,
        "the incomplete entry is overwritten"
    );
    assert_eq!(written.len(), whole.len() + ENTRY_SIZE);
    assert_eq!(open(&path).get(&remote(3)), Some(version(3)));
    let other = open_result(&path, "SdkCtx-2").unwrap();
    assert_eq!(other.get(&remote(0)), None);
}

#[tokio::test]
async fn entries_recorded_before_the_first_change_are_written_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (old, all) = (BATCH as u64 + 100, 2 * BATCH as u64 + 300);
    let state = begun(&path).await;
    for n in 0..old {
        put(&state, n, 1).await;
    }
    let state = open(&path);
    for n in 0..all {
        put(&state, n, 2).await;
    }
    // The last entry counts.
    put(&state, 0, 3).await;
    put(&state, all - 1, 3).await;
    state.begin().await.unwrap();
    let state = open(&path);
    for n in 0..all {
        let last = if n == 0 || n == all - 1 { 3 } else { 2 };
        assert_eq!(state.get(&remote(n)), Some(version(last)), "{n}");
    }
}

#[tokio::test]
async fn an_incomplete_start_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    for bytes in 0..MAGIC.len() {
        std::fs::write(&path, &MAGIC[..bytes]).unwrap();
        put(&*begun(&path).await, 0, 7).await;
        assert_eq!(open(&path).get(&remote(0)), Some(version(7)), "{bytes}");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), length_of(1));
    }
}

#[tokio::test]
async fn a_file_with_many_replaced_entries_is_rewritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    write_replaced(&path).await;
    let state = begun(&path).await;
    let last = (MAX_REPLACED + 9) / 7 * 7;
    assert_eq!(state.get(&remote(0)), Some(version(last)));
    assert_eq!(std::fs::metadata(&path).unwrap().len(), length_of(7));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_file_of_another_format_is_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    for content in ["x", "remember the milk"] {
        std::fs::write(&path, content).unwrap();
        let error = open_result(&path, "SdkCtx-1").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LocalFile);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
    // The same for a file that replaces the state file later.
    std::fs::remove_file(&path).unwrap();
    let state = begun(&path).await;
    std::fs::write(folder.path().join("new"), "remember the milk").unwrap();
    std::fs::rename(folder.path().join("new"), &path).unwrap();
    let error = state.put(&remote(0), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LocalFile);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "remember the milk");
}

#[tokio::test]
async fn nothing_is_written_before_the_first_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("below/state");
    let state = open(&path);
    put(&state, 0, 1).await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    state.begin().await.unwrap();
    put(&state, 1, 2).await;

    // The same for a file with many replaced entries and an incomplete one.
    write_replaced(&path).await;
    let mut torn = std::fs::read(&path).unwrap();
    torn.push(0);
    std::fs::write(&path, &torn).unwrap();
    let state = open(&path);
    put(&state, 0, 3).await;
    put(&state, 9, 4).await;
    assert!(std::fs::read(&path).unwrap() == torn);
    state.begin().await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), length_of(8));
    let state = open(&path);
    assert_eq!(state.get(&remote(0)), Some(version(3)));
    assert_eq!(
        state.get(&remote(1)),
        Some(version((MAX_REPLACED + 9) / 7 * 7 + 1))
    );
    assert_eq!(state.get(&remote(9)), Some(version(4)));
}

#[cfg(unix)]
#[tokio::test]
async fn a_rewrite_keeps_the_entries_of_other_processes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    write_replaced(&path).await;
    let (other, one, third) = (begun_without_rewrite(&path).await, open(&path), open(&path));
    put(&other, 8, 88).await;
    one.begin().await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), length_of(8));
    // Written to the new file, although the old one is open.
    put(&other, 9, 99).await;
    put(&one, 10, 100).await;
    // The file that it has read was replaced.
    third.begin().await.unwrap();
    let found = open(&path);
    for (n, number) in [(8, 88), (9, 99), (10, 100)] {
        assert_eq!(found.get(&remote(n)), Some(version(number)), "{n}");
    }
    assert_eq!(std::fs::metadata(&path).unwrap().len(), length_of(10));
}

/// Opens a state for writing without a rewrite of the file.
#[cfg(unix)]
async fn begun_without_rewrite(path: &Path) -> Arc<SyncState> {
    let state = open(path);
    *state.rewritable.lock().unwrap() = None;
    state.begin().await.unwrap();
    state
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_locked_file_is_not_rewritten_and_an_entry_waits_for_the_lock() {
    use rustix::fs::{FlockOperation, flock};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    write_replaced(&path).await;
    let old = std::fs::read(&path).unwrap();
    let other = File::open(&path).unwrap();
    flock(&other, FlockOperation::LockExclusive).unwrap();

    let state = begun(&path).await;
    let eighth = remote(8);
    let putting = state.put(&eighth, Some(version(88)));
    tokio::pin!(putting);
    let early = tokio::time::timeout(Duration::from_secs(9), &mut putting);
    assert!(early.await.is_err());
    assert!(std::fs::read(&path).unwrap() == old);
    flock(&other, FlockOperation::Unlock).unwrap();
    putting.await.unwrap();
    assert_eq!(open(&path).get(&remote(8)), Some(version(88)));

    // Waiting for the lock ends after ten seconds.
    flock(&other, FlockOperation::LockExclusive).unwrap();
    let error = state.put(&remote(9), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LocalFile);
    assert!(error.to_string().contains("for 10 seconds"), "{error}");
}
