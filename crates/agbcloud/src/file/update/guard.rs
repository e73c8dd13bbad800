//! Whether the object store evaluates conditions of writes.

use std::panic::resume_unwind;

use crate::{
    Error, ErrorKind, Files, PresignedUrl, RemotePath, Result,
    transfer::{PutCondition, UpdateGuard, rejects_condition},
};

/// An ETag that no content has.
const OTHER_ETAG: &str = "\"00000000000000000000000000000000\"";

impl Files {
    /// Returns whether the object store evaluates the conditions of [`Upload::if_match`](crate::Upload::if_match) and
    /// [`Upload::if_absent`](crate::Upload::if_absent). The first call of a client and its clones creates a file with a random name
    /// that starts with `/.agb-guard-`, tries to replace it under both conditions, and deletes it, also if this future is dropped.
    /// The file remains if the process ends in between. Later calls send nothing.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// use agbcloud::UpdateGuard;
    ///
    /// assert_eq!(files.update_guard().await?, UpdateGuard::Conditions);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`upload`](Self::upload) and [`delete`](Self::delete).
    pub async fn update_guard(&self) -> Result<UpdateGuard> {
        let known = self.store().update_guard();
        let detect = async || {
            let files = self.clone();
            // A task, so that the file is deleted in any case.
            let detected = tokio::spawn(async move { files.detect_guard().await }).await;
            detected.unwrap_or_else(|error| match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                Err(error) => {
                    let message = "the runtime was shut down";
                    Err(Error::new(ErrorKind::Connection, message).with_source(error))
                }
            })
        };
        let guard = known.get_or_try_init(detect).await?;
        Ok(*guard)
    }

    /// Returns whether the object store can replace exactly the version with this ETag: as [`update_guard`](Self::update_guard),
    /// but a weak ETag (`W/"…"`) can't be a condition.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// use agbcloud::UpdateGuard;
    ///
    /// assert_eq!(files.version_guard("W/\"1\"").await?, UpdateGuard::Unavailable);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`upload`](Self::upload) and [`delete`](Self::delete).
    pub async fn version_guard(&self, etag: &str) -> Result<UpdateGuard> {
        match etag.starts_with("W/") {
            true => Ok(UpdateGuard::Unavailable),
            false => self.update_guard().await,
        }
    }

    /// Whether [`update_guard`](Self::update_guard) sends nothing.
    pub(super) fn is_guard_detected(&self) -> bool {
        self.store().update_guard().initialized()
    }

    async fn detect_guard(&self) -> Result<UpdateGuard> {
        let path = RemotePath::new(format!("/.agb-guard-{:016x}", fastrand::u64(..)))?;
        let url = self.upload_url(path.clone()).await?;
        let detected = self.detect_guard_with(&path, &url).await;
        // The file may have been created in spite of an error, which is the more important one.
        let deleted = self.delete(path).missing_ok(true).await;
        let guard = detected?;
        deleted?;
        Ok(guard)
    }

    async fn detect_guard_with(
        &self,
        path: &RemotePath,
        url: &PresignedUrl,
    ) -> Result<UpdateGuard> {
        let write = async |condition| {
            let upload = self
                .upload(path.clone(), "guard")
                .presigned_url(url.clone());
            upload.only_if(condition).await
        };
        write(PutCondition::None).await?;
        for condition in [
            PutCondition::IfAbsent,
            PutCondition::IfMatch(OTHER_ETAG.to_owned()),
        ] {
            match write(condition).await {
                Err(error) if error.status() == Some(412) => {}
                Ok(_) => return Ok(UpdateGuard::Unavailable),
                Err(error) if rejects_condition(&error) => {
                    // The same write without a condition must succeed: the status has other causes, too.
                    write(PutCondition::None).await?;
                    return Ok(UpdateGuard::Unavailable);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(UpdateGuard::Conditions)
    }
}
