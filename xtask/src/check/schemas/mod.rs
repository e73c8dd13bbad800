//! Compares the JSON schemas that schemars derives from the compiled types with the schemas of the specification.
//!
//! An example of `agbcloud-api` prints them. `xtask` does not depend on that crate, so that it compiles even if a generated
//! file does not.

mod shape;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value};

use self::shape::{Outline, Property};
use super::diagnostic::{Diagnostic, Kind};
use crate::cargo;
use crate::generate::OUTPUT;
use agbcloud_spec::{SPEC, Spec};

const EXAMPLE: &str = "crates/agbcloud-api/examples/json_schemas.rs";

/// Types that are written by hand. Their descriptions differ.
const HAND_WRITTEN: [&str; 1] = ["SignedUrl"];

pub(super) fn check(root: &Path, spec: &Spec) -> Vec<Diagnostic> {
    match printed(root) {
        Ok(types) => compare(spec, &types),
        Err(problem) => vec![Diagnostic {
            kind: Kind::Build,
            file: EXAMPLE.to_owned(),
            problem,
            hint: format!(
                "run `cargo xtask generate` if the error is in {OUTPUT}, or correct {EXAMPLE}"
            ),
        }],
    }
}

fn printed(root: &Path) -> Result<Map<String, Value>, String> {
    let output = cargo::run_example(root, "json_schemas")?;
    serde_json::from_slice(&output)
        .map_err(|error| format!("its output is not a JSON object: {error}"))
}

/// All differences between the schemas of the specification and those of the types.
fn compare(spec: &Spec, types: &Map<String, Value>) -> Vec<Diagnostic> {
    let specified: BTreeMap<&str, &Value> = spec.schemas().collect();
    let mut diagnostics = Vec::new();
    for (name, schema) in &specified {
        match types.get(*name) {
            Some(of_type) => {
                let differences = differences(name, &Outline::of(schema), &Outline::of(of_type));
                diagnostics.extend(differences.into_iter().map(mismatch));
            }
            None => diagnostics.push(schema_mismatch(
                EXAMPLE,
                format!("the schema `{name}` of the specification is missing in the printed types"),
                format!("run `cargo xtask generate`, then add `{name}` to {EXAMPLE}"),
            )),
        }
    }
    for name in types.keys() {
        if !specified.contains_key(name.as_str()) {
            diagnostics.push(schema_mismatch(
                EXAMPLE,
                format!("the printed type `{name}` is not a schema of {SPEC}"),
                format!("remove `{name}` from {EXAMPLE}, or add it to {SPEC}"),
            ));
        }
    }
    diagnostics
}

fn mismatch(problem: String) -> Diagnostic {
    let file = format!("{OUTPUT}/types.rs");
    let hint = "run `cargo xtask generate`; if it changes nothing, correct xtask/src/generate/simplify_spec.rs";
    schema_mismatch(&file, problem, hint.to_owned())
}

fn schema_mismatch(file: &str, problem: String, hint: String) -> Diagnostic {
    Diagnostic {
        kind: Kind::Schema,
        file: file.to_owned(),
        problem,
        hint,
    }
}

fn differences(name: &str, spec: &Outline, of_type: &Outline) -> Vec<String> {
    let mut found = Vec::new();
    if spec.shape != of_type.shape {
        found.push(format!(
            "`{name}` is {} in the specification, {} in the type",
            spec.shape, of_type.shape
        ));
    }
    if !HAND_WRITTEN.contains(&name) {
        found.extend(description_difference(
            name,
            &spec.description,
            &of_type.description,
        ));
    }
    let properties: BTreeSet<&String> = spec
        .properties
        .keys()
        .chain(of_type.properties.keys())
        .collect();
    for property in properties {
        let place = format!("{name}.{property}");
        match (
            spec.properties.get(property),
            of_type.properties.get(property),
        ) {
            (Some(spec), Some(of_type)) => {
                found.extend(property_differences(&place, spec, of_type))
            }
            (Some(_), None) => found.push(format!("`{place}` is missing in the type")),
            (None, _) => found.push(format!("`{place}` is not in the specification")),
        }
    }
    found
}

fn property_differences(place: &str, spec: &Property, of_type: &Property) -> Vec<String> {
    let mut found = Vec::new();
    if spec.shape != of_type.shape {
        found.push(format!(
            "`{place}` is {} in the specification, {} in the type",
            spec.shape, of_type.shape
        ));
    }
    if spec.required != of_type.required {
        let word = |required| if required { "required" } else { "optional" };
        found.push(format!(
            "`{place}` is {} in the specification, {} in the type",
            word(spec.required),
            word(of_type.required)
        ));
    }
    found.extend(description_difference(
        place,
        &spec.description,
        &of_type.description,
    ));
    found
}

fn description_difference(place: &str, spec: &str, of_type: &str) -> Option<String> {
    (spec != of_type).then(|| {
        format!(
            "the description of `{place}` differs\nspecification: {spec}\ntype:          {of_type}"
        )
    })
}

#[cfg(test)]
mod tests;
