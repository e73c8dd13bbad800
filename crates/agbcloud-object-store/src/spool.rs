//! The content of a write until its length is known: in memory up to a limit, then in a temporary file.

use std::io::{self, Seek, SeekFrom, Write};

use agbcloud::UploadSource;
use object_store::PutPayload;
use tempfile::{NamedTempFile, TempPath};

/// A content whose parts are written at their positions, in any order. Its methods block.
#[derive(Debug)]
pub(crate) struct Spool {
    memory_limit: usize,
    content: Content,
}

enum Content {
    Memory(Vec<u8>),
    /// With a name, so that a failed upload can read it again.
    File(NamedTempFile),
}

/// A complete content.
pub(crate) struct SpooledContent {
    pub(crate) source: UploadSource,
    /// Deletes the file when it is dropped, after the upload.
    pub(crate) file: Option<TempPath>,
}

impl Spool {
    pub(crate) fn new(memory_limit: usize) -> Self {
        Self {
            memory_limit,
            content: Content::Memory(Vec::new()),
        }
    }

    pub(crate) fn write_at(&mut self, position: u64, payload: &PutPayload) -> io::Result<()> {
        let end = position.saturating_add(payload.content_length() as u64);
        if let Content::Memory(memory) = &mut self.content {
            if end <= self.memory_limit as u64 {
                write_to_memory(memory, position, payload);
                return Ok(());
            }
            let mut file = NamedTempFile::new()?;
            file.write_all(memory)?;
            self.content = Content::File(file);
        }
        if let Content::File(file) = &mut self.content {
            file.seek(SeekFrom::Start(position))?;
            for chunk in payload {
                file.write_all(chunk)?;
            }
        }
        Ok(())
    }

    pub(crate) fn into_content(self) -> SpooledContent {
        match self.content {
            Content::Memory(memory) => SpooledContent {
                source: memory.into(),
                file: None,
            },
            Content::File(file) => {
                let path = file.into_temp_path();
                SpooledContent {
                    source: UploadSource::from(path.to_path_buf()),
                    file: Some(path),
                }
            }
        }
    }
}

fn write_to_memory(memory: &mut Vec<u8>, position: u64, payload: &PutPayload) {
    let mut at = usize::try_from(position).unwrap_or(usize::MAX);
    let end = at + payload.content_length();
    if memory.len() < end {
        memory.resize(end, 0);
    }
    for chunk in payload {
        memory[at..at + chunk.len()].copy_from_slice(chunk);
        at += chunk.len();
    }
}

impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Memory(memory) => write!(f, "Memory({})", memory.len()),
            Self::File(_) => f.write_str("File"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content_of(spool: Spool) -> Vec<u8> {
        match spool.content {
            Content::Memory(memory) => memory,
            Content::File(file) => std::fs::read(file.path()).unwrap(),
        }
    }

    #[test]
    fn parts_are_at_their_positions_in_memory_and_in_a_file() {
        for (limit, in_memory) in [(6, true), (5, false), (0, false)] {
            let mut spool = Spool::new(limit);
            for (position, part) in [(4, "ef"), (0, "ab"), (2, "cd")] {
                spool.write_at(position, &part.into()).unwrap();
            }
            let memory = matches!(spool.content, Content::Memory(_));
            assert_eq!(memory, in_memory, "{limit}");
            assert_eq!(content_of(spool), b"abcdef");
        }
    }

    #[test]
    fn the_file_is_deleted_with_the_content() {
        let mut spool = Spool::new(1);
        spool.write_at(0, &"ab".into()).unwrap();
        let content = spool.into_content();
        let path = content.file.as_ref().unwrap().to_path_buf();
        assert!(path.exists());
        drop(content);
        assert!(!path.exists());
    }
}
