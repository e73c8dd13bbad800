//! Copies of a whole store: backups of a running service, restores, and migrations between engines.
//!
//! All of them copy [records](crate::metadata::record) and contents from a [`Source`] to a [`Sink`]. Ids, times, generations and
//! the secret are kept, so that presigned URLs, page tokens and ids stay valid. Files that are cleared or deleted are not copied.
//! Every content is compared with its row while it is copied, and again when it is read back from the target.

mod checks;
mod data_folder;
mod endpoint;
mod error;
mod folder_sink;
mod format;
mod key_file_source;
mod options;
#[cfg(feature = "postgres")]
mod postgres;
mod report;
mod target_blobs;
mod transfer;

use std::path::Path;

use self::data_folder::DataFolderSource;
use self::endpoint::{Sink, Source};
use self::folder_sink::DataFolderSink;
use self::format::{ArchiveSink, ArchiveSource};
use self::key_file_source::KeyFileSource;
#[cfg(feature = "postgres")]
use self::postgres::{PostgresSink, PostgresSource};
use self::transfer::Transfer;

pub use self::error::ArchiveError;
pub use self::options::CopyOptions;
pub use self::report::{CopyPhase, CopyProgress, CopyReport};
use crate::key_file::KeyFile;
use crate::storage::{Engine, Storage};

/// Copies a store to an archive: a folder, or one file if its name ends with `.tar`. A service may be using the store.
///
/// The archive contains the state of one moment: everything that was acknowledged before the backup started. It contains the
/// secret of the store, so only its owner can read it. It is complete when it has a manifest, which is written last.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use agbcloud_server::{CopyOptions, Server, Storage, backup};
///
/// let folder = tempfile::tempdir()?;
/// let data = folder.path().join("data");
/// let server = Server::builder().data_dir(&data).start().await?;
/// let archive = folder.path().join("backup.tar");
/// let report = backup(&Storage::folder(&data), &archive, &CopyOptions::default()).await?;
/// assert_eq!(report.contexts, 0);
/// assert!(archive.is_file());
/// # server.shutdown().await;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// - [`ArchiveError::Exists`]: the archive exists already. It is never overwritten.
/// - [`ArchiveError::Damaged`]: a row or a content of the store is damaged.
/// - [`ArchiveError::Store`]: the store can't be opened.
///
/// After an error, an archive that this call has created is removed.
pub async fn backup(
    store: &Storage,
    archive: impl AsRef<Path>,
    options: &CopyOptions,
) -> Result<CopyReport, ArchiveError> {
    let archive = archive.as_ref();
    ArchiveSink::check(archive)?;
    let mut source = open_source(store, options).await?;
    if options.is_dry_run() {
        return Transfer::new(&mut *source, None, options).run().await;
    }
    let mut sink = ArchiveSink::create(archive, source.identity()).await?;
    let copied = async {
        let report = Transfer::new(&mut *source, Some(&mut sink), options)
            .run()
            .await?;
        read_back(archive, &report, options).await?;
        Ok(report)
    };
    let copied = copied.await;
    if copied.is_err() {
        sink.discard();
    }
    copied
}

/// Copies an archive of [`backup`] to a store that does not exist yet.
///
/// No service uses the store before everything is copied and verified. A restore that did not finish continues when it is
/// repeated with the same archive: it skips existing contents.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use agbcloud_server::{CopyOptions, Server, Storage, backup, restore};
///
/// # let folder = tempfile::tempdir()?;
/// # let data = folder.path().join("data");
/// # Server::builder().data_dir(&data).start().await?.shutdown().await;
/// # let archive = folder.path().join("backup");
/// # backup(&Storage::folder(&data), &archive, &CopyOptions::default()).await?;
/// let restored = folder.path().join("restored");
/// restore(&archive, &Storage::folder(&restored), &CopyOptions::default()).await?;
/// let server = Server::builder().data_dir(&restored).start().await?;
/// # server.shutdown().await;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// - [`ArchiveError::Incomplete`], [`ArchiveError::Version`], [`ArchiveError::Invalid`]: the archive can't be used.
/// - [`ArchiveError::Damaged`]: a content of the archive is damaged or missing.
/// - [`ArchiveError::NotEmpty`], [`ArchiveError::OtherImport`]: the target is not empty.
/// - [`ArchiveError::Store`]: the target can't be opened.
pub async fn restore(
    archive: impl AsRef<Path>,
    store: &Storage,
    options: &CopyOptions,
) -> Result<CopyReport, ArchiveError> {
    let source = Box::new(ArchiveSource::open(archive.as_ref()).await?);
    let mut source = with_keys(source, options).await?;
    import(&mut *source, store, options).await
}

/// Copies a store to another one that does not exist yet, also between engines.
///
/// The source is not changed. Stop its service first: later changes are not copied. A migration that did not finish continues
/// when it is repeated.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use agbcloud_server::{CopyOptions, Storage, migrate};
///
/// # let folder = tempfile::tempdir()?;
/// # let (old, new) = (folder.path().join("old"), folder.path().join("new"));
/// # agbcloud_server::Server::builder().data_dir(&old).start().await?.shutdown().await;
/// let (from, to) = (Storage::folder(&old), Storage::folder(&new));
/// // Reads and verifies everything, and writes nothing.
/// migrate(&from, &to, &CopyOptions::default().dry_run(true)).await?;
/// assert!(!new.exists());
/// migrate(&from, &to, &CopyOptions::default()).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// As [`restore`], for a store instead of an archive.
pub async fn migrate(
    from: &Storage,
    to: &Storage,
    options: &CopyOptions,
) -> Result<CopyReport, ArchiveError> {
    if from == to {
        return Err(ArchiveError::SameStore);
    }
    let mut source = open_source(from, options).await?;
    import(&mut *source, to, options).await
}

async fn open_source(
    store: &Storage,
    options: &CopyOptions,
) -> Result<Box<dyn Source>, ArchiveError> {
    let source: Box<dyn Source> = match &store.0 {
        Engine::Folder(folder) => Box::new(DataFolderSource::open(folder).await?),
        #[cfg(feature = "postgres")]
        Engine::Postgres { metadata, blobs } => {
            let keeps_blobs = !options.is_dry_run();
            Box::new(Box::pin(PostgresSource::open(store, metadata, blobs, keeps_blobs)).await?)
        }
        #[cfg(not(feature = "postgres"))]
        Engine::Postgres { .. } => return Err(ArchiveError::unsupported(store)),
        Engine::Memory => return Err(ArchiveError::unsupported(store)),
    };
    with_keys(source, options).await
}

/// Adds the keys of the key file in the options.
async fn with_keys(
    source: Box<dyn Source>,
    options: &CopyOptions,
) -> Result<Box<dyn Source>, ArchiveError> {
    match options.keys() {
        Some(path) => {
            let keys = KeyFile::read(path)?;
            Ok(Box::new(KeyFileSource::open(source, &keys).await?))
        }
        None => Ok(source),
    }
}

async fn import(
    source: &mut dyn Source,
    store: &Storage,
    options: &CopyOptions,
) -> Result<CopyReport, ArchiveError> {
    let from = source.import_source();
    if options.is_dry_run() {
        match &store.0 {
            Engine::Folder(folder) => DataFolderSink::check(folder, &from).await?,
            #[cfg(feature = "postgres")]
            Engine::Postgres { metadata, blobs } => {
                Box::pin(PostgresSink::check(store, metadata, blobs, &from)).await?;
            }
            #[cfg(not(feature = "postgres"))]
            Engine::Postgres { .. } => return Err(ArchiveError::unsupported(store)),
            Engine::Memory => return Err(ArchiveError::unsupported(store)),
        }
        return Transfer::new(source, None, options).run().await;
    }
    let identity = source.identity().clone();
    let mut sink: Box<dyn Sink> = match &store.0 {
        Engine::Folder(folder) => Box::new(DataFolderSink::open(folder, from, identity).await?),
        #[cfg(feature = "postgres")]
        Engine::Postgres { metadata, blobs } => {
            let opened = PostgresSink::open(store, metadata, blobs, &from, &identity);
            Box::new(Box::pin(opened).await?)
        }
        #[cfg(not(feature = "postgres"))]
        Engine::Postgres { .. } => return Err(ArchiveError::unsupported(store)),
        Engine::Memory => return Err(ArchiveError::unsupported(store)),
    };
    Transfer::new(source, Some(&mut *sink), options).run().await
}

/// Reads a new archive back, and compares it with what was written.
async fn read_back(
    path: &Path,
    written: &CopyReport,
    options: &CopyOptions,
) -> Result<(), ArchiveError> {
    let mut source = ArchiveSource::open(path).await?;
    let read = Transfer::new(&mut source, None, options).verifying();
    match read.run().await?.has_same_records(written) {
        true => Ok(()),
        false => Err(ArchiveError::Invalid {
            path: path.to_owned(),
            detail: "it differs from what was written".to_owned(),
        }),
    }
}
