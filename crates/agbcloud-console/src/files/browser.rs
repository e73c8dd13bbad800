//! The file browser: a folder by numbered pages, or its entries that match a filter.

use agbcloud::{Context, FileEntry, FilePage, Files, FolderPath, MAX_PAGE_SIZE};
use askama::Template;
use serde::Deserialize;

use crate::{
    contexts::lookup::{self, display_name},
    text,
    web::{
        extract::{Path, Query},
        failure::{Failure, Result},
        layout::{Layout, html},
        links,
        visit::Visit,
    },
};

/// Entries on a page.
const PAGE_SIZE: u32 = 100;
/// Maximum number of calls of one filter, each for a thousand entries. A link continues it.
const FILTER_CALLS: u32 = 20;
/// A filter ends after the call that reaches this number of matches.
const FILTER_MATCHES: usize = 500;

#[derive(Deserialize)]
pub(crate) struct Parameters {
    #[serde(default)]
    folder: String,
    /// The number of the page, from 1. Of a filter, its pages have a thousand entries.
    #[serde(default)]
    page: String,
    /// A part of a name.
    #[serde(default)]
    filter: String,
}

#[derive(Template)]
#[template(path = "browser.html")]
struct Browser {
    layout: Layout,
    context: String,
    state: String,
    poll: Option<String>,
    manage_url: String,
    crumbs: Vec<Crumb>,
    /// The last crumb.
    current: String,
    folder: String,
    filter: String,
    url: String,
    /// The folder without the filter.
    all_url: String,
    rows: Vec<Row>,
    summary: String,
    pages: Option<PageLinks>,
    /// Continues a filter.
    more: Option<String>,
    upload_url: String,
    content_url: String,
}

struct Crumb {
    name: String,
    url: String,
}

struct Row {
    name: String,
    url: String,
    is_folder: bool,
    size: String,
    modified: String,
    download: String,
    rename: String,
    delete: String,
}

/// The numbered pages around the current one.
struct PageLinks {
    number: u32,
    last: Option<u32>,
    first_url: Option<String>,
    previous_url: Option<String>,
    next_url: Option<String>,
    last_url: Option<String>,
}

pub(crate) async fn page(
    visit: Visit,
    Path(id): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result {
    let folder = FolderPath::new(parameters.folder).map_err(|error| {
        Failure::bad_request("This folder does not exist").cause(error.to_string())
    })?;
    let number = match parameters.page.as_str() {
        "" => 1,
        text => text
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(|| {
                Failure::bad_request("This page does not exist").hint("Page numbers start at 1.")
            })?,
    };
    let context = lookup::find(&visit, &id).await?;
    let files = visit.app.client.contexts().files(id.as_str());
    let filter = parameters.filter.trim().to_owned();
    let page = match filter.is_empty() {
        true => listing(&id, &files, &folder, number).await?,
        false => matches(&id, &files, &folder, number, &filter).await?,
    };
    Ok(html(&browser(&visit, &context, &folder, filter, page)))
}

/// The part of a page that depends on the entries.
struct Listed {
    rows: Vec<Row>,
    summary: String,
    pages: Option<PageLinks>,
    more: Option<String>,
}

fn browser(
    visit: &Visit,
    context: &Context,
    folder: &FolderPath,
    filter: String,
    listed: Listed,
) -> Browser {
    let id = context.id.as_str();
    let name = display_name(context);
    let mut crumbs = vec![Crumb {
        name: name.clone(),
        url: links::context(id, ""),
    }];
    let mut parent = Some(folder.clone());
    while let Some(at) = parent.filter(|at| !at.is_root()) {
        let crumb = Crumb {
            name: text::name(at.file_name().unwrap_or_default()),
            url: links::folder(id, at.as_str()),
        };
        crumbs.insert(1, crumb);
        parent = at.parent();
    }
    let current = crumbs.pop().map(|crumb| crumb.name).unwrap_or_default();
    Browser {
        layout: visit.layout(match folder.is_root() {
            true => name.clone(),
            false => format!("{} – {name}", text::name(folder.as_str())),
        }),
        context: name,
        state: context.state.to_string(),
        poll: lookup::poll_url(context),
        manage_url: links::context(id, "manage"),
        crumbs,
        current,
        folder: folder.as_str().to_owned(),
        filter,
        url: links::context(id, ""),
        all_url: links::folder(id, folder.as_str()),
        rows: listed.rows,
        summary: listed.summary,
        pages: listed.pages,
        more: listed.more,
        upload_url: links::context(id, "upload"),
        content_url: links::context(id, "content"),
    }
}

async fn listing(id: &str, files: &Files, folder: &FolderPath, number: u32) -> Result<Listed> {
    let listing = files.list().folder(folder).page_size(PAGE_SIZE);
    let page = listing.start_at_page(number).send().await?;
    let at = |number: u32| {
        let number = number.to_string();
        links::with(&links::folder(id, folder.as_str()), &[("page", &number)])
    };
    Ok(Listed {
        rows: rows(id, folder, &page.entries),
        summary: summary(&page, number),
        pages: page_links(&page, number, at),
        more: None,
    })
}

fn summary(page: &FilePage, number: u32) -> String {
    let shown = page.entries.len() as u64;
    let first = u64::from(number - 1) * u64::from(PAGE_SIZE) + 1;
    match page.total_count {
        Some(0) => "No files".to_owned(),
        Some(1) if shown == 0 => format!("Page {number} is beyond the end: the folder has 1 entry"),
        Some(total) if shown == 0 => format!(
            "Page {number} is beyond the end: the folder has {} entries",
            text::count(total)
        ),
        None if shown == 0 && number > 1 => format!("Page {number} is beyond the end"),
        Some(1) => "1 entry".to_owned(),
        Some(total) if shown == total => format!("{} entries", text::count(total)),
        Some(total) => format!(
            "{} to {} of {} entries",
            text::count(first),
            text::count(first + shown - 1),
            text::count(total)
        ),
        None => format!("{} entries", text::count(shown)),
    }
}

fn page_links(page: &FilePage, number: u32, at: impl Fn(u32) -> String) -> Option<PageLinks> {
    let last = page.total_count.map(|total| {
        let pages = total.div_ceil(u64::from(PAGE_SIZE)).max(1);
        u32::try_from(pages).unwrap_or(u32::MAX)
    });
    let next = page.next_page.filter(|_| last != Some(number));
    if number == 1 && next.is_none() {
        return None;
    }
    Some(PageLinks {
        number,
        last,
        first_url: (number > 1).then(|| at(1)),
        previous_url: (number > 1).then(|| at((number - 1).min(last.unwrap_or(u32::MAX)))),
        next_url: next.map(&at),
        last_url: last.filter(|last| *last > number).map(&at),
    })
}

/// Lists the entries whose name contains the text, on several pages. The service has no filter of its own.
async fn matches(
    id: &str,
    files: &Files,
    folder: &FolderPath,
    start: u32,
    filter: &str,
) -> Result<Listed> {
    let part = filter.to_lowercase();
    let mut found = Vec::new();
    let mut searched = 0;
    let mut total = None;
    let mut next = Some(start);
    for _ in 0..FILTER_CALLS {
        let Some(number) = next else { break };
        let listing = files.list().folder(folder).page_size(MAX_PAGE_SIZE);
        let page = listing.start_at_page(number).send().await?;
        searched += page.entries.len() as u64;
        total = page.total_count;
        next = page.next_page;
        found.extend(page.entries.into_iter().filter(|entry| {
            let name = relative(folder, entry);
            name.to_lowercase().contains(&part)
        }));
        if found.len() >= FILTER_MATCHES {
            break;
        }
    }
    let more = next.map(|next| {
        let parameters = [("filter", filter), ("page", &next.to_string())];
        links::with(&links::folder(id, folder.as_str()), &parameters)
    });
    let of = total.map_or_else(String::new, |total| format!(" of {}", text::count(total)));
    Ok(Listed {
        summary: format!(
            "{} found, {}{of} searched",
            text::count(found.len() as u64),
            text::count(searched)
        ),
        rows: rows(id, folder, &found),
        pages: None,
        more,
    })
}

/// The path of an entry below the folder.
fn relative<'a>(folder: &FolderPath, entry: &'a FileEntry) -> &'a str {
    let prefix = folder.as_str().trim_end_matches('/');
    let below = entry.path.strip_prefix(prefix);
    let below = below.and_then(|below| below.strip_prefix('/'));
    match below.unwrap_or_default().trim_end_matches('/') {
        "" => &entry.name,
        below => below,
    }
}

fn rows(id: &str, folder: &FolderPath, entries: &[FileEntry]) -> Vec<Row> {
    let row = |entry: &FileEntry| {
        let path = entry.path.trim_end_matches('/');
        Row {
            name: text::name(relative(folder, entry)),
            url: match entry.is_folder() {
                true => links::folder(id, path),
                false => links::at_path(id, "file", path),
            },
            is_folder: entry.is_folder(),
            size: entry
                .size
                .filter(|_| !entry.is_folder())
                .map(text::bytes)
                .unwrap_or_default(),
            modified: text::timestamp(entry.modified_at.as_ref()),
            download: links::at_path(id, "download", path),
            rename: links::at_path(id, "file", path) + "#rename",
            delete: links::at_path(id, "confirm-delete-file", path),
        }
    };
    entries.iter().map(row).collect()
}
