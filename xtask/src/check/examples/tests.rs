use super::*;
use crate::test_repository::TestRepository;

const GOOD: &str = "spec/examples/GetContext/200-ok.json";
const FAILED: &str = "spec/examples/GetContext/404-InvalidContext.NotFound.json";

fn found(repository: &TestRepository) -> Vec<(String, String)> {
    let spec = Spec::load(repository.root()).unwrap();
    let diagnostics = check(repository.root(), &spec);
    assert!(
        diagnostics
            .iter()
            .all(|diagnostic| diagnostic.kind == Kind::Example)
    );
    diagnostics
        .into_iter()
        .map(|diagnostic| (diagnostic.file, diagnostic.problem))
        .collect()
}

/// Asserts that there is one diagnostic, for this file and with this text.
#[track_caller]
fn assert_found(repository: &TestRepository, file: &str, what: &str) {
    let found = found(repository);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].0, file);
    assert!(found[0].1.contains(what), "{}", found[0].1);
}

/// Sets or removes a field of an example.
fn set(repository: &TestRepository, file: &str, pointer: &str, value: Option<Value>) {
    let mut example: Value = serde_json::from_str(&repository.read(file)).unwrap();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = example.pointer_mut(parent).unwrap();
    let fields = parent.as_object_mut().unwrap();
    match value {
        Some(value) => fields.insert(name.to_owned(), value),
        None => fields.remove(name),
    };
    repository.write(file, &example.to_string());
}

#[test]
fn the_unchanged_examples_have_no_problems() {
    assert_eq!(found(&TestRepository::new()), []);
}

#[test]
fn a_wrong_type_is_reported() {
    let repository = TestRepository::new();
    set(&repository, GOOD, "/data/name", Some(7.into()));
    assert_found(&repository, GOOD, "at /data/name: ");
}

#[test]
fn a_wrong_type_in_a_list_is_reported_with_its_index() {
    let file = "spec/examples/DescribeContextFiles/200-ok.json";
    let repository = TestRepository::new();
    repository.edit(file, "\"size\": 48213", "\"size\": \"48213\"");
    assert_found(&repository, file, "at /data/1/size: ");
}

#[test]
fn an_unknown_field_is_reported() {
    let repository = TestRepository::new();
    set(&repository, GOOD, "/data/colour", Some("red".into()));
    assert_found(&repository, GOOD, "'colour'");
}

#[test]
fn a_missing_field_is_reported() {
    let repository = TestRepository::new();
    set(&repository, GOOD, "/data/state", None);
    assert_found(&repository, GOOD, "\"state\" is a required property");
}

#[test]
fn null_in_a_required_field_is_reported() {
    let repository = TestRepository::new();
    set(&repository, GOOD, "/data/state", Some(Value::Null));
    assert_found(&repository, GOOD, "at /data/state: ");
}

#[test]
fn a_success_must_have_the_fields_of_a_success() {
    for (pointer, value) in [
        ("/success", false.into()),
        ("/code", "fine".into()),
        ("/message", "well done".into()),
        ("/httpStatusCode", 201.into()),
    ] {
        let repository = TestRepository::new();
        set(&repository, GOOD, pointer, Some(value));
        assert_found(&repository, GOOD, &format!("`{}` is ", &pointer[1..]));
    }
}

#[test]
fn a_failure_must_have_the_fields_of_a_failure() {
    for (pointer, value) in [
        ("/success", true.into()),
        ("/code", "InvalidContext.Gone".into()),
        ("/message", " ".into()),
        ("/httpStatusCode", 400.into()),
    ] {
        let repository = TestRepository::new();
        set(&repository, FAILED, pointer, Some(value));
        assert_found(&repository, FAILED, &format!("`{}` is ", &pointer[1..]));
    }
}

#[test]
fn a_problem_of_a_shared_example_is_reported_once() {
    let shared = "spec/examples/any/401-Unauthorized.json";
    let repository = TestRepository::new();
    set(&repository, shared, "/code", Some("Forbidden".into()));
    assert_found(&repository, shared, "`code` is \"Forbidden\"");
}

#[test]
fn examples_outside_of_operations_are_checked() {
    let file = "spec/examples/any/404-InvalidAction.NotFound.json";
    let repository = TestRepository::new();
    set(&repository, file, "/requestId", None);
    assert_found(&repository, file, "\"requestId\" is a required property");
}

#[test]
fn an_example_with_a_wrong_status_or_key_is_reported() {
    let repository = TestRepository::new();
    repository.edit(
        agbcloud_spec::SPEC,
        "externalValue: examples/any/500-InternalError.json",
        "externalValue: examples/any/429-Throttling.json",
    );
    let found = found(&repository);
    let problems: Vec<&str> = found.iter().map(|(_, problem)| problem.as_str()).collect();
    assert_eq!(
        problems,
        [
            "the file name has status 429, but it is linked under 5XX (as ListContexts 5XX)",
            "it is linked as `InternalError` instead of `Throttling` (as ListContexts 5XX)",
        ]
    );
}

#[test]
fn a_file_without_a_link_is_reported() {
    let repository = TestRepository::new();
    let orphan = "spec/examples/GetContext/404-Orphan.json";
    std::fs::copy(repository.path(FAILED), repository.path(orphan)).unwrap();
    assert_found(&repository, orphan, "does not link to it");
}

#[test]
fn a_missing_file_is_reported() {
    let repository = TestRepository::new();
    repository.remove(FAILED);
    assert_found(&repository, FAILED, "does not exist");
}

#[test]
fn invalid_json_is_reported() {
    let repository = TestRepository::new();
    repository.edit(GOOD, "{", "");
    assert_found(&repository, GOOD, "not valid JSON");
}

#[test]
fn a_link_that_leaves_the_folder_is_reported() {
    let repository = TestRepository::new();
    repository.edit(
        agbcloud_spec::SPEC,
        "examples/any/500-InternalError.json",
        "../Cargo.lock",
    );
    let found = found(&repository);
    assert!(found[0].1.contains("is outside of spec/"), "{found:?}");
}

#[test]
fn a_response_without_an_example_is_reported() {
    let repository = TestRepository::new();
    repository.edit(
        agbcloud_spec::SPEC,
        "              examples:\n                InternalError: {externalValue: examples/any/500-InternalError.json}\n                ServiceUnavailable: {externalValue: examples/any/503-ServiceUnavailable.json}\n",
        "",
    );
    assert_found(
        &repository,
        agbcloud_spec::SPEC,
        "ListContexts 5XX has no example",
    );
}

#[test]
fn an_operation_without_failures_is_reported() {
    let repository = TestRepository::new();
    repository.edit(agbcloud_spec::SPEC, "        '5XX':", "        '4YY':");
    let found = found(&repository);
    let problem = "ListContexts has no response 5XX".to_owned();
    assert!(
        found.contains(&(agbcloud_spec::SPEC.to_owned(), problem)),
        "{found:?}"
    );
}
