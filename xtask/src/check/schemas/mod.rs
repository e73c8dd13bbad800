//! The types as compiled against the specification: the JSON schemas that schemars derives from the types must
//! say what the component schemas say.
//!
//! The schemas come from an example of the client crate, run as a program of its own: this one does not depend
//! on that crate, so that a damaged generated file can't keep the check from being built.

mod shape;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Map, Value};

use self::shape::{Outline, Property};
use super::finding::{Finding, Kind};
use crate::cargo;
use crate::generate::OUTPUT;
use agbcloud_spec::{SPEC, Spec};

const EXAMPLE: &str = "crates/agbcloud-api/examples/json_schemas.rs";

/// Types that are written by hand and take the place of a schema: their text speaks to Rust's readers.
const HAND_WRITTEN: [&str; 1] = ["SignedUrl"];

pub(super) fn check(root: &Path, spec: &Spec) -> Vec<Finding> {
    match printed(root) {
        Ok(types) => compare(spec, &types),
        Err(problem) => vec![Finding {
            kind: Kind::Build,
            file: EXAMPLE.to_owned(),
            problem,
            mend: format!(
                "if the error is in {OUTPUT}, run `cargo xtask generate`; else correct {EXAMPLE}"
            ),
        }],
    }
}

fn printed(root: &Path) -> Result<Map<String, Value>, String> {
    let output = cargo::output(
        root,
        &[
            "run",
            "--quiet",
            "--locked",
            "--package",
            "agbcloud-api",
            "--no-default-features",
            "--example",
            "json_schemas",
        ],
    )?;
    serde_json::from_slice(&output).map_err(|error| format!("it prints no JSON object: {error}"))
}

/// Every difference between the specification's schemas and those of the types.
fn compare(spec: &Spec, types: &Map<String, Value>) -> Vec<Finding> {
    let specified: BTreeMap<&str, &Value> = spec.schemas().collect();
    let mut findings = Vec::new();
    for (name, schema) in &specified {
        match types.get(*name) {
            Some(of_type) => {
                let differences = differences(name, &Outline::of(schema), &Outline::of(of_type));
                findings.extend(differences.into_iter().map(drifted));
            }
            None => findings.push(finding(
                EXAMPLE,
                format!("the schema `{name}` of the specification is not among the printed types"),
                format!("run `cargo xtask generate`, then add `{name}` to {EXAMPLE}"),
            )),
        }
    }
    for name in types.keys() {
        if !specified.contains_key(name.as_str()) {
            findings.push(finding(
                EXAMPLE,
                format!("the type `{name}` is printed, but {SPEC} has no such schema"),
                format!("take `{name}` out of {EXAMPLE}, or add it to {SPEC}"),
            ));
        }
    }
    findings
}

fn drifted(problem: String) -> Finding {
    let file = format!("{OUTPUT}/types.rs");
    let mend =
        "run `cargo xtask generate`; if that changes nothing, look at xtask/src/generate/reduce.rs";
    finding(&file, problem, mend.to_owned())
}

fn finding(file: &str, problem: String, mend: String) -> Finding {
    Finding {
        kind: Kind::Schema,
        file: file.to_owned(),
        problem,
        mend,
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
        let described = described(name, &spec.description, &of_type.description);
        found.extend(described);
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
    found.extend(described(place, &spec.description, &of_type.description));
    found
}

fn described(place: &str, spec: &str, of_type: &str) -> Option<String> {
    (spec != of_type).then(|| {
        format!(
            "the description of `{place}` differs\nspecification: {spec}\ntype:          {of_type}"
        )
    })
}

#[cfg(test)]
mod tests;
