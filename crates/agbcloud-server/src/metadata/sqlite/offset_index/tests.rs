use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::checksums::Hasher;
use crate::metadata::sqlite::open::prepare;
use crate::metadata::sqlite::{contexts, files};
use crate::metadata::{Conditions, Content, FileKey, NewFile, Quotas};
use crate::names::{FilePath, FolderPath};
use crate::signing::{Secret, Signer, Tenant};
use crate::system::clock::Micros;

/// A context in its own database, and the keys of the entries of its root folder.
struct Folder {
    db: Connection,
    tenant: Tenant,
    context: String,
    keys: BTreeSet<EntryKey>,
}

#[derive(Debug, Clone)]
enum Step {
    /// Puts a file in the root folder, or in a subfolder.
    Put(u8, bool),
    Delete(u8, bool),
    /// Puts files with consecutive names.
    PutRun(u8, u8),
    DeleteRun(u8, u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any::<(u8, bool)>().prop_map(|(name, below)| Step::Put(name, below)),
        3 => any::<(u8, bool)>().prop_map(|(name, below)| Step::Delete(name, below)),
        2 => (any::<u8>(), 0_u8..60).prop_map(|(first, many)| Step::PutRun(first, many)),
        1 => (any::<u8>(), 0_u8..60).prop_map(|(first, many)| Step::DeleteRun(first, many)),
    ]
}

fn path(name: u8, below: bool) -> FilePath {
    let end = if below { "/f" } else { "" };
    FilePath::parse(&format!("/{name:03}{end}")).unwrap()
}

impl Folder {
    fn new() -> Self {
        let mut db = Connection::open_in_memory().unwrap();
        let secret = prepare(&mut db, None, Secret([1; 32])).unwrap().secret;
        let tenant = Signer::new(&secret).tenant("key");
        let context = contexts::create(&db, &tenant, "r", "c", Micros(0)).unwrap();
        Self {
            db,
            tenant,
            context: context.id,
            keys: BTreeSet::new(),
        }
    }

    fn put(&mut self, name: u8, below: bool) {
        let key = FileKey {
            tenant: self.tenant.clone(),
            context: self.context.clone(),
            generation: 1,
            path: path(name, below),
        };
        let new = NewFile {
            checksums: Hasher::new().finish(),
            content: Content::Inline(Bytes::new()),
            blocks: None,
        };
        files::put(
            &self.db,
            &key,
            &new,
            &Conditions::default(),
            &Quotas::default(),
            Micros(1),
        )
        .unwrap();
        self.keys.insert(EntryKey {
            name: format!("{name:03}"),
            folder: below,
        });
    }

    fn delete(&mut self, name: u8, below: bool) {
        let (path, now) = (path(name, below), Micros(2));
        let was = self.keys.remove(&EntryKey {
            name: format!("{name:03}"),
            folder: below,
        });
        let deleted = files::delete(&self.db, &self.tenant, &self.context, &path, now);
        assert_eq!(deleted.is_ok(), was);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Put(name, below) => self.put(name, below),
            Step::Delete(name, below) => self.delete(name, below),
            Step::PutRun(first, many) => {
                (0..many).for_each(|n| self.put(first.wrapping_add(n), false));
            }
            Step::DeleteRun(first, many) => {
                (0..many).for_each(|n| self.delete(first.wrapping_add(n), false));
            }
        }
    }

    fn index(&self) -> OffsetIndex<'_> {
        OffsetIndex {
            db: &self.db,
            tree: 1,
            path: "/",
        }
    }

    /// Every page contains the expected entries, and `seek` skips few entries.
    fn check(&self) {
        let all: Vec<EntryKey> = self.keys.iter().cloned().collect();
        assert!(self.index().is_correct(all.len() as i64).unwrap());
        let root = FolderPath::parse("/").unwrap();
        for offset in 0..=all.len() + 1 {
            for limit in [1, 7, 1000] {
                let (start, size) = (offset as i64, limit as u32);
                let page =
                    files::list(&self.db, &self.tenant, &self.context, &root, start, size).unwrap();
                let found: Vec<EntryKey> = page
                    .entries
                    .into_iter()
                    .map(|entry| EntryKey {
                        name: entry.name,
                        folder: entry.folder,
                    })
                    .collect();
                let naive: Vec<EntryKey> = all.iter().skip(offset).take(limit).cloned().collect();
                assert_eq!((found, page.count), (naive, all.len() as i64));
            }
            let (_, skip) = self.index().seek(offset as i64).unwrap();
            assert!(skip <= MAX_UNINDEXED || offset > all.len(), "{skip} steps");
        }
        let indexed = |level| segments_of(self, level);
        if all.len() as i64 > MAX_UNINDEXED {
            let (blocks, groups) = (indexed(Level::Blocks), indexed(Level::Groups));
            assert!(blocks.len() > 1 && !groups.is_empty());
            assert!(blocks.iter().all(|segment| segment.entries <= 3 * BLOCK));
            assert!(groups.iter().all(|segment| segment.entries <= 3 * GROUP));
        }
    }
}

fn segments_of(folder: &Folder, level: Level) -> Vec<Segment> {
    folder.index().segments(level).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn pages_contain_the_entries_at_their_offset(steps in prop::collection::vec(step(), 1..50)) {
        let mut folder = Folder::new();
        for (number, step) in steps.iter().enumerate() {
            folder.step(step);
            if number % 8 == 0 {
                folder.check();
            }
        }
        folder.check();
    }
}

#[test]
fn an_emptied_folder_has_no_index() {
    let mut folder = Folder::new();
    (0..=255).for_each(|name| folder.put(name, name % 2 == 0));
    assert!(segments_of(&folder, Level::Groups).len() > 4);
    folder.check();
    (0..=255)
        .rev()
        .for_each(|name| folder.delete(name, name % 2 == 0));
    folder.check();
    assert!(segments_of(&folder, Level::Blocks).is_empty());
}

#[test]
fn folders_of_an_older_store_are_indexed() {
    let mut folder = Folder::new();
    (0..200).for_each(|name| folder.put(name, false));
    folder.db.execute("DELETE FROM marks", []).unwrap();
    folder.check_without_index();
    build_all(&folder.db).unwrap();
    assert!(segments_of(&folder, Level::Blocks).len() > 4);
    folder.check();
    (200..=255).for_each(|name| folder.put(name, false));
    folder.check();
}

#[test]
fn a_wrong_index_is_detected() {
    let mut folder = Folder::new();
    (0..200).for_each(|name| folder.put(name, false));
    assert!(folder.index().is_correct(200).unwrap());
    folder
        .db
        .execute("UPDATE marks SET entries = entries + 1 WHERE name = ''", [])
        .unwrap();
    assert!(!folder.index().is_correct(200).unwrap());
}

impl Folder {
    fn check_without_index(&self) {
        assert_eq!(self.index().seek(150).unwrap(), (EntryKey::default(), 150));
    }
}
