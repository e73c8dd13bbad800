//! The numbers that the root `Cargo.toml` declares, and the features that the package has.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    metadata: Option<Tables>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    features: Features,
}

type Features = BTreeMap<String, Vec<String>>;

#[derive(Deserialize)]
struct Tables {
    ceiling: Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    package: String,
    limit: usize,
    rows: Vec<Row>,
}

/// How many crates one choice of features may pull in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    /// These alone: the default ones only if named.
    pub(super) features: Vec<String>,
    pub(super) crates: usize,
    /// In place of the table's, for a choice that only tests are built with.
    #[serde(default)]
    pub(super) limit: Option<usize>,
}

/// The table `[workspace.metadata.ceiling]`.
#[derive(Debug)]
pub(super) struct Declared {
    pub(super) package: String,
    /// What no row may pass that has none of its own.
    pub(super) limit: usize,
    pub(super) rows: Vec<Row>,
    /// The features of the package that no row turns on.
    pub(super) uncounted: Vec<String>,
}

impl Declared {
    /// From what `cargo metadata --no-deps` prints.
    pub(super) fn parse(metadata: &[u8]) -> Result<Self, String> {
        let metadata: Metadata = serde_json::from_slice(metadata).map_err(|error| {
            format!("[workspace.metadata.ceiling] in Cargo.toml is not as known: {error}")
        })?;
        let Some(Tables { ceiling: table }) = metadata.metadata else {
            return Err("Cargo.toml has no [workspace.metadata.ceiling]".to_owned());
        };
        let mut packages = metadata.packages.into_iter();
        let Some(package) = packages.find(|package| package.name == table.package) else {
            return Err(format!("the workspace has no package {}", table.package));
        };
        let counted = turned_on(&package.features, &table.rows);
        let features = package.features.into_keys();
        Ok(Self {
            package: package.name,
            limit: table.limit,
            rows: table.rows,
            uncounted: features
                .filter(|feature| !counted.contains(feature))
                .collect(),
        })
    }
}

impl Row {
    /// For reading.
    pub(super) fn label(&self) -> String {
        match self.features.is_empty() {
            true => "no features".to_owned(),
            false => self.features.join(","),
        }
    }
}

/// The features that some row names, and those that they turn on.
fn turned_on(features: &Features, rows: &[Row]) -> BTreeSet<String> {
    let mut open: Vec<&String> = rows.iter().flat_map(|row| &row.features).collect();
    let mut on = BTreeSet::new();
    while let Some(feature) = open.pop() {
        if on.insert(feature.clone()) {
            open.extend(features.get(feature).into_iter().flatten());
        }
    }
    on
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parse(ceiling: &Value) -> Result<Declared, String> {
        let features = json!({"default": ["tls"], "tls": ["http/tls"], "blocking": []});
        let metadata = json!({
            "packages": [{"name": "sdk", "features": features}, {"name": "other", "features": {}}],
            "metadata": {"ceiling": ceiling}
        });
        Declared::parse(metadata.to_string().as_bytes())
    }

    #[test]
    fn a_feature_that_no_row_turns_on_is_told() {
        let declared = |features: Value| {
            let rows = json!([{"features": [], "crates": 1}, {"features": features, "crates": 2}]);
            parse(&json!({"package": "sdk", "limit": 9, "rows": rows})).unwrap()
        };
        assert_eq!(declared(json!(["default"])).uncounted, ["blocking"]);
        assert_eq!(
            declared(json!(["default", "blocking"])).uncounted,
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_package_that_is_not_there_is_an_error() {
        let error = parse(&json!({"package": "gone", "limit": 9, "rows": []})).unwrap_err();
        assert_eq!(error, "the workspace has no package gone");
    }

    #[test]
    fn a_misspelt_or_missing_table_is_an_error() {
        assert!(parse(&json!({"package": "sdk", "limit": 9, "row": []})).is_err());
        assert!(Declared::parse(br#"{"packages": [], "metadata": null}"#).is_err());
    }
}
