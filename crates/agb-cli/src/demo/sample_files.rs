//! The files of the demo: a few small ones and a large one.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::failure::Failure;

/// Size of the large file: 64 MiB.
pub(super) const LARGE_SIZE: usize = 64 * 1024 * 1024;

/// The remote path of the large file.
pub(super) const LARGE_PATH: &str = "/data/large.bin";

/// A local file and its remote path.
pub(super) struct SampleFile {
    pub(super) local: PathBuf,
    pub(super) remote: String,
    pub(super) bytes: u64,
}

/// Remote paths and sizes of the small files.
const SMALL: [(&str, usize); 6] = [
    ("/notes.txt", 12),
    ("/data/empty", 0),
    ("/data/table.csv", 4_096),
    ("/data/50 % of #1?.txt", 321),
    ("/data/数据/отчёт 🗂.txt", 77),
    ("/data/deep/er/still.bin", 100_000),
];

/// Creates the small files in the folder.
pub(super) fn create_small(folder: &Path) -> Result<Vec<SampleFile>, Failure> {
    SMALL
        .iter()
        .enumerate()
        .map(|(index, (remote, bytes))| create(folder, index, remote, *bytes))
        .collect()
}

/// Creates the large file in the folder.
pub(super) fn create_large(folder: &Path) -> Result<SampleFile, Failure> {
    create(folder, SMALL.len(), LARGE_PATH, LARGE_SIZE)
}

fn create(folder: &Path, index: usize, remote: &str, size: usize) -> Result<SampleFile, Failure> {
    let local = folder.join(format!("file-{index}"));
    fs::write(&local, random_bytes(size, index as u64))
        .map_err(|error| Failure::with_cause(format!("can't write {}", local.display()), error))?;
    Ok(SampleFile {
        local,
        remote: remote.to_owned(),
        bytes: size as u64,
    })
}

/// Pseudo-random bytes, the same for the same seed.
fn random_bytes(size: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; size];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

/// Whether two files have the same content.
pub(super) fn are_equal(left: &Path, right: &Path) -> Result<bool, Failure> {
    let read = |path: &Path| {
        fs::read(path)
            .map_err(|error| Failure::with_cause(format!("can't read {}", path.display()), error))
    };
    Ok(read(left)? == read(right)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_changed_byte_is_a_difference() {
        let folder = tempfile::tempdir().unwrap();
        let (left, right) = (folder.path().join("a"), folder.path().join("b"));
        fs::write(&left, random_bytes(200_001, 7)).unwrap();
        fs::write(&right, random_bytes(200_001, 7)).unwrap();
        assert!(are_equal(&left, &right).unwrap());
        let mut bytes = fs::read(&right).unwrap();
        bytes[150_000] ^= 1;
        fs::write(&right, &bytes).unwrap();
        assert!(!are_equal(&left, &right).unwrap());
        fs::write(&right, &bytes[..200_000]).unwrap();
        assert!(!are_equal(&left, &right).unwrap());
    }
}
