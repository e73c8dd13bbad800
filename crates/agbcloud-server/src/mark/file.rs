//! The file in the folder of blobs that holds its mark.
//!
//! Two slots are written in turn, each with a checksum, so that a write that was cut off leaves the mark before it.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::{Mark, Position};

/// Its name in the folder of blobs.
const NAME: &str = "mark";
/// Bytes of a slot that are used.
const USED: usize = 60;
/// The slots lie in sectors of their own.
const SLOT: usize = 512;
const MAGIC: &[u8; 8] = b"agbmark1";

/// The open file.
#[derive(Debug)]
pub(crate) struct MarkFile {
    file: File,
    /// The slot that the next write goes to.
    next: u8,
}

impl MarkFile {
    /// The mark of a folder. None if there is no file; an error if there is one without a whole mark.
    pub(crate) fn read(folder: &Path) -> io::Result<Option<Mark>> {
        match File::open(folder.join(NAME)) {
            Ok(mut file) => match newest(&mut file)? {
                Some((_, mark)) => Ok(Some(mark)),
                None => Err(io::Error::new(
                    ErrorKind::InvalidData,
                    "the mark of the folder of blobs (blobs/mark) is damaged",
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

    /// Opens the file, and makes it if there is none. The folder has to be synced afterwards.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(folder.join(NAME))?;
        let newest = newest(&mut file)?.map_or(1, |(slot, _)| slot);
        Ok(Self {
            file,
            next: 1 - newest,
        })
    }

    /// Writes a mark; it survives the end of the process, and a power failure once the file is synced.
    pub(crate) fn write(&mut self, mark: &Mark) -> io::Result<()> {
        let at = u64::from(self.next) * SLOT as u64;
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(&encode(mark))?;
        self.next = 1 - self.next;
        Ok(())
    }

    /// Another handle of the file, to sync it by.
    pub(crate) fn handle(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

/// The newest mark, and the slot that it is in.
fn newest(file: &mut File) -> io::Result<Option<(u8, Mark)>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(2 * SLOT as u64).read_to_end(&mut bytes)?;
    let marks = [0_u8, 1].into_iter().filter_map(|slot| {
        let at = usize::from(slot) * SLOT;
        Some((slot, decode(bytes.get(at..at + USED)?)?))
    });
    Ok(marks.max_by_key(|(_, mark)| mark.position.sequence))
}

fn encode(mark: &Mark) -> [u8; USED] {
    let mut bytes = [0; USED];
    bytes[..8].copy_from_slice(MAGIC);
    bytes[8..24].copy_from_slice(&mark.store);
    bytes[24..40].copy_from_slice(&mark.position.run);
    bytes[40..48].copy_from_slice(&mark.position.sequence.to_le_bytes());
    bytes[48] = u8::from(mark.strict);
    let sum = sum(&bytes[..52]);
    bytes[52..].copy_from_slice(&sum);
    bytes
}

fn decode(bytes: &[u8]) -> Option<Mark> {
    let (body, stored) = bytes.split_at_checked(52)?;
    if !body.starts_with(MAGIC) || stored != sum(body) {
        return None;
    }
    Some(Mark {
        store: body.get(8..24)?.try_into().ok()?,
        position: Position {
            run: body.get(24..40)?.try_into().ok()?,
            sequence: u64::from_le_bytes(body.get(40..48)?.try_into().ok()?),
        },
        strict: *body.get(48)? != 0,
    })
}

fn sum(bytes: &[u8]) -> [u8; 8] {
    let mut digest = crc64fast::Digest::new();
    digest.write(bytes);
    digest.sum64().to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(sequence: u64) -> Mark {
        Mark {
            store: [1; 16],
            position: Position {
                run: [2; 16],
                sequence,
            },
            strict: sequence.is_multiple_of(2),
        }
    }

    #[test]
    fn the_newest_mark_counts_and_a_damaged_one_leaves_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(MarkFile::read(folder.path()).unwrap(), None);
        let path = folder.path().join(NAME);
        for sequence in 1..=5 {
            // Opened again and again: the slot that counts is not overwritten.
            let mut file = MarkFile::open(folder.path()).unwrap();
            file.write(&mark(sequence)).unwrap();
            assert_eq!(MarkFile::read(folder.path()).unwrap(), Some(mark(sequence)));
            let good = std::fs::read(&path).unwrap();
            if sequence > 1 {
                let (slot, _) = newest(&mut File::open(&path).unwrap()).unwrap().unwrap();
                for at in 0..USED {
                    let mut torn = good.clone();
                    torn[usize::from(slot) * SLOT + at] ^= 1;
                    std::fs::write(&path, &torn).unwrap();
                    let found = MarkFile::read(folder.path()).unwrap();
                    assert_eq!(found, Some(mark(sequence - 1)), "{at}");
                }
            }
            std::fs::write(&path, &good).unwrap();
        }
        std::fs::write(&path, b"").unwrap();
        let error = MarkFile::read(folder.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }
}
