//! Tests of blobs in memory and in a folder.

use bytes::Bytes;
use futures_util::TryStreamExt;

use super::*;

async fn store(blobs: &Blobs, chunks: &[&[u8]]) -> String {
    let length = chunks.iter().map(|chunk| chunk.len() as u64).sum();
    let mut upload = blobs.upload(length).await.unwrap();
    for chunk in chunks {
        upload.write(Bytes::copy_from_slice(chunk)).await.unwrap();
    }
    upload.finish().await.unwrap()
}

async fn read(blobs: &Blobs, blob: &str, range: Range<u64>) -> Result<Chunks, BlobError> {
    let (size, checksums) = blobs
        .compute_checksums(blob, 0, |size, bytes| *size += bytes.len() as u64)
        .await?;
    blobs.read(blob, size, range, checksums).await
}

async fn fetch(blobs: &Blobs, blob: &str, range: Range<u64>) -> Vec<u8> {
    let chunks: Vec<Bytes> = read(blobs, blob, range)
        .await
        .unwrap()
        .try_collect()
        .await
        .unwrap();
    chunks.concat()
}

async fn both() -> (tempfile::TempDir, [Blobs; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let blobs = [
        Blobs::memory().unwrap(),
        Blobs::folder(&folder.path().join("blobs"), Durability::Strict).unwrap(),
    ];
    (folder, blobs)
}

#[cfg(unix)]
#[test]
fn the_folder_of_blobs_is_private_in_a_readable_folder() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let open = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let blobs = folder.path().join("blobs");
    Blobs::folder(&blobs, Durability::Strict).unwrap();
    assert_eq!(
        blobs.metadata().unwrap().permissions().mode() & 0o777,
        0o700
    );
}

#[tokio::test]
async fn blobs_are_read_whole_and_in_part() {
    let (_folder, stores) = both().await;
    for blobs in stores {
        let small = store(&blobs, &[b"hello ", b"world"]).await;
        assert_eq!(fetch(&blobs, &small, 0..11).await, b"hello world");
        assert_eq!(fetch(&blobs, &small, 6..8).await, b"wo");
        let chunk: Vec<u8> = (0..700_001_u32).map(|i| (i % 251) as u8).collect();
        let large = store(&blobs, &[&chunk, &chunk, &chunk, &chunk]).await;
        let whole = chunk.repeat(4);
        assert_eq!(fetch(&blobs, &large, 0..whole.len() as u64).await, whole);
        assert_eq!(
            fetch(&blobs, &large, 1_000_000..2_000_000).await,
            whole[1_000_000..2_000_000]
        );
        assert_eq!(blobs.count().await, 2);
    }
}

#[tokio::test]
async fn a_dropped_or_aborted_upload_leaves_no_blob() {
    let (_folder, stores) = both().await;
    for blobs in stores {
        for size in [10, 3_000_000, 20_000_000] {
            let mut upload = blobs.upload(size as u64).await.unwrap();
            upload.write(vec![1; size].into()).await.unwrap();
            upload.abort().await;
            let mut upload = blobs.upload(size as u64).await.unwrap();
            upload.write(vec![1; size].into()).await.unwrap();
            drop(upload);
        }
        for _ in 0..100 {
            if blobs.count().await == 0 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(blobs.count().await, 0);
    }
}

#[tokio::test]
async fn leftovers_and_missing_folders_do_not_prevent_an_upload() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blobs");
    let blobs = Blobs::folder(&path, Durability::Strict).unwrap();
    for size in [10, 3_000_000] {
        let content = vec![7; size];
        let blob = format!("00/blob-{size}");
        // An earlier attempt was killed.
        std::fs::write(path.join(format!("{blob}#1")), b"half").unwrap();
        for missing in [false, true] {
            if missing {
                std::fs::remove_dir_all(path.join("00")).unwrap();
            }
            let mut upload = blobs.upload_as(&blob, size as u64).await.unwrap();
            upload.write(content.clone().into()).await.unwrap();
            upload.finish().await.unwrap();
            assert_eq!(std::fs::read(path.join(&blob)).unwrap(), content);
        }
        assert_eq!(local::file_names(&path.join("00")).unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_failed_write_is_an_error_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blobs");
    let blobs = Blobs::folder(&path, Durability::Strict).unwrap();
    // The staging file can't be renamed to a folder.
    std::fs::create_dir_all(path.join("00/blob/x")).unwrap();
    for size in [10, 3_000_000] {
        let mut upload = blobs.upload_as("00/blob", size).await.unwrap();
        upload.write(vec![7; size as usize].into()).await.unwrap();
        assert!(matches!(upload.finish().await, Err(BlobError::Io(_))));
        for _ in 0..100 {
            if blobs.count().await == 1 {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        assert_eq!(local::file_names(&path.join("00")).unwrap(), ["blob"]);
    }
    // The staging file can't be created.
    std::fs::remove_dir_all(&path).unwrap();
    std::fs::write(&path, b"no folder").unwrap();
    let mut upload = blobs.upload_as("00/blob", 3_000_000).await.unwrap();
    assert!(upload.write(vec![7; 3_000_000].into()).await.is_err());
    assert!(upload.abort().await);
}

#[tokio::test]
async fn a_reader_finishes_after_its_blob_is_deleted() {
    let (_folder, stores) = both().await;
    for blobs in stores {
        let content = vec![7_u8; 2_000_000];
        let blob = store(&blobs, &[&content]).await;
        let reading = read(&blobs, &blob, 0..2_000_000).await.unwrap();
        blobs.delete(&blob).await.unwrap();
        blobs.delete(&blob).await.unwrap();
        assert!(matches!(
            read(&blobs, &blob, 0..1).await,
            Err(BlobError::Missing)
        ));
        let chunks: Vec<Bytes> = reading.try_collect().await.unwrap();
        assert_eq!(chunks.concat(), content);
    }
}

#[tokio::test]
async fn a_sweep_moves_unreferenced_blobs_of_earlier_processes() {
    for strict in [true, false] {
        let data = tempfile::tempdir().unwrap();
        let path = data.path().join("blobs");
        let open = || {
            Blobs::folder(&path, Durability::Strict)
                .unwrap()
                .with_quarantine(Quarantine::of(data.path()), strict)
        };
        let sweep = async |blobs: &Blobs| {
            let unreferenced = async |keys| Ok(keys);
            blobs.sweep(Micros(0), unreferenced).await.unwrap()
        };
        let before = open();
        let orphan = store(&before, &[b"orphan"]).await;
        // A killed process leaves the staging file of an upload.
        std::fs::write(path.join(format!("{orphan}#1")), b"half").unwrap();
        assert_eq!(before.count().await, 2);
        let own = sweep(&before).await;
        assert_eq!(own, SweepOutcome::default());
        let now = open();
        let fresh = store(&now, &[b"fresh"]).await;
        let swept = sweep(&now).await;
        let kept = Quarantine::of(data.path()).list().unwrap();
        // The staging file is deleted only if its upload was never acknowledged.
        match strict {
            true => assert_eq!((swept.removed, swept.moved.files, kept.len()), (1, 1, 1)),
            false => assert_eq!((swept.removed, swept.moved.files, kept.len()), (0, 2, 2)),
        }
        assert_eq!(kept[0].key, orphan);
        assert_eq!(std::fs::read(kept[0].path()).unwrap(), b"orphan");
        assert_eq!(fetch(&now, &fresh, 0..5).await, b"fresh");
        assert_eq!(now.count().await, 1);
    }
}
