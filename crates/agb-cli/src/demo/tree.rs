//! The files of the story: a small tree and one large file, and the comparison of what comes back.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Write},
    path::{Path, PathBuf},
};

use crate::exit::Failure;

/// Size of the large file: 64 MiB.
pub(super) const LARGE: u64 = 64 * 1024 * 1024;

/// Where the large file goes.
pub(super) const LARGE_PATH: &str = "/data/large.bin";

/// A local file and where it goes.
pub(super) struct Leaf {
    pub(super) local: PathBuf,
    pub(super) remote: String,
    pub(super) bytes: u64,
}

/// Paths of the small files, with what users put into names, and their sizes.
const SMALL: [(&str, u64); 6] = [
    ("/notes.txt", 12),
    ("/data/empty", 0),
    ("/data/table.csv", 4_096),
    ("/data/50 % of #1?.txt", 321),
    ("/data/数据/отчёт 🗂.txt", 77),
    ("/data/deep/er/still.bin", 100_000),
];

/// Writes the small files below the folder.
pub(super) fn plant(folder: &Path) -> Result<Vec<Leaf>, Failure> {
    SMALL
        .iter()
        .enumerate()
        .map(|(index, (remote, bytes))| leaf(folder, index, remote, *bytes))
        .collect()
}

/// Writes the large file below the folder.
pub(super) fn plant_large(folder: &Path) -> Result<Leaf, Failure> {
    leaf(folder, SMALL.len(), LARGE_PATH, LARGE)
}

fn leaf(folder: &Path, index: usize, remote: &str, bytes: u64) -> Result<Leaf, Failure> {
    let local = folder.join(format!("file-{index}"));
    fill(&local, bytes, index as u64 + 1)
        .map_err(|error| Failure::other(format!("can't write {}", local.display()), error))?;
    Ok(Leaf {
        local,
        remote: remote.to_owned(),
        bytes,
    })
}

/// Fills a file with bytes that look random and are the same every time (xorshift).
fn fill(path: &Path, mut left: u64, seed: u64) -> io::Result<()> {
    let mut file = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    while left > 0 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let word = state.to_le_bytes();
        let part = usize::try_from(left.min(8)).unwrap_or(8);
        file.write_all(&word[..part])?;
        left -= part as u64;
    }
    file.flush()
}

/// Whether two files hold the same bytes.
pub(super) fn same(left: &Path, right: &Path) -> Result<bool, Failure> {
    compare(left, right).map_err(|error| {
        Failure::other(
            format!("can't compare {} and {}", left.display(), right.display()),
            error,
        )
    })
}

fn compare(left: &Path, right: &Path) -> io::Result<bool> {
    let (left, right) = (File::open(left)?, File::open(right)?);
    if left.metadata()?.len() != right.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (
        BufReader::with_capacity(1 << 16, left),
        BufReader::with_capacity(1 << 16, right),
    );
    let (mut ours, mut theirs) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let read = left.read(&mut ours)?;
        if read == 0 {
            return Ok(true);
        }
        right.read_exact(&mut theirs[..read])?;
        if ours[..read] != theirs[..read] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_changed_byte_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let (left, right) = (folder.path().join("a"), folder.path().join("b"));
        fill(&left, 200_001, 7).unwrap();
        fill(&right, 200_001, 7).unwrap();
        assert!(same(&left, &right).unwrap());
        let mut bytes = std::fs::read(&right).unwrap();
        bytes[150_000] ^= 1;
        std::fs::write(&right, &bytes).unwrap();
        assert!(!same(&left, &right).unwrap());
        std::fs::write(&right, &bytes[..200_000]).unwrap();
        assert!(!same(&left, &right).unwrap());
    }
}
