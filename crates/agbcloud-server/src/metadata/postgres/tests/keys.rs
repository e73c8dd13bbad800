//! API keys in the database.

use super::proxy::{Mode, Proxy};
use super::*;
use crate::key_file::{KeyEntry, KeyFile, KeyLimits};
use crate::metadata::{KeyTable, StoreError};
use crate::signing::Signer;

/// Returns a new key of a tenant.
fn new_key() -> KeyEntry {
    let mut keys = KeyFile::default();
    keys.add("team", std::time::SystemTime::UNIX_EPOCH).unwrap();
    keys.keys()[0].clone()
}

async fn insert(store: &Postgres, entry: &KeyEntry) -> Result<()> {
    let signer = Signer::new(&Secret([1; 32]));
    store.insert(entry, &signer.issuer(&entry.hash())).await
}

#[tokio::test]
async fn changes_of_keys_are_reported_as_done_whatever_part_of_their_commit_is_lost() {
    let Some(url) = database() else { return };
    let proxy = Proxy::start(&url).await;
    let store = open(&with(&proxy.url(&url), "sslmode=disable")).await;
    for mode in [Mode::LoseCommit, Mode::LoseAnswer] {
        let entry = new_key();
        proxy.set(mode);
        assert_eq!(insert(&store, &entry).await, Ok(()), "{mode:?}");
        assert_eq!(proxy.mode(), Mode::Forward, "the fault happened");
        let found = store.find_by_hash(&entry.hash()).await.unwrap();
        assert_eq!(found.unwrap().id(), entry.id());
        proxy.set(mode);
        assert_eq!(store.delete(entry.id()).await, Ok(true), "{mode:?}");
        assert_eq!(proxy.mode(), Mode::Forward, "the fault happened");
        assert!(store.find_by_hash(&entry.hash()).await.unwrap().is_none());
        assert_eq!(store.delete(entry.id()).await, Ok(false));
    }
}

#[tokio::test]
async fn concurrent_changes_of_the_limits_of_a_key_are_all_kept() {
    let Some(url) = database() else { return };
    let (store, other) = (open(&url).await, open(&url).await);
    let entry = new_key();
    insert(&store, &entry).await.unwrap();
    for number in 1..=10 {
        let bytes = |limits: &mut KeyLimits| limits.max_bytes = Some(number);
        let files = |limits: &mut KeyLimits| limits.max_files = Some(number);
        let changed = futures_util::future::join(
            store.change_limits(entry.id(), &bytes),
            other.change_limits(entry.id(), &files),
        );
        assert_eq!(changed.await, (Ok(true), Ok(true)));
        let found = store.find_by_hash(&entry.hash()).await.unwrap().unwrap();
        let limits = found.limits();
        assert_eq!(
            (limits.max_bytes, limits.max_files),
            (Some(number), Some(number))
        );
    }
    let none = |limits: &mut KeyLimits| *limits = KeyLimits::default();
    assert_eq!(store.change_limits(entry.id(), &none).await, Ok(true));
    let found = store.list("", 10).await.unwrap();
    assert_eq!(found[0].limits(), KeyLimits::default());
    assert_eq!(store.change_limits("missing", &none).await, Ok(false));
}

#[tokio::test]
async fn a_key_with_the_id_of_another_is_rejected() {
    let Some(url) = database() else { return };
    let store = open(&url).await;
    let (first, second) = (new_key(), new_key());
    insert(&store, &first).await.unwrap();
    let text = serde_json::to_string(&second).unwrap();
    let same_id: KeyEntry = serde_json::from_str(&text.replace(second.id(), first.id())).unwrap();
    // Otherwise the new key would be printed, but not accepted.
    let inserted = insert(&store, &same_id).await;
    assert!(
        matches!(inserted, Err(StoreError::Failed(_))),
        "{inserted:?}"
    );
    assert!(store.find_by_hash(&second.hash()).await.unwrap().is_none());
    // An earlier attempt may have inserted it.
    insert(&store, &first).await.unwrap();
}
