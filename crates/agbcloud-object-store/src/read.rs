//! Reads of one file.

use std::ops::Range;

use agbcloud::PresignedUrl;
use bytes::Bytes;
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use object_store::{
    Attributes, Error, GetOptions, GetResult, GetResultPayload, ObjectMeta, Result, path::Path,
};

use crate::{
    error::{generic, not_implemented, of_file},
    list::meta_of,
    location::file_path,
    store::ContextStore,
};

/// Bytes of one request.
const PIECE: u64 = 8 * 1024 * 1024;

impl ContextStore {
    pub(crate) async fn get(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if options.version.is_some() {
            return Err(not_implemented("versions"));
        }
        let meta = self.metadata(location).await?;
        options.check_preconditions(&meta)?;
        let range = match &options.range {
            Some(range) => range.as_range(meta.size).map_err(generic)?,
            None => 0..meta.size,
        };
        let content = match options.head {
            true => stream::empty().boxed(),
            false => self.content(location, range.clone()).await?,
        };
        Ok(GetResult {
            payload: GetResultPayload::Stream(content),
            meta,
            range,
            attributes: Attributes::default(),
            extensions: Default::default(),
        })
    }

    /// Returns size, ETag and modification time of a file.
    pub(crate) async fn metadata(&self, location: &Path) -> Result<ObjectMeta> {
        let entry = self.files().stat(file_path(location)?).await;
        let entry = entry.map_err(|error| of_file(location, error))?;
        if entry.is_folder() {
            return Err(Error::NotFound {
                path: location.to_string(),
                source: "it is a folder".into(),
            });
        }
        meta_of(&entry)
    }

    async fn content(
        &self,
        location: &Path,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes>>> {
        let path = file_path(location)?;
        let files = self.files().clone();
        let url: PresignedUrl = files
            .download_url(&path)
            .await
            .map_err(|error| of_file(location, error))?
            .into_inner();
        let location = location.clone();
        let pieces = stream::try_unfold(range, move |rest| {
            let (files, path, url) = (files.clone(), path.clone(), url.clone());
            async move {
                if rest.is_empty() {
                    return Ok(None);
                }
                let end = rest.end.min(rest.start + PIECE);
                let piece = files.read(&path).presigned_url(url).range(rest.start..end);
                Ok(Some((piece.await?, end..rest.end)))
            }
        });
        let failed = move |error| of_file(&location, error);
        Ok(pieces.map_err(failed).boxed())
    }
}
