//! Damaged and incomplete archives and stores: each is reported precisely, and no service uses a part of a restore.

use std::fs;
use std::path::{Path, PathBuf};

use agbcloud_server::{
    ArchiveError, CopyOptions, FindingKind, FsckMode, Server, StartError, Storage, backup, fsck,
    restore,
};

use crate::store::{archive, assert_clean, blobs, fill, start_in, tree};

struct Damage {
    _folder: tempfile::TempDir,
    folder: PathBuf,
    data: PathBuf,
    good: PathBuf,
    tar: PathBuf,
}

impl Damage {
    async fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().to_owned();
        let data = folder.join("data");
        fill(&data).await;
        Self {
            good: archive(&data, "good").await,
            tar: archive(&data, "good.tar").await,
            data,
            folder,
            _folder: temporary,
        }
    }

    /// A copy of the archive in a folder, which a test damages.
    fn copy(&self) -> PathBuf {
        let path = self.folder.join("damaged");
        let _ = fs::remove_dir_all(&path);
        for (from, content) in tree(&self.good) {
            let to = path.join(from.strip_prefix(&self.good).unwrap());
            match from.is_dir() {
                true => fs::create_dir_all(&to).unwrap(),
                false => {
                    fs::create_dir_all(to.parent().unwrap()).unwrap();
                    fs::write(&to, content).unwrap();
                }
            }
        }
        path
    }

    /// A copy of the tar file with other bytes.
    fn tar_with(&self, change: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
        let path = self.folder.join("damaged.tar");
        let mut bytes = fs::read(&self.tar).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Restores a damaged archive. No service starts on the target.
    async fn fails(&self, archive: &Path) -> ArchiveError {
        let dry_run = CopyOptions::default().dry_run(true);
        let target = self.folder.join("target");
        let _ = fs::remove_dir_all(&target);
        let store = Storage::folder(&target);
        let in_dry_run = restore(archive, &store, &dry_run).await.unwrap_err();
        assert!(!target.exists());
        let error = restore(archive, &store, &CopyOptions::default())
            .await
            .unwrap_err();
        assert_eq!(
            std::mem::discriminant(&error),
            std::mem::discriminant(&in_dry_run),
            "{error} {in_dry_run}"
        );
        if target.exists() {
            let start = Server::builder().data_dir(&target).start().await;
            assert!(
                matches!(start, Err(StartError::UnfinishedImport)),
                "{start:?}"
            );
            for mode in [FsckMode::Check, FsckMode::Repair, FsckMode::Accept] {
                let check = fsck(&target, mode);
                assert!(
                    matches!(check, Err(StartError::UnfinishedImport)),
                    "{check:?}"
                );
            }
        }
        error
    }
}

/// The only finding of an error.
#[track_caller]
fn finding(error: &ArchiveError) -> (FindingKind, String) {
    match error {
        ArchiveError::Damaged { report, .. } => {
            assert_eq!(report.findings.len(), 1, "{report:?}");
            (report.findings[0].kind, report.findings[0].to_string())
        }
        other => panic!("{other}"),
    }
}

fn position(bytes: &[u8], text: &[u8]) -> usize {
    bytes
        .windows(text.len())
        .position(|part| part == text)
        .unwrap()
}

#[tokio::test]
async fn a_damaged_or_missing_blob_is_named_with_its_file() {
    let damage = Damage::new().await;
    let archive = damage.copy();
    let blob = blobs(&archive).remove(0);
    let good = fs::read(&blob).unwrap();
    let mut bad = good.clone();
    bad[1000] ^= 1;
    for content in [
        bad,
        good[..good.len() - 1].to_vec(),
        [&good[..], b"x"].concat(),
    ] {
        fs::write(&blob, content).unwrap();
        let error = damage.fails(&archive).await;
        let (kind, text) = finding(&error);
        assert_eq!(kind, FindingKind::DamagedContent);
        assert!(
            text.contains("context SdkCtx-") && text.contains("/"),
            "{text}"
        );
        assert!(
            error.to_string().contains("damaged is damaged: 1 problem"),
            "{error}"
        );
    }
    fs::remove_file(&blob).unwrap();
    let (kind, text) = finding(&damage.fails(&archive).await);
    assert_eq!(kind, FindingKind::MissingContent);
    let name = blob.file_name().unwrap().to_str().unwrap();
    assert!(text.contains(name), "{text}");

    // A dry run lists all damage.
    let second = blobs(&archive).remove(0);
    fs::write(second, "damaged").unwrap();
    let target = Storage::folder(damage.folder.join("none"));
    let dry_run = CopyOptions::default().dry_run(true);
    match restore(&archive, &target, &dry_run).await.unwrap_err() {
        ArchiveError::Damaged { report, .. } => assert_eq!(report.findings.len(), 2),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_repaired_archive_continues_the_restore() {
    let damage = Damage::new().await;
    let archive = damage.copy();
    let blob = blobs(&archive).pop().unwrap();
    let good = fs::read(&blob).unwrap();
    fs::write(&blob, "damaged").unwrap();
    damage.fails(&archive).await;
    fs::write(&blob, good).unwrap();
    let target = damage.folder.join("target");
    let store = Storage::folder(&target);
    let report = restore(&archive, &store, &CopyOptions::default())
        .await
        .unwrap();
    assert!(report.findings.is_empty());
    assert_clean(&target);
    assert_eq!(blobs(&target).len(), 6);
}

#[tokio::test]
async fn damaged_records_are_refused_before_anything_is_written() {
    let damage = Damage::new().await;
    let archive = damage.copy();
    let records = archive.join("records.jsonl");
    let good = fs::read(&records).unwrap();
    for at in [0, 20, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 1;
        fs::write(&records, bad).unwrap();
        let error = damage.fails(&archive).await;
        assert!(matches!(error, ArchiveError::Invalid { .. }), "{error}");
        assert!(
            error
                .to_string()
                .contains("records.jsonl does not match its checksum")
        );
        assert!(!damage.folder.join("target").exists());
    }
    fs::write(&records, &good[..good.len() / 2]).unwrap();
    assert!(matches!(
        damage.fails(&archive).await,
        ArchiveError::Invalid { .. }
    ));
    fs::remove_file(&records).unwrap();
    assert!(matches!(
        damage.fails(&archive).await,
        ArchiveError::Incomplete { .. }
    ));
    let bad = damage.tar_with(|bytes| {
        let at = position(bytes, b"\"type\":\"context\"");
        bytes[at + 30] ^= 1;
    });
    let error = damage.fails(&bad);
    assert!(matches!(error.await, ArchiveError::Invalid { .. }));
}

#[tokio::test]
async fn an_archive_without_a_manifest_or_of_another_version_is_refused() {
    let damage = Damage::new().await;
    let archive = damage.copy();
    let manifest = archive.join("manifest.json");
    let good = fs::read_to_string(&manifest).unwrap();
    assert!(good.contains("\"version\": 1"), "{good}");
    fs::write(&manifest, good.replace("\"version\": 1", "\"version\": 2")).unwrap();
    let error = damage.fails(&archive).await;
    assert!(
        matches!(
            error,
            ArchiveError::Version {
                found: 2,
                known: 1,
                ..
            }
        ),
        "{error}"
    );
    for bad in [
        "",
        "{}",
        &good[..good.len() / 2],
        &good.replace("agb-archive", "other"),
        &good.replace("\"files\": 12", "\"files\": 13"),
        &good.replace("\"store\": \"", "\"store\": \"0"),
    ] {
        fs::write(&manifest, bad).unwrap();
        let error = damage.fails(&archive).await;
        assert!(
            matches!(error, ArchiveError::Invalid { .. }),
            "{bad}: {error}"
        );
    }
    fs::remove_file(&manifest).unwrap();
    let error = damage.fails(&archive).await;
    assert!(matches!(error, ArchiveError::Incomplete { .. }), "{error}");
    let error = damage.fails(&damage.folder.join("missing")).await;
    assert!(matches!(error, ArchiveError::Io { .. }), "{error}");
}

#[tokio::test]
async fn a_damaged_tar_file_is_refused() {
    let damage = Damage::new().await;
    let length = fs::metadata(&damage.tar).unwrap().len() as usize;
    // Cut off anywhere: in the first blob, between files, in the records, in the manifest.
    let manifest = position(&fs::read(&damage.tar).unwrap(), b"manifest.json");
    for at in [
        0,
        100,
        1000,
        300_000,
        length / 2,
        manifest - 10,
        manifest,
        manifest + 600,
    ] {
        let error = damage
            .fails(&damage.tar_with(|bytes| bytes.truncate(at)))
            .await;
        assert!(
            matches!(
                error,
                ArchiveError::Incomplete { .. } | ArchiveError::Invalid { .. }
            ),
            "{at}: {error}"
        );
        assert!(!damage.folder.join("target").exists());
    }
    // In a content.
    let error = damage
        .fails(&damage.tar_with(|bytes| bytes[5000] ^= 1))
        .await;
    assert_eq!(finding(&error).0, FindingKind::DamagedContent);
    // In a header.
    let error = damage.fails(&damage.tar_with(|bytes| bytes[10] ^= 1)).await;
    assert!(matches!(error, ArchiveError::Invalid { .. }), "{error}");
    // Without one blob.
    let bad = damage.tar_with(|bytes| {
        bytes.drain(..512 + 300_032);
    });
    let error = damage.fails(&bad);
    let error = error.await;
    assert!(
        error.to_string().contains("is missing or not in order"),
        "{error}"
    );
    // With one blob more.
    let bad = damage.tar_with(|bytes| {
        let records = position(bytes, b"records.jsonl");
        let blob = bytes[..512 + 300_032].to_vec();
        bytes.splice(records..records, blob);
    });
    let error = damage.fails(&bad);
    let error = error.await;
    assert!(
        error.to_string().contains("no record references blobs/"),
        "{error}"
    );
}

#[tokio::test]
async fn a_damaged_store_is_not_backed_up_and_leaves_no_archive() {
    let damage = Damage::new().await;
    let blob = blobs(&damage.data).remove(0);
    let good = fs::read(&blob).unwrap();
    fs::write(&blob, "damaged").unwrap();
    let store = Storage::folder(&damage.data);
    let existing = damage.folder.join("existing");
    fs::create_dir(&existing).unwrap();
    for name in ["new", "new.tar", "existing"] {
        let archive = damage.folder.join(name);
        let options = CopyOptions::default();
        let error = backup(&store, &archive, &options).await.unwrap_err();
        assert_eq!(finding(&error).0, FindingKind::DamagedContent);
    }
    assert_eq!(fs::read_dir(&existing).unwrap().count(), 0);
    fs::write(&blob, good).unwrap();
    let names = fs::read_dir(&damage.folder).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    // It can be backed up again.
    let (server, _) = start_in(&damage.data).await;
    server.shutdown().await;
    archive(&damage.data, "new.tar").await;
}
