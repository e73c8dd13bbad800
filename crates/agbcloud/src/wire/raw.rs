//! The real wire: the generated client.
//!
//! Its setters take the place of positional arguments, so that two texts can't be swapped; here is the only
//! place that calls them.

use agbcloud_api::{Client, types};

use super::{Answer, ContextQuery, FileQuery, Lookup, Wire};
use crate::{ContextId, ContextName, FolderPath, RemotePath};

pub(crate) struct RawWire(pub(crate) Client);

impl Wire for RawWire {
    fn list_contexts(&self, query: ContextQuery) -> Answer<'static, types::ListContextsResponse> {
        let client = self.0.clone();
        Box::pin(async move {
            let mut request = client
                .list_contexts()
                .max_results(non_zero(query.page_size));
            if let Some(token) = query.token {
                request = request.next_token(token);
            }
            request.send().await
        })
    }

    fn get_context(&self, lookup: Lookup) -> Answer<'static, types::GetContextResponse> {
        let client = self.0.clone();
        Box::pin(async move {
            let request = client.get_context();
            match lookup {
                Lookup::Id(id) => request.id(String::from(id)).send().await,
                Lookup::Name {
                    name,
                    create,
                    region,
                } => {
                    let mut request = request.name(String::from(name));
                    if create {
                        request = request.allow_create(true);
                    }
                    if let Some(region) = region {
                        request = request.login_region_id(String::from(region));
                    }
                    request.send().await
                }
            }
        })
    }

    fn modify_context(
        &self,
        id: ContextId,
        name: ContextName,
    ) -> Answer<'static, types::ModifyContextResponse> {
        let client = self.0.clone();
        Box::pin(async move {
            client
                .modify_context()
                .id(String::from(id))
                .name(String::from(name))
                .send()
                .await
        })
    }

    fn delete_context(&self, id: ContextId) -> Answer<'static, types::DeleteContextResponse> {
        let client = self.0.clone();
        Box::pin(async move { client.delete_context().id(String::from(id)).send().await })
    }

    fn clear_context(&self, id: ContextId) -> Answer<'static, types::ClearContextResponse> {
        let client = self.0.clone();
        Box::pin(async move { client.clear_context().id(String::from(id)).send().await })
    }

    fn list_files(&self, query: FileQuery) -> Answer<'static, types::DescribeContextFilesResponse> {
        let client = self.0.clone();
        Box::pin(async move {
            let mut request = client
                .describe_context_files()
                .context_id(String::from(query.context))
                .page_number(non_zero(query.page))
                .page_size(non_zero(query.page_size));
            // The official SDKs leave the root out, so that is the form that is known to work.
            if query.folder != FolderPath::root() {
                request = request.parent_folder_path(String::from(query.folder));
            }
            request.send().await
        })
    }

    fn upload_url(
        &self,
        context: ContextId,
        path: RemotePath,
    ) -> Answer<'static, types::GetContextFileUploadUrlResponse> {
        let client = self.0.clone();
        Box::pin(async move {
            let request = client.get_context_file_upload_url();
            request
                .context_id(String::from(context))
                .file_path(String::from(path))
                .send()
                .await
        })
    }

    fn download_url(
        &self,
        context: ContextId,
        path: RemotePath,
    ) -> Answer<'static, types::GetContextFileDownloadUrlResponse> {
        let client = self.0.clone();
        Box::pin(async move {
            let request = client.get_context_file_download_url();
            request
                .context_id(String::from(context))
                .file_path(String::from(path))
                .send()
                .await
        })
    }

    fn delete_file(
        &self,
        context: ContextId,
        path: RemotePath,
    ) -> Answer<'static, types::DeleteContextFileResponse> {
        let client = self.0.clone();
        Box::pin(async move {
            let request = client.delete_context_file();
            request
                .context_id(String::from(context))
                .file_path(String::from(path))
                .send()
                .await
        })
    }
}

/// Page sizes and numbers are checked to be over 0 where they are set.
fn non_zero(number: u32) -> std::num::NonZeroU32 {
    std::num::NonZeroU32::new(number).unwrap_or(std::num::NonZeroU32::MIN)
}
