//! Temporary files that are kept after an interruption, so that a later process continues them.

use std::{fs::File, io, path::PathBuf, sync::Arc};

use tempfile::NamedTempFile;

use super::destination::Destination;
#[cfg(unix)]
use super::part_file;

/// An open file beside its target, which is not removed when it is dropped. A lock excludes other processes while it is
/// open.
pub(crate) struct KeptFile {
    pub(super) file: NamedTempFile,
    /// What is known about the content. Removed when the file is published.
    pub(super) record: PathBuf,
}

/// Opens kept files beside a target.
pub(crate) struct KeptFiles(Arc<Destination>);

impl KeptFiles {
    pub(super) fn new(destination: Arc<Destination>) -> Self {
        Self(destination)
    }

    /// Opens or creates the file with this key. Returns `None` if another process uses it, and on systems without locks.
    /// Blocks.
    #[cfg(unix)]
    pub(crate) fn open(&self, key: &str, record: PathBuf) -> io::Result<Option<KeptFile>> {
        let folder = self.0.folder();
        // A temporary folder has another name each time.
        if part_file::is_part(folder) {
            return Ok(None);
        }
        let path = folder.join(part_file::kept_name(key));
        self.open_at(path, record, File::options().create(true))
    }

    #[cfg(not(unix))]
    pub(crate) fn open(&self, _: &str, _: PathBuf) -> io::Result<Option<KeptFile>> {
        Ok(None)
    }

    /// Replaces the file by an empty one. Writes of the old content that are still in progress don't reach it. Blocks.
    #[cfg(unix)]
    pub(crate) fn replace(&self, old: KeptFile) -> io::Result<Option<KeptFile>> {
        let path = old.file.path().to_owned();
        std::fs::remove_file(&path)?;
        self.open_at(path, old.record.clone(), File::options().create_new(true))
    }

    #[cfg(not(unix))]
    pub(crate) fn replace(&self, _: KeptFile) -> io::Result<Option<KeptFile>> {
        Ok(None)
    }

    #[cfg(unix)]
    fn open_at(
        &self,
        path: PathBuf,
        record: PathBuf,
        options: &mut std::fs::OpenOptions,
    ) -> io::Result<Option<KeptFile>> {
        use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

        use rustix::fs::OFlags;

        options.read(true).write(true).truncate(false);
        options.mode(self.0.temporary_mode().mode());
        options.custom_flags((OFlags::NONBLOCK | OFlags::NOFOLLOW).bits().cast_signed());
        let file = options.open(&path)?;
        // The process that had the lock may have published the file since it was opened here. Writing would change the
        // published file.
        if !part_file::lock(&file) || !is_at(&file, &path)? {
            return Ok(None);
        }
        let mut path = tempfile::TempPath::try_from_path(path)?;
        path.disable_cleanup(true);
        Ok(Some(KeptFile {
            file: NamedTempFile::from_parts(file, path),
            record,
        }))
    }
}

impl KeptFile {
    pub(crate) fn as_file(&self) -> &File {
        self.file.as_file()
    }
}

/// Whether the path names this regular file.
#[cfg(unix)]
fn is_at(file: &File, path: &std::path::Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;

    let opened = file.metadata()?;
    let named = match path.symlink_metadata() {
        Ok(named) => named,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    Ok(opened.is_file() && (opened.dev(), opened.ino()) == (named.dev(), named.ino()))
}
