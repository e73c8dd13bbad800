//! The same random histories for a two-way sync and for `rclone bisync` over two local folders. Both must have the same files
//! on both sides after each round.
//!
//! Requires `AGB_TEST_RCLONE`, the path of the binary. The histories contain what both treat alike: additions, edits, deletions
//! and renames of any kind, except that a file is written on both sides only in the last round. There, both tools keep both
//! versions under different names, so that only the contents are compared.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
};

use agbcloud::TwoWayConflict;
use fastrand::Rng;

use super::{Folder, Tree, tree, write};

const HISTORIES: u64 = 8;
const ROUNDS: usize = 5;
const NAMES: [&str; 7] = ["a", "b.txt", "c", "d/e", "d/f", "g/h/i", "ü 1%"];

/// The two folders of rclone.
struct Bisync {
    rclone: PathBuf,
    root: tempfile::TempDir,
}

impl Bisync {
    fn sides(&self) -> [PathBuf; 2] {
        ["one", "other"].map(|name| self.root.path().join(name))
    }

    fn run(&self, first: bool) {
        let [one, other] = self.sides();
        let mut command = Command::new(&self.rclone);
        command.env("RCLONE_CONFIG", self.root.path().join("rclone.conf"));
        command.arg("bisync").args([one, other]);
        command.arg("--workdir").arg(self.root.path().join("work"));
        command.args(["--force", "--transfers", "1"]);
        if first {
            command.arg("--resync");
        }
        let output = command.output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
    }
}

/// A change of one side.
#[derive(Debug, Clone)]
enum Edit {
    Write(&'static str, String),
    Delete(&'static str),
    Rename(&'static str, &'static str),
}

/// Returns changes of both sides. Unless it is the last round, no path is written on both sides.
fn edits(rng: &mut Rng, round: usize) -> [Vec<Edit>; 2] {
    let mut written: [BTreeSet<&str>; 2] = Default::default();
    let mut sides: [Vec<Edit>; 2] = Default::default();
    for number in 0..rng.usize(1..9) {
        let side = rng.usize(0..2);
        let [name, to] = [(); 2].map(|()| NAMES[rng.usize(0..NAMES.len())]);
        let is_free = |name: &str| round + 1 == ROUNDS || !written[1 - side].contains(name);
        let edit = match rng.u8(0..8) {
            0..4 if is_free(name) => {
                written[side].insert(name);
                // The same size as before, or another.
                let longer = "+".repeat(rng.usize(0..2));
                Edit::Write(name, format!("{round} {number} {side}{longer}"))
            }
            4..6 => Edit::Delete(name),
            6 if name != to && is_free(to) => {
                written[side].insert(to);
                Edit::Rename(name, to)
            }
            _ => continue,
        };
        sides[side].push(edit);
    }
    sides
}

fn apply_to_folder(root: &Path, edits: &[Edit]) {
    for edit in edits {
        match edit {
            Edit::Write(name, text) => write(root, &[(name, text)]),
            Edit::Delete(name) => drop(std::fs::remove_file(root.join(name))),
            Edit::Rename(from, to) => {
                let target = root.join(to);
                if root.join(from).exists() {
                    std::fs::create_dir_all(target.parent().unwrap()).unwrap();
                    std::fs::rename(root.join(from), target).unwrap();
                }
            }
        }
    }
}

async fn apply_to_context(folder: &Folder, edits: &[Edit]) {
    for edit in edits {
        match edit {
            Edit::Write(name, text) => folder.put(name, text).await,
            Edit::Delete(name) => {
                let delete = folder.files.delete(format!("/data/{name}"));
                delete.missing_ok(true).await.unwrap();
            }
            Edit::Rename(from, to) => {
                let content = folder.files.read(format!("/data/{from}")).await;
                if let Ok(content) = content {
                    let content = String::from_utf8(content.to_vec()).unwrap();
                    folder.put(to, &content).await;
                    folder.delete(from).await;
                }
            }
        }
    }
}

/// Executes a history with both tools. Returns the numbers of additions, edits and deletions that traveled.
async fn compare(rclone: PathBuf, seed: u64) -> u64 {
    let mut rng = Rng::with_seed(seed);
    let root = tempfile::tempdir().unwrap();
    let bisync = Bisync { rclone, root };
    let [one, other] = bisync.sides();
    let folder = Folder::new().await;
    // Bisync refuses an empty folder.
    for root in [&*one, &*other, folder.path()] {
        write(root, &[("kept", "kept")]);
    }
    folder.put("kept", "kept").await;
    let (mut history, mut traveled) = (Vec::new(), 0);
    for round in 0..ROUNDS {
        let edits = edits(&mut rng, round);
        history.push(format!("{edits:?}"));
        apply_to_folder(&one, &edits[0]);
        apply_to_folder(&other, &edits[1]);
        apply_to_folder(folder.path(), &edits[0]);
        apply_to_context(&folder, &edits[1]).await;
        bisync.run(round == 0);
        let sync = folder.sync().on_conflict(TwoWayConflict::KeepBoth);
        let report = sync.await.unwrap();
        traveled += report.transferred + report.deleted;
        let expected = [tree(&one), tree(&other)];
        let found = [tree(folder.path()), folder.remote().await];
        assert_eq!(report.failed, 0, "seed {seed}: {history:#?} {report:?}");
        if round + 1 < ROUNDS {
            assert_eq!(found, expected, "seed {seed}: {history:#?}");
        } else {
            let contents = |sides: &[Tree; 2]| sides.clone().map(|side| counted(&side));
            assert_eq!(
                contents(&found),
                contents(&expected),
                "seed {seed}: {history:#?} {found:?} {expected:?}"
            );
        }
    }
    traveled
}

/// Returns each content with the number of its files.
fn counted(side: &Tree) -> BTreeMap<Vec<u8>, usize> {
    let mut contents = BTreeMap::new();
    for content in side.values() {
        *contents.entry(content.clone()).or_default() += 1;
    }
    contents
}

#[tokio::test]
async fn a_two_way_sync_has_the_result_of_rclone_bisync() {
    let Some(rclone) = std::env::var_os("AGB_TEST_RCLONE").map(PathBuf::from) else {
        println!("skipped: AGB_TEST_RCLONE does not name the binary of rclone");
        return;
    };
    let mut traveled = 0;
    for seed in 0..HISTORIES {
        traveled += Box::pin(compare(rclone.clone(), seed)).await;
    }
    assert!(traveled > HISTORIES * 10, "{traveled}");
}
