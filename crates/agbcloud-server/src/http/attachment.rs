//! The header that makes browsers save a file instead of showing it.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Returns the header `Content-Disposition` with a file name: in ASCII for old clients (RFC 6266) and in UTF-8 (RFC 8187).
pub(super) fn attachment(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|char| {
            if char.is_ascii_alphanumeric() || " .-_()".contains(char) {
                char
            } else {
                '_'
            }
        })
        .collect();
    const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_');
    let encoded = utf8_percent_encode(name, ENCODED);
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_escaped_in_the_header() {
        assert_eq!(
            attachment("a b.txt"),
            "attachment; filename=\"a b.txt\"; filename*=UTF-8''a%20b.txt"
        );
        assert_eq!(
            attachment("\"; x=\"ü%2e"),
            "attachment; filename=\"__ x___%2e\"; filename*=UTF-8''%22%3B%20x%3D%22%C3%BC%252e"
                .replace("%2e\";", "_2e\";")
        );
    }
}
