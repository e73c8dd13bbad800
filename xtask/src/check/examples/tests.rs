use super::*;
use crate::scratch::Scratch;

const GOOD: &str = "spec/examples/GetContext/200-ok.json";
const FAILED: &str = "spec/examples/GetContext/404-InvalidContext.NotFound.json";

fn found(scratch: &Scratch) -> Vec<(String, String)> {
    let spec = Spec::load(scratch.root()).unwrap();
    let findings = check(scratch.root(), &spec);
    assert!(findings.iter().all(|finding| finding.kind == Kind::Example));
    findings
        .into_iter()
        .map(|finding| (finding.file, finding.problem))
        .collect()
}

/// There is one finding, of that file, and it says that.
#[track_caller]
fn assert_found(scratch: &Scratch, file: &str, what: &str) {
    let found = found(scratch);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0].0, file);
    assert!(found[0].1.contains(what), "{}", found[0].1);
}

/// Sets a field of an example, or takes it out.
fn set(scratch: &Scratch, file: &str, pointer: &str, value: Option<Value>) {
    let mut example: Value = serde_json::from_str(&scratch.read(file)).unwrap();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = example.pointer_mut(parent).unwrap();
    let fields = parent.as_object_mut().unwrap();
    match value {
        Some(value) => fields.insert(name.to_owned(), value),
        None => fields.remove(name),
    };
    scratch.write(file, &example.to_string());
}

#[test]
fn the_untouched_examples_have_no_findings() {
    assert_eq!(found(&Scratch::new()), []);
}

#[test]
fn a_wrong_type_is_found() {
    let scratch = Scratch::new();
    set(&scratch, GOOD, "/data/name", Some(7.into()));
    assert_found(&scratch, GOOD, "at /data/name: ");
}

#[test]
fn a_wrong_type_in_an_entry_of_a_list_is_found_there() {
    let file = "spec/examples/DescribeContextFiles/200-ok.json";
    let scratch = Scratch::new();
    scratch.edit(file, "\"size\": 48213", "\"size\": \"48213\"");
    assert_found(&scratch, file, "at /data/1/size: ");
}

#[test]
fn an_unknown_field_is_found() {
    let scratch = Scratch::new();
    set(&scratch, GOOD, "/data/colour", Some("red".into()));
    assert_found(&scratch, GOOD, "'colour'");
}

#[test]
fn a_missing_field_is_found() {
    let scratch = Scratch::new();
    set(&scratch, GOOD, "/data/state", None);
    assert_found(&scratch, GOOD, "\"state\" is a required property");
}

#[test]
fn null_where_something_always_stands_is_found() {
    let scratch = Scratch::new();
    set(&scratch, GOOD, "/data/state", Some(Value::Null));
    assert_found(&scratch, GOOD, "at /data/state: ");
}

#[test]
fn a_good_answer_must_say_so_in_every_field() {
    for (pointer, value) in [
        ("/success", false.into()),
        ("/code", "fine".into()),
        ("/message", "well done".into()),
        ("/httpStatusCode", 201.into()),
    ] {
        let scratch = Scratch::new();
        set(&scratch, GOOD, pointer, Some(value));
        assert_found(&scratch, GOOD, &format!("`{}` is ", &pointer[1..]));
    }
}

#[test]
fn a_failure_must_say_so_in_every_field() {
    for (pointer, value) in [
        ("/success", true.into()),
        ("/code", "InvalidContext.Gone".into()),
        ("/message", " ".into()),
        ("/httpStatusCode", 400.into()),
    ] {
        let scratch = Scratch::new();
        set(&scratch, FAILED, pointer, Some(value));
        assert_found(&scratch, FAILED, &format!("`{}` is ", &pointer[1..]));
    }
}

#[test]
fn a_shared_example_that_is_wrong_is_told_once() {
    let shared = "spec/examples/any/401-Unauthorized.json";
    let scratch = Scratch::new();
    set(&scratch, shared, "/code", Some("Forbidden".into()));
    assert_found(&scratch, shared, "`code` is \"Forbidden\"");
}

#[test]
fn the_example_of_no_operation_is_checked_too() {
    let file = "spec/examples/any/404-InvalidAction.NotFound.json";
    let scratch = Scratch::new();
    set(&scratch, file, "/requestId", None);
    assert_found(&scratch, file, "\"requestId\" is a required property");
}

#[test]
fn an_example_under_another_range_or_key_is_found() {
    let scratch = Scratch::new();
    scratch.edit(
        agbcloud_spec::SPEC,
        "externalValue: examples/any/500-InternalError.json",
        "externalValue: examples/any/429-Throttling.json",
    );
    let found = found(&scratch);
    let problems: Vec<&str> = found.iter().map(|(_, problem)| problem.as_str()).collect();
    assert_eq!(
        problems,
        [
            "its name says 429, but it is linked under 5XX (as ListContexts 5XX)",
            "it is linked as `InternalError`, and must be as `Throttling` (as ListContexts 5XX)",
        ]
    );
}

#[test]
fn an_orphan_is_found() {
    let scratch = Scratch::new();
    let orphan = "spec/examples/GetContext/404-Orphan.json";
    std::fs::copy(scratch.path(FAILED), scratch.path(orphan)).unwrap();
    assert_found(&scratch, orphan, "an orphan");
}

#[test]
fn a_missing_file_is_found() {
    let scratch = Scratch::new();
    scratch.remove(FAILED);
    assert_found(&scratch, FAILED, "is not there");
}

#[test]
fn what_is_not_json_is_found() {
    let scratch = Scratch::new();
    scratch.edit(GOOD, "{", "");
    assert_found(&scratch, GOOD, "not valid JSON");
}

#[test]
fn a_link_out_of_the_folder_is_found() {
    let scratch = Scratch::new();
    scratch.edit(
        agbcloud_spec::SPEC,
        "examples/any/500-InternalError.json",
        "../Cargo.lock",
    );
    let found = found(&scratch);
    assert!(found[0].1.contains("leads out of spec/"), "{found:?}");
}

#[test]
fn a_range_without_an_example_is_found() {
    let scratch = Scratch::new();
    scratch.edit(
        agbcloud_spec::SPEC,
        "              examples:\n                InternalError: {externalValue: examples/any/500-InternalError.json}\n                ServiceUnavailable: {externalValue: examples/any/503-ServiceUnavailable.json}\n",
        "",
    );
    assert_found(
        &scratch,
        agbcloud_spec::SPEC,
        "ListContexts 5XX has no example",
    );
}

#[test]
fn an_operation_without_one_of_the_outcomes_is_found() {
    let scratch = Scratch::new();
    scratch.edit(agbcloud_spec::SPEC, "        '5XX':", "        '4YY':");
    let found = found(&scratch);
    let problem = "ListContexts has no answer of the range 5XX".to_owned();
    assert!(
        found.contains(&(agbcloud_spec::SPEC.to_owned(), problem)),
        "{found:?}"
    );
}
