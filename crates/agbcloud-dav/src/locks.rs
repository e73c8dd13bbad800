//! The locks of clients: those of `dav-server`, which neither expire nor are limited.

use std::{
    collections::HashMap,
    future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use dav_server::{
    davpath::DavPath,
    ls::{DavLock, DavLockSystem, LsFuture},
    memls::MemLs,
};
use futures_util::FutureExt;
use xmltree::Element;

/// Maximum number of locks.
const MAX_LOCKS: usize = 10_000;

/// Duration of a lock for which the client requests none, or an infinite one.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);

/// Longest duration of a lock. A client that is still there refreshes it.
const MAX_TIMEOUT: Duration = Duration::from_secs(3600);

/// Returns the time. A parameter, so that tests need not wait.
pub(crate) type Now = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Locks that expire.
#[derive(Clone)]
pub(crate) struct ExpiringLocks {
    state: Arc<Mutex<State>>,
    now: Now,
}

struct State {
    locks: Box<MemLs>,
    /// By token: the locked path and the end of the lock.
    ends: HashMap<String, (DavPath, Instant)>,
}

impl ExpiringLocks {
    pub(crate) fn new(now: Now) -> Self {
        let state = State {
            locks: empty_locks(),
            ends: HashMap::new(),
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            now,
        }
    }

    /// Removes expired locks before the locks are used.
    fn current(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (self.now)();
        let State { locks, ends } = &mut *state;
        ends.retain(|token, (path, end)| {
            let is_valid = *end > now;
            if !is_valid {
                let _ = ready(locks.unlock(path, token));
            }
            is_valid
        });
        if ends.is_empty() {
            // The tree of the locks keeps the folders of removed ones.
            *locks = empty_locks();
        }
        state
    }
}

/// Locks whose root has a child: `dav-server` panics when the last lock of a root without one is removed.
fn empty_locks() -> Box<MemLs> {
    let locks = MemLs::new();
    // No file of a context has this path. The removal of the lock leaves its folder.
    if let Ok(path) = DavPath::new("/%5C/x")
        && let Some(Ok(lock)) = ready(locks.lock(&path, None, None, None, true, false))
    {
        let _ = ready(locks.unlock(&path, &lock.token));
    }
    locks
}

/// The result of an operation of the locks in memory, which never wait.
fn ready<T>(operation: LsFuture<'_, T>) -> Option<T> {
    operation.now_or_never()
}

fn limited(timeout: Option<Duration>) -> Duration {
    timeout.unwrap_or(DEFAULT_TIMEOUT).min(MAX_TIMEOUT)
}

impl std::fmt::Debug for ExpiringLocks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExpiringLocks").finish_non_exhaustive()
    }
}

impl DavLockSystem for ExpiringLocks {
    fn lock(
        &'_ self,
        path: &DavPath,
        principal: Option<&str>,
        owner: Option<&Element>,
        timeout: Option<Duration>,
        shared: bool,
        deep: bool,
    ) -> LsFuture<'_, Result<DavLock, DavLock>> {
        let mut state = self.current();
        let timeout = limited(timeout);
        if state.ends.len() >= MAX_LOCKS {
            tracing::warn!("a lock was refused: there are {MAX_LOCKS} locks");
            return future::ready(Err(refused(path))).boxed();
        }
        let locked = state
            .locks
            .lock(path, principal, owner, Some(timeout), shared, deep)
            .now_or_never()
            .unwrap_or_else(|| Err(refused(path)));
        if let Ok(lock) = &locked {
            let end = (self.now)() + timeout;
            state.ends.insert(lock.token.clone(), (path.clone(), end));
        }
        future::ready(locked).boxed()
    }

    fn unlock(&'_ self, path: &DavPath, token: &str) -> LsFuture<'_, Result<(), ()>> {
        let mut state = self.current();
        let unlocked = ready(state.locks.unlock(path, token)).unwrap_or(Err(()));
        if unlocked.is_ok() {
            state.ends.remove(token);
        }
        future::ready(unlocked).boxed()
    }

    fn refresh(
        &'_ self,
        path: &DavPath,
        token: &str,
        timeout: Option<Duration>,
    ) -> LsFuture<'_, Result<DavLock, ()>> {
        let mut state = self.current();
        let timeout = limited(timeout);
        let refreshed = ready(state.locks.refresh(path, token, Some(timeout))).unwrap_or(Err(()));
        if refreshed.is_ok()
            && let Some((_, end)) = state.ends.get_mut(token)
        {
            *end = (self.now)() + timeout;
        }
        future::ready(refreshed).boxed()
    }

    fn check(
        &'_ self,
        path: &DavPath,
        principal: Option<&str>,
        ignore_principal: bool,
        deep: bool,
        submitted_tokens: &[String],
    ) -> LsFuture<'_, Result<(), DavLock>> {
        let state = self.current();
        let checked = state
            .locks
            .check(path, principal, ignore_principal, deep, submitted_tokens)
            .now_or_never();
        future::ready(checked.unwrap_or_else(|| Err(refused(path)))).boxed()
    }

    fn discover(&'_ self, path: &DavPath) -> LsFuture<'_, Vec<DavLock>> {
        let state = self.current();
        let locks = ready(state.locks.discover(path)).unwrap_or_default();
        future::ready(locks).boxed()
    }

    fn delete(&'_ self, path: &DavPath) -> LsFuture<'_, Result<(), ()>> {
        let mut state = self.current();
        if path.as_bytes() == b"/" {
            // `dav-server` panics.
            state.ends.clear();
            state.locks = empty_locks();
            return future::ready(Ok(())).boxed();
        }
        let deleted = ready(state.locks.delete(path)).unwrap_or(Err(()));
        let folder = path.as_bytes().to_vec();
        let folder = folder.strip_suffix(b"/").unwrap_or(&folder);
        state.ends.retain(|_, (path, _)| {
            let rest = path.as_bytes().strip_prefix(folder);
            !rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
        });
        future::ready(deleted).boxed()
    }
}

/// A lock that no client has.
fn refused(path: &DavPath) -> DavLock {
    DavLock {
        token: String::new(),
        path: Box::new(path.clone()),
        principal: None,
        owner: None,
        timeout_at: None,
        timeout: None,
        shared: false,
        deep: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(url: &str) -> DavPath {
        DavPath::new(url).unwrap()
    }

    /// Locks whose clock the test sets.
    fn locks() -> (ExpiringLocks, Arc<Mutex<Duration>>) {
        #[expect(clippy::disallowed_methods, reason = "the start of the clock")]
        let start = Instant::now();
        let elapsed = Arc::new(Mutex::new(Duration::ZERO));
        let clock = elapsed.clone();
        let now = move || start + *clock.lock().unwrap();
        (ExpiringLocks::new(Arc::new(now)), elapsed)
    }

    async fn exclusive(locks: &ExpiringLocks, url: &str) -> Result<DavLock, DavLock> {
        let timeout = Some(Duration::from_secs(60));
        let lock = locks.lock(&path(url), Some("/"), None, timeout, false, true);
        lock.await
    }

    #[tokio::test]
    async fn a_lock_ends_after_its_timeout_unless_it_is_refreshed() {
        let (locks, elapsed) = locks();
        let lock = exclusive(&locks, "/a").await.unwrap();
        assert!(exclusive(&locks, "/a").await.is_err());
        *elapsed.lock().unwrap() = Duration::from_secs(50);
        let timeout = Some(Duration::from_secs(60));
        let refresh = locks.refresh(&path("/a"), &lock.token, timeout);
        assert!(refresh.await.is_ok());
        *elapsed.lock().unwrap() = Duration::from_secs(100);
        let check = locks.check(&path("/a"), Some("/"), false, false, &[]);
        assert!(check.await.is_err());
        *elapsed.lock().unwrap() = Duration::from_secs(111);
        let check = locks.check(&path("/a"), Some("/"), false, false, &[]);
        assert!(check.await.is_ok());
        assert!(exclusive(&locks, "/a").await.is_ok());
    }

    #[tokio::test]
    async fn the_root_is_locked_and_unlocked() {
        let (locks, _) = locks();
        for _ in 0..2 {
            let lock = exclusive(&locks, "/").await.unwrap();
            assert!(exclusive(&locks, "/a").await.is_err());
            locks.unlock(&path("/"), &lock.token).await.unwrap();
        }
        exclusive(&locks, "/a").await.unwrap();
        locks.delete(&path("/")).await.unwrap();
        assert!(exclusive(&locks, "/").await.is_ok());
    }

    #[tokio::test]
    async fn an_infinite_lock_ends() {
        let (locks, elapsed) = locks();
        let lock = locks.lock(&path("/a"), None, None, None, false, true);
        assert_eq!(lock.await.unwrap().timeout, Some(DEFAULT_TIMEOUT));
        *elapsed.lock().unwrap() = DEFAULT_TIMEOUT;
        assert!(locks.discover(&path("/a")).await.is_empty());
    }

    #[tokio::test]
    async fn the_number_of_locks_is_limited() {
        let (locks, _) = locks();
        for number in 0..MAX_LOCKS {
            exclusive(&locks, &format!("/d/{number}")).await.unwrap();
        }
        assert!(exclusive(&locks, "/d/more").await.is_err());
        locks.delete(&path("/d/")).await.unwrap();
        assert!(exclusive(&locks, "/d/more").await.is_ok());
    }
}
