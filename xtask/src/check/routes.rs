//! The service's routes against the specification's operations.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::finding::{Finding, Kind};
use crate::cargo;
use agbcloud_spec::{SPEC, Spec, SpecError};

const EXAMPLE: &str = "crates/agbcloud-server/examples/operations.rs";

/// One operation, as the service prints it and as the specification has it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Route {
    name: String,
    method: String,
    path: String,
    parameters: Vec<String>,
}

pub(super) fn check(root: &Path, spec: &Spec) -> Vec<Finding> {
    let specified = match specified(spec) {
        Ok(routes) => routes,
        Err(error) => return vec![finding(SPEC, error.to_string(), "correct it")],
    };
    match served(root) {
        Ok(served) => compare(&specified, &served),
        Err(problem) => vec![Finding {
            kind: Kind::Build,
            file: EXAMPLE.to_owned(),
            problem,
            mend: "correct the error; `cargo run -p agbcloud-server --example operations` shows all of it"
                .to_owned(),
        }],
    }
}

fn served(root: &Path) -> Result<Vec<Route>, String> {
    let output = cargo::output(
        root,
        &[
            "run",
            "--quiet",
            "--locked",
            "--package",
            "agbcloud-server",
            "--example",
            "operations",
        ],
    )?;
    serde_json::from_slice(&output).map_err(|error| format!("it prints no list of routes: {error}"))
}

fn specified(spec: &Spec) -> Result<Vec<Route>, SpecError> {
    spec.operations()
        .map(|operation| {
            let parameters = operation.query(spec)?;
            Ok(Route {
                name: operation.id.to_owned(),
                method: operation.method.to_uppercase(),
                path: operation.path.to_owned(),
                parameters: parameters.into_iter().map(str::to_owned).collect(),
            })
        })
        .collect()
}

/// Every difference between what is specified and what is served.
fn compare(specified: &[Route], served: &[Route]) -> Vec<Finding> {
    let by_name = |routes: &[Route]| -> BTreeMap<String, Route> {
        let named = routes
            .iter()
            .map(|route| (route.name.clone(), route.clone()));
        named.collect()
    };
    let there = by_name(served);
    let wanted = by_name(specified);
    let mut problems = Vec::new();
    for (name, route) in &wanted {
        match there.get(name) {
            Some(other) => problems.extend(differences(route, other)),
            None => problems.push(format!("the service has no operation `{name}`")),
        }
    }
    for name in there.keys().filter(|name| !wanted.contains_key(*name)) {
        problems.push(format!(
            "the service has an operation `{name}`, which is not in {SPEC}"
        ));
    }
    for name in twice(served) {
        problems.push(format!("the service names the operation `{name}` twice"));
    }
    problems.into_iter().map(drifted).collect()
}

fn twice(routes: &[Route]) -> Vec<&str> {
    let mut names: Vec<&str> = routes.iter().map(|route| route.name.as_str()).collect();
    names.sort_unstable();
    let mut doubled: Vec<&str> = names
        .windows(2)
        .filter_map(|pair| (pair.first() == pair.last()).then(|| pair.first().copied())?)
        .collect();
    doubled.dedup();
    doubled
}

fn differences(specified: &Route, served: &Route) -> Vec<String> {
    let name = &specified.name;
    let differs = |what: &str, specified: &str, served: &str| {
        (specified != served).then(|| {
            format!(
                "{what} of `{name}` is {specified} in the specification, {served} in the service"
            )
        })
    };
    let list = |route: &Route| {
        let mut names = route.parameters.clone();
        names.sort_unstable();
        format!("[{}]", names.join(", "))
    };
    [
        differs(
            "the method",
            &specified.method,
            &served.method.to_uppercase(),
        ),
        differs("the path", &specified.path, &served.path),
        differs("the query", &list(specified), &list(served)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn drifted(problem: String) -> Finding {
    finding(
        "crates/agbcloud-server",
        problem,
        "change the service's table of operations, or spec/context-api.yaml and run `cargo xtask generate`",
    )
}

fn finding(file: &str, problem: String, mend: &str) -> Finding {
    Finding {
        kind: Kind::Route,
        file: file.to_owned(),
        problem,
        mend: mend.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(name: &str, method: &str, path: &str, parameters: &[&str]) -> Route {
        Route {
            name: name.into(),
            method: method.into(),
            path: path.into(),
            parameters: parameters.iter().map(|name| (*name).to_owned()).collect(),
        }
    }

    fn list() -> Route {
        route("List", "GET", "/sdk/List", &["maxResults", "nextToken"])
    }

    fn problems(served: &[Route]) -> Vec<String> {
        let clear = route("Clear", "POST", "/sdk/Clear", &["id"]);
        let findings = compare(&[list(), clear.clone()], &[served, &[clear]].concat());
        assert!(findings.iter().all(|finding| finding.kind == Kind::Route));
        findings
            .into_iter()
            .map(|finding| finding.problem)
            .collect()
    }

    #[test]
    fn routes_that_agree_have_no_findings_in_any_order_of_parameters() {
        let shuffled = route("List", "get", "/sdk/List", &["nextToken", "maxResults"]);
        assert_eq!(problems(&[shuffled]), Vec::<String>::new());
    }

    #[test]
    fn a_missing_and_an_extra_operation_are_found() {
        let other = route("Other", "GET", "/sdk/Other", &[]);
        assert_eq!(
            problems(&[other]),
            [
                "the service has no operation `List`",
                "the service has an operation `Other`, which is not in spec/context-api.yaml"
            ]
        );
    }

    #[test]
    fn another_method_path_and_query_are_all_found() {
        let changed = route("List", "POST", "/list", &["maxResults"]);
        assert_eq!(
            problems(&[changed]),
            [
                "the method of `List` is GET in the specification, POST in the service",
                "the path of `List` is /sdk/List in the specification, /list in the service",
                "the query of `List` is [maxResults, nextToken] in the specification, [maxResults] in the service",
            ]
        );
    }

    #[test]
    fn an_operation_named_twice_is_found() {
        assert_eq!(
            problems(&[list(), list()]),
            ["the service names the operation `List` twice"]
        );
    }

    #[test]
    fn the_specification_is_read_with_its_shared_parameters() {
        let scratch = crate::scratch::Scratch::new();
        let routes = specified(&Spec::load(scratch.root()).unwrap()).unwrap();
        assert_eq!(routes.len(), 9);
        assert!(routes.contains(&route(
            "ListContexts",
            "GET",
            "/sdk/ListContexts",
            &["maxResults", "nextToken"]
        )));
    }

    #[test]
    fn a_service_that_can_not_be_compiled_is_a_finding() {
        let scratch = crate::scratch::Scratch::new();
        let spec = Spec::load(scratch.root()).unwrap();
        // No Cargo.toml there.
        let findings = check(scratch.root(), &spec);
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].kind, Kind::Build);
        assert!(findings[0].problem.contains("failed:\nerror: "));
    }

    #[test]
    fn the_output_of_the_service_is_read() {
        let printed =
            r#"[{"name": "Clear", "method": "POST", "path": "/sdk/Clear", "parameters": ["id"]}]"#;
        let routes: Vec<Route> = serde_json::from_str(printed).unwrap();
        assert_eq!(routes, [route("Clear", "POST", "/sdk/Clear", &["id"])]);
    }
}
