//! The links from the specification to the examples.

use serde_json::Value;

use agbcloud_spec::{Operation, SPEC, Spec};

/// One link to one example.
#[derive(Debug)]
pub(super) struct Link<'a> {
    /// Where it stands, for a reader: `GetContext 4XX`.
    pub(super) place: String,
    /// The name of the example there.
    pub(super) key: &'a str,
    /// `200`, `4XX`; none for an example that belongs to no operation.
    pub(super) status: Option<&'a str>,
    /// What the example has to be.
    pub(super) schema: &'a Value,
    /// The example, below the root of the repository.
    pub(super) file: String,
}

/// The schema of what belongs to no operation.
const FAILURE: &str = "/components/schemas/Failure";

/// Every link; what is wrong with a link itself is complained about.
pub(super) fn all<'a>(spec: &'a Spec, complain: &mut impl FnMut(&str, String)) -> Vec<Link<'a>> {
    let mut links = Vec::new();
    for operation in spec.operations() {
        for (status, response) in operation.responses() {
            let place = format!("{} {status}", operation.id);
            match of_response(spec, &place, status, response) {
                Ok(found) if found.is_empty() => complain(SPEC, format!("{place} has no example")),
                Ok(found) => links.extend(found),
                Err(problem) => complain(SPEC, problem),
            }
        }
        for problem in missing_outcomes(&operation) {
            complain(SPEC, problem);
        }
    }
    match of_no_operation(spec) {
        Ok(found) => links.extend(found),
        Err(problem) => complain(SPEC, problem),
    }
    links
}

/// An operation has a good answer and both ranges of failures.
fn missing_outcomes(operation: &Operation<'_>) -> Vec<String> {
    ['2', '4', '5']
        .into_iter()
        .filter(|class| {
            let mut responses = operation.responses();
            !responses.any(|(status, _)| status.starts_with(*class))
        })
        .map(|class| format!("{} has no answer of the range {class}XX", operation.id))
        .collect()
}

fn of_response<'a>(
    spec: &'a Spec,
    place: &str,
    status: &'a str,
    response: &'a Value,
) -> Result<Vec<Link<'a>>, String> {
    let response = spec.resolve(response).map_err(|error| error.to_string())?;
    let media = response
        .pointer("/content/application~1json")
        .ok_or_else(|| format!("{place} has no answer in application/json"))?;
    let schema = media
        .get("schema")
        .ok_or_else(|| format!("{place} has no schema"))?;
    examples(spec, place, media.get("examples"))?
        .into_iter()
        .map(|(key, file)| {
            Ok(Link {
                place: place.to_owned(),
                key,
                status: Some(status),
                schema,
                file,
            })
        })
        .collect()
}

fn of_no_operation(spec: &Spec) -> Result<Vec<Link<'_>>, String> {
    let place = "components.examples";
    let found = examples(spec, place, spec.document.pointer("/components/examples"))?;
    let Some(schema) = spec.document.pointer(FAILURE) else {
        return Ok(Vec::new());
    };
    let link = |(key, file)| Link {
        place: place.to_owned(),
        key,
        status: None,
        schema,
        file,
    };
    Ok(found.into_iter().map(link).collect())
}

/// The examples of one map, by name, with the files that they are in.
fn examples<'a>(
    spec: &'a Spec,
    place: &str,
    map: Option<&'a Value>,
) -> Result<Vec<(&'a str, String)>, String> {
    let map = map.and_then(Value::as_object);
    map.into_iter()
        .flatten()
        .map(|(key, example)| {
            let example = spec.resolve(example).map_err(|error| error.to_string())?;
            let target = example.get("externalValue").and_then(Value::as_str);
            let target = target.ok_or_else(|| {
                format!(
                    "{place}: the example `{key}` has no `externalValue`: examples stand in files"
                )
            })?;
            Ok((
                key.as_str(),
                inside(target).ok_or_else(|| {
                    format!("{place}: the example `{key}` leads out of spec/: {target}")
                })?,
            ))
        })
        .collect()
}

/// The path below the root, of one that is relative to the specification and does not leave its folder.
fn inside(target: &str) -> Option<String> {
    let plain = target
        .split('/')
        .all(|segment| !matches!(segment, "" | "." | "..") && !segment.contains([':', '\\']));
    plain.then(|| format!("spec/{target}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_stays_in_the_folder_of_the_specification() {
        assert_eq!(
            inside("examples/a.json").as_deref(),
            Some("spec/examples/a.json")
        );
        for target in [
            "../a.json",
            "examples/../../a.json",
            "/etc/a.json",
            "https://example.com/a.json",
            "examples\\..\\a.json",
            "",
        ] {
            assert_eq!(inside(target), None, "{target}");
        }
    }
}
