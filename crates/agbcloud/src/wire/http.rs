//! [`ContextApi`] over HTTP, with the generated client.
//!
//! Requests are built with setters rather than positional arguments, so that two texts can't be swapped. Nothing else calls
//! the generated client.

use agbcloud_api::{
    Client,
    extensions::{FileUrlOperation, GetContextFileUrlsRequest},
    types,
};
use reqwest::header::DATE;

use super::{
    ContextApi, ContextLookup, ContextQuery, FileQuery, FromEnvelope, ResponseFuture,
    envelope::{Envelope, RawResult, decode_envelope, file_urls, ignore_data, upload_url},
};
use crate::{
    clock::Time,
    config::ApiKey,
    error::{DecodeContext, Error, ErrorKind, Result, http_date},
    model::{
        Context, ContextId, ContextName, ContextPage, FilePage, FolderPath, PresignedUrl,
        RemotePath,
    },
    service_clock::ServiceClock,
};

pub(crate) struct HttpApi {
    pub(crate) client: Client,
    /// To redact it in responses.
    pub(crate) api_key: ApiKey,
    pub(crate) time: Time,
    pub(crate) service_clock: ServiceClock,
}

impl HttpApi {
    /// Sends a request and decodes the response.
    fn call<E: Envelope, T: 'static, F>(
        &self,
        send: impl FnOnce(Client) -> F,
        decode: impl FnOnce(E, DecodeContext<'_>) -> Result<T> + Send + 'static,
    ) -> ResponseFuture<T>
    where
        F: Future<Output = RawResult<E>> + Send + 'static,
    {
        let (response, key, time, service_clock) = (
            send(self.client.clone()),
            self.api_key.clone(),
            self.time.clone(),
            self.service_clock.clone(),
        );
        Box::pin(async move {
            if tokio::runtime::Handle::try_current().is_err() {
                return Err(no_runtime());
            }
            let began = time.system_time();
            let result = response.await;
            if let Ok(response) = &result
                && let Some(date) = http_date(response.headers(), &DATE)
            {
                service_clock.observe(date, began, time.system_time());
            }
            let context = DecodeContext {
                key: key.expose(),
                time: &time,
            };
            decode_envelope(result, decode, context).await
        })
    }

    fn file_urls(
        &self,
        operation: FileUrlOperation,
        context: ContextId,
        paths: Vec<RemotePath>,
    ) -> ResponseFuture<Vec<Result<PresignedUrl>>> {
        let body = GetContextFileUrlsRequest {
            operation,
            file_paths: paths.iter().cloned().map(String::from).collect(),
        };
        let send = async move |client: Client| {
            let sent = client.get_context_file_urls(context.as_str(), &body);
            sent.await
        };
        self.call(send, move |envelope, context| {
            file_urls(envelope, &paths, context)
        })
    }
}

impl ContextApi for HttpApi {
    fn list_contexts(&self, query: ContextQuery) -> ResponseFuture<ContextPage> {
        let send = async move |client: Client| {
            let mut request = client
                .list_contexts()
                .max_results(non_zero(query.page_size));
            if let Some(token) = query.token {
                request = request.next_token(token);
            }
            request.send().await
        };
        self.call(send, ContextPage::from_envelope)
    }

    fn get_context(&self, lookup: ContextLookup) -> ResponseFuture<Context> {
        let send = async move |client: Client| {
            let request = client.get_context();
            match lookup {
                ContextLookup::Id(id) => request.id(String::from(id)).send().await,
                ContextLookup::Name {
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
        };
        self.call(send, Context::from_envelope)
    }

    fn modify_context(&self, id: ContextId, name: ContextName) -> ResponseFuture<()> {
        let send = async move |client: Client| {
            let request = client.modify_context();
            request
                .id(String::from(id))
                .name(String::from(name))
                .send()
                .await
        };
        self.call(send, ignore_data::<types::ModifyContextResponse>)
    }

    fn delete_context(&self, id: ContextId) -> ResponseFuture<()> {
        let send =
            async move |client: Client| client.delete_context().id(String::from(id)).send().await;
        self.call(send, ignore_data::<types::DeleteContextResponse>)
    }

    fn clear_context(&self, id: ContextId) -> ResponseFuture<()> {
        let send =
            async move |client: Client| client.clear_context().id(String::from(id)).send().await;
        self.call(send, ignore_data::<types::ClearContextResponse>)
    }

    fn list_files(&self, query: FileQuery) -> ResponseFuture<FilePage> {
        let send = async move |client: Client| {
            let mut request = client
                .describe_context_files()
                .context_id(String::from(query.context))
                .page_number(non_zero(query.page))
                .page_size(non_zero(query.page_size));
            // The official SDKs omit the parameter for the root folder.
            if query.folder != FolderPath::root() {
                request = request.parent_folder_path(String::from(query.folder));
            }
            request.send().await
        };
        self.call(send, FilePage::from_envelope)
    }

    fn upload_url(&self, context: ContextId, path: RemotePath) -> ResponseFuture<PresignedUrl> {
        let send = async move |client: Client| {
            let request = client.get_context_file_upload_url();
            request
                .context_id(String::from(context))
                .file_path(String::from(path))
                .send()
                .await
        };
        self.call(send, upload_url)
    }

    fn download_url(&self, context: ContextId, path: RemotePath) -> ResponseFuture<PresignedUrl> {
        let send = async move |client: Client| {
            let request = client.get_context_file_download_url();
            request
                .context_id(String::from(context))
                .file_path(String::from(path))
                .send()
                .await
        };
        self.call(send, PresignedUrl::from_envelope)
    }

    fn upload_urls(
        &self,
        context: ContextId,
        paths: Vec<RemotePath>,
    ) -> ResponseFuture<Vec<Result<PresignedUrl>>> {
        self.file_urls(FileUrlOperation::Upload, context, paths)
    }

    fn download_urls(
        &self,
        context: ContextId,
        paths: Vec<RemotePath>,
    ) -> ResponseFuture<Vec<Result<PresignedUrl>>> {
        self.file_urls(FileUrlOperation::Download, context, paths)
    }

    fn delete_file(&self, context: ContextId, path: RemotePath) -> ResponseFuture<()> {
        let send = async move |client: Client| {
            let request = client.delete_context_file();
            request
                .context_id(String::from(context))
                .file_path(String::from(path))
                .send()
                .await
        };
        self.call(send, ignore_data::<types::DeleteContextFileResponse>)
    }
}

fn no_runtime() -> Error {
    let message = "no tokio runtime: await in one, or use agbcloud::blocking (feature `blocking`)";
    Error::new(ErrorKind::Configuration, message)
}

/// Page sizes and numbers are checked where they are set.
fn non_zero(number: u32) -> std::num::NonZeroU32 {
    std::num::NonZeroU32::new(number).unwrap_or(std::num::NonZeroU32::MIN)
}
