//! Uploads and copies.

use agbcloud::{ErrorDetail, UploadSource};
use object_store::{
    CopyMode, CopyOptions, Error, PutMode, PutOptions, PutPayload, PutResult, RenameOptions,
    RenameTargetMode, Result, path::Path,
};

use crate::{
    conditional_writes::Condition,
    error::{generic, is_missing_file, is_precondition, not_implemented, of_file},
    location::file_path,
    store::ContextStore,
};

impl ContextStore {
    pub(crate) async fn put(
        &self,
        location: &Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> Result<PutResult> {
        // Tags are ignored, as the trait requires.
        if !options.attributes.is_empty() {
            return Err(not_implemented("attributes"));
        }
        let source = bytes::Bytes::from(payload);
        self.upload(location, source.into(), options.mode).await
    }

    pub(crate) async fn upload(
        &self,
        location: &Path,
        source: UploadSource,
        mode: PutMode,
    ) -> Result<PutResult> {
        let path = file_path(location)?;
        let upload = self.files().upload(path, source);
        let (upload, condition) = match mode {
            PutMode::Overwrite => (upload, None),
            PutMode::Create => (upload.if_absent(), Some(Condition::IfAbsent)),
            PutMode::Update(version) => {
                if version.version.is_some() {
                    return Err(not_implemented("versions"));
                }
                let etag = version
                    .e_tag
                    .ok_or_else(|| generic("an update requires an ETag"))?;
                (upload.if_match(etag), Some(Condition::IfMatch))
            }
        };
        if let Some(condition) = condition {
            self.require(location, condition).await?;
        }
        let uploaded = upload.await;
        let uploaded = uploaded.map_err(|error| upload_error(location, condition, error))?;
        Ok(PutResult {
            e_tag: uploaded.etag,
            version: None,
            extensions: Default::default(),
        })
    }

    async fn require(&self, location: &Path, condition: Condition) -> Result<()> {
        let supported = self.supports(condition).await;
        match supported.map_err(|error| of_file(location, error))? {
            true => Ok(()),
            false => Err(not_implemented(match condition {
                Condition::IfAbsent => "conditional write: If-None-Match",
                Condition::IfMatch => "conditional write: If-Match",
            })),
        }
    }

    /// Downloads a file and uploads it, since the wire has no copy.
    pub(crate) async fn copy_file(
        &self,
        from: &Path,
        to: &Path,
        options: CopyOptions,
    ) -> Result<()> {
        let mode = match options.mode {
            CopyMode::Overwrite => PutMode::Overwrite,
            CopyMode::Create => PutMode::Create,
        };
        let failed = |error| of_file(from, error);
        let source = file_path(from)?;
        file_path(to)?;
        let read = self.files().read(&source).limit(self.memory_limit() as u64);
        match read.await {
            Ok(content) => self.upload(to, content.into(), mode).await?,
            Err(error) if matches!(error.detail(), Some(ErrorDetail::SizeLimit { .. })) => {
                let folder = private_folder().map_err(generic)?;
                let file = folder.path().join("copy");
                let download = self.files().download(&source, &file).durable(false);
                download.await.map_err(failed)?;
                self.upload(to, file.into(), mode).await?
            }
            Err(error) => return Err(failed(error)),
        };
        Ok(())
    }

    /// Copies a file and deletes the original.
    pub(crate) async fn rename_file(
        &self,
        from: &Path,
        to: &Path,
        options: RenameOptions,
    ) -> Result<()> {
        let mode = match options.target_mode {
            RenameTargetMode::Overwrite => CopyMode::Overwrite,
            RenameTargetMode::Create => CopyMode::Create,
        };
        if from == to && mode == CopyMode::Overwrite {
            // A copy and a deletion would delete the file.
            return self.metadata(from).await.map(|_| ());
        }
        let copy = CopyOptions::new().with_mode(mode);
        self.copy_file(from, to, copy).await?;
        self.delete_file(from).await
    }

    pub(crate) async fn delete_file(&self, location: &Path) -> Result<()> {
        let deleted = self.files().delete(file_path(location)?).await;
        deleted.map_err(|error| of_file(location, error))?;
        Ok(())
    }
}

fn upload_error(location: &Path, condition: Option<Condition>, error: agbcloud::Error) -> Error {
    let path = location.to_string();
    match condition {
        Some(Condition::IfAbsent) if is_precondition(&error) => Error::AlreadyExists {
            path,
            source: error.into(),
        },
        // S3 reports a missing object as such.
        Some(Condition::IfMatch) if is_precondition(&error) || is_missing_file(&error) => {
            Error::Precondition {
                path,
                source: error.into(),
            }
        }
        _ => of_file(location, error),
    }
}

/// A temporary folder that only the user can read. By default, other users could.
fn private_folder() -> std::io::Result<tempfile::TempDir> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::{fs::Permissions, os::unix::fs::PermissionsExt};

        builder.permissions(Permissions::from_mode(0o700));
    }
    builder.tempdir()
}
