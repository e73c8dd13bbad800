//! Checks the envelope of an example against its file name and the place of its link.
//!
//! A file is named `STATUS-NAME.json`. The name of a failure is its code.

use serde_json::Value;

use super::links::Link;

pub(super) fn problems(link: &Link<'_>, example: &Value) -> Vec<String> {
    let Some((number, name)) = name(&link.file) else {
        return vec!["the file name is not STATUS-NAME.json".to_owned()];
    };
    let mut problems: Vec<String> = in_range(link.status, number).into_iter().collect();
    problems.extend(field(example, "httpStatusCode", &number.into()));
    if (200..300).contains(&number) {
        problems.extend(field(example, "success", &true.into()));
        problems.extend(field(example, "code", &"ok".into()));
        problems.extend(field(example, "message", &"".into()));
    } else {
        problems.extend(field(example, "success", &false.into()));
        problems.extend(field(example, "code", &name.into()));
        problems.extend(empty_message(example));
        problems.extend(wrong_key(link, name));
    }
    problems
}

/// The status and the rest of `…/404-InvalidContext.NotFound.json`.
fn name(file: &str) -> Option<(u16, &str)> {
    let (_, name) = file.rsplit_once('/')?;
    let (number, name) = name.strip_suffix(".json")?.split_once('-')?;
    let number = number.parse().ok()?;
    ((100..600).contains(&number) && !name.is_empty()).then_some((number, name))
}

fn in_range(status: Option<&str>, number: u16) -> Option<String> {
    let fits = match status {
        Some(status) => match status.strip_suffix("XX") {
            Some(class) => class == (number / 100).to_string(),
            None => status == number.to_string(),
        },
        None => number >= 400,
    };
    (!fits).then(|| {
        format!(
            "the file name has status {number}, but it is linked under {}",
            status.unwrap_or("the failures")
        )
    })
}

fn field(example: &Value, name: &str, expected: &Value) -> Option<String> {
    let found = example.get(name).unwrap_or(&Value::Null);
    (found != expected).then(|| format!("`{name}` is {found} instead of {expected}"))
}

fn empty_message(example: &Value) -> Option<String> {
    let message = example.get("message").and_then(Value::as_str);
    message
        .is_none_or(|message| message.trim().is_empty())
        .then(|| "`message` is empty".to_owned())
}

/// The key of a failure is its code, except for examples outside of operations.
fn wrong_key(link: &Link<'_>, name: &str) -> Option<String> {
    (link.status.is_some() && link.key != name)
        .then(|| format!("it is linked as `{}` instead of `{name}`", link.key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_file_name_has_a_status_and_a_name() {
        assert_eq!(name("spec/examples/A/404-B.C.json"), Some((404, "B.C")));
        for file in [
            "a/ok.json",
            "a/200.json",
            "a/200-.json",
            "a/999-x.json",
            "a/x-200.json",
        ] {
            assert_eq!(name(file), None, "{file}");
        }
    }

    #[test]
    fn an_example_outside_of_operations_is_a_failure() {
        let link = Link {
            place: "components.examples".into(),
            key: "Any",
            status: None,
            schema: &Value::Null,
            file: "spec/examples/any/404-No.json".into(),
        };
        let failure =
            json!({"success": false, "code": "No", "message": "no", "httpStatusCode": 404});
        assert_eq!(problems(&link, &failure), Vec::<String>::new());
        let good = Link {
            file: "spec/examples/any/200-ok.json".into(),
            ..link
        };
        let found = problems(&good, &failure);
        assert_eq!(
            found[0],
            "the file name has status 200, but it is linked under the failures"
        );
    }
}
