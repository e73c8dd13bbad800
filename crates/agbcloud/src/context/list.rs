//! Listing contexts.

use std::{
    collections::HashSet,
    hash::{DefaultHasher, Hash, Hasher},
};

use agbcloud_api::types::{ContextListData, ListContextsResponse};
use futures_core::future::BoxFuture;

use crate::{
    Client, Context, Continuation, Error, ErrorKind, Operation, Response, Result,
    error::Reading,
    page::{ContextPlace, Items, Pages, Source, listed, named_stream, page_size},
    wire::{ContextQuery, FromEnvelope, call},
};

/// A listing that has not been sent. From [`Contexts::list`](crate::Contexts::list). Order: create time.
#[derive(Debug, Clone)]
#[must_use = "a listing does nothing until it is sent or streamed"]
#[doc(alias = "ContextListParams")]
pub struct ListContexts {
    client: Client,
    page_size: Option<u32>,
    start: Option<Continuation>,
    prefetch: bool,
}

/// One page of contexts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "ContextListResult")]
pub struct ContextPage {
    /// The contexts of this page.
    pub contexts: Vec<Context>,
    /// Where the next page starts, for [`ListContexts::start_at`]; `None` on the last page.
    pub next_token: Option<String>,
    /// The page size that the service used.
    pub max_results: Option<u32>,
    /// Contexts over all pages.
    pub total_count: Option<u64>,
    /// Id of the call that fetched this page.
    pub request_id: Option<String>,
}

impl ListContexts {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            page_size: None,
            start: None,
            prefetch: false,
        }
    }

    /// Contexts in one page: from 1, over 1000 means 1000;
    /// [`DEFAULT_PAGE_SIZE`](crate::DEFAULT_PAGE_SIZE) if not said. A page size of 0 is refused when the
    /// listing is sent.
    #[doc(alias = "max_results")]
    pub fn page_size(mut self, size: u32) -> Self {
        self.page_size = Some(size);
        self
    }

    /// Starts where a page before said that the next one starts ([`ContextPage::next_token`]; the empty text is
    /// the start), or where a stream said that it goes on ([`ContextItems::continuation`],
    /// [`ContextPages::continuation`]). The page size may be another than before. A continuation of a listing of
    /// files is refused when the listing is sent.
    pub fn start_at(mut self, place: impl Into<Continuation>) -> Self {
        self.start = Some(place.into());
        self
    }

    /// Whether a stream fetches the next page while the caller works on this one; it does not if not said. The
    /// fetch starts when a page is delivered and ends when the stream is dropped; two pages are held in place of
    /// one. An error of the page ahead comes after all items before it.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # client.contexts().get_or_create("my-project").await?;
    /// let mut contexts = client.contexts().list().prefetch(true).by_item();
    /// while let Some(context) = contexts.next().await {
    ///     println!("{}", context?.name);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn prefetch(mut self, ahead: bool) -> Self {
        self.prefetch = ahead;
        self
    }

    /// Fetches one page.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # client.contexts().get_or_create("my-project").await?;
    /// let page = client.contexts().list().page_size(10).send().await?;
    /// println!("{} of {:?}", page.contexts.len(), page.total_count);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a page size of 0 and for a continuation of a
    /// listing of files,
    /// [`Rejected`](crate::ErrorKind::Rejected) for a token that the service did not issue to this key, and
    /// those of any call.
    pub async fn send(self) -> Result<Response<ContextPage>> {
        let (page, _) = self.into_source().next_page().await?;
        Ok(page)
    }

    /// All pages from here on, as a stream.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # client.contexts().get_or_create("my-project").await?;
    /// let mut pages = client.contexts().list().page_size(100).by_page();
    /// while let Some(page) = pages.next().await {
    ///     println!("{} contexts", page?.contexts.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn by_page(self) -> ContextPages {
        let prefetch = self.prefetch;
        ContextPages(Pages::new(self.into_source(), prefetch))
    }

    /// All contexts from here on, as a stream.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # client.contexts().get_or_create("my-project").await?;
    /// use futures_util::TryStreamExt;
    ///
    /// let contexts: Vec<_> = client.contexts().list().by_item().try_collect().await?;
    /// assert_eq!(contexts.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn by_item(self) -> ContextItems {
        let prefetch = self.prefetch;
        ContextItems(Items::new(self.into_source(), prefetch))
    }

    fn into_source(self) -> ContextSource {
        let place = self
            .start
            .map_or_else(|| Ok(ContextPlace::default()), Continuation::in_contexts)
            .map_err(|error| error.with_operation(Operation::ListContexts));
        ContextSource {
            client: self.client,
            page_size: self.page_size,
            place,
            seen: HashSet::new(),
            request_id: None,
        }
    }
}

named_stream! {
    /// The pages of a listing of contexts. From [`ListContexts::by_page`]; any error ends it, and one of kind
    /// [`RepeatedToken`](crate::ErrorKind::RepeatedToken) means that the pages before it are good.
    ContextPages, Pages<ContextSource>, ContextPage
}

named_stream! {
    /// The contexts of a listing, one by one. From [`ListContexts::by_item`]; it ends like [`ContextPages`].
    ContextItems, Items<ContextSource>, Context
}

impl ContextPages {
    /// Where the listing goes on behind the pages that were delivered, also after an error: there it is the page
    /// that failed. `None` once everything has been delivered, and for a listing that is refused before it is
    /// sent. A page that is being fetched has not been delivered.
    ///
    /// After a [`RepeatedToken`](crate::ErrorKind::RepeatedToken) it is the page of that token, which was delivered
    /// before: to go on there is to go round once more.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # client.contexts().get_or_create("my-project").await?;
    /// let mut pages = client.contexts().list().by_page();
    /// while let Some(page) = pages.next().await {
    ///     println!("{} contexts; then {:?}", page?.contexts.len(), pages.continuation());
    /// }
    /// assert_eq!(pages.continuation(), None);
    /// # Ok(())
    /// # }
    /// ```
    pub fn continuation(&self) -> Option<Continuation> {
        self.0.continuation()
    }
}

impl ContextItems {
    /// Where the listing goes on behind the contexts that were delivered, also within a page and after an error;
    /// else as [`ContextPages::continuation`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let client = agbcloud::Client::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # client.contexts().get_or_create("one").await?;
    /// # client.contexts().get_or_create("two").await?;
    /// let mut contexts = client.contexts().list().by_item();
    /// let first = contexts.next().await.expect("there are two")?;
    /// let place = contexts.continuation().expect("one is left");
    /// let rest = client.contexts().list().start_at(place).send().await?;
    /// assert_ne!(rest.contexts[0].id, first.id);
    /// # Ok(())
    /// # }
    /// ```
    pub fn continuation(&self) -> Option<Continuation> {
        self.0.continuation()
    }
}

struct ContextSource {
    client: Client,
    page_size: Option<u32>,
    place: Result<ContextPlace>,
    /// Hashes of the tokens that were used, so that a service that repeats one can't make an endless loop.
    seen: HashSet<u64>,
    /// Of the page that came last.
    request_id: Option<String>,
}

impl ContextSource {
    /// The next page of which the caller has not had all.
    async fn next_page(mut self) -> Result<(Response<ContextPage>, Option<Self>)> {
        let mut place = std::mem::replace(&mut self.place, Ok(ContextPlace::default()))?;
        loop {
            self.check_new(place.token.as_deref())?;
            let page = fetch(&self.client, self.page_size, place.token.take()).await?;
            self.request_id = page.request_id().map(str::to_owned);
            let came = page.contexts.len();
            let page = page.map(|mut page| {
                place.had.take_from(&mut page.contexts, Self::key);
                page
            });
            let had = came - page.contexts.len();
            place.token.clone_from(&page.next_token);
            if place.token.is_none() {
                return Ok((page, None));
            }
            // Pages can be smaller than the one of which the caller has had so many.
            if had == 0 || !page.contexts.is_empty() {
                self.place = Ok(place);
                return Ok((page, Some(self)));
            }
        }
    }

    fn check_new(&mut self, token: Option<&str>) -> Result<()> {
        if token.is_none_or(|token| self.seen.insert(hash(token))) {
            return Ok(());
        }
        let message = "the service gave a page token that it had given before";
        Err(Error::new(ErrorKind::RepeatedToken, message)
            .with_operation(Operation::ListContexts)
            .with_request_id(self.request_id.clone()))
    }
}

impl Source for ContextSource {
    type Page = ContextPage;
    type Item = Context;

    fn fetch(self) -> BoxFuture<'static, Result<(ContextPage, Option<Self>)>> {
        Box::pin(async move {
            let (page, next) = self.next_page().await?;
            Ok((page.into_inner(), next))
        })
    }

    fn items(page: ContextPage) -> Vec<Context> {
        page.contexts
    }

    fn key(context: &Context) -> &str {
        context.id.as_str()
    }

    fn place(&self) -> Option<Continuation> {
        self.place.as_ref().ok().cloned().map(Continuation::from)
    }
}

fn hash(token: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    token.hash(&mut hasher);
    hasher.finish()
}

async fn fetch(
    client: &Client,
    size: Option<u32>,
    token: Option<String>,
) -> Result<Response<ContextPage>> {
    let operation = Operation::ListContexts;
    let page_size = page_size(size).map_err(|error| error.with_operation(operation))?;
    let query = ContextQuery { page_size, token };
    let response = call(client, operation, |api| api.list_contexts(query.clone())).await?;
    let request_id = response.request_id().map(str::to_owned);
    Ok(response.map(|page| ContextPage { request_id, ..page }))
}

impl FromEnvelope for ContextPage {
    type Envelope = ListContextsResponse;

    /// The fields of pagination stand beside `data`; should `data` ever be an object, inside it.
    fn from_envelope(envelope: ListContextsResponse, _: Reading<'_>) -> Result<Self> {
        let (contexts, inner) = match envelope.data {
            Some(ContextListData::Array(contexts)) => (contexts, None),
            Some(ContextListData::ContextListObject(mut object)) => {
                let total = object.total_count.or(envelope.total_count);
                (listed(object.items.take(), total)?, Some(object))
            }
            None => (Vec::new(), None),
        };
        let inner = inner.unwrap_or_default();
        let contexts = contexts.into_iter().map(Context::from_wire);
        Ok(Self {
            contexts: contexts.collect::<Result<_>>()?,
            next_token: filled(envelope.next_token).or(filled(inner.next_token)),
            max_results: envelope
                .max_results
                .or(inner.max_results)
                .and_then(|n| n.try_into().ok()),
            total_count: envelope
                .total_count
                .or(inner.total_count)
                .and_then(|n| n.try_into().ok()),
            request_id: None,
        })
    }
}

fn filled(token: Option<String>) -> Option<String> {
    token.filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;
    use serde_json::json;

    use super::*;
    use crate::wire::{MockContextApi, answer};

    fn contexts(range: std::ops::Range<usize>) -> Vec<serde_json::Value> {
        range
            .map(|n| json!({"id": format!("SdkCtx-{n}"), "name": format!("n{n}")}))
            .collect()
    }

    #[tokio::test]
    async fn every_page_is_fetched_with_the_token_of_the_one_before() {
        let mut wire = MockContextApi::new();
        wire.expect_list_contexts().times(4).returning(|query| {
            let start = query.token.map_or(0, |token| token.parse().unwrap());
            let end = 31.min(start + query.page_size as usize);
            let next = if end < 31 {
                json!(end.to_string())
            } else {
                json!("")
            };
            answer(json!({
                "success": true, "data": contexts(start..end), "nextToken": next, "totalCount": 31,
            }))
        });
        let listing = Client::on(wire).contexts().list().page_size(10);
        let names: Vec<String> = listing
            .by_item()
            .map_ok(|context| context.name)
            .try_collect()
            .await
            .unwrap();
        assert_eq!(names, (0..31).map(|n| format!("n{n}")).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_token_inside_data_counts_beside_an_empty_one() {
        let mut wire = MockContextApi::new();
        wire.expect_list_contexts().times(2).returning(|query| {
            let (data, next) = match query.token {
                None => (contexts(0..1), json!("1")),
                Some(_) => (contexts(1..2), json!("")),
            };
            let data = json!({"items": data, "nextToken": next});
            answer(json!({"success": true, "data": data, "nextToken": ""}))
        });
        let listing = Client::on(wire).contexts().list().by_item();
        assert_eq!(listing.try_collect::<Vec<_>>().await.unwrap().len(), 2);
    }

    #[tokio::test]
    async fn a_page_without_its_items_is_no_empty_page() {
        let mut wire = MockContextApi::new();
        let body = json!({"success": true, "data": {"totalCount": 3}});
        wire.expect_list_contexts()
            .returning(move |_| answer(body.clone()));
        let error = Client::on(wire).contexts().list().send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    }

    #[tokio::test]
    async fn a_repeated_token_is_an_error_after_the_good_pages() {
        let mut wire = MockContextApi::new();
        wire.expect_list_contexts().times(3).returning(|query| {
            let next = if query.token.as_deref() == Some("a") {
                "b"
            } else {
                "a"
            };
            answer(json!({
                "success": true, "data": contexts(0..1), "nextToken": next, "requestId": "r-1",
            }))
        });
        let mut pages = Client::on(wire).contexts().list().by_page();
        for _ in 0..3 {
            assert!(pages.next().await.unwrap().is_ok());
        }
        let error = pages.next().await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RepeatedToken);
        assert_eq!(error.request_id(), Some("r-1"), "of the page that had it");
        assert!(pages.next().await.is_none());
    }

    #[tokio::test]
    async fn pagination_inside_data_is_read_too() {
        let mut wire = MockContextApi::new();
        wire.expect_list_contexts().returning(|_| {
            let data = json!({"items": contexts(0..2), "nextToken": "t", "totalCount": 9, "maxResults": 2});
            answer(json!({"success": true, "data": data}))
        });
        let page = Client::on(wire).contexts().list().send().await.unwrap();
        assert_eq!(
            (page.contexts.len(), page.next_token.as_deref()),
            (2, Some("t"))
        );
        assert_eq!((page.total_count, page.max_results), (Some(9), Some(2)));
    }

    #[tokio::test]
    async fn a_page_size_is_refused_or_cut_before_it_is_sent() {
        let mut wire = MockContextApi::new();
        wire.expect_list_contexts()
            .withf(|query| query.page_size == 1000)
            .times(1)
            .returning(|_| answer(json!({"success": true, "data": null})));
        let contexts = Client::on(wire).contexts();
        assert!(
            contexts
                .list()
                .page_size(5000)
                .send()
                .await
                .unwrap()
                .contexts
                .is_empty()
        );
        let error = contexts.list().page_size(0).send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    }
}
