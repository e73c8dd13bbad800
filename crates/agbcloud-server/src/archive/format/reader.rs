//! An archive as a source.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Take};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::manifest::{MAX_BYTES, Manifest, StoreLine};
use super::tar_file::{self, TarEntry};
use super::{BLOBS, MANIFEST, RECORDS};
use crate::archive::endpoint::{Item, Source};
use crate::archive::error::ArchiveError;
use crate::archive::report::CopyReport;
use crate::blobs::{BlobError, Chunks, read_file};
use crate::metadata::record::{ImportSource, Record, StoreIdentity};

/// Number of records in a batch.
const BATCH: usize = 256;

/// The records of an archive.
type Lines = BufReader<Take<File>>;

/// A complete archive.
pub(in crate::archive) struct ArchiveSource {
    path: PathBuf,
    manifest: Manifest,
    store: StoreIdentity,
    /// `None` while they are read.
    records: Option<Lines>,
    blobs: BlobFiles,
    /// What was read so far.
    read: CopyReport,
    read_blobs: u64,
}

/// Where the blobs are.
enum BlobFiles {
    Folder(PathBuf),
    Tar {
        /// The next entries.
        entries: mpsc::Receiver<io::Result<TarEntry>>,
        /// The blobs of the last batch.
        batch: HashMap<String, TarEntry>,
    },
}

/// A part of a file.
#[derive(Clone)]
struct Part {
    path: PathBuf,
    offset: u64,
    size: u64,
}

impl Part {
    fn open(&self) -> io::Result<Take<File>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.offset))?;
        Ok(file.take(self.size))
    }
}

impl ArchiveSource {
    /// Opens an archive. Verifies the manifest and the checksum of the records.
    pub(in crate::archive) async fn open(path: &Path) -> Result<Self, ArchiveError> {
        let path = path.to_owned();
        let opened = tokio::task::spawn_blocking(move || Self::open_blocking(&path));
        opened.await.map_err(ArchiveError::failed)?
    }

    fn open_blocking(path: &Path) -> Result<Self, ArchiveError> {
        let found = fs::metadata(path).map_err(ArchiveError::io(path))?;
        let (manifest, records) = match found.is_dir() {
            true => find_in_folder(path)?,
            false => find_in_tar(path)?,
        };
        let (Some(manifest), Some(records)) = (manifest, records) else {
            return Err(ArchiveError::Incomplete {
                path: path.to_owned(),
            });
        };
        let invalid = |detail: &str| ArchiveError::Invalid {
            path: path.to_owned(),
            detail: detail.to_owned(),
        };
        if manifest.size > MAX_BYTES {
            return Err(invalid("its manifest is too large"));
        }
        let mut json = Vec::new();
        let mut file = manifest.open().map_err(ArchiveError::io(path))?;
        file.read_to_end(&mut json)
            .map_err(ArchiveError::io(path))?;
        let manifest = Manifest::parse(&json, path)?;
        if digest(&records).map_err(ArchiveError::io(path))? != manifest.records_sha256
            || records.size != manifest.records_bytes
        {
            return Err(invalid("records.jsonl does not match its checksum"));
        }
        let mut lines = BufReader::new(records.open().map_err(ArchiveError::io(path))?);
        let mut first = String::new();
        lines
            .read_line(&mut first)
            .map_err(ArchiveError::io(path))?;
        let store = serde_json::from_str::<StoreLine>(&first).ok();
        let store = store.and_then(|line| line.identity());
        let store = store.ok_or_else(|| invalid("records.jsonl does not start with the store"))?;
        if HEXLOWER.encode(&store.id) != manifest.store {
            return Err(invalid("records.jsonl belongs to another store"));
        }
        let blobs = match found.is_dir() {
            true => BlobFiles::Folder(path.join(BLOBS)),
            false => BlobFiles::Tar {
                entries: tar_file::walk(path).map_err(ArchiveError::io(path))?,
                batch: HashMap::new(),
            },
        };
        Ok(Self {
            path: path.to_owned(),
            manifest,
            store,
            records: Some(lines),
            blobs,
            read: CopyReport::default(),
            read_blobs: 0,
        })
    }

    fn invalid(&self, detail: impl Into<String>) -> ArchiveError {
        ArchiveError::Invalid {
            path: self.path.clone(),
            detail: detail.into(),
        }
    }

    fn count(&mut self, records: &[Record]) {
        self.read.add(records);
        let blobs = records.iter().filter(|record| match record {
            Record::File(file) => file.blob().is_some(),
            Record::Key(_) | Record::Context(_) | Record::Folder(_) => false,
        });
        self.read_blobs += blobs.count() as u64;
    }

    /// Finds the blobs of a batch in a tar file, where they have the order of the records.
    async fn find_blobs(&mut self, records: &[Record]) -> Result<(), ArchiveError> {
        let BlobFiles::Tar { entries, batch } = &mut self.blobs else {
            return Ok(());
        };
        batch.clear();
        let files = records.iter().filter_map(|record| match record {
            Record::File(file) => file.blob(),
            Record::Key(_) | Record::Context(_) | Record::Folder(_) => None,
        });
        for blob in files {
            let found = entries.recv().await.transpose();
            match found.map_err(|error| invalid_tar(&self.path, error))? {
                Some(entry) if entry.name.strip_prefix("blobs/") == Some(blob) => {
                    batch.insert(blob.to_owned(), entry);
                }
                // The files after it can't be found in one pass either.
                found => {
                    let found = found.map_or("its end".to_owned(), |entry| entry.name);
                    let path = self.path.clone();
                    let detail = format!(
                        "{found} is in the place of blobs/{blob}, which is missing or not in order"
                    );
                    return Err(ArchiveError::Invalid { path, detail });
                }
            }
        }
        Ok(())
    }
}

fn invalid_tar(path: &Path, error: io::Error) -> ArchiveError {
    match error.kind() {
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData => ArchiveError::Invalid {
            path: path.to_owned(),
            detail: error.to_string(),
        },
        // A header that is not one. The message would quote its bytes.
        ErrorKind::Other => ArchiveError::Invalid {
            path: path.to_owned(),
            detail: "it is not a tar file, or a part of it was overwritten".to_owned(),
        },
        _ => ArchiveError::io(path)(error),
    }
}

/// The manifest and the records, if they exist.
type Parts = (Option<Part>, Option<Part>);

fn find_in_folder(path: &Path) -> Result<Parts, ArchiveError> {
    let find = |name: &str| {
        let path = path.join(name);
        match fs::metadata(&path) {
            Ok(found) => Ok(Some(Part {
                path,
                offset: 0,
                size: found.len(),
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ArchiveError::io(&path)(error)),
        }
    };
    Ok((find(MANIFEST)?, find(RECORDS)?))
}

fn find_in_tar(path: &Path) -> Result<Parts, ArchiveError> {
    let (mut manifest, mut records) = (None, None);
    let walked = tar_file::each_entry(path, |entry| {
        let part = Part {
            path: path.to_owned(),
            offset: entry.offset,
            size: entry.size,
        };
        match entry.name.as_str() {
            MANIFEST => manifest = Some(part),
            RECORDS => records = Some(part),
            _ => {}
        }
        true
    });
    walked.map_err(|error| invalid_tar(path, error))?;
    Ok((manifest, records))
}

/// The SHA-256 of a part, in hexadecimal.
fn digest(part: &Part) -> io::Result<String> {
    let mut file = part.open()?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(HEXLOWER.encode(&digest.finalize())),
            Ok(read) => digest.update(&buffer[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Reads the next batch of records.
fn read_batch(lines: &mut Lines) -> io::Result<Vec<Record>> {
    let mut records = Vec::new();
    let mut line = String::new();
    while records.len() < BATCH {
        line.clear();
        if lines.read_line(&mut line)? == 0 {
            break;
        }
        records.push(serde_json::from_str(&line)?);
    }
    Ok(records)
}

#[async_trait]
impl Source for ArchiveSource {
    fn describe(&self) -> String {
        format!("the archive {}", self.path.display())
    }

    fn identity(&self) -> &StoreIdentity {
        &self.store
    }

    fn import_source(&self) -> ImportSource {
        ImportSource {
            store: self.store.id,
            archive: Some(self.manifest.records_sha256.clone()),
        }
    }

    fn concurrency(&self) -> usize {
        usize::MAX
    }

    async fn next(&mut self) -> Result<Vec<Item>, ArchiveError> {
        let Some(mut lines) = self.records.take() else {
            return Ok(Vec::new());
        };
        let read = tokio::task::spawn_blocking(move || {
            let records = read_batch(&mut lines)?;
            Ok::<_, io::Error>((records, lines))
        });
        let (records, lines) = read.await.map_err(ArchiveError::failed)?.map_err(|error| {
            self.invalid(format!("a line of records.jsonl can't be read: {error}"))
        })?;
        self.records = Some(lines);
        self.count(&records);
        self.find_blobs(&records).await?;
        Ok(records.into_iter().map(Ok).collect())
    }

    async fn open_blob(&self, blob: &str) -> Result<Chunks, BlobError> {
        let part = match &self.blobs {
            BlobFiles::Folder(folder) => {
                let path = folder.join(blob);
                let found = tokio::task::spawn_blocking(move || File::open(path));
                return match found.await.map_err(io::Error::other)? {
                    Ok(file) => Ok(read_file(file)),
                    Err(error) if error.kind() == ErrorKind::NotFound => Err(BlobError::Missing),
                    Err(error) => Err(error.into()),
                };
            }
            BlobFiles::Tar { batch, .. } => {
                let entry = batch.get(blob).ok_or(BlobError::Missing)?;
                Part {
                    path: self.path.clone(),
                    offset: entry.offset,
                    size: entry.size,
                }
            }
        };
        let opened = tokio::task::spawn_blocking(move || part.open());
        Ok(read_file(opened.await.map_err(io::Error::other)??))
    }

    async fn finish(&mut self) -> Result<(), ArchiveError> {
        let (read, manifest) = (&self.read, &self.manifest);
        let found = [
            read.keys,
            read.contexts,
            read.folders,
            read.files,
            read.bytes,
            self.read_blobs,
        ];
        let expected = [
            manifest.keys,
            manifest.contexts,
            manifest.folders,
            manifest.files,
            manifest.bytes,
            manifest.blobs,
        ];
        if found != expected {
            return Err(self.invalid("its manifest has other counts than its records"));
        }
        if let BlobFiles::Tar { entries, .. } = &mut self.blobs
            && let Some(entry) = entries
                .recv()
                .await
                .transpose()
                .map_err(|error| invalid_tar(&self.path, error))?
            && entry.name != RECORDS
        {
            let detail = format!("no record references {}", entry.name);
            return Err(self.invalid(detail));
        }
        Ok(())
    }
}
