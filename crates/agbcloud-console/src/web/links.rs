//! The URLs of the console. All values are percent-encoded, whatever characters they contain.

use std::fmt::Write;

use axum::{
    http::{StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Unreserved characters stay readable.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// Encodes a value.
pub(crate) fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// `/contexts/ID`, or a page below it: `context(id, "file")`.
pub(crate) fn context(id: &str, page: &str) -> String {
    let id = encode(id);
    match page {
        "" => format!("/contexts/{id}"),
        page => format!("/contexts/{id}/{page}"),
    }
}

/// A page about a file or a folder.
pub(crate) fn at_path(id: &str, page: &str, path: &str) -> String {
    with(&context(id, page), &[("path", path)])
}

/// A folder in the browser.
pub(crate) fn folder(id: &str, folder: &str) -> String {
    match folder {
        "" | "/" => context(id, ""),
        folder => with(&context(id, ""), &[("folder", folder)]),
    }
}

/// Adds parameters. Empty values are omitted.
pub(crate) fn with(url: &str, parameters: &[(&str, &str)]) -> String {
    let mut url = url.to_owned();
    for (name, value) in parameters {
        if !value.is_empty() {
            let separator = if url.contains('?') { '&' } else { '?' };
            // Writing to a String can't fail.
            let _ = write!(url, "{separator}{name}={}", encode(value));
        }
    }
    url
}

/// Redirects after a change, with the name of its result.
pub(crate) fn done(url: &str, result: &str) -> Response {
    (
        StatusCode::SEE_OTHER,
        [(LOCATION, with(url, &[("done", result)]))],
    )
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_encoded() {
        assert_eq!(
            at_path("a/b?", "file", "/x&y=\"<#é"),
            "/contexts/a%2Fb%3F/file?path=%2Fx%26y%3D%22%3C%23%C3%A9"
        );
        assert_eq!(folder("a", "/"), "/contexts/a");
        assert_eq!(with("/x?a=1", &[("b", "2"), ("c", "")]), "/x?a=1&b=2");
        let redirect = done("/", "a\r\nb: c");
        assert_eq!(redirect.headers()[LOCATION], "/?done=a%0D%0Ab%3A%20c");
    }
}
