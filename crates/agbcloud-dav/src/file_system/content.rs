//! Contents of files: copies, and uploads whose response was lost.

use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};

use agbcloud::{Attempt, ErrorKind, RemoteFile, RemotePath, UploadSource};

use super::ContextFileSystem;
use crate::{metadata::Metadata, request::Request};

/// Maximum number of bytes of a file that is copied in memory, so that a failed upload is retried.
const MAX_IN_MEMORY: u64 = 1024 * 1024;

/// A hasher may depend on how the bytes are divided into writes. Each write but the last has this number of bytes.
const BLOCK_BYTES: usize = 64 * 1024;

/// A file that was copied.
pub(super) struct Copied {
    pub(super) from: RemotePath,
    pub(super) to: RemotePath,
    /// The version that was copied.
    pub(super) version: Metadata,
}

/// Fingerprint of a content: its length and two hashes with random keys, so that no client can prepare another content with the
/// same one. Fingerprints with the same keys are comparable.
#[derive(Clone)]
pub(super) struct Fingerprint {
    keys: [RandomState; 2],
    hashers: [DefaultHasher; 2],
    block: Vec<u8>,
    length: u64,
}

impl Fingerprint {
    pub(super) fn new() -> Self {
        Self::with_keys([RandomState::new(), RandomState::new()])
    }

    fn with_keys(keys: [RandomState; 2]) -> Self {
        Self {
            hashers: keys.each_ref().map(BuildHasher::build_hasher),
            keys,
            block: Vec::new(),
            length: 0,
        }
    }

    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = BLOCK_BYTES - self.block.len();
            let (taken, rest) = bytes.split_at(room.min(bytes.len()));
            self.block.extend_from_slice(taken);
            bytes = rest;
            if self.block.len() == BLOCK_BYTES {
                for hasher in &mut self.hashers {
                    hasher.write(&self.block);
                }
                self.block.clear();
            }
        }
    }

    fn value(&self) -> (u64, [u64; 2]) {
        let hashes = self.hashers.clone().map(|mut hasher| {
            hasher.write(&self.block);
            hasher.finish()
        });
        (self.length, hashes)
    }

    /// Whether this is the fingerprint of the rest of a file.
    async fn matches(&self, mut file: RemoteFile) -> agbcloud::Result<bool> {
        if file.size().is_some_and(|size| size != self.length) {
            return Ok(false);
        }
        let mut other = Self::with_keys(self.keys.clone());
        while let Some(chunk) = file.next().await {
            other.update(&chunk?);
        }
        Ok(self.value() == other.value())
    }
}

impl ContextFileSystem {
    /// Downloads a file and uploads it. Both verify the content by the checksums of the store.
    pub(super) async fn copy_content(
        &self,
        from: &RemotePath,
        to: &RemotePath,
        request: &Request,
    ) -> agbcloud::Result<Copied> {
        let file = self.files.open(from).await?;
        let version = Metadata::of_file(&file).unwrap_or_default();
        let source: UploadSource = match file.size() {
            Some(size) if size > MAX_IN_MEMORY => UploadSource::reader(file, size),
            Some(_) => file.bytes().await?.into(),
            None => UploadSource::reader_to_end(file),
        };
        let upload = self.files.upload(to, source);
        let uploaded = match request.overwrites {
            true => upload.await,
            false => upload.if_absent().await,
        };
        match uploaded {
            Ok(_) => {}
            Err(error) => {
                let is_copied = outcome_is_unknown(&error)
                    && self.is_copied(from, to, &version).await.unwrap_or(false);
                if !is_copied {
                    return Err(error);
                }
            }
        }
        Ok(Copied {
            from: from.clone(),
            to: to.clone(),
            version,
        })
    }

    /// Whether a file is a copy of this version of another one.
    async fn is_copied(
        &self,
        from: &RemotePath,
        to: &RemotePath,
        version: &Metadata,
    ) -> agbcloud::Result<bool> {
        let mut source = self.files.open(from).await?;
        if !Metadata::of_file(&source).is_some_and(|current| current.is_same_version(version)) {
            return Ok(false);
        }
        let mut fingerprint = Fingerprint::new();
        while let Some(chunk) = source.next().await {
            fingerprint.update(&chunk?);
        }
        Ok(self.find_stored(to, &fingerprint).await?.is_some())
    }

    /// Returns the version of a file if it has this content.
    pub(super) async fn find_stored(
        &self,
        path: &RemotePath,
        content: &Fingerprint,
    ) -> agbcloud::Result<Option<Metadata>> {
        let file = self.files.open(path).await?;
        let metadata = Metadata::of_file(&file).unwrap_or_default();
        Ok(content.matches(file).await?.then_some(metadata))
    }
}

/// Whether a condition of an upload may have failed since an earlier attempt of the same upload was stored and its response
/// lost. Then the content of the file decides.
fn may_be_stored(error: &agbcloud::Error) -> bool {
    error.is_failed_condition() && error.earlier_attempt_may_be_done()
}

/// Whether an upload may be stored although it has failed. One of a large file is not repeated, since its content has been read.
pub(super) fn outcome_is_unknown(error: &agbcloud::Error) -> bool {
    let lost = [ErrorKind::Connection, ErrorKind::Timeout];
    let was_lost = |attempt: &Attempt| lost.contains(&attempt.kind);
    may_be_stored(error) || error.attempts().last().is_some_and(was_lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_depends_on_the_content_and_not_on_its_chunks() {
        let content: Vec<u8> = (0..200_000_u32).map(|byte| byte as u8).collect();
        let mut whole = Fingerprint::new();
        whole.update(&content);
        let value = |chunks: &mut dyn Iterator<Item = &[u8]>| {
            let mut other = Fingerprint::with_keys(whole.keys.clone());
            for chunk in chunks {
                other.update(chunk);
            }
            other.value()
        };
        assert_eq!(value(&mut content.chunks(7)), whole.value());
        assert_eq!(value(&mut content.chunks(70_000)), whole.value());
        assert_ne!(value(&mut content[1..].chunks(7)), whole.value());
        let mut changed = content.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert_ne!(value(&mut changed.chunks(7)), whole.value());
    }
}
