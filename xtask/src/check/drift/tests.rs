use super::*;
use crate::generate::header::with_header;
use crate::test_repository::TestRepository;

const TYPES: &str = "crates/agbcloud-api/src/generated/types.rs";
const CLIENT: &str = "crates/agbcloud-api/src/generated/client.rs";

/// Kind and file of each diagnostic.
fn found(repository: &TestRepository) -> Vec<(Kind, String)> {
    let diagnostics = check(repository.root());
    assert!(
        diagnostics
            .iter()
            .all(|diagnostic| !diagnostic.hint.is_empty())
    );
    diagnostics
        .into_iter()
        .map(|diagnostic| (diagnostic.kind, diagnostic.file))
        .collect()
}

/// The only diagnostic.
fn only(repository: &TestRepository) -> Diagnostic {
    let mut diagnostics = check(repository.root());
    assert_eq!(diagnostics.len(), 1, "{diagnostics:#?}");
    diagnostics.remove(0)
}

fn both(kind: Kind) -> Vec<(Kind, String)> {
    vec![(kind, CLIENT.to_owned()), (kind, TYPES.to_owned())]
}

/// The source without the header.
fn source(file: &str) -> &str {
    file.split_once("\n\n").unwrap().1
}

#[test]
fn an_unchanged_repository_has_no_problems() {
    assert_eq!(found(&TestRepository::new()), []);
}

#[test]
fn line_ends_do_not_matter() {
    let repository = TestRepository::new();
    for file in [TYPES, CLIENT, SPEC] {
        repository.write(file, &repository.read(file).replace('\n', "\r\n"));
    }
    assert_eq!(found(&repository), []);
}

#[test]
fn a_changed_specification_is_reported_for_each_file() {
    for (from, to) in [
        ("One page of contexts.", "A page of contexts."),
        (
            "        osType: {type: string,",
            "        color: {type: string, nullable: true}\n        osType: {type: string,",
        ),
        ("Renaming a context", "To rename a context"),
    ] {
        let repository = TestRepository::new();
        repository.edit(SPEC, from, to);
        assert_eq!(found(&repository), both(Kind::ChangedSpecification), "{to}");
        generate::write(repository.root()).unwrap();
        assert_eq!(found(&repository), [], "{to}");
    }
}

#[test]
fn a_removed_operation_is_a_changed_specification() {
    let repository = TestRepository::new();
    let spec = repository.read(SPEC);
    let start = spec.find("  /sdk/DeleteContextFile:").unwrap();
    let end = spec.find("components:\n").unwrap();
    repository.write(SPEC, &[&spec[..start], &spec[end..]].concat());
    assert_eq!(found(&repository), both(Kind::ChangedSpecification));
}

#[test]
fn a_comment_in_the_specification_is_a_change() {
    let repository = TestRepository::new();
    repository.write(SPEC, &format!("{}# The end.\n", repository.read(SPEC)));
    assert_eq!(found(&repository), both(Kind::ChangedSpecification));
}

#[test]
fn an_invalid_specification_is_reported() {
    for (from, to, what) in [
        ("paths:\n", "paths: [\n", "not valid YAML"),
        (
            "{$ref: '#/components/schemas/ContextListData'}",
            "{$ref: '#/components/schemas/Nowhere'}",
            "#/components/schemas/Nowhere",
        ),
        ("openapi: 3.0.3", "openapi: 3.1.0", "3.1.0"),
        (
            "openapi: 3.0.3",
            "openapi: [3]",
            "not an OpenAPI 3.0 document",
        ),
        (
            "operationId: ListContexts",
            "operationId: GetContext",
            "GetContext",
        ),
    ] {
        let repository = TestRepository::new();
        repository.edit(SPEC, from, to);
        let diagnostics = check(repository.root());
        let first = diagnostics.first().unwrap();
        assert_eq!(
            (first.kind, first.file.as_str()),
            (Kind::Specification, SPEC)
        );
        assert!(first.problem.contains(what), "{what}: {}", first.problem);
    }
}

#[test]
fn a_panic_of_the_generator_is_reported() {
    let repository = TestRepository::new();
    // Two types of success for one operation.
    repository.edit(
        SPEC,
        "        '4XX':",
        "        '201':\n          description: Another.\n          content:\n            \
         application/json:\n              schema: {$ref: '#/components/schemas/Failure'}\n        '4XX':",
    );
    let diagnostics = check(repository.root());
    assert_eq!(diagnostics[0].kind, Kind::Specification);
    assert_eq!(diagnostics[0].file, SPEC);
    assert!(
        diagnostics[0].problem.contains("it panicked: "),
        "{}",
        diagnostics[0].problem
    );
}

#[test]
fn a_recursive_schema_is_reported() {
    let repository = TestRepository::new();
    repository.edit(
        SPEC,
        "    SignedUrl:\n",
        "    Circle:\n      allOf: [{$ref: '#/components/schemas/Circle'}]\n    SignedUrl:\n",
    );
    assert_eq!(check(repository.root())[0].kind, Kind::Specification);
}

#[test]
fn a_missing_specification_is_reported() {
    let repository = TestRepository::new();
    repository.remove(SPEC);
    assert_eq!(only(&repository).kind, Kind::Specification);
}

#[test]
fn a_missing_lock_file_is_reported() {
    let repository = TestRepository::new();
    repository.remove("Cargo.lock");
    let diagnostic = only(&repository);
    assert_eq!(
        (diagnostic.kind, diagnostic.file.as_str()),
        (Kind::ChangedGenerator, "Cargo.lock")
    );
}

#[test]
fn an_edited_body_is_a_hand_edit() {
    let repository = TestRepository::new();
    repository.edit(TYPES, "pub struct Context {", "pub struct Contexts {");
    let diagnostic = only(&repository);
    assert_eq!(
        (diagnostic.kind, diagnostic.file.as_str()),
        (Kind::HandEdit, TYPES)
    );
    assert!(diagnostic.problem.contains("edited by hand"));
    assert!(
        diagnostic
            .hint
            .contains(&format!("git checkout -- {TYPES}"))
    );
    assert!(diagnostic.hint.contains(SPEC) && diagnostic.hint.contains("xtask/src/generate"));
}

#[test]
fn an_edited_header_is_a_hand_edit() {
    for (from, to) in [
        ("// spec: sha256:", "// spec: sha256:0"),
        ("progenitor-impl 0.", "progenitor-impl 9."),
        ("// settings: sha256:", "// settings: sha256:0"),
        ("Do not edit", "Do edit"),
        ("// content: sha256:", "// content: sha256:0"),
        ("// generator: ", "// gen: "),
    ] {
        let repository = TestRepository::new();
        repository.edit(CLIENT, from, to);
        let diagnostics = found(&repository);
        assert!(
            diagnostics.contains(&(Kind::HandEdit, CLIENT.to_owned())),
            "{to}"
        );
        assert_eq!(diagnostics.len(), 1, "{to}");
    }
}

#[test]
fn a_removed_header_is_a_hand_edit() {
    for lines in [1, 7] {
        let repository = TestRepository::new();
        let rest: Vec<String> = repository
            .read(TYPES)
            .lines()
            .skip(lines)
            .map(str::to_owned)
            .collect();
        repository.write(TYPES, &rest.join("\n"));
        assert_eq!(only(&repository).kind, Kind::HandEdit);
    }
}

#[test]
fn a_deleted_file_is_missing() {
    let repository = TestRepository::new();
    repository.remove(CLIENT);
    assert_eq!(found(&repository), [(Kind::MissingFile, CLIENT.to_owned())]);
}

#[test]
fn a_file_that_is_not_generated_is_unknown() {
    let repository = TestRepository::new();
    let extra = format!("{OUTPUT}/extra.rs");
    repository.write(&extra, "//! Mine.\n");
    assert_eq!(found(&repository), [(Kind::UnknownFile, extra)]);
}

#[test]
fn a_changed_version_of_the_generator_is_reported() {
    let repository = TestRepository::new();
    let lock = repository.read("Cargo.lock");
    let line = |version: &str| format!("name = \"prettyplease\"\nversion = \"{version}\"");
    let start = lock.rfind("name = \"prettyplease\"").unwrap();
    let version = lock[start..].split('"').nth(3).unwrap().to_owned();
    repository.edit("Cargo.lock", &line(&version), &line("7.7.7"));
    assert_eq!(found(&repository), both(Kind::ChangedGenerator));
    let problem = &check(repository.root())[0].problem;
    assert_eq!(
        problem,
        &format!("the generator has changed: prettyplease {version} → 7.7.7")
    );
}

#[test]
fn changed_settings_are_a_changed_generator() {
    let repository = TestRepository::new();
    let types = repository.read(TYPES);
    let mut then = header::read(&types).unwrap().provenance;
    then.settings = "0123456789abcdef".into();
    repository.write(TYPES, &with_header(&then, source(&types)));
    let diagnostic = only(&repository);
    assert_eq!(
        (diagnostic.kind, diagnostic.file.as_str()),
        (Kind::ChangedGenerator, TYPES)
    );
    assert!(
        diagnostic.problem.contains("settings"),
        "{}",
        diagnostic.problem
    );
    assert!(
        diagnostic.problem.contains("0123456789ab → "),
        "{}",
        diagnostic.problem
    );
}

#[test]
fn a_different_output_of_the_same_inputs_is_a_changed_generator() {
    let repository = TestRepository::new();
    let types = repository.read(TYPES);
    let header = header::read(&types).unwrap();
    let other = source(&types).replace("pub struct Context {", "pub struct Contexts {");
    repository.write(TYPES, &with_header(&header.provenance, &other));
    let diagnostic = only(&repository);
    assert_eq!(diagnostic.kind, Kind::ChangedGenerator);
    assert!(
        diagnostic.problem.contains("missing in the hashes"),
        "{}",
        diagnostic.problem
    );
}

#[test]
fn several_causes_are_all_reported() {
    let repository = TestRepository::new();
    repository.edit(SPEC, "One page of contexts.", "A page of contexts.");
    repository.edit(TYPES, "pub struct Context {", "pub struct Contexts {");
    repository.remove(CLIENT);
    assert_eq!(
        found(&repository),
        [
            (Kind::MissingFile, CLIENT.to_owned()),
            (Kind::HandEdit, TYPES.to_owned()),
            (Kind::ChangedSpecification, TYPES.to_owned()),
        ]
    );
}

#[test]
fn a_hand_edit_is_reported_even_if_the_specification_is_invalid() {
    let repository = TestRepository::new();
    repository.edit(SPEC, "paths:\n", "paths: [\n");
    repository.edit(TYPES, "pub struct Context {", "pub struct Contexts {");
    assert_eq!(
        found(&repository),
        [
            (Kind::Specification, SPEC.to_owned()),
            (Kind::HandEdit, TYPES.to_owned()),
        ]
    );
}
