//! The contents of values: a header with the value and a checksum, then random bytes.

use sha2::{Digest, Sha256};

use crate::distributed::history::{Reading, Value};

const MAGIC: &[u8; 8] = b"agbvalue";
/// Writer, number and size in big endian, and the SHA-256 of the bytes after the header.
pub(crate) const HEADER: usize = MAGIC.len() + 4 + 4 + 8 + CHECKSUM;
const CHECKSUM: usize = 32;
/// Random bytes, which are repeated with their position in front.
const TILE: usize = 64 * 1024;

/// The size of a content, by where the service stores it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    /// In the database.
    Small,
    /// In the blob store, in one request.
    Large,
    /// In the blob store, in several parts.
    Multipart,
}

impl Size {
    /// A number of bytes.
    pub(crate) fn bytes(self, random: &mut fastrand::Rng) -> usize {
        match self {
            Self::Small => random.usize(HEADER..32 * 1024),
            Self::Large => random.usize(33 * 1024..512 * 1024),
            Self::Multipart => random.usize(17 << 20..18 << 20),
        }
    }
}

/// The content of a value, which has at least the bytes of the header.
pub(crate) fn encode(value: Value, size: usize) -> Vec<u8> {
    let seed = u64::from(value.writer) << 32 | u64::from(value.number);
    let mut tile = vec![0; TILE];
    fastrand::Rng::with_seed(seed).fill(&mut tile);
    let size = size.max(HEADER);
    let mut content = vec![0; HEADER];
    while content.len() < size {
        let position = content.len();
        content.extend_from_slice(&position.to_be_bytes());
        content.extend_from_slice(&tile);
    }
    content.truncate(size);
    let mut header = MAGIC.to_vec();
    header.extend_from_slice(&value.writer.to_be_bytes());
    header.extend_from_slice(&value.number.to_be_bytes());
    header.extend_from_slice(&(size as u64).to_be_bytes());
    let body = content.get(HEADER..).unwrap_or_default();
    header.extend_from_slice(&Sha256::digest(body));
    if let Some(start) = content.get_mut(..HEADER) {
        start.copy_from_slice(&header);
    }
    content
}

/// The value of a content, or why it has none.
pub(crate) fn decode(content: &[u8]) -> Reading {
    let corrupt = |problem: &str| {
        let bytes = content.len();
        Reading::Corrupt(format!("{problem}, {bytes} bytes"))
    };
    let Some((header, body)) = content.split_first_chunk::<HEADER>() else {
        return corrupt("shorter than a header");
    };
    let Some((value, size)) = decode_header(header) else {
        return corrupt("no header");
    };
    if size != content.len() as u64 {
        return corrupt(&format!("the header has {size}"));
    }
    if header
        .last_chunk::<CHECKSUM>()
        .map(<[u8; CHECKSUM]>::as_slice)
        != Some(&Sha256::digest(body)[..])
    {
        return corrupt("the checksum differs");
    }
    Reading::Value(value)
}

/// The value and the size of a content by its first bytes. `None` if they are no header.
pub(crate) fn decode_header(header: &[u8]) -> Option<(Value, u64)> {
    let fields = header.first_chunk::<HEADER>()?.strip_prefix(MAGIC)?;
    let number = |range: std::ops::Range<usize>| {
        let bytes = fields.get(range).unwrap_or_default();
        bytes
            .iter()
            .fold(0, |number, byte| number << 8 | u64::from(*byte))
    };
    let half = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let value = Value {
        writer: half(number(0..4)),
        number: half(number(4..8)),
    };
    Some((value, number(8..16)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: Value = Value {
        writer: 3,
        number: 500,
    };

    #[test]
    fn a_content_of_any_size_has_its_value() {
        for size in [0, HEADER, HEADER + 1, TILE + 100, 3 * TILE] {
            let content = encode(VALUE, size);
            assert_eq!(content.len(), size.max(HEADER));
            assert_eq!(decode(&content), Reading::Value(VALUE));
        }
    }

    #[test]
    fn contents_of_two_values_differ() {
        let other = Value {
            number: 501,
            ..VALUE
        };
        assert_ne!(encode(VALUE, 1000)[HEADER..], encode(other, 1000)[HEADER..]);
    }

    #[test]
    fn parts_of_contents_have_no_value() {
        let content = encode(VALUE, 200_000);
        let mut longer = content.clone();
        longer.push(0);
        let mut changed = content.clone();
        changed[150_000] ^= 1;
        let mut tail = content.clone();
        tail[..100].fill(0);
        let mut header = content.clone();
        header[15] ^= 1;
        for damaged in [&content[..100_000], &content[..9], &longer, &changed, &tail] {
            assert!(matches!(decode(damaged), Reading::Corrupt(_)));
        }
        assert_ne!(decode(&header), Reading::Value(VALUE));
        assert!(matches!(decode(&[]), Reading::Corrupt(_)));
    }
}
