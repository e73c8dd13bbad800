//! Where the pages of a folder come from. They are numbered, so a listing ends by count.

use agbcloud_api::types::{DescribeContextFilesResponse, FileListData};
use futures_core::future::BoxFuture;

use super::{FileEntry, FilePage};
use crate::{
    Agb, Continuation, Operation, Response, Result,
    error::Reading,
    page::{FilePlace, Source},
    wire::{FileQuery, FromEnvelope, call},
};

pub(super) struct FileSource {
    agb: Agb,
    place: Result<FilePlace>,
}

impl FileSource {
    pub(super) fn new(agb: Agb, place: Result<FilePlace>) -> Self {
        Self { agb, place }
    }

    /// The next page, without those of its entries that the caller has had.
    pub(super) async fn next_page(self) -> Result<(Response<FilePage>, Option<Self>)> {
        let mut place = self.place?;
        let query = FileQuery {
            context: place.context.clone(),
            folder: place.folder.clone(),
            page: place.page,
            page_size: place.page_size,
        };
        let mut before = place.before;
        let page = fetch(&self.agb, query, &place).await?.map(|mut page| {
            before = before.saturating_add(page.entries.len() as u64);
            place.had.take_from(&mut page.entries, Self::key);
            page
        });
        let next = page.next_page.map(|number| Self {
            agb: self.agb,
            place: Ok(FilePlace {
                page: number,
                before,
                ..place
            }),
        });
        Ok((page, next))
    }
}

impl Source for FileSource {
    type Page = FilePage;
    type Item = FileEntry;

    fn fetch(self) -> BoxFuture<'static, Result<(FilePage, Option<Self>)>> {
        Box::pin(async move {
            let (page, next) = self.next_page().await?;
            Ok((page.into_inner(), next))
        })
    }

    fn items(page: FilePage) -> Vec<FileEntry> {
        page.entries
    }

    fn key(entry: &FileEntry) -> &str {
        match entry.path.as_str() {
            "" => &entry.name,
            path => path,
        }
    }

    fn place(&self) -> Option<Continuation> {
        self.place.as_ref().ok().cloned().map(Continuation::from)
    }
}

async fn fetch(agb: &Agb, query: FileQuery, place: &FilePlace) -> Result<Response<FilePage>> {
    let number = query.page;
    let what = (Operation::DescribeContextFiles, &query.context);
    let response = call(agb, what, |api| api.list_files(query.clone())).await?;
    let request_id = response.request_id().map(str::to_owned);
    Ok(response.map(|page| {
        let more = has_more(page.entries.len(), place, page.total_count);
        FilePage {
            next_page: if more { number.checked_add(1) } else { None },
            page_number: number,
            request_id,
            ..page
        }
    }))
}

impl FromEnvelope for FilePage {
    type Envelope = DescribeContextFilesResponse;

    /// The count stands beside `data` or, should that ever be an object, inside it. Which page this is the answer does
    /// not tell.
    fn from_envelope(envelope: DescribeContextFilesResponse, _: Reading<'_>) -> Result<Self> {
        let (entries, inner) = match envelope.data {
            Some(FileListData::Array(entries)) => (entries, None),
            Some(FileListData::FileListObject(object)) => {
                (object.items.unwrap_or_default(), object.count)
            }
            None => (Vec::new(), None),
        };
        let count = envelope.count.or(inner);
        Ok(Self {
            entries: entries.into_iter().map(FileEntry::from_wire).collect(),
            page_number: 1,
            next_page: None,
            total_count: count.and_then(|count| u64::try_from(count).ok()),
            request_id: None,
        })
    }
}

/// Whether there is a page after this one. The count tells; an empty page is always the last, so that a folder that
/// shrinks meanwhile ends. Without a count, a page that is not full is the last.
fn has_more(entries: usize, place: &FilePlace, total: Option<u64>) -> bool {
    match total {
        None => entries >= place.page_size as usize,
        Some(_) if entries == 0 => false,
        Some(total) => {
            let so_far = place.before.saturating_add(entries as u64);
            // Where the service gives fewer on a page than were asked for, more than there are seem to have come.
            so_far < total || (place.assumed && so_far > total)
        }
    }
}
