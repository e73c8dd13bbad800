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

#[derive(Default)]
struct Locks {
    /// By path, without a slash at its end.
    by_path: BTreeMap<Vec<u8>, Vec<Held>>,
    changes: Vec<Change>,
    /// Identifies the next change.
    next_change: u64,
}

/// A change whose check of the locks is done, or follows. While it lasts, no client gets a lock that would exclude it:
/// otherwise it would change a file under the lock of another client.
struct Change {
    id: u64,
    path: Vec<u8>,
    /// What is below the path changes, too.
    deep: bool,
    moves: bool,
}

impl Change {
    fn overlaps(&self, path: &[u8]) -> bool {
        is_within(path, &self.path) || is_within(&self.path, path)
    }
}

/// Ends a change when it is dropped.
#[must_use = "the change ends when this is dropped"]
pub(crate) struct ChangeGuard {
    locks: ExpiringLocks,
    id: u64,
}

impl Drop for ChangeGuard {
    fn drop(&mut self) {
        self.locks
            .current()
            .changes
            .retain(|change| change.id != self.id);
    }
}

/// Why a write is not committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WriteConflict {
    /// Another client has a lock.
    Locked,
    /// A lock that the client had when the write began is gone.
    LockEnded,
    /// The file is being moved or replaced by a move, which would delete what is written.
    Moving,
}

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
        let held = locks.by_path.get(key(folder)).into_iter().flatten();
        let held: Vec<&DavLock> = held
            .map(|held| &held.lock)
            .filter(|lock| !lock.deep)
            .collect();
        conflict(&held, |lock| tokens.contains(&lock.token), false).is_some()
    }

    /// Registers a change of paths with everything below, before the locks are checked. Returns `None` if one of two changes of
    /// the same path is a move: two opposite moves would each delete what the other one has copied, and a move would delete what
    /// is written meanwhile. A path that is only read is not registered.
    pub(crate) fn begin_change<'a>(
        &self,
        paths: impl Iterator<Item = &'a DavPath>,
        read: Option<&DavPath>,
        moves: bool,
    ) -> Option<Vec<ChangeGuard>> {
        let mut locks = self.current();
        let paths: Vec<&[u8]> = paths.map(|path| key(path)).collect();
        let excludes = |change: &Change| {
            let changed = (moves || change.moves) && paths.iter().any(|path| change.overlaps(path));
            changed || (change.moves && read.is_some_and(|path| change.overlaps(key(path))))
        };
        if locks.changes.iter().any(excludes) {
            return None;
        }
        let begin = |path: &&[u8]| self.register(&mut locks, path, true, moves);
        Some(paths.iter().map(begin).collect())
    }

    /// The locks of a path that a client with these tokens holds.
    pub(crate) fn held(&self, path: &DavPath, tokens: &[String]) -> Vec<String> {
        let locks = self.current();
        let covering = locks.covering(key(path)).flatten();
        let held = covering.filter(|lock| tokens.contains(&lock.token));
        held.map(|lock| lock.token.clone()).collect()
    }

    /// Checks the locks of a file, and registers the write that follows in the same step.
    pub(crate) fn begin_write(
        &self,
        path: &DavPath,
        tokens: &[String],
        held_before: &[String],
    ) -> Result<ChangeGuard, WriteConflict> {
        let mut locks = self.current();
        let covering: Vec<&DavLock> = locks.covering(key(path)).flatten().collect();
        if conflict(&covering, |lock| tokens.contains(&lock.token), false).is_some() {
            return Err(WriteConflict::Locked);
        }
        let is_held = |token: &String| covering.iter().any(|lock| lock.token == *token);
        if !held_before.iter().all(is_held) {
            return Err(WriteConflict::LockEnded);
        }
        let moves = |change: &Change| change.moves && is_within(key(path), &change.path);
        if locks.changes.iter().any(moves) {
            return Err(WriteConflict::Moving);
        }
        Ok(self.register(&mut locks, key(path), false, false))
    }

    fn register(&self, locks: &mut Locks, path: &[u8], deep: bool, moves: bool) -> ChangeGuard {
        let id = locks.next_change;
        locks.next_change += 1;
        locks.changes.push(Change {
            id,
            path: path.to_vec(),
            deep,
            moves,
        });
        ChangeGuard {
            locks: self.clone(),
            id,
        }
    }

    /// Removes the locks of a path and of everything below.
    pub(crate) fn remove(&self, path: &DavPath) {
        let mut locks = self.current();
        let path = key(path);
        locks.by_path.retain(|other, _| !is_within(other, path));
    }

    /// Removes expired locks before the locks are used.
    fn current(&self) -> MutexGuard<'_, Locks> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (self.now)();
        locks.by_path.retain(|_, held| {
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
            let held = self.by_path.get(folder)?.iter().map(|held| &held.lock);
            let applies = |lock: &&DavLock| lock.deep || folder == path;
            Some(held.filter(applies).collect())
        })
    }

    /// The locks of everything below a path.
    fn below(&self, path: &[u8]) -> impl Iterator<Item = Vec<&DavLock>> {
        let folder = path.strip_suffix(b"/").unwrap_or(path);
        // All paths that start with the folder and a slash.
        let range = [folder, b"/"].concat()..[folder, b"0"].concat();
        let below = self
            .by_path
            .range(range)
            .filter(move |(other, _)| *other != path);
        below.map(|(_, held)| held.iter().map(|held| &held.lock).collect())
    }

    /// Whether a lock would exclude a change that is being made. One of depth 0 excludes changes of the list of members.
    fn is_changing(&self, path: &[u8], deep: bool) -> bool {
        self.changes.iter().any(|change| {
            let is_covered = match deep {
                true => is_within(&change.path, path),
                false => change.path == path || parent(&change.path) == Some(path),
            };
            is_covered || (change.deep && is_within(path, &change.path))
        })
    }

    /// Finds a lock that applies to a path by its token.
    fn find(&mut self, path: &DavPath, token: &str) -> Option<&mut Held> {
        let path = {
            let mut covering = self.covering(key(path)).flatten();
            let found = covering.find(|lock| lock.token == token)?;
            key(&found.path).to_vec()
        };
        let held = self.by_path.get_mut(&path)?;
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

/// The folder of a path, without a slash at its end; `None` for the root.
fn parent(path: &[u8]) -> Option<&[u8]> {
    let slash = path.iter().rposition(|byte| *byte == b'/')?;
    match slash {
        0 => (path.len() > 1).then_some(&b"/"[..]),
        _ => Some(&path[..slash]),
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
        let count: usize = locks.by_path.values().map(Vec::len).sum();
        if count >= MAX_LOCKS {
            tracing::warn!("a lock was refused: there are {MAX_LOCKS} locks");
            return future::ready(Err(refused(path))).boxed();
        }
        if locks.is_changing(key(path), deep) {
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
        locks
            .by_path
            .entry(key(path).to_vec())
            .or_default()
            .push(held);
        future::ready(Ok(lock)).boxed()
    }

    fn unlock(&'_ self, path: &DavPath, token: &str) -> LsFuture<'_, Result<(), ()>> {
        let mut locks = self.current();
        let found = locks
            .find(path, token)
            .map(|held| key(&held.lock.path).to_vec());
        let unlocked = found.ok_or(()).map(|path| {
            if let Some(held) = locks.by_path.get_mut(&path) {
                held.retain(|held| held.lock.token != token);
                if held.is_empty() {
                    locks.by_path.remove(&path);
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
        if ignore_principal {
            // A condition of the header `If`. It holds only for a token of a lock that exists: that of an expired one would
            // otherwise overwrite what another client has written since.
            let mut covering = locks.covering(key(path)).flatten();
            let is_held = covering.any(|lock| submitted_tokens.contains(&lock.token));
            let result = is_held.then_some(()).ok_or_else(|| refused(path));
            return future::ready(result).boxed();
        }
        let holds = |lock: &DavLock| {
            submitted_tokens.contains(&lock.token) && principal == lock.principal.as_deref()
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
mod tests;
