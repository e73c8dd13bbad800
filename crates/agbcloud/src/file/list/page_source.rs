//! The numbered pages of a folder. A listing ends by the total count.

use agbcloud_api::types::{DescribeContextFilesResponse, FileListData};
use futures_core::future::BoxFuture;

use super::FilePage;
use crate::{
    Client, Continuation, Error, ErrorKind, Operation, Response, Result,
    client::call,
    error::DecodeContext,
    file::file_entry::FileEntry,
    model::FilePosition,
    page::{PageFingerprint, PageSource},
    wire::{FileQuery, FromEnvelope, page_items},
};

pub(super) struct FilePageSource {
    client: Client,
    place: Result<FilePosition>,
}

impl FilePageSource {
    pub(super) fn new(client: Client, place: Result<FilePosition>) -> Self {
        Self { client, place }
    }

    /// Returns the next page without the entries that were delivered before.
    pub(super) async fn next_page(self) -> Result<(Response<FilePage>, Option<Self>)> {
        let mut place = self.place?;
        let what = (Operation::DescribeContextFiles, &place.context);
        let answer = call(&self.client, what, |api| api.list_files(query(&place))).await?;
        let answer = answer.map(|mut page| {
            let entries = page.entries.into_iter();
            page.entries = entries
                .map(|entry| entry.with_absolute_path(&place.folder))
                .collect();
            page
        });
        let request_id = answer.request_id().map(str::to_owned);
        let mark = PageFingerprint::of(answer.entries.iter().map(Self::key), answer.total_count);
        let repeated = mark.is_some() && mark == place.last;
        let next = match repeated {
            true => place_after_repetition(&place, answer.total_count).map_err(|error| {
                error
                    .with_operation(what.0)
                    .with_request_id(request_id.clone())
            })?,
            false => place_after(&place, answer.entries.len() as u64, answer.total_count),
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

/// Returns the place after a page with this number of entries; `None` after the last page.
///
/// The total count determines which page is the last. An empty page is always the last, since a folder may shrink during the
/// listing. Without a count, the last page is smaller than one before it: a service may return smaller pages than requested.
fn place_after(place: &FilePosition, entries: u64, total: Option<u64>) -> Option<FilePosition> {
    let (before, assumed) = entries_before(place, entries);
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

/// Returns the number of entries on the pages before, and whether it is a lower bound. If a listing starts at a later page that
/// is not full, that page is the last one, or the service returns smaller pages than requested.
fn entries_before(place: &FilePosition, entries: u64) -> (u64, bool) {
    if !place.assumed || place.largest > 0 {
        (place.before, place.assumed)
    } else if entries >= u64::from(place.page_size) {
        (place.before, false)
    } else {
        let pages = u64::from(place.page.saturating_sub(1));
        (pages.saturating_mul(entries), true)
    }
}

/// Returns the place after a page that equals the one before. A service may return the last page for every higher number.
fn place_after_repetition(
    place: &FilePosition,
    total: Option<u64>,
) -> Result<Option<FilePosition>> {
    if place.assumed || total.is_none_or(|total| place.before >= total) {
        return Ok(None);
    }
    let message =
        "the service returned the same page twice, although its count includes further entries";
    Err(Error::new(ErrorKind::RepeatedToken, message))
}

impl PageSource for FilePageSource {
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

    /// The count is a field of the envelope, or of `data` if that is an object. The envelope does not contain the page number.
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
