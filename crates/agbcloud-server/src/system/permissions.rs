//! Permissions of the files that a service trusts.

use std::path::{Path, PathBuf};

/// Access to a file that other users must not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protection {
    /// Write access.
    Write,
    /// Read and write access. The group may read a file that root owns, because root gives a secret to the user of a
    /// service in this way.
    ReadAndWrite,
}

/// The permissions of a file allow other users too much. The message contains the `chmod` command that corrects them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("others can {} {} (mode {mode:03o}): run chmod {} '{}'", if *.writable { "change" } else { "read" }, path.display(), if *.writable { "go-w" } else { "go-r" }, path.display())]
#[non_exhaustive]
pub struct InsecurePermissions {
    /// The file.
    pub path: PathBuf,
    /// The permissions, as in `chmod`.
    pub mode: u32,
    /// Whether other users can write to the file. Otherwise they can only read it.
    pub writable: bool,
}

/// Checks the permissions of a file that a service trusts. Accepts a missing file. Only Unix permissions are checked.
///
/// # Errors
///
/// If other users have the access that `protection` forbids.
pub fn check_permissions(file: &Path, protection: Protection) -> Result<(), InsecurePermissions> {
    checks::file(file, protection)
}

/// Warns if other users can write to a data folder or read one of its files with secrets. Fails if they can write to one of
/// those files.
pub(crate) fn check_data_folder(
    folder: &Path,
    secrets: &[&str],
) -> Result<(), InsecurePermissions> {
    checks::data_folder(folder, secrets)
}

#[cfg(unix)]
mod checks {
    use std::fs::{self, Metadata};
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use super::{InsecurePermissions, Protection};

    const ROOT: u32 = 0;
    const STICKY: u32 = 0o1000;
    const OTHERS_WRITE: u32 = 0o002;
    const GROUP_OR_OTHERS_WRITE: u32 = 0o022;
    const GROUP_OR_OTHERS_ENTER: u32 = 0o011;

    pub(super) fn file(file: &Path, protection: Protection) -> Result<(), InsecurePermissions> {
        let Ok(metadata) = fs::metadata(file) else {
            return Ok(());
        };
        let readable = match (protection, metadata.uid()) {
            (Protection::Write, _) => 0,
            (Protection::ReadAndWrite, ROOT) => 0o004,
            (Protection::ReadAndWrite, _) => 0o044,
        };
        let mode = metadata.mode();
        let writable = mode & GROUP_OR_OTHERS_WRITE != 0;
        if writable || mode & readable != 0 {
            return Err(InsecurePermissions {
                path: file.to_owned(),
                mode: mode & 0o777,
                writable,
            });
        }
        warn_of_owner(file, &metadata);
        warn_of_parent(file);
        Ok(())
    }

    pub(super) fn data_folder(folder: &Path, secrets: &[&str]) -> Result<(), InsecurePermissions> {
        let Ok(metadata) = fs::metadata(folder) else {
            return Ok(());
        };
        let mode = metadata.mode();
        if mode & GROUP_OR_OTHERS_WRITE != 0 {
            tracing::warn!(
                folder = %folder.display(),
                mode = format_args!("{:03o}", mode & 0o777),
                "others can change the data folder: run chmod go-w"
            );
        }
        warn_of_owner(folder, &metadata);
        warn_of_parent(folder);
        if mode & GROUP_OR_OTHERS_ENTER == 0 {
            // Other users can't reach the files.
            return Ok(());
        }
        for secret in secrets {
            match file(&folder.join(secret), Protection::ReadAndWrite) {
                // Common after a restore from a backup, so not a reason to refuse to start.
                Err(insecure) if !insecure.writable => tracing::warn!("{insecure}"),
                checked => checked?,
            }
        }
        Ok(())
    }

    fn warn_of_owner(path: &Path, metadata: &Metadata) {
        let owner = metadata.uid();
        if owner != ROOT && owner != rustix::process::geteuid().as_raw() {
            tracing::warn!(
                path = %path.display(),
                owner,
                "another user owns the file and can change it: run chown"
            );
        }
    }

    /// Warns if other users can replace a file because they can write to its folder.
    fn warn_of_parent(path: &Path) {
        let Some(parent) = fs::canonicalize(path)
            .ok()
            .and_then(|path| path.parent().map(Path::to_owned))
        else {
            return;
        };
        let mode = fs::metadata(&parent).map_or(0, |metadata| metadata.mode());
        if mode & OTHERS_WRITE != 0 && mode & STICKY == 0 {
            tracing::warn!(
                path = %path.display(),
                folder = %parent.display(),
                mode = format_args!("{:03o}", mode & 0o777),
                "others can replace the file because they can write to its folder: run chmod o-w on the folder"
            );
        }
    }
}

#[cfg(not(unix))]
mod checks {
    use std::path::Path;

    use super::{InsecurePermissions, Protection};

    pub(super) fn file(_: &Path, _: Protection) -> Result<(), InsecurePermissions> {
        Ok(())
    }

    pub(super) fn data_folder(_: &Path, _: &[&str]) -> Result<(), InsecurePermissions> {
        Ok(())
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    fn set(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_file_that_others_can_read_or_write_is_insecure() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let by_root = fs::metadata(&file).unwrap().uid() == 0;
        let found = |mode: u32, protection| {
            set(&file, mode);
            check_permissions(&file, protection)
                .err()
                .map(|insecure| insecure.writable)
        };
        let (write, both) = (Protection::Write, Protection::ReadAndWrite);
        for (mode, for_write, for_both) in [
            (0o600, None, None),
            (0o400, None, None),
            (0o640, None, (!by_root).then_some(false)),
            (0o604, None, Some(false)),
            (0o644, None, Some(false)),
            (0o620, Some(true), Some(true)),
            (0o602, Some(true), Some(true)),
            (0o666, Some(true), Some(true)),
        ] {
            assert_eq!(found(mode, write), for_write, "{mode:o}");
            assert_eq!(found(mode, both), for_both, "{mode:o}");
        }
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let error = check_permissions(&link, write).unwrap_err().to_string();
        assert!(
            error.contains("mode 666") && error.contains("chmod go-w"),
            "{error}"
        );
        assert_eq!(
            check_permissions(&folder.path().join("missing"), both),
            Ok(())
        );
    }

    #[test]
    fn a_writable_database_is_insecure_only_in_a_reachable_folder() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("database");
        fs::write(&file, "").unwrap();
        let found = |folder_mode, mode| {
            set(folder.path(), folder_mode);
            set(&file, mode);
            check_data_folder(folder.path(), &["missing", "database"])
        };
        assert_eq!(found(0o700, 0o666), Ok(()));
        assert_eq!(found(0o755, 0o600), Ok(()));
        // Readable after a restore: only a warning.
        assert_eq!(found(0o755, 0o644), Ok(()));
        for mode in [0o620, 0o602] {
            let insecure = found(0o755, mode).unwrap_err();
            let expected = InsecurePermissions {
                path: file.clone(),
                mode,
                writable: true,
            };
            assert_eq!(insecure, expected);
        }
    }
}
