//! Who else may read or change the files that a service trusts.

use std::path::{Path, PathBuf};

/// What others must not be able to do with a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Protection {
    /// Change it.
    Write,
    /// Read or change it. The group may read a file that root owns: so root gives a secret to the user of a service.
    ReadAndWrite,
}

/// Others can do with a file what they must not. The message says how to change that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("others can {} {} (mode {mode:03o}): run chmod {} '{}'", if *.writable { "change" } else { "read" }, path.display(), if *.writable { "go-w" } else { "go-r" }, path.display())]
#[non_exhaustive]
pub struct Exposed {
    /// The file.
    pub path: PathBuf,
    /// Its permissions, as in `chmod`.
    pub mode: u32,
    /// Whether others can change it. Otherwise they can read it.
    pub writable: bool,
}

/// Checks a file that a service trusts. A file that can't be found is not exposed. On other systems than Unix nothing is.
pub fn check_permissions(file: &Path, protection: Protection) -> Result<(), Exposed> {
    checks::file(file, protection)
}

/// Warns if others can change what is in a folder with data, or read one of the files in it that hold secrets. Fails if they
/// can change one of those.
pub(crate) fn check_data_folder(folder: &Path, secrets: &[&str]) -> Result<(), Exposed> {
    checks::data_folder(folder, secrets)
}

#[cfg(unix)]
mod checks {
    use std::fs::{self, Metadata};
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use super::{Exposed, Protection};

    const ROOT: u32 = 0;
    const STICKY: u32 = 0o1000;
    const OTHERS_WRITE: u32 = 0o002;
    const GROUP_OR_OTHERS_WRITE: u32 = 0o022;
    const GROUP_OR_OTHERS_ENTER: u32 = 0o011;

    pub(super) fn file(file: &Path, protection: Protection) -> Result<(), Exposed> {
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
            return Err(Exposed {
                path: file.to_owned(),
                mode: mode & 0o777,
                writable,
            });
        }
        warn_of_owner(file, &metadata);
        warn_of_parent(file);
        Ok(())
    }

    pub(super) fn data_folder(folder: &Path, secrets: &[&str]) -> Result<(), Exposed> {
        let Ok(metadata) = fs::metadata(folder) else {
            return Ok(());
        };
        let mode = metadata.mode();
        if mode & GROUP_OR_OTHERS_WRITE != 0 {
            tracing::warn!(
                folder = %folder.display(),
                mode = format_args!("{:03o}", mode & 0o777),
                "others can change what is in the data folder: run chmod go-w"
            );
        }
        warn_of_owner(folder, &metadata);
        warn_of_parent(folder);
        if mode & GROUP_OR_OTHERS_ENTER == 0 {
            // Nobody else gets as far as the files.
            return Ok(());
        }
        for secret in secrets {
            match file(&folder.join(secret), Protection::ReadAndWrite) {
                // As after a restore, by whoever does not think of it: no reason not to start.
                Err(exposed) if !exposed.writable => tracing::warn!("{exposed}"),
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
                "it belongs to another user, who can change it: run chown"
            );
        }
    }

    /// Who may rename in a folder can put another file in the place of one.
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
                "others can replace it, because they can change its folder: run chmod o-w on the folder"
            );
        }
    }
}

#[cfg(not(unix))]
mod checks {
    use std::path::Path;

    use super::{Exposed, Protection};

    pub(super) fn file(_: &Path, _: Protection) -> Result<(), Exposed> {
        Ok(())
    }

    pub(super) fn data_folder(_: &Path, _: &[&str]) -> Result<(), Exposed> {
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
    fn a_file_that_others_can_change_or_read_is_exposed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let by_root = fs::metadata(&file).unwrap().uid() == 0;
        let found = |mode: u32, protection| {
            set(&file, mode);
            check_permissions(&file, protection)
                .err()
                .map(|exposed| exposed.writable)
        };
        let (write, both) = (Protection::Write, Protection::ReadAndWrite);
        for (mode, of_write, of_both) in [
            (0o600, None, None),
            (0o400, None, None),
            (0o640, None, (!by_root).then_some(false)),
            (0o604, None, Some(false)),
            (0o644, None, Some(false)),
            (0o620, Some(true), Some(true)),
            (0o602, Some(true), Some(true)),
            (0o666, Some(true), Some(true)),
        ] {
            assert_eq!(found(mode, write), of_write, "{mode:o}");
            assert_eq!(found(mode, both), of_both, "{mode:o}");
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
    fn a_database_is_exposed_where_others_can_reach_it() {
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
        // After a restore: that is warned of.
        assert_eq!(found(0o755, 0o644), Ok(()));
        for mode in [0o620, 0o602] {
            let exposed = found(0o755, mode).unwrap_err();
            let expected = Exposed {
                path: file.clone(),
                mode,
                writable: true,
            };
            assert_eq!(exposed, expected);
        }
    }
}
