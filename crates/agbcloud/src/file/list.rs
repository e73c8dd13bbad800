//! Listing the entries of a folder. Pages are numbered, so a listing ends by count.

use agbcloud_api::types::{DescribeContextFilesResponse, FileListData};
use futures_core::future::BoxFuture;

use super::FileEntry;
use crate::{
    Agb, ContextId, Error, FolderPath, Operation, Response, Result,
    name::checked,
    page::{Items, Pages, Source, named_stream, page_size},
    wire::{FileQuery, call},
};

/// A listing that has not been sent. From [`Files::list`](crate::Files::list). Order: as the service gives it.
#[derive(Debug)]
#[must_use = "a listing does nothing until it is sent or streamed"]
pub struct ListFiles {
    agb: Agb,
    context: ContextId,
    folder: Result<FolderPath>,
    page: u32,
    page_size: Option<u32>,
}

/// One page of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "ContextFileListResult")]
pub struct FilePage {
    /// The entries of this page.
    pub entries: Vec<FileEntry>,
    /// Number of this page, from 1.
    pub page_number: u32,
    /// Number of the next page, for [`ListFiles::start_at_page`]; `None` on the last.
    pub next_page: Option<u32>,
    /// Entries over all pages.
    pub total_count: Option<u64>,
    /// Id of the call that fetched this page.
    pub request_id: Option<String>,
}

impl ListFiles {
    pub(super) fn new(agb: Agb, context: ContextId) -> Self {
        Self {
            agb,
            context,
            folder: Ok(FolderPath::root()),
            page: 1,
            page_size: None,
        }
    }

    /// The folder to list; the root if not said.
    #[doc(alias = "parent_folder_path")]
    pub fn under<P>(mut self, folder: P) -> Self
    where
        P: TryInto<FolderPath>,
        P::Error: Into<Error>,
    {
        self.folder = checked(folder);
        self
    }

    /// Entries in one page: from 1, over 1000 means 1000;
    /// [`DEFAULT_PAGE_SIZE`](crate::DEFAULT_PAGE_SIZE) if not said. A page size of 0 is refused when the
    /// listing is sent.
    pub fn page_size(mut self, size: u32) -> Self {
        self.page_size = Some(size);
        self
    }

    /// Starts at this page, counted from 1; 0 is refused when the listing is sent.
    #[doc(alias = "page_number")]
    pub fn start_at_page(mut self, page: u32) -> Self {
        self.page = page;
        self
    }

    /// Fetches one page.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let service = agbcloud_server::Server::builder().start().await?;
    /// # let agb = agbcloud::Agb::builder().api_key("doc").endpoint(service.url()).build()?;
    /// # let context = agb.contexts().get_or_create("my-project").await?;
    /// let page = agb.contexts().files(&context.id).list().under("/data").page_size(50).send().await?;
    /// assert_eq!(page.total_count, Some(0));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::ErrorKind::InvalidArgument) for a page or page size of 0 and for a folder
    /// that breaks the rules of [`FolderPath`], [`NotFound`](crate::ErrorKind::NotFound) if there is no such
    /// context, and those of any call. A folder that does not exist is empty.
    pub async fn send(self) -> Result<Response<FilePage>> {
        self.into_source().page().await
    }

    /// All pages from here on, as a stream.
    pub fn by_page(self) -> FilePages {
        FilePages(Pages::new(self.into_source()))
    }

    /// All entries from here on, as a stream.
    pub fn by_item(self) -> FileItems {
        FileItems(Items::new(self.into_source()))
    }

    fn into_source(self) -> FileSource {
        FileSource {
            query: self
                .query()
                .map_err(|error| error.with_operation(Operation::DescribeContextFiles)),
            agb: self.agb,
        }
    }

    fn query(&self) -> Result<FileQuery> {
        let folder = match &self.folder {
            Ok(folder) => folder.clone(),
            Err(error) => return Err(Error::invalid_argument(error.message())),
        };
        if self.page == 0 {
            return Err(Error::invalid_argument("pages are counted from 1"));
        }
        let page_size = page_size(self.page_size)?;
        Ok(FileQuery {
            context: self.context.clone(),
            folder,
            page: self.page,
            page_size,
        })
    }
}

named_stream! {
    /// The pages of a folder. From [`ListFiles::by_page`].
    FilePages, Pages<FileSource>, FilePage
}

named_stream! {
    /// The entries of a folder, one by one. From [`ListFiles::by_item`].
    FileItems, Items<FileSource>, FileEntry
}

struct FileSource {
    agb: Agb,
    query: Result<FileQuery>,
}

impl FileSource {
    async fn page(self) -> Result<Response<FilePage>> {
        fetch(&self.agb, self.query?).await
    }
}

impl Source for FileSource {
    type Page = FilePage;
    type Item = FileEntry;

    fn fetch(self) -> BoxFuture<'static, Result<(FilePage, Option<Self>)>> {
        Box::pin(async move {
            let query = self.query?;
            let page = fetch(&self.agb, query.clone()).await?.into_inner();
            let next = page.next_page.map(|page| Self {
                agb: self.agb,
                query: Ok(FileQuery { page, ..query }),
            });
            Ok((page, next))
        })
    }

    fn items(page: FilePage) -> Vec<FileEntry> {
        page.entries
    }
}

async fn fetch(agb: &Agb, query: FileQuery) -> Result<Response<FilePage>> {
    let (number, size) = (query.page, query.page_size);
    let response = call(agb, Operation::DescribeContextFiles, |wire| {
        wire.list_files(query.clone())
    })
    .await?;
    let request_id = response.request_id().map(str::to_owned);
    Ok(response.map(|envelope| page(envelope, number, size, request_id)))
}

fn page(
    envelope: DescribeContextFilesResponse,
    page_number: u32,
    page_size: u32,
    request_id: Option<String>,
) -> FilePage {
    let (entries, inner_count) = match envelope.data {
        Some(FileListData::Array(entries)) => (entries, None),
        Some(FileListData::FileListObject(object)) => {
            (object.items.unwrap_or_default(), object.count)
        }
        None => (Vec::new(), None),
    };
    let total_count = envelope
        .count
        .or(inner_count)
        .and_then(|count| u64::try_from(count).ok());
    FilePage {
        next_page: next_page(page_number, page_size, entries.len(), total_count),
        entries: entries.into_iter().map(FileEntry::from_wire).collect(),
        page_number,
        total_count,
        request_id,
    }
}

/// The page after this one, if the count says that there is one. An empty page is always the last: a folder
/// that shrinks meanwhile ends. Without a count, a page that is not full is the last.
fn next_page(number: u32, size: u32, entries: usize, total: Option<u64>) -> Option<u32> {
    let more = match total {
        Some(total) => entries > 0 && u64::from(number) * u64::from(size) < total,
        None => entries >= size as usize,
    };
    if more { number.checked_add(1) } else { None }
}

#[cfg(test)]
mod tests {
    use futures_util::TryStreamExt;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::{
        ErrorKind,
        wire::{MockWire, answer},
    };

    fn files(agb: &Agb) -> crate::Files {
        agb.contexts().files(&ContextId::new("SdkCtx-1").unwrap())
    }

    fn entries(range: std::ops::Range<usize>) -> Vec<serde_json::Value> {
        range
            .map(|n| json!({"filePath": format!("/{n}"), "fileType": "file"}))
            .collect()
    }

    /// A folder of `total` entries; what it costs in calls is checked by the mock.
    fn folder(total: usize, calls: usize) -> MockWire {
        let mut wire = MockWire::new();
        wire.expect_list_files()
            .times(calls)
            .returning(move |query| {
                let start = ((query.page - 1) * query.page_size) as usize;
                let range = start.min(total)..total.min(start + query.page_size as usize);
                answer(json!({"success": true, "data": entries(range), "count": total}))
            });
        wire
    }

    proptest! {
        #[test]
        fn the_count_ends_it_without_an_empty_call(total in 0_usize..120, size in 1_u32..40) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let calls = total.div_ceil(size as usize).max(1);
            let agb = Agb::on(folder(total, calls));
            let listing = files(&agb).list().page_size(size).by_item();
            let paths: Vec<_> = runtime.block_on(listing.map_ok(|entry| entry.path).try_collect()).unwrap();
            prop_assert_eq!(paths, (0..total).map(|n| format!("/{n}")).collect::<Vec<_>>());
        }
    }

    #[tokio::test]
    async fn a_folder_that_shrinks_meanwhile_ends() {
        let mut wire = MockWire::new();
        wire.expect_list_files().times(2).returning(|query| {
            let data = if query.page == 1 {
                entries(0..2)
            } else {
                Vec::new()
            };
            answer(json!({"success": true, "data": data, "count": 1000}))
        });
        let agb = Agb::on(wire);
        let all: Vec<_> = files(&agb)
            .list()
            .page_size(2)
            .by_item()
            .try_collect()
            .await
            .unwrap();
        assert_eq!(all.len(), 2);
    }

    #[tokio::test]
    async fn without_a_count_a_page_that_is_not_full_is_the_last() {
        let mut wire = MockWire::new();
        wire.expect_list_files().times(2).returning(|query| {
            let data = if query.page == 1 {
                entries(0..2)
            } else {
                entries(2..3)
            };
            answer(json!({"success": true, "data": {"items": data}}))
        });
        let agb = Agb::on(wire);
        let all: Vec<_> = files(&agb)
            .list()
            .page_size(2)
            .by_item()
            .try_collect()
            .await
            .unwrap();
        assert_eq!(all.len(), 3);
    }

    #[tokio::test]
    async fn what_can_not_be_listed_is_refused_before_it_is_sent() {
        let agb = Agb::on(MockWire::new());
        let list = || files(&agb).list();
        for bad in [
            list().page_size(0),
            list().start_at_page(0),
            list().under("relative"),
        ] {
            assert_eq!(
                bad.send().await.unwrap_err().kind(),
                ErrorKind::InvalidArgument
            );
        }
        assert!(
            list()
                .under("/a/../b")
                .by_item()
                .next()
                .await
                .unwrap()
                .is_err()
        );
    }
}
