use std::collections::BTreeSet;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::checksums::Hasher;
use crate::clock::Micros;
use crate::metadata::sqlite::{contexts, files, schema};
use crate::metadata::{Conditions, Content, FileKey, NewFile};
use crate::names::{FilePath, FolderPath};
use crate::signing::{Secret, Signer, Tenant};

/// A context in a database of its own, and the names that are right below its root.
struct Folder {
    db: Connection,
    tenant: Tenant,
    context: String,
    keys: BTreeSet<Key>,
}

#[derive(Debug, Clone)]
enum Step {
    /// Puts a file, right below the root or in a folder there.
    Put(u8, bool),
    Delete(u8, bool),
    /// Many in a row of names, forwards.
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
        let secret = schema::prepare(&mut db, None, Secret([1; 32]))
            .unwrap()
            .secret;
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
            sums: Hasher::new().finish(),
            content: Content::Small(Bytes::new()),
            blocks: None,
        };
        files::put(&self.db, &key, &new, &Conditions::default(), Micros(1)).unwrap();
        self.keys.insert(Key {
            name: format!("{name:03}"),
            folder: below,
        });
    }

    fn delete(&mut self, name: u8, below: bool) {
        let (path, now) = (path(name, below), Micros(2));
        let was = self.keys.remove(&Key {
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

    fn place(&self) -> Place<'static> {
        Place { tree: 1, path: "/" }
    }

    /// Every page of every size is what skipping over all before it gives, and none is far from a mark.
    fn check(&self) {
        let all: Vec<Key> = self.keys.iter().cloned().collect();
        assert!(are_right(&self.db, self.place(), all.len() as i64).unwrap());
        let root = FolderPath::root();
        for offset in 0..=all.len() + 1 {
            for limit in [1, 7, 1000] {
                let (start, size) = (offset as i64, limit as u32);
                let page =
                    files::list(&self.db, &self.tenant, &self.context, &root, start, size).unwrap();
                let found: Vec<Key> = page
                    .entries
                    .into_iter()
                    .map(|entry| Key {
                        name: entry.name,
                        folder: entry.folder,
                    })
                    .collect();
                let naive: Vec<Key> = all.iter().skip(offset).take(limit).cloned().collect();
                assert_eq!((found, page.count), (naive, all.len() as i64));
            }
            let (_, skip) = seek(&self.db, self.place(), offset as i64).unwrap();
            assert!(skip <= FEW || offset > all.len(), "{skip} steps");
        }
        let marked = |level| all_marks(self, level);
        if all.len() as i64 > FEW {
            let (blocks, groups) = (marked(Level::Blocks), marked(Level::Groups));
            assert!(blocks.len() > 1 && !groups.is_empty());
            assert!(blocks.iter().all(|mark| mark.entries <= 3 * BLOCK));
            assert!(groups.iter().all(|mark| mark.entries <= 3 * GROUP));
        }
    }
}

fn all_marks(folder: &Folder, level: Level) -> Vec<Mark> {
    all(&folder.db, folder.place(), level).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn numbered_pages_are_what_skipping_gives(steps in prop::collection::vec(step(), 1..50)) {
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
fn a_folder_that_is_emptied_leaves_no_mark() {
    let mut folder = Folder::new();
    (0..=255).for_each(|name| folder.put(name, name % 2 == 0));
    assert!(all_marks(&folder, Level::Groups).len() > 4);
    folder.check();
    (0..=255)
        .rev()
        .for_each(|name| folder.delete(name, name % 2 == 0));
    folder.check();
    assert!(all_marks(&folder, Level::Blocks).is_empty());
}

#[test]
fn the_folders_of_an_older_store_get_their_marks() {
    let mut folder = Folder::new();
    (0..200).for_each(|name| folder.put(name, false));
    folder.db.execute("DELETE FROM marks", []).unwrap();
    folder.check_without_marks();
    build(&folder.db, None).unwrap();
    assert!(all_marks(&folder, Level::Blocks).len() > 4);
    folder.check();
    (200..=255).for_each(|name| folder.put(name, false));
    folder.check();
}

#[test]
fn a_wrong_mark_is_found() {
    let mut folder = Folder::new();
    (0..200).for_each(|name| folder.put(name, false));
    assert!(are_right(&folder.db, folder.place(), 200).unwrap());
    folder
        .db
        .execute("UPDATE marks SET entries = entries + 1 WHERE name = ''", [])
        .unwrap();
    assert!(!are_right(&folder.db, folder.place(), 200).unwrap());
}

impl Folder {
    /// Right, if slow.
    fn check_without_marks(&self) {
        assert_eq!(
            seek(&self.db, self.place(), 150).unwrap(),
            (Key::default(), 150)
        );
    }
}
