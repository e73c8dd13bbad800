//! The path where a new file is published.

use std::{
    fs::{File, Metadata},
    io,
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

use super::part_file;
use crate::{
    Error, ErrorDetail, ErrorKind, Result,
    file::local::{LocalIdentity, cannot, changed_since_compared, folder_of},
};

/// Where a new file is published, and what it may replace.
pub(super) struct Destination {
    pub(super) target: PathBuf,
    pub(super) overwrite: bool,
    pub(super) expected: ExpectedTarget,
    /// A folder above the target: the folders between the two must not be symbolic links.
    pub(super) root: Option<PathBuf>,
}

/// What the caller has found at the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExpectedTarget {
    /// It was not inspected.
    Any,
    Absent,
    /// A file. Another file is not replaced.
    File(LocalIdentity),
}

impl Destination {
    /// Blocks.
    pub(super) fn check(&self) -> Result<()> {
        let target = &self.target;
        if target.is_dir() {
            let message = format!("{} is a folder", target.display());
            return Err(Error::new(ErrorKind::LocalFile, message).with_local_path(target));
        }
        match target.symlink_metadata() {
            Ok(_) if !self.overwrite => Err(self.exists()),
            Ok(old) => self.check_kind(&old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = self.folder().metadata();
                folder.map(drop).map_err(|error| self.write_failed(error))
            }
            Err(error) => Err(self.write_failed(error)),
        }
    }

    /// A symbolic link is replaced, and not the file that it points to. A device or a pipe is not replaced.
    fn check_kind(&self, old: &Metadata) -> Result<()> {
        if old.is_file() || old.is_symlink() || old.is_dir() {
            return Ok(());
        }
        let message = format!("{} is not a regular file", self.target.display());
        Err(Error::new(ErrorKind::LocalFile, message).with_local_path(&self.target))
    }

    pub(super) fn folder(&self) -> &Path {
        folder_of(&self.target)
    }

    /// Creates a temporary file with a name. Blocks.
    pub(super) fn named_temporary(&self) -> Result<NamedTempFile> {
        let mut options = File::options();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

            options.mode(self.temporary_mode().mode());
        }
        // A custom function, since the errors of `tempfile` name the temporary file.
        let open = |path: &Path| {
            let file = options.open(path)?;
            // Another process may remove it as abandoned before it is locked.
            match part_file::lock(&file) && path.symlink_metadata().is_ok() {
                true => Ok(file),
                false => Err(io::ErrorKind::AlreadyExists.into()),
            }
        };
        let created = part_file::locked_part_names().make_in(self.folder(), open);
        created.map_err(|error| self.write_failed(error))
    }

    pub(super) fn write_failed(&self, error: io::Error) -> Error {
        cannot("write", &self.target, error)
    }

    /// Replaces the target and keeps its permissions.
    pub(super) fn replace(&self, temporary: NamedTempFile) -> Result<()> {
        let old = self.target.symlink_metadata().ok();
        if let Some(old) = &old {
            self.check_kind(old)?;
            let identity = LocalIdentity::of(old);
            if matches!(self.expected, ExpectedTarget::File(compared) if identity != compared) {
                return Err(changed_since_compared(&self.target));
            }
        }
        #[cfg(unix)]
        if let Some(old) = old.filter(Metadata::is_file) {
            let kept = keep_access(temporary.path(), &old);
            kept.map_err(|error| self.write_failed(error))?;
        }
        let persisted = temporary.persist(&self.target).map(drop);
        persisted.map_err(|error| self.write_failed(error.error))
    }

    /// The mode of a new file, subject to the umask, without read access for users who can't read the file that it replaces.
    #[cfg(unix)]
    pub(super) fn temporary_mode(&self) -> std::fs::Permissions {
        use std::os::unix::fs::PermissionsExt;

        let old = match self.expected {
            ExpectedTarget::Absent => None,
            _ => self.target.metadata().ok(),
        };
        let old = old.map_or(0o666, |old| old.permissions().mode());
        std::fs::Permissions::from_mode(0o600 | old & 0o666)
    }

    pub(super) fn exists(&self) -> Error {
        let message = format!("{} already exists", self.target.display());
        Error::new(ErrorKind::Conflict, message)
            .with_detail(ErrorDetail::TargetExists)
            .with_local_path(&self.target)
    }
}

/// Copies the permissions of the replaced file and, where permitted, its owner. Omits the set-user-ID and set-group-ID bits.
#[cfg(unix)]
fn keep_access(temporary: &Path, old: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let new = temporary.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        let _ = std::os::unix::fs::chown(temporary, Some(old.uid()), Some(old.gid()));
    }
    let mode = old.permissions().mode() & 0o777;
    std::fs::set_permissions(temporary, std::fs::Permissions::from_mode(mode))
}
