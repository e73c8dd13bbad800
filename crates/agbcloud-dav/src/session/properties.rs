//! Properties that clients set, which a context cannot store.

use std::{collections::BTreeMap, sync::Mutex};

use dav_server::fs::DavProp;
use http::StatusCode;

use super::{
    lock,
    subtree::{below, moved},
};

/// Maximum number of bytes of all properties.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Estimated bytes of a property beyond its texts.
const OVERHEAD: usize = 128;

/// The properties by path.
#[derive(Debug, Default)]
pub(crate) struct Properties(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    by_path: BTreeMap<String, Vec<DavProp>>,
    bytes: usize,
}

impl Properties {
    /// Sets and removes properties, all or none. Removing a missing property is no error.
    pub(crate) fn patch(
        &self,
        path: &str,
        changes: Vec<(bool, DavProp)>,
    ) -> Vec<(StatusCode, DavProp)> {
        let mut state = lock(&self.0);
        let mut properties = state.by_path.get(path).cloned().unwrap_or_default();
        let mut results = Vec::with_capacity(changes.len());
        for (set, property) in changes {
            properties.retain(|other| !is_same(other, &property));
            results.push((StatusCode::OK, without_value(&property)));
            if set {
                properties.push(property);
            }
        }
        if !state.replace(path, properties) {
            for (status, _) in &mut results {
                *status = StatusCode::INSUFFICIENT_STORAGE;
            }
        }
        results
    }

    pub(crate) fn list(&self, path: &str, with_values: bool) -> Vec<DavProp> {
        let state = lock(&self.0);
        let properties = state.by_path.get(path).into_iter().flatten();
        match with_values {
            true => properties.cloned().collect(),
            false => properties.map(without_value).collect(),
        }
    }

    /// The element of a property, as XML.
    pub(crate) fn get(&self, path: &str, property: &DavProp) -> Option<Vec<u8>> {
        let state = lock(&self.0);
        let mut properties = state.by_path.get(path)?.iter();
        properties
            .find(|other| is_same(other, property))?
            .xml
            .clone()
    }

    /// Forgets the properties of a file. A folder of the same name keeps those of its files.
    pub(crate) fn remove_one(&self, path: &str) {
        lock(&self.0).replace(path, Vec::new());
    }

    /// Copies the properties of a path, without those of what is below.
    pub(crate) fn copy_one(&self, from: &str, to: &str) {
        let mut state = lock(&self.0);
        let properties = state.by_path.get(from).cloned().unwrap_or_default();
        state.replace(to, properties);
    }

    pub(super) fn remove(&self, path: &str) {
        let mut state = lock(&self.0);
        for path in state.paths(path) {
            state.replace(&path, Vec::new());
        }
    }

    pub(super) fn copy(&self, from: &str, to: &str) {
        let mut state = lock(&self.0);
        for path in state.paths(from) {
            let properties = state.by_path.get(&path).cloned().unwrap_or_default();
            state.replace(&moved(&path, from, to), properties);
        }
    }
}

impl State {
    /// The paths with properties at a path and below.
    fn paths(&self, path: &str) -> Vec<String> {
        let below = self.by_path.range(below(path));
        let mut paths: Vec<String> = below.map(|(path, _)| path.clone()).collect();
        paths.extend(
            self.by_path
                .get_key_value(path)
                .map(|(path, _)| path.clone()),
        );
        paths
    }

    /// Replaces the properties of a path. Returns `false` if they are too large.
    fn replace(&mut self, path: &str, properties: Vec<DavProp>) -> bool {
        let old = self.by_path.get(path).map_or(0, |old| size_of(path, old));
        let new = match properties.is_empty() {
            true => 0,
            false => size_of(path, &properties),
        };
        if new > old && self.bytes - old + new > MAX_BYTES {
            return false;
        }
        self.bytes = self.bytes - old + new;
        match new {
            0 => self.by_path.remove(path),
            _ => self.by_path.insert(path.to_owned(), properties),
        };
        true
    }
}

fn size_of(path: &str, properties: &[DavProp]) -> usize {
    let size = |property: &DavProp| {
        let texts = [&property.prefix, &property.namespace];
        let texts: usize = texts.into_iter().flatten().map(String::len).sum();
        let xml = property.xml.as_ref().map_or(0, Vec::len);
        OVERHEAD + property.name.len() + texts + xml
    };
    path.len() + properties.iter().map(size).sum::<usize>()
}

fn is_same(one: &DavProp, other: &DavProp) -> bool {
    one.name == other.name && one.namespace == other.namespace
}

fn without_value(property: &DavProp) -> DavProp {
    DavProp {
        xml: None,
        ..property.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn property(name: &str, value: &str) -> DavProp {
        let text = |text: &str| text.to_owned();
        DavProp::new(text(name), text("x"), text("urn:x"), text(value))
    }

    #[test]
    fn properties_are_set_copied_and_removed() {
        let properties = Properties::default();
        let results = properties.patch("/a", vec![(true, property("one", "1"))]);
        assert_eq!(results[0].0, StatusCode::OK);
        properties.patch("/a/b", vec![(true, property("two", "2"))]);
        properties.patch("/a", vec![(true, property("one", "3"))]);
        properties.copy("/a", "/c");
        properties.remove("/a");
        assert!(properties.list("/a", true).is_empty());
        let xml = properties.get("/c", &property("one", "")).unwrap();
        assert!(String::from_utf8(xml).unwrap().contains(">3<"));
        assert_eq!(properties.list("/c/b", false)[0].name, "two");
        properties.patch("/c", vec![(false, property("one", ""))]);
        properties.remove("/c");
        assert_eq!(lock(&properties.0).bytes, 0);
    }

    #[test]
    fn too_large_properties_change_nothing() {
        let properties = Properties::default();
        properties.patch("/a", vec![(true, property("one", "1"))]);
        let large = "x".repeat(MAX_BYTES);
        let changes = vec![
            (false, property("one", "")),
            (true, property("two", &large)),
        ];
        let results = properties.patch("/a", changes);
        let refused =
            |(status, _): &(StatusCode, DavProp)| *status == StatusCode::INSUFFICIENT_STORAGE;
        assert!(results.iter().all(refused));
        assert_eq!(properties.list("/a", true).len(), 1);
    }
}
