//! Reads of one file.

use std::{
    ops::Range,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use agbcloud::{PresignedUrl, RemoteFile, RemotePath};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt};
use object_store::{
    Attributes, Error, GetOptions, GetRange, GetResult, GetResultPayload,
    OBJECT_STORE_COALESCE_DEFAULT, ObjectMeta, Result, coalesce_ranges, path::Path,
};

use crate::{
    error::{generic, not_implemented, of_file},
    location::file_path,
    store::ContextStore,
};

/// Number of times that a suffix is requested again because the size of the file has changed.
const SUFFIX_ATTEMPTS: u32 = 3;

impl ContextStore {
    pub(crate) async fn get(&self, location: &Path, options: GetOptions) -> Result<GetResult> {
        if options.version.is_some() {
            return Err(not_implemented("versions"));
        }
        if let Some(range) = &options.range {
            range.is_valid().map_err(generic)?;
        }
        let file = match (&options.range, options.head) {
            (_, true) => self.open_head(location).await?,
            (None, false) => self.open(location, 0..u64::MAX).await?,
            (Some(GetRange::Bounded(range)), _) => self.open(location, range.clone()).await?,
            (Some(GetRange::Offset(first)), _) => self.open(location, *first..u64::MAX).await?,
            (Some(GetRange::Suffix(length)), _) => self.open_suffix(location, *length).await?,
        };
        let meta = meta_of(location, &file)?;
        // The metadata is from the response that has the content.
        check_conditions(&options, &meta, &file)?;
        let range = match &options.range {
            Some(range) => range.as_range(meta.size).map_err(generic)?,
            None => 0..meta.size,
        };
        let content = match options.head || range.is_empty() {
            true => futures_util::stream::empty().boxed(),
            false => {
                let location = location.clone();
                file.map_err(move |error| of_file(&location, error)).boxed()
            }
        };
        Ok(GetResult {
            payload: GetResultPayload::Stream(content),
            meta,
            range,
            attributes: Attributes::default(),
            extensions: Default::default(),
        })
    }

    /// Reads several ranges of one version of a file with one presigned URL.
    pub(crate) async fn get_parts(
        &self,
        location: &Path,
        ranges: &[Range<u64>],
    ) -> Result<Vec<Bytes>> {
        if ranges.is_empty() {
            return Ok(Vec::new());
        }
        for range in ranges {
            let range = GetRange::Bounded(range.clone());
            range.is_valid().map_err(generic)?;
        }
        let path = file_path(location)?;
        let url = self.files().download_url(&path).await;
        let url = url.map_err(|error| of_file(location, error))?.into_inner();
        let version = Mutex::new(None);
        let fetch = |range: Range<u64>| {
            let (path, url, version) = (&path, url.clone(), &version);
            async move {
                let part = self.read_part(path, url, range.clone()).await;
                let (etag, bytes) = part.map_err(|error| of_file(location, error))?;
                let end = range.start + bytes.len() as u64;
                check_starts(ranges, range, end)?;
                let mut version = version.lock().unwrap_or_else(PoisonError::into_inner);
                match version.get_or_insert_with(|| etag.clone()) == &etag {
                    true => Ok(bytes),
                    false => Err(Error::Precondition {
                        path: location.to_string(),
                        source: "the file changed between two ranges".into(),
                    }),
                }
            }
        };
        coalesce_ranges(ranges, fetch, OBJECT_STORE_COALESCE_DEFAULT).await
    }

    async fn read_part(
        &self,
        path: &RemotePath,
        url: PresignedUrl,
        range: Range<u64>,
    ) -> agbcloud::Result<(Option<String>, Bytes)> {
        let open = self.files().open(path).presigned_url(url).range(range);
        let file = open.await?;
        Ok((file.etag().map(str::to_owned), file.bytes().await?))
    }

    /// Returns size, ETag and modification time of a file.
    pub(crate) async fn metadata(&self, location: &Path) -> Result<ObjectMeta> {
        meta_of(location, &self.open_head(location).await?)
    }

    /// Opens a range, which is not empty. One that ends at the maximum is the rest of the file.
    async fn open(&self, location: &Path, range: Range<u64>) -> Result<RemoteFile> {
        let file = self.files().open(file_path(location)?);
        let file = match range.end {
            u64::MAX => file.range(range.start..),
            _ => file.range(range),
        };
        file.await.map_err(|error| of_file(location, error))
    }

    /// Opens the first byte, or the whole file if it is empty. A presigned URL for GET may not be valid for HEAD.
    async fn open_head(&self, location: &Path) -> Result<RemoteFile> {
        let path = file_path(location)?;
        let head = match self.files().open(&path).range(..1).await {
            Err(error) if error.status() == Some(416) => self.files().open(&path).await,
            head => head,
        };
        head.map_err(|error| of_file(location, error))
    }

    /// Opens the last bytes. The SDK has no ranges that are relative to the end.
    async fn open_suffix(&self, location: &Path, length: u64) -> Result<RemoteFile> {
        let mut file = self.open_head(location).await?;
        for _ in 0..SUFFIX_ATTEMPTS {
            let size = size_of(location, &file)?;
            if size == 0 || length == 0 {
                return Ok(file);
            }
            file = self
                .open(location, size.saturating_sub(length)..size)
                .await?;
            if size_of(location, &file)? == size {
                return Ok(file);
            }
        }
        Err(generic(format!("the size of {location} changes too often")))
    }
}

/// Checks that each range within a joined range starts before the end of the file, where the joined one may end early.
fn check_starts(ranges: &[Range<u64>], joined: Range<u64>, end: u64) -> Result<()> {
    let starts = ranges.iter().map(|range| range.start);
    let mut outside = starts.filter(|start| joined.contains(start) && *start >= end);
    match outside.next() {
        None => Ok(()),
        Some(start) => Err(generic(format!(
            "the file has no byte {start}: it ends at {end}"
        ))),
    }
}

fn size_of(location: &Path, file: &RemoteFile) -> Result<u64> {
    let missing = || generic(format!("the store does not report the size of {location}"));
    file.size().ok_or_else(missing)
}

fn meta_of(location: &Path, file: &RemoteFile) -> Result<ObjectMeta> {
    let modified = file.modified_at().unwrap_or(SystemTime::UNIX_EPOCH);
    Ok(ObjectMeta {
        location: location.clone(),
        last_modified: modified.into(),
        size: size_of(location, file)?,
        e_tag: file.etag().map(str::to_owned),
        version: None,
    })
}

fn check_conditions(options: &GetOptions, meta: &ObjectMeta, file: &RemoteFile) -> Result<()> {
    let by_time = options.if_modified_since.or(options.if_unmodified_since);
    if by_time.is_some() && file.modified_at().is_none() {
        return Err(Error::NotSupported {
            source: "the store does not report when the file changed".into(),
        });
    }
    options.check_preconditions(meta)
}
