//! The seam between the SDK and the raw client: the nine operations, each called in one place.

mod call;
mod raw;

use agbcloud_api::{Error, ResponseValue, types};
use futures_core::future::BoxFuture;

pub(crate) use call::{call, is_missing_file};
pub(crate) use raw::RawWire;

use crate::{ContextId, ContextName, FolderPath, RegionId, RemotePath};

/// What the raw client gives.
pub(crate) type RawResult<T> = Result<ResponseValue<T>, Error>;

/// An answer on its way.
pub(crate) type Answer<'a, T> = BoxFuture<'a, RawResult<T>>;

/// Which context GetContext is to find.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lookup {
    Id(ContextId),
    Name {
        name: ContextName,
        create: bool,
        region: Option<RegionId>,
    },
}

/// One page of contexts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ContextQuery {
    pub(crate) page_size: u32,
    pub(crate) token: Option<String>,
}

/// One page of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileQuery {
    pub(crate) context: ContextId,
    pub(crate) folder: FolderPath,
    pub(crate) page: u32,
    pub(crate) page_size: u32,
}

/// The nine operations. A unit test puts a mock in its place.
#[cfg_attr(test, mockall::automock)]
pub(crate) trait Wire: Send + Sync {
    fn list_contexts(&self, query: ContextQuery) -> Answer<'static, types::ListContextsResponse>;
    fn get_context(&self, lookup: Lookup) -> Answer<'static, types::GetContextResponse>;
    fn modify_context(
        &self,
        id: ContextId,
        name: ContextName,
    ) -> Answer<'static, types::ModifyContextResponse>;
    fn delete_context(&self, id: ContextId) -> Answer<'static, types::DeleteContextResponse>;
    fn clear_context(&self, id: ContextId) -> Answer<'static, types::ClearContextResponse>;
    fn list_files(&self, query: FileQuery) -> Answer<'static, types::DescribeContextFilesResponse>;
    fn upload_url(
        &self,
        context: ContextId,
        path: RemotePath,
    ) -> Answer<'static, types::GetContextFileUploadUrlResponse>;
    fn download_url(
        &self,
        context: ContextId,
        path: RemotePath,
    ) -> Answer<'static, types::GetContextFileDownloadUrlResponse>;
    fn delete_file(
        &self,
        context: ContextId,
        path: RemotePath,
    ) -> Answer<'static, types::DeleteContextFileResponse>;
}

/// An answer with status 200 and this body, for mocks.
#[cfg(test)]
pub(crate) fn answer<T: serde::de::DeserializeOwned + Send + 'static>(
    body: serde_json::Value,
) -> Answer<'static, T> {
    let value = serde_json::from_value(body).unwrap();
    let status = reqwest::StatusCode::OK;
    Box::pin(async move {
        Ok(ResponseValue::new(
            value,
            status,
            reqwest::header::HeaderMap::new(),
        ))
    })
}
