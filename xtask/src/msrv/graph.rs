//! Who depends on whom, and which Rust each needs, as `cargo metadata` tells it.

use std::collections::{BTreeMap, VecDeque};

use serde::Deserialize;

use super::version::Version;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    rust_version: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    /// Nothing, `build` or `dev`.
    kind: Option<String>,
}

/// A package of the workspace.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) rust_version: Option<Version>,
}

/// A dependency that needs more than its user declares.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Offender {
    pub(super) needs: Version,
    /// From the package of the workspace to the dependency.
    pub(super) chain: Vec<String>,
}

/// The packages, and what each is built from.
pub(super) struct Graph {
    packages: BTreeMap<String, Package>,
    uses: BTreeMap<String, Vec<String>>,
    members: Vec<String>,
}

impl Graph {
    pub(super) fn parse(metadata: &[u8]) -> Result<Self, String> {
        let metadata: Metadata = serde_json::from_slice(metadata)
            .map_err(|error| format!("cargo metadata is not as known: {error}"))?;
        let named = metadata.packages.into_iter();
        let uses = metadata.resolve.nodes.into_iter().map(|node| {
            let used = node.deps.into_iter().filter(builds).map(|used| used.pkg);
            (node.id, used.collect())
        });
        Ok(Self {
            packages: named.map(|package| (package.id.clone(), package)).collect(),
            uses: uses.collect(),
            members: metadata.workspace_members,
        })
    }

    /// The packages of the workspace, by name.
    pub(super) fn members(&self) -> Vec<Member> {
        let members = self.members.iter().filter_map(|id| self.packages.get(id));
        let mut members: Vec<Member> = members
            .map(|package| Member {
                id: package.id.clone(),
                name: package.name.clone(),
                rust_version: rust_version(package),
            })
            .collect();
        members.sort_by(|a, b| a.name.cmp(&b.name));
        members
    }

    /// What the member is built from and that needs a newer Rust than it declares, nearest first.
    pub(super) fn offenders(&self, member: &Member) -> Vec<Offender> {
        let Some(declared) = member.rust_version else {
            return Vec::new();
        };
        let came_from = self.reach(&member.id);
        let mut offenders = Vec::new();
        for id in came_from.keys() {
            let needs = self.packages.get(*id).and_then(rust_version);
            if let Some(needs) = needs.filter(|needs| *needs > declared) {
                offenders.push(Offender {
                    needs,
                    chain: self.chain(&came_from, id),
                });
            }
        }
        offenders.sort_by_key(|offender| offender.chain.len());
        offenders
    }

    /// Everything that a package is built from, with the package that brings each in on the shortest way.
    fn reach<'a>(&'a self, start: &'a str) -> BTreeMap<&'a str, Option<&'a str>> {
        let mut came_from = BTreeMap::from([(start, None)]);
        let mut open = VecDeque::from([start]);
        while let Some(user) = open.pop_front() {
            for used in self.uses.get(user).into_iter().flatten() {
                came_from.entry(used).or_insert_with(|| {
                    open.push_back(used);
                    Some(user)
                });
            }
        }
        came_from
    }

    fn chain(&self, came_from: &BTreeMap<&str, Option<&str>>, end: &str) -> Vec<String> {
        let mut chain = Vec::new();
        let mut next = Some(end);
        while let Some(id) = next {
            chain.push(self.label(id));
            next = came_from.get(id).copied().flatten();
        }
        chain.reverse();
        chain
    }

    fn label(&self, id: &str) -> String {
        match self.packages.get(id) {
            Some(package) => format!("{} {}", package.name, package.version),
            None => id.to_owned(),
        }
    }
}

fn builds(dependency: &Dependency) -> bool {
    let kinds = &dependency.dep_kinds;
    kinds.iter().any(|kind| kind.kind.as_deref() != Some("dev"))
}

fn rust_version(package: &Package) -> Option<Version> {
    package.rust_version.as_deref().and_then(Version::parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `app` is built from `near`, that from `far`; `tool` is only for tests.
    fn graph(near: &str, far: &str, tool: &str) -> Graph {
        let package = |id: &str, rust: &str| json!({"id": id, "name": id, "version": "1.0.0", "rust_version": rust});
        let uses = |id: &str, kind: Option<&str>| json!({"pkg": id, "dep_kinds": [{"kind": kind}]});
        let metadata = json!({
            "packages": [package("app", "1.88"), package("near", near), package("far", far), package("tool", tool)],
            "workspace_members": ["app"],
            "resolve": {"nodes": [
                {"id": "app", "deps": [uses("near", None), uses("tool", Some("dev"))]},
                {"id": "near", "deps": [uses("far", Some("build")), uses("app", None)]},
                {"id": "far", "deps": []},
                {"id": "tool", "deps": []}
            ]}
        });
        Graph::parse(metadata.to_string().as_bytes()).unwrap()
    }

    fn chains(graph: &Graph) -> Vec<String> {
        let app = graph.members().remove(0);
        let offenders = graph.offenders(&app).into_iter();
        offenders
            .map(|offender| offender.chain.join(" > "))
            .collect()
    }

    #[test]
    fn dependencies_that_need_no_more_are_fine_and_those_for_tests_do_not_count() {
        assert_eq!(
            chains(&graph("1.88.0", "1.70", "1.99")),
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_needs_more_is_found_at_any_distance_with_the_way_to_it() {
        assert_eq!(
            chains(&graph("1.89", "1.90", "1.0")),
            [
                "app 1.0.0 > near 1.0.0",
                "app 1.0.0 > near 1.0.0 > far 1.0.0"
            ]
        );
    }

    #[test]
    fn metadata_of_another_form_is_an_error() {
        assert!(Graph::parse(b"{}").is_err());
    }
}
