//! Every answer to a raw call is held against the specification, as those in the tests of the service itself are.

use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};

use agbcloud_spec::{ResponseValidator, Spec};
use serde_json::Value;

static SPEC: LazyLock<Spec> = LazyLock::new(|| {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    Spec::load(Path::new(root)).unwrap()
});
static STRICT: LazyLock<Mutex<ResponseValidator<'static>>> =
    LazyLock::new(|| Mutex::new(ResponseValidator::new(&SPEC)));

/// Panics if an operation of the specification was called and this is no answer that the specification allows.
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
    let mut strict = STRICT.lock().unwrap_or_else(PoisonError::into_inner);
    strict.problems(schema, body)
}

#[test]
fn an_answer_that_is_not_in_the_specification_is_found() {
    let mut body = serde_json::json!({
        "requestId": "r", "success": true, "code": "ok", "message": "", "httpStatusCode": 200,
    });
    let target = "/sdk/ClearContext?id=x";
    assert_eq!(problems("POST", target, 200, &body), Vec::<String>::new());
    assert!(!problems("POST", target, 302, &body).is_empty());
    body["more"] = 1.into();
    assert!(!problems("POST", target, 200, &body).is_empty());
}
