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
    assert_eq!(locks.current().by_path.len(), 1);
}

#[test]
fn a_large_owner_is_not_kept() {
    let xml =
        |owner: &str| format!("<D:lockinfo xmlns:D='DAV:'><D:owner>{owner}</D:owner></D:lockinfo>");
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

#[tokio::test]
async fn a_condition_on_a_token_holds_only_while_its_lock_covers_the_path() {
    let (locks, elapsed) = locks();
    let deep = exclusive(&locks, "/d/").await.unwrap();
    let holds = async |url: &str, token: &str| {
        let tokens = [token.to_owned()];
        let check = locks.check(&path(url), None, true, false, &tokens);
        check.await.is_ok()
    };
    assert!(holds("/d", &deep.token).await && holds("/d/a", &deep.token).await);
    assert!(!holds("/a", &deep.token).await);
    assert!(!holds("/d/a", "urn:uuid:0").await && !holds("/a", "urn:uuid:0").await);
    *elapsed.lock().unwrap() = Duration::from_secs(60);
    assert!(!holds("/d/a", &deep.token).await);
}

#[tokio::test]
async fn a_lock_is_refused_while_it_would_exclude_a_change() {
    let (locks, _) = locks();
    let change = locks.begin_change([&path("/d/e")].into_iter(), None, false);
    assert!(change.is_some());
    for url in ["/", "/d", "/d/e", "/d/e/", "/d/e/a"] {
        assert!(exclusive(&locks, url).await.is_err(), "{url}");
    }
    assert!(lock(&locks, "/d", false, false).await.is_err());
    assert!(lock(&locks, "/", false, false).await.is_ok());
    assert!(exclusive(&locks, "/d/f").await.is_ok());
    drop(change);
    assert!(exclusive(&locks, "/d/e").await.is_ok());
}

#[tokio::test]
async fn a_write_is_checked_again_when_it_is_committed() {
    let (locks, elapsed) = locks();
    let begin = |tokens: &[String], held: &[String]| {
        let begun = locks.begin_write(&path("/a"), tokens, held);
        begun.map(|_| ())
    };
    assert_eq!(begin(&[], &[]), Ok(()));
    let own = exclusive(&locks, "/a").await.unwrap();
    let tokens = [own.token];
    assert_eq!(begin(&[], &[]), Err(WriteConflict::Locked));
    let held = locks.held(&path("/a"), &tokens);
    assert_eq!(held, tokens);
    assert_eq!(begin(&tokens, &held), Ok(()));
    assert!(locks.held(&path("/b"), &tokens).is_empty());
    *elapsed.lock().unwrap() = Duration::from_secs(60);
    assert_eq!(begin(&tokens, &held), Err(WriteConflict::LockEnded));
    exclusive(&locks, "/a").await.unwrap();
    assert_eq!(begin(&tokens, &held), Err(WriteConflict::Locked));
}

#[tokio::test]
async fn a_move_excludes_other_changes_of_its_paths() {
    let (locks, _) = locks();
    let begin = |urls: [&str; 2], moves: bool| {
        let paths = urls.map(path);
        locks.begin_change(paths.iter(), None, moves)
    };
    let moving = begin(["/a", "/b/c"], true).unwrap();
    for urls in [["/b/c", "/a"], ["/x", "/a/d"], ["/b", "/x"]] {
        assert!(begin(urls, true).is_none() && begin(urls, false).is_none());
    }
    let other = begin(["/x", "/b/d"], true).unwrap();
    let write = |url: &str| locks.begin_write(&path(url), &[], &[]);
    for url in ["/a", "/a/e", "/b/c/e"] {
        assert_eq!(write(url).err(), Some(WriteConflict::Moving), "{url}");
    }
    assert!(write("/b/e").is_ok());
    let reads = |url: &str| {
        let read = path(url);
        locks.begin_change([&path("/y")].into_iter(), Some(&read), false)
    };
    assert!(reads("/a").is_none() && reads("/a/e").is_none());
    assert!(reads("/c").is_some());
    drop((moving, other));
    let writing = write("/a/e").unwrap();
    assert!(begin(["/a", "/z"], true).is_none());
    assert!(begin(["/a", "/z"], false).is_some());
    drop(writing);
    let copying = begin(["/a", "/b"], false).unwrap();
    assert!(begin(["/a", "/x"], true).is_none());
    assert!(begin(["/a", "/x"], false).is_some());
    drop(copying);
    assert!(begin(["/b", "/a"], true).is_some());
}
