//! Validates every response to a raw call against the specification, as the tests of the service do.

use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};

use agbcloud_spec::{ResponseValidator, Spec};
use serde_json::Value;

static SPEC: LazyLock<Spec> = LazyLock::new(|| {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    Spec::load(Path::new(root)).unwrap()
});
static VALIDATOR: LazyLock<Mutex<ResponseValidator<'static>>> =
    LazyLock::new(|| Mutex::new(ResponseValidator::new(&SPEC)));

/// Panics if this response to an operation violates the specification.
pub(crate) fn check(method: &str, target: &str, status: u16, body: &Value) {
    let problems = problems(method, target, status, body);
    assert!(
        problems.is_empty(),
        "{method} {target} was answered {status} with what is not in the specification: {problems:#?}\n{body:#}"
    );
}

fn problems(method: &str, target: &str, status: u16, body: &Value) -> Vec<String> {
    let path = target.split('?').next().unwrap();
    let called = SPEC
        .operations()
        .find(|operation| operation.path == path && operation.method.eq_ignore_ascii_case(method));
    let Some(operation) = called else {
        return Vec::new();
    };
    let Some(schema) = SPEC.response_schema(operation.id, status) else {
        return vec!["it has no such answer".to_owned()];
    };
    let mut validator = VALIDATOR.lock().unwrap_or_else(PoisonError::into_inner);
    validator.problems(schema, body)
}

#[test]
fn a_response_that_violates_the_specification_is_detected() {
    let mut body = serde_json::json!({
        "requestId": "r", "success": true, "code": "ok", "message": "", "httpStatusCode": 200,
    });
    let target = "/sdk/ClearContext?id=x";
    assert_eq!(problems("POST", target, 200, &body), Vec::<String>::new());
    assert!(!problems("POST", target, 302, &body).is_empty());
    body["more"] = 1.into();
    assert!(!problems("POST", target, 200, &body).is_empty());
}
