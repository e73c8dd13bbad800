//! The locks of clients. Those of `dav-server` neither expire nor are limited, and their tree keeps the folders of removed ones.

use std::{
    collections::BTreeMap,
    future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use dav_server::{
    davpath::{DavPath, DavPathRef},
    ls::{DavLock, DavLockSystem, LsFuture},
    memls::MemLs,
};
use futures_util::FutureExt;
use xmltree::Element;

/// Maximum number of locks.
const MAX_LOCKS: usize = 10_000;

/// Longest duration of a lock, and that of one for which the client requests none. A client that is still there refreshes it.
/// `dav-server` allows no more for exclusive locks.
const MAX_TIMEOUT: Duration = Duration::from_secs(600);

/// Maximum number of bytes of the owner of a lock, as XML.
const MAX_OWNER_BYTES: usize = 1024;

/// Maximum number of elements of the owner of a lock. Each occupies more memory than its XML.
const MAX_OWNER_ELEMENTS: usize = 8;

/// Returns the time. A parameter, so that tests need not wait.
pub(crate) type Now = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Locks that expire. Clones share them.
#[derive(Clone)]
pub(crate) struct ExpiringLocks {
    locks: Arc<Mutex<Locks>>,
    now: Now,
}

/// The locks by path, without a slash at its end.
#[derive(Default)]
struct Locks(BTreeMap<Vec<u8>, Vec<Held>>);

struct Held {
    lock: DavLock,
    end: Instant,
}

/// Whether the owner in the XML of a LOCK is small enough to be kept.
pub(crate) fn has_small_owner(xml: &[u8]) -> bool {
    let Ok(root) = Element::parse(xml) else {
        // `dav-server` rejects it.
        return true;
    };
    let children = root.children.iter().filter_map(|child| child.as_element());
    let mut owners = children.filter(|child| child.name == "owner");
    owners.all(|owner| {
        let mut bytes = Vec::new();
        let is_written = owner.write(&mut bytes).is_ok();
        is_written && bytes.len() <= MAX_OWNER_BYTES && elements(owner) <= MAX_OWNER_ELEMENTS
    })
}

fn elements(element: &Element) -> usize {
    let children = element
        .children
        .iter()
        .filter_map(|child| child.as_element());
    1 + children.map(elements).sum::<usize>()
}

impl ExpiringLocks {
    pub(crate) fn new(now: Now) -> Self {
        Self {
            locks: Arc::default(),
            now,
        }
    }

    /// Whether a lock of the folder itself, without what is below, protects its list of members from a client with these tokens.
    pub(crate) fn protect_members(&self, folder: &DavPath, tokens: &[String]) -> bool {
        let locks = self.current();
        let held = locks.0.get(key(folder)).into_iter().flatten();
        let held: Vec<&DavLock> = held
            .map(|held| &held.lock)
            .filter(|lock| !lock.deep)
            .collect();
        conflict(&held, |lock| tokens.contains(&lock.token), false).is_some()
    }

    /// Removes the locks of a path and of everything below.
    pub(crate) fn remove(&self, path: &DavPath) {
        let mut locks = self.current();
        let path = key(path);
        locks.0.retain(|other, _| !is_within(other, path));
    }

    /// Removes expired locks before the locks are used.
    fn current(&self) -> MutexGuard<'_, Locks> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (self.now)();
        locks.0.retain(|_, held| {
            held.retain(|held| held.end > now);
            !held.is_empty()
        });
        locks
    }
}

impl Locks {
    /// The locks that apply to a path: those of the path, and those of a folder that contains it with everything below.
    fn covering<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = Vec<&'a DavLock>> {
        let ends = path.iter().enumerate().skip(1);
        let ends = ends.filter(|(_, byte)| **byte == b'/').map(|(end, _)| end);
        let folders = ends.map(|end| &path[..end]);
        let root = (path.len() > 1).then_some(&b"/"[..]);
        let paths = root.into_iter().chain(folders).chain([path]);
        paths.filter_map(move |folder| {
            let held = self.0.get(folder)?.iter().map(|held| &held.lock);
            let applies = |lock: &&DavLock| lock.deep || folder == path;
            Some(held.filter(applies).collect())
        })
    }

    /// The locks of everything below a path.
    fn below(&self, path: &[u8]) -> impl Iterator<Item = Vec<&DavLock>> {
        let folder = path.strip_suffix(b"/").unwrap_or(path);
        // All paths that start with the folder and a slash.
        let range = [folder, b"/"].concat()..[folder, b"0"].concat();
        let below = self.0.range(range).filter(move |(other, _)| *other != path);
        below.map(|(_, held)| held.iter().map(|held| &held.lock).collect())
    }

    /// Finds a lock that applies to a path by its token.
    fn find(&mut self, path: &DavPath, token: &str) -> Option<&mut Held> {
        let path = {
            let mut covering = self.covering(key(path)).flatten();
            let found = covering.find(|lock| lock.token == token)?;
            key(&found.path).to_vec()
        };
        let held = self.0.get_mut(&path)?;
        held.iter_mut().find(|held| held.lock.token == token)
    }
}

/// A lock that excludes a client: an exclusive one that it does not hold, or a shared one if it holds none of the path. Shared
/// locks do not exclude another shared one.
fn conflict(locks: &[&DavLock], holds: impl Fn(&DavLock) -> bool, shares: bool) -> Option<DavLock> {
    let holds_one = locks.iter().any(|lock| holds(lock));
    let excludes = |lock: &&&DavLock| match lock.shared {
        true => !shares && !holds_one,
        false => !holds(lock),
    };
    locks.iter().find(excludes).map(|lock| (**lock).clone())
}

/// A path without a slash at its end.
fn key(path: &DavPathRef) -> &[u8] {
    let path = path.as_bytes();
    match path.strip_suffix(b"/").unwrap_or(path) {
        b"" => b"/",
        path => path,
    }
}

fn is_within(path: &[u8], folder: &[u8]) -> bool {
    let folder = folder.strip_suffix(b"/").unwrap_or(folder);
    let rest = path.strip_prefix(folder);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// A new lock, with a token of `dav-server`.
fn new_lock(
    path: &DavPath,
    principal: Option<&str>,
    owner: Option<&Element>,
    timeout: Duration,
    shared: bool,
    deep: bool,
) -> Option<DavLock> {
    let locks = MemLs::new();
    let lock = locks.lock(path, principal, owner, Some(timeout), shared, deep);
    lock.now_or_never()?.ok()
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
        let mut locks = self.current();
        let count: usize = locks.0.values().map(Vec::len).sum();
        if count >= MAX_LOCKS {
            tracing::warn!("a lock was refused: there are {MAX_LOCKS} locks");
            return future::ready(Err(refused(path))).boxed();
        }
        let none = |_: &DavLock| false;
        let conflicting = locks
            .covering(key(path))
            .find_map(|locks| conflict(&locks, none, shared));
        let conflicting = conflicting.or_else(|| match deep {
            true => {
                let mut below = locks.below(key(path));
                below.find_map(|locks| conflict(&locks, none, shared))
            }
            false => None,
        });
        if let Some(lock) = conflicting {
            return future::ready(Err(lock)).boxed();
        }
        let timeout = limited(timeout);
        let Some(lock) = new_lock(path, principal, owner, timeout, shared, deep) else {
            return future::ready(Err(refused(path))).boxed();
        };
        let held = Held {
            lock: lock.clone(),
            end: (self.now)() + timeout,
        };
        locks.0.entry(key(path).to_vec()).or_default().push(held);
        future::ready(Ok(lock)).boxed()
    }

    fn unlock(&'_ self, path: &DavPath, token: &str) -> LsFuture<'_, Result<(), ()>> {
        let mut locks = self.current();
        let found = locks
            .find(path, token)
            .map(|held| key(&held.lock.path).to_vec());
        let unlocked = found.ok_or(()).map(|path| {
            if let Some(held) = locks.0.get_mut(&path) {
                held.retain(|held| held.lock.token != token);
                if held.is_empty() {
                    locks.0.remove(&path);
                }
            }
        });
        future::ready(unlocked).boxed()
    }

    fn refresh(
        &'_ self,
        path: &DavPath,
        token: &str,
        timeout: Option<Duration>,
    ) -> LsFuture<'_, Result<DavLock, ()>> {
        let mut locks = self.current();
        let timeout = limited(timeout);
        let refreshed = locks.find(path, token).map(|held| {
            held.end = (self.now)() + timeout;
            held.lock.timeout = Some(timeout);
            held.lock.clone()
        });
        future::ready(refreshed.ok_or(())).boxed()
    }

    fn check(
        &'_ self,
        path: &DavPath,
        principal: Option<&str>,
        ignore_principal: bool,
        deep: bool,
        submitted_tokens: &[String],
    ) -> LsFuture<'_, Result<(), DavLock>> {
        let locks = self.current();
        let holds = |lock: &DavLock| {
            submitted_tokens.contains(&lock.token)
                && (ignore_principal || principal == lock.principal.as_deref())
        };
        // A token of a folder is enough for what is below, also if others share a lock there.
        let covering: Vec<&DavLock> = locks.covering(key(path)).flatten().collect();
        let conflicting = conflict(&covering, holds, false).or_else(|| match deep {
            true => {
                let mut below = locks.below(key(path));
                below.find_map(|locks| conflict(&locks, holds, false))
            }
            false => None,
        });
        future::ready(conflicting.map_or(Ok(()), Err)).boxed()
    }

    fn discover(&'_ self, path: &DavPath) -> LsFuture<'_, Vec<DavLock>> {
        let locks = self.current();
        let found = locks.covering(key(path)).flatten().cloned().collect();
        future::ready(found).boxed()
    }

    /// Removes nothing: `dav-server` calls it before it copies, and a copy that fails must not end the locks of its
    /// destination. The handler removes locks after an operation that succeeds.
    fn delete(&'_ self, _: &DavPath) -> LsFuture<'_, Result<(), ()>> {
        future::ready(Ok(())).boxed()
    }
}

fn limited(timeout: Option<Duration>) -> Duration {
    timeout.unwrap_or(MAX_TIMEOUT).min(MAX_TIMEOUT)
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

    async fn lock(
        locks: &ExpiringLocks,
        url: &str,
        shared: bool,
        deep: bool,
    ) -> Result<DavLock, DavLock> {
        let timeout = Some(Duration::from_secs(60));
        let lock = locks.lock(&path(url), Some("/"), None, timeout, shared, deep);
        lock.await
    }

    async fn exclusive(locks: &ExpiringLocks, url: &str) -> Result<DavLock, DavLock> {
        lock(locks, url, false, true).await
    }

    async fn is_free(locks: &ExpiringLocks, url: &str, deep: bool, tokens: &[&DavLock]) -> bool {
        let tokens: Vec<String> = tokens.iter().map(|lock| lock.token.clone()).collect();
        let check = locks.check(&path(url), Some("/"), false, deep, &tokens);
        check.await.is_ok()
    }

    #[tokio::test]
    async fn a_lock_ends_after_its_timeout_unless_it_is_refreshed() {
        let (locks, elapsed) = locks();
        let lock = exclusive(&locks, "/a").await.unwrap();
        assert!(lock.token.starts_with("urn:uuid:"));
        assert!(exclusive(&locks, "/a").await.is_err());
        *elapsed.lock().unwrap() = Duration::from_secs(50);
        let timeout = Some(Duration::from_secs(60));
        let refresh = locks.refresh(&path("/a"), &lock.token, timeout);
        assert!(refresh.await.is_ok());
        *elapsed.lock().unwrap() = Duration::from_secs(100);
        assert!(!is_free(&locks, "/a", false, &[]).await);
        *elapsed.lock().unwrap() = Duration::from_secs(111);
        assert!(is_free(&locks, "/a", false, &[]).await);
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
        assert!(exclusive(&locks, "/").await.is_err());
        locks.remove(&path("/"));
        assert!(exclusive(&locks, "/").await.is_ok());
    }

    #[tokio::test]
    async fn a_lock_covers_what_is_below_unless_its_depth_is_0() {
        let (locks, _) = locks();
        let deep = exclusive(&locks, "/d/").await.unwrap();
        assert!(!is_free(&locks, "/d/a/b", false, &[]).await);
        assert!(is_free(&locks, "/d/a/b", false, &[&deep]).await);
        assert!(is_free(&locks, "/dd", true, &[]).await);
        assert_eq!(locks.discover(&path("/d/a")).await.len(), 1);
        assert!(!is_free(&locks, "/", true, &[]).await);
        assert!(is_free(&locks, "/", false, &[]).await);
        // By the path of a member.
        locks.unlock(&path("/d/a"), &deep.token).await.unwrap();
        assert!(locks.unlock(&path("/d"), &deep.token).await.is_err());

        let folder = lock(&locks, "/d/", false, false).await.unwrap();
        assert!(is_free(&locks, "/d/a", true, &[]).await);
        assert!(locks.discover(&path("/d/a")).await.is_empty());
        assert!(locks.protect_members(&path("/d"), &[]));
        let tokens = [folder.token];
        assert!(!locks.protect_members(&path("/d"), &tokens));
        assert!(!locks.protect_members(&path("/"), &[]));
    }

    #[tokio::test]
    async fn shared_locks_exclude_those_without_one() {
        let (locks, _) = locks();
        let one = lock(&locks, "/d/a", true, true).await.unwrap();
        let two = lock(&locks, "/d/a", true, true).await.unwrap();
        assert!(exclusive(&locks, "/d").await.is_err());
        for token in [&one, &two] {
            assert!(is_free(&locks, "/d/a", true, &[token]).await);
            assert!(is_free(&locks, "/d", true, &[token]).await);
        }
        assert!(!is_free(&locks, "/d/a", false, &[]).await);
        assert!(!is_free(&locks, "/d", true, &[]).await);
        let check = locks.check(&path("/d/a"), Some("other"), false, false, &[one.token]);
        assert!(check.await.is_err());
    }

    #[tokio::test]
    async fn an_infinite_lock_ends() {
        let (locks, elapsed) = locks();
        let lock = locks.lock(&path("/a"), None, None, None, false, true);
        assert_eq!(lock.await.unwrap().timeout, Some(MAX_TIMEOUT));
        *elapsed.lock().unwrap() = MAX_TIMEOUT;
        assert!(locks.discover(&path("/a")).await.is_empty());
    }

    #[tokio::test]
    async fn the_number_of_locks_is_limited() {
        let (locks, _) = locks();
        for number in 0..MAX_LOCKS {
            exclusive(&locks, &format!("/d/{number}")).await.unwrap();
        }
        assert!(exclusive(&locks, "/d/more").await.is_err());
        locks.remove(&path("/d/"));
        assert!(exclusive(&locks, "/d/more").await.is_ok());
    }

    /// The locks of `dav-server` keep a node for each path that was ever locked, while there is another lock.
    #[tokio::test]
    async fn removed_locks_leave_nothing() {
        let (locks, _) = locks();
        exclusive(&locks, "/held").await.unwrap();
        for number in 0..10 {
            let url = format!("/d{number}/e/f");
            let lock = exclusive(&locks, &url).await.unwrap();
            match number % 2 {
                0 => locks.remove(&path(&url)),
                _ => locks.unlock(&path(&url), &lock.token).await.unwrap(),
            }
        }
        assert_eq!(locks.current().0.len(), 1);
    }

    #[test]
    fn a_large_owner_is_not_kept() {
        let xml = |owner: &str| {
            format!("<D:lockinfo xmlns:D='DAV:'><D:owner>{owner}</D:owner></D:lockinfo>")
        };
        for (owner, is_small) in [
            ("<D:href>http://example.com/</D:href>".to_owned(), true),
            ("x".repeat(900), true),
            ("x".repeat(1024), false),
            ("<x/>".repeat(7), true),
            ("<x/>".repeat(8), false),
        ] {
            assert_eq!(has_small_owner(xml(&owner).as_bytes()), is_small, "{owner}");
        }
        assert!(has_small_owner(b"") && has_small_owner(b"<a"));
    }
}
