//! The page of a file: its preview, and what can be done with it.

use agbcloud::RemotePath;
use askama::Template;
use serde::Deserialize;

use super::{
    image,
    json::{self, Json},
    kind::Kind,
    start::{PREVIEW_BYTES, Start},
    table::Table,
};
use crate::{
    contexts::lookup::{self, display_name},
    text,
    web::{
        extract::{Path, Query},
        failure::Result,
        layout::{Layout, html},
        links,
        visit::Visit,
    },
};

/// Bytes of a page in hex.
const HEX_BYTES: u64 = 4096;
/// Bytes of a row in hex.
const HEX_ROW: usize = 16;

#[derive(Deserialize)]
pub(crate) struct Parameters {
    #[serde(default)]
    path: String,
    #[serde(default)]
    view: String,
    /// The position of a page in hex.
    #[serde(default)]
    offset: String,
}

#[derive(Template)]
#[template(path = "file.html")]
struct FilePage {
    layout: Layout,
    context: String,
    context_url: String,
    folder: String,
    folder_url: String,
    name: String,
    /// As stored, for the forms.
    raw_name: String,
    raw_path: String,
    size: String,
    modified: String,
    etag: String,
    views: Vec<View>,
    preview: Preview,
    note: String,
    download_url: String,
    delete_url: String,
    rename_url: String,
    share_url: String,
}

struct View {
    label: &'static str,
    url: String,
    is_current: bool,
}

enum Preview {
    Empty,
    Image {
        url: String,
    },
    Markdown {
        url: String,
    },
    Table(Table),
    Text(String),
    Hex(Hex),
    /// Why nothing is shown.
    Nothing(&'static str),
}

struct Hex {
    rows: String,
    previous_url: Option<String>,
    next_url: Option<String>,
}

pub(crate) async fn page(
    visit: Visit,
    Path(id): Path<String>,
    Query(parameters): Query<Parameters>,
) -> Result {
    let path = RemotePath::new(parameters.path)?;
    let context = lookup::find(&visit, &id).await?;
    let files = visit.app.client.contexts().files(id.as_str());
    let start = Start::read(&files, &path, 0, PREVIEW_BYTES).await?;
    let kinds = Kind::all(path.as_str(), &start.bytes, start.text().is_some());
    let requested = kinds.iter().find(|kind| kind.as_str() == parameters.view);
    let kind = requested.or(kinds.first()).copied().unwrap_or(Kind::Hex);
    let at = |page: &str| links::at_path(&id, page, path.as_str());
    // A page in hex from another position.
    let offset = parameters.offset.parse().unwrap_or(0_u64) / HEX_BYTES * HEX_BYTES;
    let part = match (kind, offset) {
        (Kind::Hex, 1..) => Some(Start::read(&files, &path, offset, HEX_BYTES as usize).await?),
        _ => None,
    };
    let urls = Urls {
        file: at("file"),
        image: at("image"),
        markdown: at("markdown"),
    };
    let views = kinds.iter().map(|of| View {
        label: of.label(),
        url: links::with(&urls.file, &[("view", of.as_str())]),
        is_current: *of == kind,
    });
    let views = views.collect();
    let name = text::name(path.file_name());
    let folder = path.parent();
    let mut page = FilePage {
        layout: visit.layout(format!("{name} – {}", display_name(&context))),
        context: display_name(&context),
        context_url: links::context(&id, ""),
        folder: text::name(folder.as_str()),
        folder_url: links::folder(&id, folder.as_str()),
        name,
        raw_name: path.file_name().to_owned(),
        size: start.size.map(text::bytes).unwrap_or_default(),
        modified: start.modified.and_then(text::time).unwrap_or_default(),
        etag: start.etag.as_deref().map(text::name).unwrap_or_default(),
        views,
        preview: Preview::Empty,
        note: String::new(),
        download_url: at("download"),
        delete_url: at("confirm-delete-file"),
        rename_url: links::context(&id, "rename-file"),
        share_url: links::context(&id, "share"),
        raw_path: path.as_str().to_owned(),
    };
    let page = move || {
        (page.preview, page.note) = preview(kind, &path, &start, part.as_ref(), urls);
        html(&page)
    };
    Ok(visit.app.previews.run(page).await?)
}

/// The addresses of the previews of a file.
struct Urls {
    file: String,
    image: String,
    markdown: String,
}

/// The preview of a file, and a note about what it does not show.
fn preview(
    kind: Kind,
    path: &RemotePath,
    start: &Start,
    part: Option<&Start>,
    urls: Urls,
) -> (Preview, String) {
    let cut = match (start.is_cut, start.size) {
        (true, Some(size)) => format!(
            "Showing the first {} of {}. Download the file for the rest.",
            text::bytes(PREVIEW_BYTES as u64),
            text::bytes(size)
        ),
        (true, None) => "Showing the start of the file. Download it for the rest.".to_owned(),
        _ => String::new(),
    };
    let as_text = || Preview::Text(text::lines(start.text().unwrap_or_default()));
    match kind {
        _ if start.bytes.is_empty() => (Preview::Empty, cut),
        Kind::Image => {
            let preview = match start.size {
                Some(size) if size <= image::MAX_BYTES => Preview::Image { url: urls.image },
                _ => Preview::Nothing("The image is too large to show. Download it."),
            };
            (preview, String::new())
        }
        Kind::Markdown => (Preview::Markdown { url: urls.markdown }, cut),
        Kind::Table => {
            let source = start.text_without_mark();
            match source.and_then(|text| Table::parse(text, path.as_str())) {
                Some(table) => {
                    let note = table.note(cut);
                    (Preview::Table(table), note)
                }
                None => (as_text(), cut),
            }
        }
        Kind::Json => {
            let source = start.text_without_mark().unwrap_or_default();
            match json::indent(source) {
                Json::Indented(text) => (Preview::Text(text::lines(&text)), cut),
                Json::TooLong => {
                    let note = "The indented text would be too long. This is the text without indentation.";
                    (Preview::Text(text::lines(source)), note.to_owned())
                }
                Json::Invalid if cut.is_empty() => {
                    let note = "The file is not valid JSON.".to_owned();
                    (Preview::Text(text::lines(source)), note)
                }
                Json::Invalid => (Preview::Text(text::lines(source)), cut),
            }
        }
        Kind::Text => (as_text(), cut),
        Kind::Hex => {
            let hex = hex(part.unwrap_or(start), &urls.file);
            (Preview::Hex(hex), String::new())
        }
    }
}

/// A page in hex, with its neighbours.
fn hex(start: &Start, url: &str) -> Hex {
    let at = |offset: u64| {
        let offset = offset.to_string();
        links::with(url, &[("view", Kind::Hex.as_str()), ("offset", &offset)])
    };
    let shown = &start.bytes[..start.bytes.len().min(HEX_BYTES as usize)];
    let has_more = start.is_cut || shown.len() < start.bytes.len();
    Hex {
        rows: hex_rows(start.offset, shown),
        previous_url: (start.offset > 0).then(|| at(start.offset.saturating_sub(HEX_BYTES))),
        next_url: has_more.then(|| at(start.offset + HEX_BYTES)),
    }
}

/// `00000010  68 65 6c 6c 6f                                    hello`
fn hex_rows(offset: u64, bytes: &[u8]) -> String {
    use std::fmt::Write;

    let mut text = String::new();
    for (index, row) in bytes.chunks(HEX_ROW).enumerate() {
        // Writing to a String can't fail.
        let _ = write!(text, "{:08x}  ", offset + (index * HEX_ROW) as u64);
        for at in 0..HEX_ROW {
            let _ = match row.get(at) {
                Some(byte) => write!(text, "{byte:02x} "),
                None => write!(text, "   "),
            };
        }
        text.push(' ');
        let shown = |byte: &u8| match byte {
            b' '..=b'~' => char::from(*byte),
            _ => '.',
        };
        text.extend(row.iter().map(shown));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_has_the_position_the_bytes_and_their_characters() {
        let rows = hex_rows(4096, b"hello \0<world>\xff!\n");
        let expected = "00001000  68 65 6c 6c 6f 20 00 3c 77 6f 72 6c 64 3e ff 21  hello .<world>.!\n\
                        00001010  0a                                               .\n";
        assert_eq!(rows, expected);
    }
}
