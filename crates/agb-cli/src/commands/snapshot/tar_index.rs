//! The files in a tar archive, and where their contents are.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

use crate::blocking_io::checksum;

/// Bytes of a block. A header is one block, and a content is filled up to whole blocks.
const BLOCK: u64 = 512;

/// A regular file in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ArchivedFile {
    /// Absolute path in a context.
    pub(super) path: String,
    /// Position of the content in the archive.
    pub(super) offset: u64,
    pub(super) size: u64,
}

impl ArchivedFile {
    /// Position after the content, in whole blocks.
    pub(super) fn end(&self) -> u64 {
        (self.offset + self.size).next_multiple_of(BLOCK)
    }

    /// CRC-64 of the content.
    pub(super) fn crc64(&self, mut archive: &File) -> io::Result<u64> {
        archive.seek(SeekFrom::Start(self.offset))?;
        match checksum(archive.take(self.size))? {
            (size, crc64) if size == self.size => Ok(crc64),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// The entries of an archive.
#[derive(Debug, Default)]
pub(super) struct TarIndex {
    pub(super) files: Vec<ArchivedFile>,
    /// Entries that are neither a file nor a folder, such as links.
    pub(super) others: Vec<String>,
}

impl TarIndex {
    /// Reads the headers. Fails if the archive is damaged or ends in an entry.
    pub(super) fn read(archive: &File) -> io::Result<Self> {
        let mut index = Self::default();
        index.read_until_end(archive)?;
        Ok(index)
    }

    /// Reads the files that are complete.
    pub(super) fn read_complete(archive: &File) -> Self {
        let mut index = Self::default();
        // An archive that was interrupted ends in an entry.
        let _ = index.read_until_end(archive);
        index
    }

    fn read_until_end(&mut self, mut archive: &File) -> io::Result<()> {
        let length = archive.metadata()?.len();
        archive.rewind()?;
        let mut reader = tar::Archive::new(archive);
        for entry in reader.entries_with_seek()? {
            let entry = entry?;
            let kind = entry.header().entry_type();
            let name = entry.path()?;
            if kind.is_dir() {
                continue;
            }
            if !kind.is_file() && kind != tar::EntryType::Continuous {
                self.others.push(name.display().to_string());
                continue;
            }
            let file = ArchivedFile {
                path: remote_path(&name)?,
                offset: entry.raw_file_position(),
                size: entry.size(),
            };
            if file.end() > length {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.files.push(file);
        }
        Ok(())
    }
}

/// The path in a context: `./a/b` is `/a/b`. A path that leaves the archive is an error.
fn remote_path(name: &Path) -> io::Result<String> {
    use std::path::Component;

    let mut path = String::new();
    for component in name.components() {
        match component {
            Component::Normal(segment) => {
                let segment = segment.to_str().ok_or(io::ErrorKind::InvalidData)?;
                path.push('/');
                path += segment;
            }
            Component::CurDir => {}
            _ => {
                let message = format!("{} leaves the archive", name.display());
                return Err(io::Error::new(io::ErrorKind::InvalidData, message));
            }
        }
    }
    match path.is_empty() {
        true => Err(io::ErrorKind::InvalidData.into()),
        false => Ok(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, &str)]) -> File {
        let mut builder = tar::Builder::new(tempfile::tempfile().unwrap());
        for (path, content) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder
                .append_data(&mut header, path, content.as_bytes())
                .unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn contents_are_found_by_their_position() {
        let long = "long/".repeat(40) + "name";
        let archive = archive(&[("./a", "hello"), (&long, "bb"), ("empty", "")]);
        let files = TarIndex::read(&archive).unwrap().files;
        let paths: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["/a", &format!("/{long}"), "/empty"]);
        let mut digest = crc64fast::Digest::new();
        digest.write(b"bb");
        assert_eq!(files[1].crc64(&archive).unwrap(), digest.sum64());
    }

    #[test]
    fn an_incomplete_archive_has_its_complete_files() {
        let archive = archive(&[("a", "hello"), ("b", &"x".repeat(2000))]);
        let second = TarIndex::read(&archive).unwrap().files.remove(1);
        for length in [second.offset - 300, second.offset, second.end() - 1] {
            archive.set_len(length).unwrap();
            assert_eq!(TarIndex::read_complete(&archive).files.len(), 1, "{length}");
        }
        assert!(TarIndex::read(&archive).is_err());
    }

    #[test]
    fn paths_that_leave_the_archive_are_errors() {
        for path in ["../a", "a/../../b", "/a/..", ".", ""] {
            assert!(remote_path(Path::new(path)).is_err(), "{path}");
        }
    }
}
