//! The marker file in the folder of blobs.
//!
//! Two slots are written alternately, each with a checksum, so that an interrupted write leaves the previous marker intact.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::position::{CommitPosition, FolderMarker};
use crate::system::durable_fs::open_private;

/// Its name in the folder of blobs.
const NAME: &str = "mark";
/// Bytes of a slot that are used.
const USED: usize = 60;
/// The slots are in separate sectors.
const SLOT: usize = 512;
const MAGIC: &[u8; 8] = b"agbmark1";

/// The open marker file.
#[derive(Debug)]
pub(crate) struct MarkerFile {
    file: File,
    /// The slot of the next write.
    next: u8,
}

impl MarkerFile {
    /// Reads the marker of a folder. Returns `None` if there is no marker file, and fails if it contains no valid marker.
    pub(crate) fn read(folder: &Path) -> io::Result<Option<FolderMarker>> {
        match File::open(folder.join(NAME)) {
            Ok(mut file) => match newest(&mut file)? {
                Some((_, marker)) => Ok(Some(marker)),
                None => Err(io::Error::new(
                    ErrorKind::InvalidData,
                    "the marker file blobs/mark is damaged",
                )),
            },
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Opens or creates the file. The caller syncs the folder afterwards.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let mut file = open_private(&folder.join(NAME))?;
        let newest = newest(&mut file)?.map_or(1, |(slot, _)| slot);
        Ok(Self {
            file,
            next: 1 - newest,
        })
    }

    /// Writes a marker. It survives the end of the process, and a power failure once the file is synced.
    pub(crate) fn write(&mut self, marker: &FolderMarker) -> io::Result<()> {
        let at = u64::from(self.next) * SLOT as u64;
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(&encode(marker))?;
        self.next = 1 - self.next;
        Ok(())
    }

    /// Returns another handle to the file, for syncing it.
    pub(crate) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

/// Returns the newest valid marker and its slot.
fn newest(file: &mut File) -> io::Result<Option<(u8, FolderMarker)>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(2 * SLOT as u64).read_to_end(&mut bytes)?;
    let markers = [0_u8, 1].into_iter().filter_map(|slot| {
        let at = usize::from(slot) * SLOT;
        Some((slot, decode(bytes.get(at..at + USED)?)?))
    });
    Ok(markers.max_by_key(|(_, marker)| marker.position.sequence))
}

fn encode(marker: &FolderMarker) -> [u8; USED] {
    let mut bytes = [0; USED];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..24].copy_from_slice(&marker.store);
    bytes[24..40].copy_from_slice(&marker.position.run);
    bytes[40..48].copy_from_slice(&marker.position.sequence.to_le_bytes());
    bytes[48] = u8::from(marker.strict);
    let checksum = checksum(&bytes[..52]);
    bytes[52..].copy_from_slice(&checksum);
    bytes
}

fn decode(bytes: &[u8]) -> Option<FolderMarker> {
    let (body, stored) = bytes.split_at_checked(52)?;
    if !body.starts_with(MAGIC) || stored != checksum(body) {
        return None;
    }
    Some(FolderMarker {
        store: body.get(8..24)?.try_into().ok()?,
        position: CommitPosition {
            run: body.get(24..40)?.try_into().ok()?,
            sequence: u64::from_le_bytes(body.get(40..48)?.try_into().ok()?),
        },
        strict: *body.get(48)? != 0,
    })
}

fn checksum(bytes: &[u8]) -> [u8; 8] {
    let mut digest = crc64fast::Digest::new();
    digest.write(bytes);
    digest.sum64().to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marker(sequence: u64) -> FolderMarker {
        FolderMarker {
            store: [1; 16],
            position: CommitPosition {
                run: [2; 16],
                sequence,
            },
            strict: sequence.is_multiple_of(2),
        }
    }

    #[test]
    fn the_newest_marker_is_read_or_the_previous_one_if_it_is_damaged() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(MarkerFile::read(folder.path()).unwrap(), None);
        let path = folder.path().join(NAME);
        for sequence in 1..=5 {
            // Reopened each time: the newest slot is not overwritten.
            let mut file = MarkerFile::open(folder.path()).unwrap();
            file.write(&marker(sequence)).unwrap();
            assert_eq!(
                MarkerFile::read(folder.path()).unwrap(),
                Some(marker(sequence))
            );
            let good = std::fs::read(&path).unwrap();
            if sequence > 1 {
                let (slot, _) = newest(&mut File::open(&path).unwrap()).unwrap().unwrap();
                for at in 0..USED {
                    let mut torn = good.clone();
                    torn[usize::from(slot) * SLOT + at] ^= 1;
                    std::fs::write(&path, &torn).unwrap();
                    let found = MarkerFile::read(folder.path()).unwrap();
                    assert_eq!(found, Some(marker(sequence - 1)), "{at}");
                }
            }
            std::fs::write(&path, &good).unwrap();
        }
        std::fs::write(&path, b"").unwrap();
        let error = MarkerFile::read(folder.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }
}
