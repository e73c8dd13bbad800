//! Listing contexts.

use std::{
    collections::HashSet,
    future::IntoFuture,
    hash::{DefaultHasher, Hash, Hasher},
};

use futures_core::future::BoxFuture;
use futures_util::TryStreamExt;

use crate::{
    client::{Client, call},
    error::{Error, ErrorKind, Operation, Result},
    model::{Context, ContextPage, ContextPosition, Continuation, checked},
    page::{Items, PageSource, Pages, named_stream, page_size},
    wire::ContextQuery,
};

/// A listing of contexts in the order of creation: send or stream it. From [`Contexts::list`](crate::Contexts::list).
#[derive(Debug, Clone)]
#[must_use = "a listing does nothing until it is sent or streamed"]
#[doc(alias = "ContextListParams")]
pub struct ListContexts {
    client: Client,
    page_size: Option<u32>,
    start: Result<Continuation>,
    prefetch: bool,
}

impl ListContexts {
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            page_size: None,
            start: Ok(ContextPosition::default().into()),
            prefetch: false,
        }
    }

    /// Sets the page size. Defaults to [`DEFAULT_PAGE_SIZE`](crate::DEFAULT_PAGE_SIZE); more than 1000 means 1000. A page
    /// size of 0 fails when the listing is sent.
    #[doc(alias = "max_results")]
    pub fn page_size(mut self, size: u32) -> Self {
        self.page_size = Some(size);
        self
    }

    /// Sets the start of the listing: the continuation of a stream ([`ContextItems::continuation`],
    /// [`ContextPages::continuation`]) or its text. The page size can be changed. A continuation of a listing of files, and a
    /// text that is no continuation, fail when the listing is sent.
    pub fn start_at(mut self, position: impl TryInto<Continuation, Error: Into<Error>>) -> Self {
        self.start = checked(position);
        self
    }

    /// Sets the start of the listing: the [`ContextPage::next_token`] of a page. The empty text is the start. The page size
    /// can be changed.
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// # for name in ["one", "two"] { client.contexts().get_or_create(name).await?; }
    /// let page = client.contexts().list().page_size(1).send().await?;
    /// if let Some(token) = &page.next_token {
    ///     let rest = client.contexts().list().start_at_token(token).send().await?;
    ///     assert_eq!(rest.contexts[0].name, "two");
    /// }
    /// # Ok(()) });
    /// ```
    #[doc(alias = "next_token")]
    pub fn start_at_token(mut self, token: impl Into<String>) -> Self {
        let token = Some(token.into()).filter(|token| !token.is_empty());
        let position = ContextPosition {
            token,
            ..ContextPosition::default()
        };
        self.start = Ok(position.into());
        self
    }

    /// Whether a stream fetches the next page while the caller processes the current one. Defaults to false. The fetch starts
    /// when a page is delivered, and is cancelled when the stream is dropped. Two pages are in memory rather than one. An error
    /// of the next page follows all items of the current one.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let mut contexts = client.contexts().list().prefetch(true).by_item();
    /// while let Some(context) = contexts.next().await {
    ///     println!("{}", context?.name);
    /// }
    /// # Ok(()) });
    /// ```
    pub fn prefetch(mut self, prefetch: bool) -> Self {
        self.prefetch = prefetch;
        self
    }

    /// Fetches one page.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let page = client.contexts().list().page_size(10).send().await?;
    /// println!("{} of {:?}", page.contexts.len(), page.total_count);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a page size of 0 or a continuation of a listing of files,
    /// [`Rejected`](crate::ErrorKind::Rejected) for a token that the service did not issue for this key, and those of any
    /// call.
    pub async fn send(self) -> Result<ContextPage> {
        let (page, _) = self.into_source().next_page().await?;
        Ok(page)
    }

    /// Returns all pages from the start of the listing as a stream.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let mut pages = client.contexts().list().page_size(100).by_page();
    /// while let Some(page) = pages.next().await {
    ///     println!("{} contexts", page?.contexts.len());
    /// }
    /// # Ok(()) });
    /// ```
    pub fn by_page(self) -> ContextPages {
        let prefetch = self.prefetch;
        ContextPages(Pages::new(self.into_source(), prefetch))
    }

    /// Returns all contexts from the start of the listing as a stream.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// use futures_util::TryStreamExt;
    ///
    /// let contexts: Vec<_> = client.contexts().list().by_item().try_collect().await?;
    /// assert_eq!(contexts.len(), 1);
    /// # Ok(()) });
    /// ```
    pub fn by_item(self) -> ContextItems {
        let prefetch = self.prefetch;
        ContextItems(Items::new(self.into_source(), prefetch))
    }

    /// Fetches all pages from the start of the listing and returns their contexts.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let contexts = client.contexts().list().all().await?;
    /// assert_eq!(contexts.len(), 1);
    /// # Ok(()) });
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`send`](Self::send). The contexts before the error are lost: see [`by_item`](Self::by_item).
    pub async fn all(self) -> Result<Vec<Context>> {
        self.by_item().try_collect().await
    }

    fn into_source(self) -> ContextSource {
        let position = self
            .start
            .and_then(Continuation::in_contexts)
            .map_err(|error| error.with_operation(Operation::ListContexts));
        ContextSource {
            client: self.client,
            page_size: self.page_size,
            position,
            used_tokens: HashSet::new(),
            request_id: None,
        }
    }
}

/// Fetches one page, as [`send`](ListContexts::send) does.
impl IntoFuture for ListContexts {
    type Output = Result<ContextPage>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

named_stream! {
    /// The pages of a listing of contexts, from [`ListContexts::by_page`]. An error ends the stream; the pages before it are
    /// valid, also for [`RepeatedToken`](crate::ErrorKind::RepeatedToken).
    ContextPages, Pages<ContextSource>, ContextPage
}

named_stream! {
    /// The contexts of a listing, from [`ListContexts::by_item`]. It ends like [`ContextPages`].
    ContextItems, Items<ContextSource>, Context
}

impl ContextPages {
    /// Returns the position behind the delivered pages, also after an error. `None` after the last page, and for a listing
    /// that fails before it is sent. A page that is being fetched is not delivered.
    ///
    /// After a [`RepeatedToken`](crate::ErrorKind::RepeatedToken) it is the page of that token, which was delivered before.
    ///
    /// ```
    /// # agbcloud_doctest::run_with_context(async |client, context, files| {
    /// let mut pages = client.contexts().list().by_page();
    /// while let Some(page) = pages.next().await {
    ///     println!("{} contexts; then {:?}", page?.contexts.len(), pages.continuation());
    /// }
    /// assert_eq!(pages.continuation(), None);
    /// # Ok(()) });
    /// ```
    pub fn continuation(&self) -> Option<Continuation> {
        self.0.position()
    }
}

impl ContextItems {
    /// Returns the position behind the delivered contexts, also within a page and after an error; otherwise like
    /// [`ContextPages::continuation`].
    ///
    /// ```
    /// # agbcloud_doctest::run(async |client| {
    /// # for name in ["one", "two"] { client.contexts().get_or_create(name).await?; }
    /// let mut contexts = client.contexts().list().by_item();
    /// let first = contexts.next().await.expect("there are two")?;
    /// let position = contexts.continuation().expect("one is left");
    /// let rest = client.contexts().list().start_at(position).send().await?;
    /// assert_ne!(rest.contexts[0].id, first.id);
    /// # Ok(()) });
    /// ```
    pub fn continuation(&self) -> Option<Continuation> {
        self.0.position()
    }
}

struct ContextSource {
    client: Client,
    page_size: Option<u32>,
    position: Result<ContextPosition>,
    /// Hashes of the used tokens, so that a repeated token does not cause an endless loop.
    used_tokens: HashSet<u64>,
    /// Request id of the last page.
    request_id: Option<String>,
}

impl ContextSource {
    /// The next page with undelivered items.
    async fn next_page(mut self) -> Result<(ContextPage, Option<Self>)> {
        let mut position = std::mem::replace(&mut self.position, Ok(ContextPosition::default()))?;
        loop {
            self.check_new(position.token.as_deref())?;
            let mut page = fetch(&self.client, self.page_size, position.token.take()).await?;
            self.request_id.clone_from(&page.request_id);
            let fetched = page.contexts.len();
            position
                .delivered
                .remove_from(&mut page.contexts, Self::key);
            let removed = fetched - page.contexts.len();
            position.token.clone_from(&page.next_token);
            if position.token.is_none() {
                return Ok((page, None));
            }
            // A page can be smaller than the one that was delivered in part.
            if removed == 0 || !page.contexts.is_empty() {
                self.position = Ok(position);
                return Ok((page, Some(self)));
            }
        }
    }

    fn check_new(&mut self, token: Option<&str>) -> Result<()> {
        if token.is_none_or(|token| self.used_tokens.insert(hash(token))) {
            return Ok(());
        }
        let message = "the service returned a page token for the second time";
        Err(Error::new(ErrorKind::RepeatedToken, message)
            .with_operation(Operation::ListContexts)
            .with_request_id(self.request_id.clone()))
    }
}

impl PageSource for ContextSource {
    type Page = ContextPage;
    type Item = Context;
    type Position = Continuation;

    fn fetch(self) -> BoxFuture<'static, Result<(ContextPage, Option<Self>)>> {
        Box::pin(async move {
            let (page, next) = self.next_page().await?;
            Ok((page, next))
        })
    }

    fn items(page: ContextPage) -> Vec<Context> {
        page.contexts
    }

    fn key(context: &Context) -> &str {
        context.id.as_str()
    }

    fn position(&self) -> Option<Continuation> {
        self.position.as_ref().ok().cloned().map(Continuation::from)
    }
}

fn hash(token: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    token.hash(&mut hasher);
    hasher.finish()
}

async fn fetch(client: &Client, size: Option<u32>, token: Option<String>) -> Result<ContextPage> {
    let operation = Operation::ListContexts;
    let page_size = page_size(size).map_err(|error| error.with_operation(operation))?;
    let query = ContextQuery { page_size, token };
    let response = call(client, operation, |api| api.list_contexts(query.clone())).await?;
    let (page, request_id) = response.into_parts();
    Ok(ContextPage { request_id, ..page })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::wire::{MockContextApi, answer};

    fn contexts(range: std::ops::Range<usize>) -> Vec<serde_json::Value> {
        range
            .map(|n| json!({"id": format!("SdkCtx-{n}"), "name": format!("n{n}")}))
            .collect()
    }

    #[tokio::test]
    async fn pages_are_fetched_with_the_token_of_the_previous_page() {
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
    async fn a_token_in_data_is_used_if_the_other_is_empty() {
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
    async fn a_page_without_items_is_an_invalid_response() {
        let mut wire = MockContextApi::new();
        let body = json!({"success": true, "data": {"totalCount": 3}});
        wire.expect_list_contexts()
            .returning(move |_| answer(body.clone()));
        let error = Client::on(wire).contexts().list().send().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    }

    #[tokio::test]
    async fn a_repeated_token_is_an_error_after_the_valid_pages() {
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
        assert_eq!(
            error.request_id(),
            Some("r-1"),
            "of the page with the token"
        );
        assert!(pages.next().await.is_none());
    }

    #[tokio::test]
    async fn pagination_in_data_is_decoded() {
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
    async fn a_page_size_is_checked_before_it_is_sent() {
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
