//! Compares the routes of the service with the operations of the specification and of its extensions.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::diagnostic::{Diagnostic, Kind};
use crate::cargo;
use agbcloud_spec::{EXTENSIONS, SPEC, Spec, SpecError};

const EXAMPLE: &str = "crates/agbcloud-server/examples/operations.rs";

/// An operation, as printed by the service.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Route {
    name: String,
    method: String,
    path: String,
    parameters: Vec<String>,
}

pub(super) fn check(root: &Path, spec: &Spec) -> Vec<Diagnostic> {
    let extensions = Spec::load_extensions(root).and_then(|extensions| {
        extensions.check_references()?;
        specified(&extensions)
    });
    let specified = match specified(spec).and_then(|routes| Ok([routes, extensions?].concat())) {
        Ok(routes) => routes,
        Err(error) => return vec![route_mismatch(SPEC, error.to_string(), "correct it")],
    };
    match served(root) {
        Ok(served) => compare(&specified, &served),
        Err(problem) => vec![Diagnostic {
            kind: Kind::Build,
            file: EXAMPLE.to_owned(),
            problem,
            hint: "correct the error, shown in full by `cargo run -p agbcloud-server --example operations`"
                .to_owned(),
        }],
    }
}

fn served(root: &Path) -> Result<Vec<Route>, String> {
    let output = cargo::run_example(root, "operations")?;
    serde_json::from_slice(&output)
        .map_err(|error| format!("its output is not a list of routes: {error}"))
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

/// All differences between the specified and the served operations.
fn compare(specified: &[Route], served: &[Route]) -> Vec<Diagnostic> {
    let by_name = |routes: &[Route]| -> BTreeMap<String, Route> {
        let named = routes
            .iter()
            .map(|route| (route.name.clone(), route.clone()));
        named.collect()
    };
    let served_by_name = by_name(served);
    let wanted = by_name(specified);
    let mut problems = Vec::new();
    for (name, route) in &wanted {
        match served_by_name.get(name) {
            Some(other) => problems.extend(differences(route, other)),
            None => problems.push(format!("the service has no operation `{name}`")),
        }
    }
    for name in served_by_name
        .keys()
        .filter(|name| !wanted.contains_key(*name))
    {
        problems.push(format!(
            "the service has an operation `{name}`, which is in neither {SPEC} nor {EXTENSIONS}"
        ));
    }
    for name in duplicates(served) {
        problems.push(format!("the service names the operation `{name}` twice"));
    }
    problems.into_iter().map(mismatch).collect()
}

fn duplicates(routes: &[Route]) -> Vec<&str> {
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

fn mismatch(problem: String) -> Diagnostic {
    route_mismatch(
        "crates/agbcloud-server",
        problem,
        "change the service's table of operations, or spec/context-api.yaml and run `cargo xtask generate`",
    )
}

fn route_mismatch(file: &str, problem: String, hint: &str) -> Diagnostic {
    Diagnostic {
        kind: Kind::Route,
        file: file.to_owned(),
        problem,
        hint: hint.to_owned(),
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
        let diagnostics = compare(&[list(), clear.clone()], &[served, &[clear]].concat());
        assert!(
            diagnostics
                .iter()
                .all(|diagnostic| diagnostic.kind == Kind::Route)
        );
        diagnostics
            .into_iter()
            .map(|diagnostic| diagnostic.problem)
            .collect()
    }

    #[test]
    fn the_order_of_parameters_does_not_matter() {
        let shuffled = route("List", "get", "/sdk/List", &["nextToken", "maxResults"]);
        assert_eq!(problems(&[shuffled]), Vec::<String>::new());
    }

    #[test]
    fn a_missing_and_an_extra_operation_are_reported() {
        let other = route("Other", "GET", "/sdk/Other", &[]);
        assert_eq!(
            problems(&[other]),
            [
                "the service has no operation `List`",
                "the service has an operation `Other`, which is in neither spec/context-api.yaml nor spec/extensions.yaml"
            ]
        );
    }

    #[test]
    fn differences_of_method_path_and_query_are_reported() {
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
    fn a_duplicate_operation_is_reported() {
        assert_eq!(
            problems(&[list(), list()]),
            ["the service names the operation `List` twice"]
        );
    }

    #[test]
    fn shared_parameters_of_the_specification_are_resolved() {
        let repository = crate::test_repository::TestRepository::new();
        let routes = specified(&Spec::load(repository.root()).unwrap()).unwrap();
        assert_eq!(routes.len(), 9);
        assert!(routes.contains(&route(
            "ListContexts",
            "GET",
            "/sdk/ListContexts",
            &["maxResults", "nextToken"]
        )));
    }

    #[test]
    fn a_service_that_does_not_compile_is_reported() {
        let repository = crate::test_repository::TestRepository::new();
        let spec = Spec::load(repository.root()).unwrap();
        // The folder has no Cargo.toml.
        let diagnostics = check(repository.root(), &spec);
        assert_eq!(diagnostics.len(), 1);
        assert_eq!(diagnostics[0].kind, Kind::Build);
        assert!(diagnostics[0].problem.contains("failed:\nerror: "));
    }

    #[test]
    fn the_output_of_the_service_is_parsed() {
        let printed =
            r#"[{"name": "Clear", "method": "POST", "path": "/sdk/Clear", "parameters": ["id"]}]"#;
        let routes: Vec<Route> = serde_json::from_str(printed).unwrap();
        assert_eq!(routes, [route("Clear", "POST", "/sdk/Clear", &["id"])]);
    }
}
