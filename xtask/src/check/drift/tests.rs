use super::*;
use crate::generate::header::with_header;
use crate::scratch::Scratch;

const TYPES: &str = "crates/agbcloud-api/src/generated/types.rs";
const CLIENT: &str = "crates/agbcloud-api/src/generated/client.rs";

/// What was found: kind and file.
fn found(scratch: &Scratch) -> Vec<(Kind, String)> {
    let findings = check(scratch.root());
    assert!(findings.iter().all(|finding| !finding.mend.is_empty()));
    findings
        .into_iter()
        .map(|finding| (finding.kind, finding.file))
        .collect()
}

/// The one thing that was found.
fn only(scratch: &Scratch) -> Finding {
    let mut findings = check(scratch.root());
    assert_eq!(findings.len(), 1, "{findings:#?}");
    findings.remove(0)
}

fn both(kind: Kind) -> Vec<(Kind, String)> {
    vec![(kind, CLIENT.to_owned()), (kind, TYPES.to_owned())]
}

/// The source below a header.
fn source(file: &str) -> &str {
    file.split_once("\n\n").unwrap().1
}

#[test]
fn an_untouched_tree_has_no_findings() {
    assert_eq!(found(&Scratch::new()), []);
}

#[test]
fn a_checkout_with_other_line_ends_is_untouched() {
    let scratch = Scratch::new();
    for file in [TYPES, CLIENT, SPEC] {
        scratch.write(file, &scratch.read(file).replace('\n', "\r\n"));
    }
    assert_eq!(found(&scratch), []);
}

#[test]
fn a_changed_specification_is_specification_drift_of_each_file() {
    for (from, to) in [
        ("One page of contexts.", "A page of contexts."),
        (
            "        osType: {type: string,",
            "        color: {type: string, nullable: true}\n        osType: {type: string,",
        ),
        ("Renaming a context", "To rename a context"),
    ] {
        let scratch = Scratch::new();
        scratch.edit(SPEC, from, to);
        assert_eq!(found(&scratch), both(Kind::SpecDrift), "{to}");
        generate::write(scratch.root()).unwrap();
        assert_eq!(found(&scratch), [], "{to}");
    }
}

#[test]
fn a_removed_operation_is_specification_drift() {
    let scratch = Scratch::new();
    let spec = scratch.read(SPEC);
    let start = spec.find("  /sdk/DeleteContextFile:").unwrap();
    let end = spec.find("components:\n").unwrap();
    scratch.write(SPEC, &[&spec[..start], &spec[end..]].concat());
    assert_eq!(found(&scratch), both(Kind::SpecDrift));
}

#[test]
fn a_comment_in_the_specification_is_drift_that_generating_mends() {
    let scratch = Scratch::new();
    scratch.write(SPEC, &format!("{}# The end.\n", scratch.read(SPEC)));
    assert_eq!(found(&scratch), both(Kind::SpecDrift));
}

#[test]
fn a_specification_that_can_not_be_used_is_a_finding_that_names_it() {
    for (from, to, what) in [
        ("paths:\n", "paths: [\n", "not valid YAML"),
        (
            "{$ref: '#/components/schemas/ContextListData'}",
            "{$ref: '#/components/schemas/Nowhere'}",
            "#/components/schemas/Nowhere",
        ),
        ("openapi: 3.0.3", "openapi: 3.1.0", "3.1.0"),
        ("openapi: 3.0.3", "openapi: [3]", "no OpenAPI 3.0 document"),
        (
            "operationId: ListContexts",
            "operationId: GetContext",
            "GetContext",
        ),
    ] {
        let scratch = Scratch::new();
        scratch.edit(SPEC, from, to);
        let findings = check(scratch.root());
        let first = findings.first().unwrap();
        assert_eq!(
            (first.kind, first.file.as_str()),
            (Kind::Specification, SPEC)
        );
        assert!(first.problem.contains(what), "{what}: {}", first.problem);
    }
}

#[test]
fn a_generator_that_panics_is_a_finding_and_no_crash() {
    let scratch = Scratch::new();
    // Two types of success for one operation.
    scratch.edit(
        SPEC,
        "        '4XX':",
        "        '201':\n          description: Another.\n          content:\n            \
         application/json:\n              schema: {$ref: '#/components/schemas/Failure'}\n        '4XX':",
    );
    let findings = check(scratch.root());
    assert_eq!(findings[0].kind, Kind::Specification);
    assert_eq!(findings[0].file, SPEC);
    assert!(
        findings[0].problem.contains("it panicked: "),
        "{}",
        findings[0].problem
    );
}

#[test]
fn a_schema_that_consists_of_itself_is_a_finding_and_no_crash() {
    let scratch = Scratch::new();
    scratch.edit(
        SPEC,
        "    SignedUrl:\n",
        "    Circle:\n      allOf: [{$ref: '#/components/schemas/Circle'}]\n    SignedUrl:\n",
    );
    assert_eq!(check(scratch.root())[0].kind, Kind::Specification);
}

#[test]
fn a_missing_specification_is_a_finding() {
    let scratch = Scratch::new();
    scratch.remove(SPEC);
    assert_eq!(only(&scratch).kind, Kind::Specification);
}

#[test]
fn a_missing_lock_file_is_a_finding() {
    let scratch = Scratch::new();
    scratch.remove("Cargo.lock");
    let finding = only(&scratch);
    assert_eq!(
        (finding.kind, finding.file.as_str()),
        (Kind::GeneratorDrift, "Cargo.lock")
    );
}

#[test]
fn an_edit_of_a_body_is_a_hand_edit_of_that_file_alone() {
    let scratch = Scratch::new();
    scratch.edit(TYPES, "pub struct Context {", "pub struct Contexts {");
    let finding = only(&scratch);
    assert_eq!(
        (finding.kind, finding.file.as_str()),
        (Kind::HandEdit, TYPES)
    );
    assert!(finding.problem.contains("edited by hand"));
    assert!(finding.mend.contains(&format!("git checkout -- {TYPES}")));
    assert!(finding.mend.contains(SPEC) && finding.mend.contains("xtask/src/generate"));
}

#[test]
fn an_edit_of_a_header_is_a_hand_edit_and_nothing_else() {
    for (from, to) in [
        ("// spec: sha256:", "// spec: sha256:0"),
        ("progenitor-impl 0.", "progenitor-impl 9."),
        ("// settings: sha256:", "// settings: sha256:0"),
        ("Do not edit", "Do edit"),
        ("// content: sha256:", "// content: sha256:0"),
        ("// generator: ", "// gen: "),
    ] {
        let scratch = Scratch::new();
        scratch.edit(CLIENT, from, to);
        let findings = found(&scratch);
        assert!(
            findings.contains(&(Kind::HandEdit, CLIENT.to_owned())),
            "{to}"
        );
        assert_eq!(findings.len(), 1, "{to}");
    }
}

#[test]
fn a_header_that_is_gone_is_a_hand_edit() {
    for lines in [1, 7] {
        let scratch = Scratch::new();
        let rest: Vec<String> = scratch
            .read(TYPES)
            .lines()
            .skip(lines)
            .map(str::to_owned)
            .collect();
        scratch.write(TYPES, &rest.join("\n"));
        assert_eq!(only(&scratch).kind, Kind::HandEdit);
    }
}

#[test]
fn a_deleted_file_is_missing() {
    let scratch = Scratch::new();
    scratch.remove(CLIENT);
    assert_eq!(found(&scratch), [(Kind::Missing, CLIENT.to_owned())]);
}

#[test]
fn a_file_that_nothing_generates_is_found() {
    let scratch = Scratch::new();
    let extra = format!("{OUTPUT}/extra.rs");
    scratch.write(&extra, "//! Mine.\n");
    assert_eq!(found(&scratch), [(Kind::UnknownFile, extra)]);
}

#[test]
fn another_version_of_the_generator_is_named() {
    let scratch = Scratch::new();
    let lock = scratch.read("Cargo.lock");
    let line = |version: &str| format!("name = \"prettyplease\"\nversion = \"{version}\"");
    let start = lock.rfind("name = \"prettyplease\"").unwrap();
    let version = lock[start..].split('"').nth(3).unwrap().to_owned();
    scratch.edit("Cargo.lock", &line(&version), &line("7.7.7"));
    assert_eq!(found(&scratch), both(Kind::GeneratorDrift));
    let problem = &check(scratch.root())[0].problem;
    assert_eq!(
        problem,
        &format!("the generator has changed: prettyplease {version} → 7.7.7")
    );
}

#[test]
fn other_settings_are_generator_drift() {
    let scratch = Scratch::new();
    let types = scratch.read(TYPES);
    let mut then = header::read(&types).unwrap().provenance;
    then.settings = "0123456789abcdef".into();
    scratch.write(TYPES, &with_header(&then, source(&types)));
    let finding = only(&scratch);
    assert_eq!(
        (finding.kind, finding.file.as_str()),
        (Kind::GeneratorDrift, TYPES)
    );
    assert!(finding.problem.contains("settings"), "{}", finding.problem);
    assert!(
        finding.problem.contains("0123456789ab → "),
        "{}",
        finding.problem
    );
}

#[test]
fn another_output_of_the_same_input_is_generator_drift() {
    let scratch = Scratch::new();
    let types = scratch.read(TYPES);
    let stamp = header::read(&types).unwrap();
    let other = source(&types).replace("pub struct Context {", "pub struct Contexts {");
    scratch.write(TYPES, &with_header(&stamp.provenance, &other));
    let finding = only(&scratch);
    assert_eq!(finding.kind, Kind::GeneratorDrift);
    assert!(
        finding.problem.contains("fingerprint"),
        "{}",
        finding.problem
    );
}

#[test]
fn several_causes_at_once_are_all_told() {
    let scratch = Scratch::new();
    scratch.edit(SPEC, "One page of contexts.", "A page of contexts.");
    scratch.edit(TYPES, "pub struct Context {", "pub struct Contexts {");
    scratch.remove(CLIENT);
    assert_eq!(
        found(&scratch),
        [
            (Kind::Missing, CLIENT.to_owned()),
            (Kind::HandEdit, TYPES.to_owned()),
            (Kind::SpecDrift, TYPES.to_owned()),
        ]
    );
}

#[test]
fn a_hand_edit_is_seen_though_the_specification_is_broken() {
    let scratch = Scratch::new();
    scratch.edit(SPEC, "paths:\n", "paths: [\n");
    scratch.edit(TYPES, "pub struct Context {", "pub struct Contexts {");
    assert_eq!(
        found(&scratch),
        [
            (Kind::Specification, SPEC.to_owned()),
            (Kind::HandEdit, TYPES.to_owned()),
        ]
    );
}
