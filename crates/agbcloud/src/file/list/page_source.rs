//! The numbered pages of a folder. A listing ends by the total count.

use futures_core::future::BoxFuture;

use crate::{
    Client, Continuation, Error, ErrorKind, FileEntry, FilePage, Operation, Result,
    client::{Call, call},
    model::FilePosition,
    page::{PageFingerprint, PageSource},
    wire::FileQuery,
};

pub(super) struct FilePageSource {
    client: Client,
    position: Result<FilePosition>,
}

impl FilePageSource {
    pub(super) fn new(client: Client, position: Result<FilePosition>) -> Self {
        Self { client, position }
    }

    /// Returns the next page without the entries that were delivered before.
    pub(super) async fn next_page(self) -> Result<(FilePage, Option<Self>)> {
        let mut position = self.position?;
        let operation = Operation::DescribeContextFiles;
        let what = Call {
            path: Some(position.folder.as_str()).filter(|folder| *folder != "/"),
            ..Call::from((operation, &position.context))
        };
        let answer = call(&self.client, what, |api| api.list_files(query(&position))).await?;
        let (mut page, request_id) = answer.into_parts();
        let entries = page.entries.into_iter();
        page.entries = entries
            .map(|entry| entry.with_absolute_path(&position.folder))
            .collect();
        let fingerprint = PageFingerprint::of(page.entries.iter().map(Self::key), page.total_count);
        let repeated = fingerprint.is_some() && fingerprint == position.last;
        let next = match repeated {
            true => position_after_repetition(&position, page.total_count).map_err(|error| {
                error
                    .with_operation(operation)
                    .with_context(position.context.as_str())
                    .with_request_id(request_id.clone())
            })?,
            false => position_after(&position, page.entries.len() as u64, page.total_count),
        };
        match repeated {
            true => page.entries.clear(),
            false => position.delivered.remove_from(&mut page.entries, Self::key),
        }
        let page = FilePage {
            page_number: position.page,
            next_page: next.as_ref().map(|next| next.page),
            request_id,
            ..page
        };
        let next = next.map(|next| Self {
            client: self.client,
            position: Ok(FilePosition {
                last: fingerprint,
                delivered: position.delivered,
                ..next
            }),
        });
        Ok((page, next))
    }
}

fn query(position: &FilePosition) -> FileQuery {
    FileQuery {
        context: position.context.clone(),
        folder: position.folder.clone(),
        page: position.page,
        page_size: position.page_size,
    }
}

/// Returns the position after a page with this number of entries; `None` after the last page.
///
/// The total count determines which page is the last. An empty page is always the last, since a folder may shrink during the
/// listing. Without a count, the last page is smaller than one before it: a service may return smaller pages than requested.
fn position_after(
    position: &FilePosition,
    entries: u64,
    total: Option<u64>,
) -> Option<FilePosition> {
    let (before, assumed) = entries_before(position, entries);
    let before = before.saturating_add(entries);
    let more = match total {
        _ if entries == 0 => false,
        None => entries >= position.largest,
        Some(total) => before < total,
    };
    let page = position.page.checked_add(1).filter(|_| more)?;
    Some(FilePosition {
        page,
        before,
        assumed,
        largest: position.largest.max(entries),
        ..position.clone()
    })
}

/// Returns the number of entries on the pages before, and whether it is a lower bound. If a listing starts at a later page
/// that is not full, that page is the last one, or the service returns smaller pages than requested.
fn entries_before(position: &FilePosition, entries: u64) -> (u64, bool) {
    if !position.assumed || position.largest > 0 {
        (position.before, position.assumed)
    } else if entries >= u64::from(position.page_size) {
        (position.before, false)
    } else {
        let pages = u64::from(position.page.saturating_sub(1));
        (pages.saturating_mul(entries), true)
    }
}

/// Returns the position after a page that equals the one before. A service may return the last page for every higher number.
fn position_after_repetition(
    position: &FilePosition,
    total: Option<u64>,
) -> Result<Option<FilePosition>> {
    if position.assumed || total.is_none_or(|total| position.before >= total) {
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
            Ok((page, next))
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
        self.position.as_ref().ok().cloned().map(Continuation::from)
    }
}
