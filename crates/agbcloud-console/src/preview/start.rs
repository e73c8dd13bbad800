//! [`Start`]: the start of a file, of bounded size.

use agbcloud::{ErrorKind, Files, RemotePath};
use bytes::BytesMut;

use crate::web::failure::Result;

/// Maximum bytes of a preview.
pub(super) const PREVIEW_BYTES: usize = 256 * 1024;

/// Bytes of a file.
pub(super) struct Start {
    pub(super) bytes: Vec<u8>,
    /// The position of the first byte.
    pub(super) offset: u64,
    /// The size of the file, if the store reports it.
    pub(super) size: Option<u64>,
    /// Whether the file has more bytes after these.
    pub(super) is_cut: bool,
    pub(super) modified: Option<std::time::SystemTime>,
    pub(super) etag: Option<String>,
}

impl Start {
    /// Reads up to `limit` bytes from the offset. Nothing after them is requested.
    pub(super) async fn read(
        files: &Files,
        path: &RemotePath,
        offset: u64,
        limit: usize,
    ) -> Result<Self> {
        let open = files.open(path);
        let open = if offset == 0 {
            open
        } else {
            open.range(offset..)
        };
        let mut file = match open.await {
            // Starts at or after the end.
            Err(error) if offset > 0 && error.kind() == ErrorKind::Rejected => {
                files.open(path).range(0..1).await?
            }
            file => file?,
        };
        let size = file.size();
        let mut start = Self {
            bytes: Vec::new(),
            offset,
            size,
            is_cut: false,
            modified: file.modified_at(),
            etag: file.etag().map(str::to_owned),
        };
        if offset > 0 && size.is_some_and(|size| offset >= size) {
            return Ok(start);
        }
        let mut bytes = BytesMut::new();
        while bytes.len() <= limit {
            match file.next().await {
                Some(chunk) => bytes.extend_from_slice(&chunk?),
                None => break,
            }
        }
        start.is_cut = bytes.len() > limit;
        bytes.truncate(limit);
        start.bytes = bytes.into();
        Ok(start)
    }

    /// The bytes as text, if they are UTF-8 without NUL. A cut character at the end is dropped.
    pub(super) fn text(&self) -> Option<&str> {
        if self.bytes.contains(&0) {
            return None;
        }
        match std::str::from_utf8(&self.bytes) {
            Ok(text) => Some(text),
            Err(error) if self.is_cut && error.error_len().is_none() => {
                std::str::from_utf8(&self.bytes[..error.valid_up_to()]).ok()
            }
            Err(_) => None,
        }
    }

    /// The text without a byte order mark at its start, which is no part of the content of a format.
    pub(super) fn text_without_mark(&self) -> Option<&str> {
        let text = self.text()?;
        Some(text.strip_prefix('\u{feff}').unwrap_or(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(bytes: &[u8], is_cut: bool) -> Start {
        Start {
            bytes: bytes.to_vec(),
            offset: 0,
            size: None,
            is_cut,
            modified: None,
            etag: None,
        }
    }

    #[test]
    fn only_utf8_without_nul_is_text() {
        assert_eq!(start("é".as_bytes(), false).text(), Some("é"));
        assert_eq!(start(b"a\0", false).text(), None);
        assert_eq!(start(b"a\xc3", false).text(), None);
        assert_eq!(start(b"a\xc3", true).text(), Some("a"));
        assert_eq!(start(b"\xff", true).text(), None);
    }

    #[test]
    fn one_byte_order_mark_is_removed() {
        let without = |text: &str| {
            let start = start(text.as_bytes(), false);
            start.text_without_mark().unwrap().to_owned()
        };
        assert_eq!(without("\u{feff}{}"), "{}");
        assert_eq!(without("\u{feff}\u{feff}a"), "\u{feff}a");
        assert_eq!(without("a\u{feff}"), "a\u{feff}");
    }
}
