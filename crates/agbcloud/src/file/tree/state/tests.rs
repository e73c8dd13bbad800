use std::sync::Arc;

use super::{
    format::{ENTRY, MAGIC},
    *,
};

mod processes;

fn known(number: u64) -> Known {
    let then = SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 7);
    Known {
        crc64: number,
        etag: etag_number(Some("\"abc\"")),
        here: LocalIdentity::from_numbers([number, 1, 2, 3]),
        recent: number.is_multiple_of(2),
        there: match number % 4 {
            0 => There::Unknown,
            1 => There::Acknowledged(then),
            2 => There::Listed {
                modified: then,
                recent: true,
            },
            _ => There::Listed {
                modified: then,
                recent: false,
            },
        },
    }
}

fn try_open(path: &Path, context: &str) -> Result<State> {
    State::open(path, &ContextId::new(context).unwrap(), Time::default())
}

/// One that only looks.
fn open(path: &Path) -> Arc<State> {
    Arc::new(try_open(path, "SdkCtx-1").unwrap())
}

/// One that writes.
async fn begun(path: &Path) -> Arc<State> {
    let state = open(path);
    state.begin().await.unwrap();
    state
}

fn remote(n: u64) -> RemotePath {
    RemotePath::new(format!("/{n}")).unwrap()
}

async fn put(state: &State, n: u64, number: u64) {
    state.put(&remote(n), Some(known(number))).await.unwrap();
}

/// A file of which most is superseded: of seven, written one after the other.
async fn stale(path: &Path) {
    let state = begun(path).await;
    for n in 0..STALE + 10 {
        put(&state, n % 7, n).await;
    }
}

fn length_of(entries: u64) -> u64 {
    MAGIC.len() as u64 + entries * ENTRY as u64
}

#[tokio::test]
async fn what_was_learnt_is_known_the_next_time_wherever_it_stopped() {
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
        "what is learnt counts the next time"
    );
    // The process ends in the middle of an entry.
    let whole = std::fs::read(&path).unwrap();
    put(&state, 0, 99).await;
    let torn = std::fs::read(&path).unwrap();
    std::fs::write(&path, &torn[..torn.len() - 1]).unwrap();

    let state = begun(&path).await;
    assert_eq!(state.get(&remote(0)), Some(known(0)));
    assert_eq!(state.get(&remote(1)), Some(known(11)));
    assert_eq!(state.get(&remote(2)), None);
    put(&state, 3, 3).await;
    let written = std::fs::read(&path).unwrap();
    assert_eq!(
        written[..whole.len()],
        whole,
        "in the place of the torn one"
    );
    assert_eq!(written.len(), whole.len() + ENTRY);
    assert_eq!(open(&path).get(&remote(3)), Some(known(3)));
    let other = try_open(&path, "SdkCtx-2").unwrap();
    assert_eq!(other.get(&remote(0)), None);
}

#[tokio::test]
async fn all_that_was_learnt_before_something_was_done_is_written_then() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    let (old, all) = (AT_ONCE as u64 + 100, 2 * AT_ONCE as u64 + 300);
    let state = begun(&path).await;
    for n in 0..old {
        put(&state, n, 1).await;
    }
    let state = open(&path);
    for n in 0..all {
        put(&state, n, 2).await;
    }
    // The last that was learnt counts.
    put(&state, 0, 3).await;
    put(&state, all - 1, 3).await;
    state.begin().await.unwrap();
    let state = open(&path);
    for n in 0..all {
        let last = if n == 0 || n == all - 1 { 3 } else { 2 };
        assert_eq!(state.get(&remote(n)), Some(known(last)), "{n}");
    }
}

#[tokio::test]
async fn a_start_that_was_torn_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    for bytes in 0..MAGIC.len() {
        std::fs::write(&path, &MAGIC[..bytes]).unwrap();
        put(&*begun(&path).await, 0, 7).await;
        assert_eq!(open(&path).get(&remote(0)), Some(known(7)), "{bytes}");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), length_of(1));
    }
}

#[tokio::test]
async fn it_does_not_grow_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    stale(&path).await;
    let state = begun(&path).await;
    let last = (STALE + 9) / 7 * 7;
    assert_eq!(state.get(&remote(0)), Some(known(last)));
    assert_eq!(std::fs::metadata(&path).unwrap().len(), length_of(7));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test]
async fn another_file_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    for content in ["x", "remember the milk"] {
        std::fs::write(&path, content).unwrap();
        let error = try_open(&path, "SdkCtx-1").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::LocalFile);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), content);
    }
    // Nor one that came after the look.
    std::fs::remove_file(&path).unwrap();
    let state = begun(&path).await;
    std::fs::write(folder.path().join("new"), "remember the milk").unwrap();
    std::fs::rename(folder.path().join("new"), &path).unwrap();
    let error = state.put(&remote(0), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LocalFile);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "remember the milk");
}

#[tokio::test]
async fn who_only_looks_writes_nothing_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("below/state");
    let state = open(&path);
    put(&state, 0, 1).await;
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    state.begin().await.unwrap();
    put(&state, 1, 2).await;

    // So with a file that should be written anew, and that ends in the middle of an entry.
    stale(&path).await;
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
    assert_eq!(state.get(&remote(0)), Some(known(3)));
    assert_eq!(state.get(&remote(1)), Some(known((STALE + 9) / 7 * 7 + 1)));
    assert_eq!(state.get(&remote(9)), Some(known(4)));
}

#[cfg(unix)]
#[tokio::test]
async fn what_another_learns_while_it_is_written_anew_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    stale(&path).await;
    let (other, one, third) = (begun_without_stale(&path).await, open(&path), open(&path));
    put(&other, 8, 88).await;
    one.begin().await.unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().len(), length_of(8));
    // Into the new file, though it has the old one open.
    put(&other, 9, 99).await;
    put(&one, 10, 100).await;
    // What it has read is of a file that is no more.
    third.begin().await.unwrap();
    let found = open(&path);
    for (n, number) in [(8, 88), (9, 99), (10, 100)] {
        assert_eq!(found.get(&remote(n)), Some(known(number)), "{n}");
    }
    assert_eq!(std::fs::metadata(&path).unwrap().len(), length_of(10));
}

/// One that writes, and has not written the file anew.
#[cfg(unix)]
async fn begun_without_stale(path: &Path) -> Arc<State> {
    let state = open(path);
    *state.stale.lock().unwrap() = None;
    state.begin().await.unwrap();
    state
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn while_another_has_the_file_nothing_is_written_anew_and_an_entry_waits() {
    use rustix::fs::{FlockOperation, flock};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state");
    stale(&path).await;
    let old = std::fs::read(&path).unwrap();
    let other = File::open(&path).unwrap();
    flock(&other, FlockOperation::LockExclusive).unwrap();

    let state = begun(&path).await;
    let eighth = remote(8);
    let putting = state.put(&eighth, Some(known(88)));
    tokio::pin!(putting);
    let early = tokio::time::timeout(Duration::from_secs(9), &mut putting);
    assert!(early.await.is_err());
    assert!(std::fs::read(&path).unwrap() == old);
    flock(&other, FlockOperation::Unlock).unwrap();
    putting.await.unwrap();
    assert_eq!(open(&path).get(&remote(8)), Some(known(88)));

    // One that was stopped is not waited for for ever.
    flock(&other, FlockOperation::LockExclusive).unwrap();
    let error = state.put(&remote(9), None).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LocalFile);
    assert!(error.to_string().contains("for 10 seconds"), "{error}");
}
