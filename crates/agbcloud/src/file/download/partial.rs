//! Large downloads to a local file that a later process continues.
//!
//! The content is in a kept file beside the target. A record in a folder of the caller describes it: the first line is a
//! [`Header`], each other line a received part and its CRC-64. A continued download computes these again from the file:
//! after a power failure, the record may have reached the disk before the content.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::Mutex,
    time::SystemTime,
};

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use crate::{
    ContextId, Error, ErrorKind, RemotePath, Result,
    file::{
        atomic_file::{KeptFile, KeptFiles, kept_name, lock_at},
        local::{BUFFER, cannot},
    },
    lock::lock,
    transfer::ContentHasher,
};

const FORMAT: u32 = 1;

/// Ends the name of a record.
const EXTENSION: &str = "download";

/// What is downloaded, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    format: u32,
    endpoint: String,
    context_id: ContextId,
    path: RemotePath,
    /// Absolute.
    target: PathBuf,
    etag: String,
    size: u64,
    part_size: u64,
}

impl Header {
    pub(super) fn new(
        (endpoint, context_id, path): (&str, &ContextId, &RemotePath),
        target: &Path,
        (etag, size, part_size): (&str, u64, u64),
    ) -> io::Result<Self> {
        Ok(Self {
            format: FORMAT,
            endpoint: endpoint.to_owned(),
            context_id: context_id.clone(),
            path: path.clone(),
            target: std::path::absolute(target)?,
            etag: etag.to_owned(),
            size,
            part_size,
        })
    }

    /// Identifies the download, whatever the version of the file is.
    fn key(&self) -> io::Result<String> {
        let identity = (&self.endpoint, &self.context_id, &self.path, &self.target);
        let digest = Md5::digest(serde_json::to_vec(&identity)?);
        Ok(digest[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect())
    }

    fn part_count(&self) -> u64 {
        self.size.div_ceil(self.part_size.max(1))
    }

    /// The bytes of a part, which must exist.
    fn part(&self, part: u64) -> Range<u64> {
        let start = part * self.part_size;
        start..self.size.min(start.saturating_add(self.part_size))
    }

    fn record_in(&self, folder: &Path) -> io::Result<PathBuf> {
        Ok(folder.join(self.key()?).with_extension(EXTENSION))
    }

    fn kept_path(&self) -> io::Result<PathBuf> {
        Ok(self.target.with_file_name(kept_name(&self.key()?)))
    }
}

/// The CRC-64 of received parts, by their number.
type Received = BTreeMap<u64, u64>;

/// The parts of a download that are kept.
pub(super) struct KeptParts {
    /// The parts that an earlier process has received.
    received: Received,
    record: Mutex<File>,
    paths: (PathBuf, PathBuf),
}

impl KeptParts {
    /// Continues a download, or begins a new one. Returns `None` if another process is downloading the same file to the same
    /// target. Blocks.
    pub(super) fn open(
        folder: &Path,
        header: &Header,
        files: &KeptFiles,
    ) -> io::Result<Option<(KeptFile, Self)>> {
        create_folder(folder)?;
        let record_path = header.record_in(folder)?;
        let Some(mut kept) = files.open(&header.key()?, record_path.clone())? else {
            return Ok(None);
        };
        let mut received = match read_record(&record_path) {
            Ok((stored, parts)) if stored == *header => parts,
            _ => Received::new(),
        };
        remove_damaged(&mut received, header, kept.as_file())?;
        if received.is_empty() && kept.as_file().metadata()?.len() > 0 {
            let Some(new) = files.replace(kept)? else {
                return Ok(None);
            };
            kept = new;
        }
        let record = write_record(&record_path, header, &received)?;
        let paths = (header.kept_path()?, record_path);
        let parts = Self {
            received,
            record: Mutex::new(record),
            paths,
        };
        Ok(Some((kept, parts)))
    }

    /// CRC-64 of a part that is in the file already.
    pub(super) fn received(&self, part: u64) -> Option<u64> {
        self.received.get(&part).copied()
    }

    /// Records a part that is in the file now.
    pub(super) fn add(&self, part: u64, crc64: u64) {
        // Without the line, a later process downloads the part again.
        let _ = lock(&self.record).write_all(line(part, crc64).as_bytes());
    }

    /// Deletes the content, which is damaged.
    pub(super) fn discard(self) {
        let _ = fs::remove_file(self.paths.1);
        let _ = fs::remove_file(self.paths.0);
    }
}

/// A line is written with one call, and read only if it ends.
fn line(part: u64, crc64: u64) -> String {
    format!("{part} {crc64:016x}\n")
}

/// Deletes what an earlier download of the file to the same target has kept, unless it is running.
pub(super) fn discard_earlier(folder: &Path, header: &Header) {
    // Checked first, since nearly no download has a record.
    if let Ok(record) = header.record_in(folder)
        && record.exists()
        && let Ok(earlier) = PartialDownload::read(record)
    {
        let _ = earlier.discard();
    }
}

fn create_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Reads the header and the CRC-64 of each part. Ignores an incomplete last line.
fn read_record(path: &Path) -> io::Result<(Header, Received)> {
    let mut reader = BufReader::new(File::open(path)?);
    let mut text = String::new();
    reader.read_line(&mut text)?;
    let header: Header = serde_json::from_str(&text)?;
    let count = header.part_count();
    let mut parts = Received::new();
    text.clear();
    while reader.read_line(&mut text)? > 0 {
        let entry = text.strip_suffix('\n').and_then(|line| {
            let (part, crc64) = line.split_once(' ')?;
            Some((part.parse().ok()?, u64::from_str_radix(crc64, 16).ok()?))
        });
        let Some((part, crc64)) = entry.filter(|(part, _)| *part < count) else {
            break;
        };
        parts.insert(part, crc64);
        text.clear();
    }
    Ok((header, parts))
}

/// Replaces the record and returns it for appending.
fn write_record(path: &Path, header: &Header, parts: &Received) -> io::Result<File> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let new = tempfile::NamedTempFile::new_in(folder)?;
    let mut text = serde_json::to_string(header)?;
    text.push('\n');
    for (part, crc64) in parts {
        text += &line(*part, *crc64);
    }
    new.as_file().write_all(text.as_bytes())?;
    Ok(new.persist(path)?)
}

/// Removes the parts whose content differs from its CRC-64.
fn remove_damaged(parts: &mut Received, header: &Header, mut file: &File) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    let mut damaged = Vec::new();
    for (part, crc64) in &*parts {
        let range = header.part(*part);
        file.seek(SeekFrom::Start(range.start))?;
        let mut content = file.take(range.end - range.start);
        let mut hasher = ContentHasher::crc64_only();
        loop {
            match content.read(&mut buffer)? {
                0 => break,
                read => hasher.update(&buffer[..read]),
            }
        }
        if content.limit() > 0 || hasher.crc64() != *crc64 {
            damaged.push(*part);
        }
    }
    for part in damaged {
        parts.remove(&part);
    }
    Ok(())
}

/// A download to a local file that was interrupted, and that a later one to the same path continues: see
/// [`ClientBuilder::partial_downloads`](crate::ClientBuilder::partial_downloads).
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// use agbcloud::PartialDownload;
///
/// for partial in PartialDownload::list(folder.path())? {
///     println!("{}: {} of {} bytes", partial.target().display(), partial.received(), partial.size());
///     if !partial.is_running() {
///         partial.discard()?;
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct PartialDownload {
    header: Header,
    received: u64,
    updated_at: SystemTime,
    record: PathBuf,
}

impl PartialDownload {
    /// Returns the interrupted and the running downloads whose records are in a folder, the oldest first. A folder that does
    /// not exist has none. Files that are no records are ignored. Blocks.
    ///
    /// # Errors
    ///
    /// [`LocalFile`](ErrorKind::LocalFile) if the folder can't be read.
    pub fn list(folder: impl AsRef<Path>) -> Result<Vec<Self>> {
        let folder = folder.as_ref();
        let entries = match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|error| cannot("read", folder, error))?,
        };
        let paths = entries.flatten().map(|entry| entry.path());
        let records = paths.filter(|path| path.extension().is_some_and(|end| end == EXTENSION));
        let mut downloads: Vec<Self> = records.filter_map(|path| Self::read(path).ok()).collect();
        downloads.sort_by_key(|download| download.updated_at);
        Ok(downloads)
    }

    fn read(record: PathBuf) -> io::Result<Self> {
        let updated_at = record.metadata()?.modified()?;
        let (header, parts) = read_record(&record)?;
        // The name of the file to delete comes from the header.
        if header.format != FORMAT
            || header.record_in(Path::new(""))?.file_name() != record.file_name()
        {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let lengths = parts.keys().map(|part| {
            let range = header.part(*part);
            range.end - range.start
        });
        Ok(Self {
            received: lengths.sum(),
            header,
            updated_at,
            record,
        })
    }

    /// Endpoint of the service.
    pub fn endpoint(&self) -> &str {
        &self.header.endpoint
    }

    /// The context of the file.
    pub fn context_id(&self) -> &ContextId {
        &self.header.context_id
    }

    /// The file in the context.
    pub fn path(&self) -> &RemotePath {
        &self.header.path
    }

    /// The local file that the download creates: an absolute path.
    pub fn target(&self) -> &Path {
        &self.header.target
    }

    /// Size of the file in bytes.
    pub fn size(&self) -> u64 {
        self.header.size
    }

    /// Bytes that need not be downloaded again.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Time of the last received part.
    pub fn updated_at(&self) -> SystemTime {
        self.updated_at
    }

    /// Whether a process is downloading the file now. Blocks.
    pub fn is_running(&self) -> bool {
        let path = self.header.kept_path();
        path.is_ok_and(|path| matches!(lock_at(&path), Ok(None)))
    }

    /// Deletes the received bytes and the record. Blocks.
    ///
    /// # Errors
    ///
    /// [`Conflict`](ErrorKind::Conflict) if a process is downloading the file now, [`LocalFile`](ErrorKind::LocalFile).
    pub fn discard(self) -> Result<()> {
        let kept = self.header.kept_path();
        let kept = kept.map_err(|error| cannot("delete", self.target(), error))?;
        let lock = match lock_at(&kept) {
            Ok(Some(lock)) => Some(lock),
            Ok(None) => {
                let message = format!("{} is being downloaded", self.target().display());
                return Err(Error::new(ErrorKind::Conflict, message));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(cannot("delete", &kept, error)),
        };
        for path in [kept, self.record] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(cannot("delete", &path, error));
                }
                _ => {}
            }
        }
        drop(lock);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(target: &Path) -> Header {
        let context = ContextId::new("SdkCtx-1").unwrap();
        let path = RemotePath::new("/a").unwrap();
        let source = ("https://agb.test", &context, &path);
        Header::new(source, target, ("\"1\"", 35, 10)).unwrap()
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let header = header(&folder.path().join("a"));
        let path = header.record_in(folder.path()).unwrap();
        let parts = Received::from([(0, 7), (3, u64::MAX)]);
        let mut record = write_record(&path, &header, &parts).unwrap();
        record.write_all(line(2, 1).as_bytes()).unwrap();
        let mut all = parts;
        all.insert(2, 1);
        assert_eq!(read_record(&path).unwrap(), (header, all));
        let list = PartialDownload::list(folder.path()).unwrap();
        assert_eq!(list[0].received(), 10 + 5 + 10);
        assert!(!list[0].is_running());
    }

    #[test]
    fn a_record_under_another_name_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let header = header(&folder.path().join("a"));
        let path = folder.path().join("other.download");
        write_record(&path, &header, &Received::new()).unwrap();
        assert!(PartialDownload::list(folder.path()).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn damaged_records_are_read_or_ignored(
            size: u64,
            part_size: u64,
            cut in 0..400_usize,
            tail in prop::collection::vec(any::<u8>(), 0..40),
            part: u64,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let header = Header { size, part_size, ..header(&folder.path().join("a")) };
            let path = header.record_in(folder.path()).unwrap();
            let parts = Received::from([(part, 1)]);
            write_record(&path, &header, &parts).unwrap();
            let mut bytes = fs::read(&path).unwrap();
            bytes.truncate(bytes.len().saturating_sub(cut));
            bytes.extend_from_slice(&tail);
            fs::write(&path, bytes).unwrap();
            for partial in PartialDownload::list(folder.path()).unwrap() {
                prop_assert!(partial.received() <= partial.size());
            }
        }
    }
}
