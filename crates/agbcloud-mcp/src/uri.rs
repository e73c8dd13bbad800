//! URIs of files and folders: `agb://NAME/path`.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::failure::{Failure, Result};

const SCHEME: &str = "agb://";

/// Everything but the unreserved characters of RFC 3986.
const NAME: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
const PATH: &AsciiSet = &NAME.remove(b'/');

/// The address of a file or folder.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// Name or id of the context.
    pub(crate) context: String,
    /// Absolute path. A slash at the end, as in that of the root, means a folder.
    pub(crate) path: String,
}

/// Returns the URI of a path in a context.
pub(crate) fn of(context: &str, path: &str) -> String {
    format!("{}{}", prefix(context), encoded_path(path))
}

/// Returns a path as a part of a URI.
pub(crate) fn encoded_path(path: &str) -> String {
    utf8_percent_encode(path, PATH).to_string()
}

/// Returns the URI of a context, without a path.
pub(crate) fn prefix(context: &str) -> String {
    // A name of dots would be removed as a relative segment.
    let name = match context.chars().all(|char| char == '.') {
        true => context.replace('.', "%2E"),
        false => utf8_percent_encode(context, NAME).to_string(),
    };
    format!("{SCHEME}{name}")
}

/// Parses a URI.
///
/// # Errors
///
/// `invalid_argument` for another scheme, a URI without a context, and one that is not UTF-8.
pub(crate) fn parse(uri: &str) -> Result<Address> {
    let wrong = |message: &str| {
        Failure::invalid_argument(
            format!("the URI {message}"),
            "use a URI of resources/list, or agb://NAME/path with percent-encoding",
        )
    };
    let rest = uri
        .strip_prefix(SCHEME)
        .ok_or_else(|| wrong("does not start with agb://"))?;
    if rest.contains(['?', '#']) {
        return Err(wrong("has a query or a fragment; encode ? and # in a path"));
    }
    let (context, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, "/"),
    };
    let decode = |text: &str| {
        let decoded = percent_decode_str(text).decode_utf8();
        decoded
            .map(|text| text.into_owned())
            .map_err(|_| wrong("is not UTF-8 after percent-decoding"))
    };
    let address = Address {
        context: decode(context)?,
        path: decode(path)?,
    };
    if address.context.is_empty() {
        return Err(wrong("names no context"));
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_is_parsed_to_what_it_was_made_from() {
        for (context, path) in [
            ("my-project", "/docs/a.md"),
            ("Über uns/2", "/a b/ä?#%41.txt"),
            ("..", "/"),
            ("user@host:80", "/[x]"),
        ] {
            let uri = of(context, path);
            let parsed = parse(&uri).unwrap();
            assert_eq!((&*parsed.context, &*parsed.path), (context, path), "{uri}");
        }
        assert_eq!(of("a", "/b c"), "agb://a/b%20c");
        assert_eq!(parse("agb://a").unwrap().path, "/");
    }

    #[test]
    fn other_uris_are_invalid_arguments() {
        for uri in [
            "",
            "file:///etc/passwd",
            "agb:///etc",
            "agb://",
            "agb://a/b?x",
            "agb://a/%ff",
            "http://a/b",
        ] {
            assert_eq!(parse(uri).unwrap_err().kind, "invalid_argument", "{uri}");
        }
    }
}
