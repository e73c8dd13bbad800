//! Where the pages of a folder come from. They are numbered, so a listing ends by count.

use agbcloud_api::types::{DescribeContextFilesResponse, FileListData};
use futures_core::future::BoxFuture;

use super::{FileEntry, FilePage};
use crate::{
    Client, Continuation, Error, ErrorKind, Operation, Response, Result,
    client::call,
    error::DecodeContext,
    model::FilePosition,
    page::{PageFingerprint, PageSource},
    wire::{FileQuery, FromEnvelope, page_items},
};

pub(super) struct FileSource {
    client: Client,
    place: Result<FilePosition>,
}

impl FileSource {
    pub(super) fn new(client: Client, place: Result<FilePosition>) -> Self {
        Self { client, place }
    }

    /// The next page, without those of its entries that the caller has had.
    pub(super) async fn next_page(self) -> Result<(Response<FilePage>, Option<Self>)> {
        let mut place = self.place?;
        let what = (Operation::DescribeContextFiles, &place.context);
        let answer = call(&self.client, what, |api| api.list_files(query(&place))).await?;
        let answer = answer.map(|mut page| {
            let entries = page.entries.into_iter();
            page.entries = entries
                .map(|entry| entry.placed_in(&place.folder))
                .collect();
            page
        });
        let request_id = answer.request_id().map(str::to_owned);
        let mark = PageFingerprint::of(answer.entries.iter().map(Self::key), answer.total_count);
        let repeated = mark.is_some() && mark == place.last;
        let next = match repeated {
            true => behind_repetition(&place, answer.total_count).map_err(|error| {
                error
                    .with_operation(what.0)
                    .with_request_id(request_id.clone())
            })?,
            false => behind(&place, answer.entries.len() as u64, answer.total_count),
        };
        let page = answer.map(|mut page| {
            match repeated {
                true => page.entries.clear(),
                false => place.delivered.remove_from(&mut page.entries, Self::key),
            }
            FilePage {
                page_number: place.page,
                next_page: next.as_ref().map(|next| next.page),
                request_id,
                ..page
            }
        });
        let next = next.map(|next| Self {
            client: self.client,
            place: Ok(FilePosition {
                last: mark,
                delivered: place.delivered,
                ..next
            }),
        });
        Ok((page, next))
    }
}

fn query(place: &FilePosition) -> FileQuery {
    FileQuery {
        context: place.context.clone(),
        folder: place.folder.clone(),
        page: place.page,
        page_size: place.page_size,
    }
}

/// Where a listing goes on behind a page of so many entries. The count tells whether it does; an empty page is always the
/// last, so that a folder that shrinks meanwhile ends. Without a count, the last page is one that is smaller than another
/// before it, since a service may give fewer on a page than were asked for.
fn behind(place: &FilePosition, entries: u64, total: Option<u64>) -> Option<FilePosition> {
    let (before, assumed) = before(place, entries);
    let before = before.saturating_add(entries);
    let more = match total {
        _ if entries == 0 => false,
        None => entries >= place.largest,
        Some(total) => before < total,
    };
    let page = place.page.checked_add(1).filter(|_| more)?;
    Some(FilePosition {
        page,
        before,
        assumed,
        largest: place.largest.max(entries),
        ..place.clone()
    })
}

/// Entries on the pages before, and whether that is no more than a lower bound. Where a listing starts at a later page that
/// is not full, it is either the last one or shows that the service gives fewer on a page than were asked for.
fn before(place: &FilePosition, entries: u64) -> (u64, bool) {
    if !place.assumed || place.largest > 0 {
        (place.before, place.assumed)
    } else if entries >= u64::from(place.page_size) {
        (place.before, false)
    } else {
        let pages = u64::from(place.page.saturating_sub(1));
        (pages.saturating_mul(entries), true)
    }
}

/// Behind a page that is the one before once more: a service may give the last page for every number that is too high.
fn behind_repetition(place: &FilePosition, total: Option<u64>) -> Result<Option<FilePosition>> {
    if place.assumed || total.is_none_or(|total| place.before >= total) {
        return Ok(None);
    }
    let message =
        "the service gave the page before once more, though by its count there are other entries";
    Err(Error::new(ErrorKind::RepeatedToken, message))
}

impl PageSource for FileSource {
    type Page = FilePage;
    type Item = FileEntry;
    type Position = Continuation;

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

    fn position(&self) -> Option<Continuation> {
        self.place.as_ref().ok().cloned().map(Continuation::from)
    }
}

impl FromEnvelope for FilePage {
    type Envelope = DescribeContextFilesResponse;

    /// The count stands beside `data` or, should that ever be an object, inside it. Which page this is the answer does
    /// not tell.
    fn from_envelope(envelope: DescribeContextFilesResponse, _: DecodeContext<'_>) -> Result<Self> {
        let (entries, inner) = match envelope.data {
            Some(FileListData::Array(entries)) => (entries, None),
            Some(FileListData::FileListObject(object)) => {
                let count = object.count;
                (page_items(object.items, count.or(envelope.count))?, count)
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
