//! The real wire: the generated client.
//!
//! Its setters take the place of positional arguments, so that two texts can't be swapped; here is the only
//! place that calls them.

use agbcloud_api::{Client, types};
use reqwest::header::DATE;

use super::{
    Answer, ContextApi, ContextLookup, ContextQuery, FileQuery, FromEnvelope,
    envelope::{Envelope, RawResult, judge, nothing, upload_url},
};
use crate::{
    Context, ContextId, ContextName, ContextPage, Error, ErrorKind, FilePage, FolderPath,
    PresignedUrl, RemotePath, Result,
    clock::Time,
    config::ApiKey,
    error::{Reading, date},
    service_clock::ServiceClock,
};

pub(crate) struct RawWire {
    pub(crate) client: Client,
    /// To take it out of texts that come back.
    pub(crate) api_key: ApiKey,
    pub(crate) time: Time,
    pub(crate) service_clock: ServiceClock,
}

impl RawWire {
    /// Sends, and reads the answer.
    fn ask<E: Envelope, T: 'static, F>(
        &self,
        send: impl FnOnce(Client) -> F,
        read: fn(E, Reading<'_>) -> Result<T>,
    ) -> Answer<T>
    where
        F: Future<Output = RawResult<E>> + Send + 'static,
    {
        let (sent, key, time, service_clock) = (
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
            let result = sent.await;
            if let Ok(response) = &result
                && let Some(date) = date(response.headers(), &DATE)
            {
                service_clock.observe(date, began, time.system_time());
            }
            let reading = Reading {
                key: key.expose(),
                time: &time,
            };
            judge(result, read, reading).await
        })
    }
}

impl ContextApi for RawWire {
    fn list_contexts(&self, query: ContextQuery) -> Answer<ContextPage> {
        let send = async move |client: Client| {
            let mut request = client
                .list_contexts()
                .max_results(non_zero(query.page_size));
            if let Some(token) = query.token {
                request = request.next_token(token);
            }
            request.send().await
        };
        self.ask(send, ContextPage::from_envelope)
    }

    fn get_context(&self, lookup: ContextLookup) -> Answer<Context> {
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
        self.ask(send, Context::from_envelope)
    }

    fn modify_context(&self, id: ContextId, name: ContextName) -> Answer<()> {
        let send = async move |client: Client| {
            let request = client.modify_context();
            request
                .id(String::from(id))
                .name(String::from(name))
                .send()
                .await
        };
        self.ask(send, nothing::<types::ModifyContextResponse>)
    }

    fn delete_context(&self, id: ContextId) -> Answer<()> {
        let send =
            async move |client: Client| client.delete_context().id(String::from(id)).send().await;
        self.ask(send, nothing::<types::DeleteContextResponse>)
    }

    fn clear_context(&self, id: ContextId) -> Answer<()> {
        let send =
            async move |client: Client| client.clear_context().id(String::from(id)).send().await;
        self.ask(send, nothing::<types::ClearContextResponse>)
    }

    fn list_files(&self, query: FileQuery) -> Answer<FilePage> {
        let send = async move |client: Client| {
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
        };
        self.ask(send, FilePage::from_envelope)
    }

    fn upload_url(&self, context: ContextId, path: RemotePath) -> Answer<PresignedUrl> {
        let send = async move |client: Client| {
            let request = client.get_context_file_upload_url();
            request
                .context_id(String::from(context))
                .file_path(String::from(path))
                .send()
                .await
        };
        self.ask(send, upload_url)
    }

    fn download_url(&self, context: ContextId, path: RemotePath) -> Answer<PresignedUrl> {
        let send = async move |client: Client| {
            let request = client.get_context_file_download_url();
            request
                .context_id(String::from(context))
                .file_path(String::from(path))
                .send()
                .await
        };
        self.ask(send, PresignedUrl::from_envelope)
    }

    fn delete_file(&self, context: ContextId, path: RemotePath) -> Answer<()> {
        let send = async move |client: Client| {
            let request = client.delete_context_file();
            request
                .context_id(String::from(context))
                .file_path(String::from(path))
                .send()
                .await
        };
        self.ask(send, nothing::<types::DeleteContextFileResponse>)
    }
}

fn no_runtime() -> Error {
    let message = "there is no tokio runtime here: await it in one, or use agbcloud::blocking (feature `blocking`)";
    Error::new(ErrorKind::Configuration, message)
}

/// Page sizes and numbers are checked to be over 0 where they are set.
fn non_zero(number: u32) -> std::num::NonZeroU32 {
    std::num::NonZeroU32::new(number).unwrap_or(std::num::NonZeroU32::MIN)
}
