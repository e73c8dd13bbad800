//! Temporary folders that only the user can read.

use std::io;

use tempfile::{Builder, TempDir};

use crate::failure::Failure;

/// Creates a temporary folder, which is removed on drop. By default, other users could read it.
pub(crate) fn private_folder(prefix: &str) -> Result<TempDir, Failure> {
    create(prefix).map_err(|error| Failure::with_cause("can't create a temporary folder", error))
}

fn create(prefix: &str) -> io::Result<TempDir> {
    let mut builder = Builder::new();
    builder.prefix(prefix);
    #[cfg(unix)]
    {
        use std::{fs::Permissions, os::unix::fs::PermissionsExt};

        builder.permissions(Permissions::from_mode(0o700));
    }
    builder.tempdir()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn other_users_cannot_read_it() {
        let folder = private_folder("agb-test-").unwrap();
        let mode = folder.path().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
