//! Authentication of control calls by API key.

use axum::extract::Request;
use axum::response::Response;
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::{ControlError, reject};
use crate::http::{App, Authenticated, attach_guard};
use crate::keys::is_api_key;
use crate::signing::Caller;

/// Rejects calls without a valid API key, and calls beyond the limit of concurrent requests of their tenant.
pub(super) async fn authenticate<F: Future<Output = Response>>(
    app: &App,
    request: Request,
    next: impl FnOnce(Request, Caller) -> F,
) -> Response {
    let caller = match bearer_key(request.headers()) {
        Some(key) => app.keys.caller(key).await,
        None => Ok(None),
    };
    let caller = match caller {
        Ok(Some(caller)) => caller,
        Ok(None) => return reject(request, ControlError::unauthorized()),
        Err(error) => return reject(request, error.into()),
    };
    let permit = app.tenant_limiter.acquire(&caller.tenant);
    let mut response = if permit.is_some() {
        next(request, caller).await
    } else {
        reject(request, ControlError::throttled())
    };
    response.extensions_mut().insert(Authenticated);
    attach_guard(response, permit)
}

/// Returns the key in the header `Authorization`, which must be present exactly once.
fn bearer_key(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, key) = value.to_str().ok()?.trim().split_once(' ')?;
    let key = key.trim_start_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && is_api_key(key)).then_some(key)
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
        bearer_key(&headers).map(str::to_owned)
    }

    #[test]
    fn exactly_one_bearer_key_is_accepted() {
        for valid in ["Bearer k1", "bearer k1", "BEARER  k1", "Bearer k1 "] {
            assert_eq!(key_of(&[valid]).as_deref(), Some("k1"), "{valid:?}");
        }
        for invalid in [
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
            assert_eq!(key_of(&[invalid]), None, "{invalid:?}");
        }
        assert_eq!(key_of(&[]), None);
        assert_eq!(key_of(&["Bearer k1", "Bearer k1"]), None);
    }
}
