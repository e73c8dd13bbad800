//! Headers that `dav-server` ignores if they are not valid, or panics for. A write must have the conditions that its client
//! intends.

use dav_server::DavMethod;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use reqwest::Url;

use crate::{failure::Failure, if_header};

/// Rejects invalid headers, and spells valid ones as `dav-server` requires. Returns the lock tokens of `If`.
pub(crate) fn check(method: DavMethod, headers: &mut HeaderMap) -> Result<Vec<String>, Failure> {
    normalize(headers, "overwrite", &["T", "F"])?;
    if !matches!(method, DavMethod::Get | DavMethod::Head) {
        normalize(headers, "depth", &["0", "1", "infinity"])?;
        check_etags(headers, &header::IF_MATCH)?;
        check_etags(headers, &header::IF_NONE_MATCH)?;
    }
    let times = headers.get_all(header::IF_UNMODIFIED_SINCE).iter();
    if times.into_iter().any(|value| value.to_str().is_err()) {
        return Err(invalid("the header if-unmodified-since is not ASCII"));
    }
    if method == DavMethod::Put && headers.contains_key(header::CONTENT_RANGE) {
        return Err(invalid("a part of a file can't be written"));
    }
    let message = "the header if is not valid: its URLs must be complete, and its lists closed";
    match single(headers, "if")? {
        None => Ok(Vec::new()),
        Some(value) => {
            let tokens = value.to_str().ok().and_then(if_header::lock_tokens);
            tokens.ok_or_else(|| invalid(message))
        }
    }
}

/// The URL of the header `destination`, without an authority if it is a path.
pub(crate) enum Destination {
    Path(String),
    Url(Url),
}

impl Destination {
    /// The header `destination`, read as `dav-server` does.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Option<Self>, Failure> {
        let Some(value) = single(headers, "destination")? else {
            return Ok(None);
        };
        let text = value.to_str().ok();
        let destination = text.and_then(|text| match text.starts_with('/') {
            true => Some(Self::Path(text.to_owned())),
            false => Url::parse(text).ok().map(Self::Url),
        });
        match destination {
            Some(destination) => Ok(Some(destination)),
            None => Err(invalid("the header destination is not a URL")),
        }
    }

    /// The path, percent-encoded.
    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Path(path) => path,
            Self::Url(url) => url.path(),
        }
    }
}

/// Replaces the value of a header by its spelling in `values`. The case does not matter.
fn normalize(
    headers: &mut HeaderMap,
    name: &'static str,
    values: &[&'static str],
) -> Result<(), Failure> {
    let Some(value) = single(headers, name)? else {
        return Ok(());
    };
    let all = values.join(", ");
    let mut values = values.iter();
    let known = values.find(|known| value.as_bytes().eq_ignore_ascii_case(known.as_bytes()));
    let known = known.ok_or_else(|| invalid(format!("the header {name} is none of {all}")))?;
    headers.insert(name, HeaderValue::from_static(known));
    Ok(())
}

fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a HeaderValue>, Failure> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(invalid(format!("the header {name} is repeated"))),
    }
}

/// Rejects lists of ETags that `dav-server` would split differently.
fn check_etags(headers: &HeaderMap, name: &HeaderName) -> Result<(), Failure> {
    let is_etag = |text: &str| {
        let tag = text.strip_prefix("W/").unwrap_or(text);
        let tag = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
        tag.is_some_and(|tag| !tag.contains('"'))
    };
    let is_list = |value: &HeaderValue| {
        let text = value.to_str().ok().map(str::trim);
        text.is_some_and(|text| text == "*" || text.split(',').all(|tag| is_etag(tag.trim())))
    };
    match headers.get_all(name).iter().all(is_list) {
        true => Ok(()),
        false => Err(invalid(format!("the header {name} is not a list of ETags"))),
    }
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(values: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in values {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn valid_headers_are_spelled_as_dav_server_requires() {
        let mut headers = headers(&[("overwrite", "f"), ("depth", "INFINITY")]);
        check(DavMethod::Copy, &mut headers).unwrap();
        assert_eq!(headers["overwrite"], "F");
        assert_eq!(headers["depth"], "infinity");
    }

    #[test]
    fn invalid_headers_are_rejected() {
        for values in [
            &[("overwrite", "false")][..],
            &[("overwrite", "F"), ("overwrite", "F")],
            &[("depth", "2")],
            &[("depth", "1,noroot")],
            &[("if", "(<urn:a>)"), ("if", "(<urn:a>)")],
            &[("if", "(<urn:uuid:a")],
            &[("if-match", "\"")],
            &[("if-match", "")],
            &[("if-match", "\"a\", b")],
            &[("if-none-match", "\",\"")],
            &[("if-none-match", "\"\u{fc}\"")],
            &[("if-unmodified-since", "\u{fc}")],
        ] {
            let failure = check(DavMethod::Delete, &mut headers(values)).unwrap_err();
            assert_eq!(failure.status, StatusCode::BAD_REQUEST, "{values:?}");
        }
        for values in [
            &[("if-match", "*")][..],
            &[("if-match", "\"a\", W/\"b\"")],
            &[("if-none-match", "\"\"")],
        ] {
            assert!(
                check(DavMethod::Put, &mut headers(values)).is_ok(),
                "{values:?}"
            );
        }
    }
}
