//! Keeping a copy of a file that is replaced: see [`ConflictPolicy::KeepBoth`](crate::ConflictPolicy::KeepBoth).

use std::path::Path;

use crate::{
    Result,
    file::local::{LocalIdentity, blocking, cannot, changed_since_compared},
    sync::{conflict_name::conflict_copy_name, options::SyncOptions, paths, plan::PlannedChange},
    transfer::PutCondition,
};

/// A copy of a replaced version.
pub(super) struct ConflictCopy {
    /// Path relative to the folders.
    pub(super) name: String,
    /// The ETag of the copied remote file, if the store reports one.
    pub(super) etag: Option<String>,
}

impl SyncOptions {
    /// Copies the remote file to another name.
    pub(super) async fn copy_remote(&self, relative: &str) -> Result<ConflictCopy> {
        let copy = blocking(|| {
            let copy = tempfile::NamedTempFile::new();
            copy.map_err(|error| cannot("write", &std::env::temp_dir(), error))
        })
        .await?
        .into_temp_path();
        let remote = paths::to_remote(&self.remote, relative)?;
        let downloaded = self.files.download(remote, &*copy).overwrite(true).await?;
        let name = conflict_copy_name(
            &self.remote,
            relative,
            self.files.client.time().system_time(),
        );
        let remote = paths::to_remote(&self.remote, &name)?;
        let upload = self.files.upload(remote, &*copy);
        upload.only_if(PutCondition::IfAbsent).await?;
        Ok(ConflictCopy {
            name,
            etag: downloaded.etag,
        })
    }

    /// Copies the local file to another name. Returns the relative path of the copy, and the identity of the file.
    pub(super) async fn copy_local(
        &self,
        planned: &PlannedChange,
    ) -> Result<(String, LocalIdentity)> {
        let name = conflict_copy_name(
            &self.remote,
            &planned.path,
            self.files.client.time().system_time(),
        );
        let [old, copy] = [&*planned.path, &name].map(paths::to_local);
        let (old, copy) = (self.local.join(old?), self.local.join(copy?));
        let compared = planned.compared.local;
        let identity = blocking(move || {
            let identity =
                link_or_copy(&old, &copy).map_err(|error| cannot("copy", &old, error))?;
            match compared.is_none_or(|compared| compared.is_same_file(&identity)) {
                true => Ok(identity),
                false => {
                    remove_copy(&old, &copy);
                    Err(changed_since_compared(&old))
                }
            }
        });
        Ok((name, identity.await?))
    }

    /// Removes the copy of a local file that was not replaced. Returns the copy if it stays because the file has changed since.
    pub(super) async fn remove_local_copy(
        &self,
        relative: &str,
        copied: ConflictCopy,
    ) -> Option<ConflictCopy> {
        let [old, copy] = [relative, &*copied.name].map(|name| paths::to_local(name).ok());
        let (old, copy) = (self.local.join(old?), self.local.join(copy?));
        let removed = blocking(move || Ok(remove_copy(&old, &copy))).await;
        (!removed.unwrap_or(false)).then_some(copied)
    }
}

/// Removes the copy of a file if both have the same content. Returns whether it did. Blocks.
fn remove_copy(old: &Path, copy: &Path) -> bool {
    let identities = [old, copy].map(|path| path.symlink_metadata().ok());
    let [Some(old), Some(kept)] = identities.map(|it| it.as_ref().map(LocalIdentity::of)) else {
        return false;
    };
    old.is_same_file(&kept) && std::fs::remove_file(copy).is_ok()
}

/// Creates a hard link, or else a copy. Returns the identity of the file. Blocks.
fn link_or_copy(old: &Path, copy: &Path) -> std::io::Result<LocalIdentity> {
    if std::fs::hard_link(old, copy).is_ok() {
        return Ok(LocalIdentity::of(&old.symlink_metadata()?));
    }
    let mut from = std::fs::File::open(old)?;
    let before = LocalIdentity::of(&from.metadata()?);
    let mut to = std::fs::File::create_new(copy)?;
    let copied = std::io::copy(&mut from, &mut to).and_then(|_| to.sync_all());
    if copied.is_err() {
        let _ = std::fs::remove_file(copy);
    }
    copied.map(|()| before)
}
