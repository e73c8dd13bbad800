//! Who calls: the API key of a control call.

use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::App;
use super::envelope::Failure;
use crate::signing::Caller;

/// Who the key in the one `authorization` header belongs to.
pub(super) fn caller(app: &App, headers: &HeaderMap) -> Result<Caller, Failure> {
    key(headers)
        .and_then(|key| app.keys.caller(key))
        .ok_or_else(Failure::unauthorized)
}

fn key(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, key) = value.to_str().ok()?.trim().split_once(' ')?;
    let key = key.trim_start_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && is_key(key)).then_some(key)
}

/// Whether this can be an API key: one word of visible ASCII, which every client can send in a header.
pub(crate) fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn key_of(values: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                AUTHORIZATION,
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        key(&headers).map(str::to_owned)
    }

    #[test]
    fn one_bearer_key_and_nothing_else() {
        for good in ["Bearer k1", "bearer k1", "BEARER  k1", "Bearer k1 "] {
            assert_eq!(key_of(&[good]).as_deref(), Some("k1"), "{good:?}");
        }
        for bad in [
            "",
            "Bearer",
            "Bearer ",
            "k1",
            "Basic k1",
            "Bearer k1 k2",
            "Bearer k\u{fc}",
            "Bearer\tk1",
            "Bearerk1",
        ] {
            assert_eq!(key_of(&[bad]), None, "{bad:?}");
        }
        assert_eq!(key_of(&[]), None);
        assert_eq!(key_of(&["Bearer k1", "Bearer k1"]), None);
    }
}
