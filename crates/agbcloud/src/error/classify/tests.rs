use super::*;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    pairs
        .iter()
        .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
        .collect()
}

fn context(key: &str) -> DecodeContext<'_> {
    static TIME: std::sync::LazyLock<Time> = std::sync::LazyLock::new(Time::default);
    DecodeContext { key, time: &TIME }
}

fn response(status: u16, body: &'static str) -> agbcloud_api::Error {
    let response = http::Response::builder()
        .status(status)
        .header("x-request-id", "r-7")
        .header("retry-after", "3")
        .body(body)
        .unwrap();
    agbcloud_api::Error::UnexpectedResponse(response.into())
}

#[tokio::test]
async fn the_html_of_a_gateway_keeps_status_headers_and_start() {
    let error = Error::from_raw(
        response(502, "<html>Bad Gateway key-0001</html>"),
        context("key-0001"),
    )
    .await;
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.status(), Some(502));
    assert_eq!(error.request_id(), Some("r-7"));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
    assert_eq!(error.body_start(), Some("<html>Bad Gateway ***</html>"));
    assert!(!format!("{error} {error:?}").contains("key-0001"));
}

#[tokio::test]
async fn an_invalid_response_with_a_url_shows_no_signature() {
    let url = "https://store.example/a?Expires=1&Signature=secret-1";
    for body in [
        format!(r#"{{"success":true,"data":{{"url":"{url}","expireTime":{{}}}}}}"#),
        format!(r#"{{"success":true,"data":{{"url":"{url}","exp"#),
        format!(r#"{{"success":true,"data":["{url}"]}}"#),
        format!(r#"{{"success":false,"code":"A.B","message":"not {url}","requestId":"{url}"}}"#),
        format!("{}{url}", "x".repeat(BODY_START - url.len() + 3)),
        url.replace('/', r"\/").replace('&', r"\u0026"),
    ] {
        let error = Error::from_raw(response(200, body.leak()), context("k")).await;
        let text = format!("{error} {error:?} {:?}", error.body_start());
        assert!(text.contains("a?…") && !text.contains("secret"), "{text}");
    }
}

#[tokio::test]
async fn a_key_is_redacted_before_text_is_cut_and_codes_are_kept() {
    let message = format!("{}secret-key-1", "x".repeat(290));
    let body = format!(
        r#"{{"success":false,"code":"X.Y","message":"{message}","requestId":"r secret-key-1"}}"#
    );
    let error = Error::from_raw(response(400, body.leak()), context("secret-key-1")).await;
    assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    let html = format!("{}secret-key-1", "x".repeat(BODY_START - 5)).leak();
    let error = Error::from_raw(response(400, html), context("secret-key-1")).await;
    assert!(!error.body_start().unwrap().contains("secr"));
    let code = r#"{"success":false,"code":"InvalidApiKey.secret-key-1"}"#;
    let error = Error::from_raw(response(401, code), context("secret-key-1")).await;
    assert_eq!(error.code(), Some("InvalidApiKey.***"));
    let code = r#"{"success":false,"code":"InvalidContext.NotFound"}"#;
    let error = Error::from_raw(response(404, code), context("Invalid")).await;
    assert_eq!(error.code(), Some("InvalidContext.NotFound"));
}

#[tokio::test(start_paused = true)]
async fn reading_the_body_of_a_failure_is_limited_in_time() {
    let start = futures_util::stream::iter([Ok::<_, std::io::Error>("<html>busy")]);
    let stalled = futures_util::StreamExt::chain(start, futures_util::stream::pending());
    let response = http::Response::builder()
        .status(503)
        .header("retry-after", "3");
    let response = response.body(reqwest::Body::wrap_stream(stalled)).unwrap();
    let error = agbcloud_api::Error::UnexpectedResponse(response.into());
    let began = tokio::time::Instant::now();
    let error = Error::from_raw(error, context("k")).await;
    assert_eq!(began.elapsed(), BODY_TIMEOUT);
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    assert_eq!(error.body_start(), Some("<html>busy"));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
}

#[tokio::test]
async fn a_field_of_an_unexpected_type_does_not_hide_the_others() {
    let body =
        r#"{"success":false,"code":"A.B","message":{"a":1},"requestId":7,"httpStatusCode":"404"}"#;
    let error = Error::from_raw(response(200, body), context("k")).await;
    assert_eq!((error.code(), error.request_id()), (Some("A.B"), Some("7")));
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn an_unexpected_body_with_status_200_is_an_invalid_response() {
    let error = Error::from_raw(response(200, "[]"), context("k")).await;
    assert_eq!(error.kind(), ErrorKind::InvalidResponse);
    assert_eq!(error.body_start(), Some("[]"));
}

#[tokio::test]
async fn a_not_found_without_a_code_is_of_the_endpoint() {
    let complete = r#"{"success":false,"code":"X.NotFound","requestId":"r","httpStatusCode":404}"#;
    let of_operation =
        r#"{"success":false,"code":"InvalidAction.NotFound","requestId":"r","httpStatusCode":404}"#;
    for (body, kind, foreign) in [
        ("<html>nothing here", ErrorKind::WrongEndpoint, true),
        ("", ErrorKind::WrongEndpoint, true),
        (r#"{"detail":"Not Found"}"#, ErrorKind::WrongEndpoint, true),
        (r#"{"message":"no route"}"#, ErrorKind::WrongEndpoint, true),
        (r#"{"success":false}"#, ErrorKind::WrongEndpoint, false),
        (
            r#"{"success":false,"message":"Not found"}"#,
            ErrorKind::WrongEndpoint,
            false,
        ),
        (r#"{"code":"not_found"}"#, ErrorKind::WrongEndpoint, false),
        (
            r#"{"code":404,"message":"Not Found"}"#,
            ErrorKind::WrongEndpoint,
            false,
        ),
        (r#"{"code":"NoSuchKey"}"#, ErrorKind::WrongEndpoint, false),
        (
            r#"{"code":"X.NotFound","requestId":"r"}"#,
            ErrorKind::WrongEndpoint,
            false,
        ),
        (of_operation, ErrorKind::WrongEndpoint, false),
        (complete, ErrorKind::NotFound, false),
        (
            r#"{"code":"InvalidFile.NotFound"}"#,
            ErrorKind::NotFound,
            false,
        ),
        (
            r#"{"code":"InvalidContextId.NotFound"}"#,
            ErrorKind::NotFound,
            false,
        ),
        (r#"{"code":"ContextNotFound"}"#, ErrorKind::NotFound, false),
    ] {
        for status in [404, 410] {
            let error = Error::from_raw(response(status, body), context("k")).await;
            assert_eq!(
                (error.kind(), error.is_foreign()),
                (kind, foreign),
                "{body}"
            );
            assert_eq!(error.status(), Some(status));
            assert!(!error.is_transient());
        }
    }
    let error = Error::from_raw(response(405, "<html>"), context("k")).await;
    assert_eq!(error.kind(), ErrorKind::WrongEndpoint);
    let error = Error::from_raw(response(400, r#"{"code":"Y.NotFound"}"#), context("k")).await;
    assert_eq!(error.kind(), ErrorKind::Rejected);
    let error = Error::from_raw(response(403, "<html>"), context("k")).await;
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(error.is_foreign());
}

#[tokio::test]
async fn a_failure_with_status_200_is_classified_by_code() {
    let body = r#"{"success":false,"code":"Throttling.User","message":"slow\ndown","requestId":"r-8","data":""}"#;
    let error = Error::from_raw(response(200, body), context("k")).await;
    assert_eq!(error.kind(), ErrorKind::Throttled);
    assert_eq!(error.code(), Some("Throttling.User"));
    assert_eq!(error.message(), "slow down");
    assert_eq!(error.request_id(), Some("r-8"));
}

#[test]
fn retry_after_is_parsed_in_both_forms() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
    let date = headers(&[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]);
    assert_eq!(retry_after(&date, now), Some(Duration::from_secs(7)));
    assert_eq!(
        retry_after(&date, now + Duration::from_secs(60)),
        Some(Duration::ZERO)
    );
    assert_eq!(
        retry_after(&headers(&[("retry-after", "12")]), now),
        Some(Duration::from_secs(12))
    );
    assert_eq!(retry_after(&headers(&[("retry-after", "soon")]), now), None);
    for obsolete in ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
        let date = headers(&[("retry-after", obsolete)]);
        assert_eq!(retry_after(&date, now), Some(Duration::from_secs(7)));
    }
    let huge = headers(&[("retry-after", "99999999999999999999999")]);
    assert_eq!(retry_after(&huge, now), Some(Duration::from_secs(u64::MAX)));
    let wrong_day = headers(&[("retry-after", "Mon, 06 Nov 1994 08:49:37 GMT")]);
    assert_eq!(retry_after(&wrong_day, now), Some(Duration::from_secs(7)));
}

#[test]
fn the_status_in_the_envelope_of_a_200_counts() {
    let envelope = EnvelopeStatus {
        success: Some(false),
        http_status_code: Some(404),
        code: Some("InvalidContext.NotFound".to_owned()),
        ..EnvelopeStatus::default()
    };
    let error = Error::from_envelope(200, &HeaderMap::new(), envelope, context("k"));
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::NotFound, Some(200))
    );
}
