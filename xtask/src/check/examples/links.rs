//! The links from the specification to the examples.

use serde_json::Value;

use agbcloud_spec::{Operation, SPEC, Spec};

/// One link to one example.
#[derive(Debug)]
pub(super) struct Link<'a> {
    /// Its place, for messages: `GetContext 4XX`.
    pub(super) place: String,
    /// The key of the example.
    pub(super) key: &'a str,
    /// `200` or `4XX`. `None` for an example outside of operations.
    pub(super) status: Option<&'a str>,
    /// The schema of the example.
    pub(super) schema: &'a Value,
    /// The file, relative to the root of the repository.
    pub(super) file: String,
}

/// The schema of examples outside of operations.
const FAILURE: &str = "/components/schemas/Failure";

/// Returns all links, and reports the invalid ones.
pub(super) fn all<'a>(spec: &'a Spec, report: &mut impl FnMut(&str, String)) -> Vec<Link<'a>> {
    let mut links = Vec::new();
    for operation in spec.operations() {
        for (status, response) in operation.responses() {
            let place = format!("{} {status}", operation.id);
            match of_response(spec, &place, status, response) {
                Ok(found) if found.is_empty() => report(SPEC, format!("{place} has no example")),
                Ok(found) => links.extend(found),
                Err(problem) => report(SPEC, problem),
            }
        }
        for problem in missing_outcomes(&operation) {
            report(SPEC, problem);
        }
    }
    match outside_of_operations(spec) {
        Ok(found) => links.extend(found),
        Err(problem) => report(SPEC, problem),
    }
    links
}

/// An operation must have a success and both ranges of failures.
fn missing_outcomes(operation: &Operation<'_>) -> Vec<String> {
    ['2', '4', '5']
        .into_iter()
        .filter(|class| {
            let mut responses = operation.responses();
            !responses.any(|(status, _)| status.starts_with(*class))
        })
        .map(|class| format!("{} has no response {class}XX", operation.id))
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
        .ok_or_else(|| format!("{place} has no content application/json"))?;
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

fn outside_of_operations(spec: &Spec) -> Result<Vec<Link<'_>>, String> {
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

/// Key and file of each example of a map.
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
            let target = target
                .ok_or_else(|| format!("{place}: the example `{key}` has no `externalValue`"))?;
            Ok((
                key.as_str(),
                inside(target).ok_or_else(|| {
                    format!("{place}: the example `{key}` is outside of spec/: {target}")
                })?,
            ))
        })
        .collect()
}

/// Converts a path relative to the specification to one relative to the root. `None` if it leaves the folder.
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
    fn a_link_does_not_leave_the_folder_of_the_specification() {
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
