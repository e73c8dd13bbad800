//! The kinds of previews, and how the kind of a file is determined: by its content, and by its name only among texts.

/// How a file is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Image,
    Markdown,
    Json,
    Table,
    Text,
    Hex,
}

impl Kind {
    /// The name in URLs.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Markdown => "markdown",
            Self::Json => "json",
            Self::Table => "table",
            Self::Text => "text",
            Self::Hex => "hex",
        }
    }

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Image => "Image",
            Self::Markdown => "Markdown",
            Self::Json => "JSON",
            Self::Table => "Table",
            Self::Text => "Text",
            Self::Hex => "Hex",
        }
    }

    /// The previews that a file has, the best one first.
    pub(super) fn all(path: &str, bytes: &[u8], is_text: bool) -> Vec<Self> {
        let mut kinds = Vec::new();
        if image_type(bytes).is_some() {
            kinds.push(Self::Image);
        }
        if is_text {
            kinds.extend(by_name(path).filter(|kind| !kinds.contains(kind)));
            kinds.push(Self::Text);
        }
        kinds.push(Self::Hex);
        kinds
    }
}

fn by_name(path: &str) -> Option<Kind> {
    let name = path.rsplit('/').next().unwrap_or_default();
    let (_, extension) = name.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "md" | "markdown" => Kind::Markdown,
        "json" => Kind::Json,
        "csv" | "tsv" => Kind::Table,
        _ => return None,
    })
}

/// The content type of an image, by its first bytes.
pub(super) fn image_type(bytes: &[u8]) -> Option<&'static str> {
    let starts = |magic: &[u8]| bytes.starts_with(magic);
    if starts(b"\x89PNG\r\n\x1a\n") {
        return Some("image/png");
    }
    if starts(b"\xff\xd8\xff") {
        return Some("image/jpeg");
    }
    if starts(b"GIF87a") || starts(b"GIF89a") {
        return Some("image/gif");
    }
    if starts(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Some("image/webp");
    }
    if bytes.get(4..12) == Some(b"ftypavif") {
        return Some("image/avif");
    }
    is_svg(bytes).then_some("image/svg+xml")
}

/// Whether an XML text has the root element `svg`, after declarations and comments.
fn is_svg(bytes: &[u8]) -> bool {
    /// Bytes that are searched for the root element.
    const SEARCHED: usize = 4096;
    let start = &bytes[..bytes.len().min(SEARCHED)];
    let text = String::from_utf8_lossy(start);
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    loop {
        let end = match rest {
            _ if rest.starts_with("<!--") => "-->",
            _ if rest.starts_with("<?") => "?>",
            _ if rest.starts_with("<!") => ">",
            _ => break,
        };
        match rest.split_once(end) {
            Some((_, after)) => rest = after.trim_start(),
            None => return false,
        }
    }
    rest.strip_prefix("<svg")
        .is_some_and(|rest| rest.starts_with([' ', '\t', '\r', '\n', '>', '/']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_recognized_by_their_content() {
        assert_eq!(image_type(b"\x89PNG\r\n\x1a\n..."), Some("image/png"));
        assert_eq!(image_type(b"GIF89a"), Some("image/gif"));
        assert_eq!(image_type(b"RIFF0000WEBPVP8 "), Some("image/webp"));
        for svg in [
            "<svg xmlns='x'/>",
            "\u{feff}<?xml version='1.0'?>\n<!-- <svg --><!DOCTYPE svg>\n<svg>",
        ] {
            assert_eq!(image_type(svg.as_bytes()), Some("image/svg+xml"), "{svg}");
        }
        for other in ["<html><svg>", "<svgx>", "<!-- <svg>", "", "a <svg>"] {
            assert_eq!(image_type(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn names_select_only_among_texts() {
        use Kind::{Hex, Image, Json, Markdown, Table, Text};
        assert_eq!(Kind::all("/a.md", b"# a", true), [Markdown, Text, Hex]);
        assert_eq!(Kind::all("/a.JSON", b"{}", true), [Json, Text, Hex]);
        assert_eq!(Kind::all("/a.csv", b"a,b", true), [Table, Text, Hex]);
        assert_eq!(Kind::all("/a.png", b"<html>", true), [Text, Hex]);
        assert_eq!(Kind::all("/a.md", b"\0", false), [Hex]);
        assert_eq!(Kind::all("/a.html", b"GIF89a", true), [Image, Text, Hex]);
    }
}
