//! Validates every response that a test gets against the specification.

use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};

use agbcloud_spec::{ResponseValidator, Spec};
use serde_json::Value;

static SPEC: LazyLock<Spec> = LazyLock::new(|| {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    Spec::load(Path::new(root)).unwrap()
});
static EXTENSIONS: LazyLock<Spec> = LazyLock::new(|| {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");
    Spec::load_extensions(Path::new(root)).unwrap()
});
static STRICT_EXTENSIONS: LazyLock<Mutex<ResponseValidator<'static>>> =
    LazyLock::new(|| Mutex::new(ResponseValidator::new(&EXTENSIONS)));
static STRICT: LazyLock<Mutex<ResponseValidator<'static>>> =
    LazyLock::new(|| Mutex::new(ResponseValidator::new(&SPEC)));

/// Panics unless the specification allows the response, field by field.
pub(crate) fn check(operation: &str, status: u16, body: &Value) {
    let problems = problems(operation, status, body);
    assert!(
        problems.is_empty(),
        "{operation}: a response with status {status} violates the specification: {problems:#?}\n{body:#}"
    );
}

fn problems(operation: &str, status: u16, body: &Value) -> Vec<String> {
    for (spec, strict) in [(&*SPEC, &*STRICT), (&*EXTENSIONS, &*STRICT_EXTENSIONS)] {
        if let Some(schema) = spec.response_schema(operation, status) {
            let mut strict = strict.lock().unwrap_or_else(PoisonError::into_inner);
            return strict.problems(schema, body);
        }
    }
    vec!["the operation has no such response".to_owned()]
}

#[test]
fn a_response_that_is_not_in_the_specification_is_detected() {
    let body = serde_json::json!({
        "requestId": "r", "success": true, "code": "ok", "message": "", "httpStatusCode": 200,
    });
    assert_eq!(problems("ClearContext", 200, &body), Vec::<String>::new());
    let mut more = body.clone();
    more["more"] = 1.into();
    assert!(!problems("ClearContext", 200, &more).is_empty());
    assert!(!problems("GetContext", 200, &body).is_empty(), "no data");
    assert!(!problems("ClearContext", 302, &body).is_empty());
}
