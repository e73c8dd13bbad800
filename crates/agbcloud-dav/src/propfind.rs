//! The properties that a PROPFIND requests.

use bytes::Bytes;
use xmltree::{Element, XMLNode};

/// Maximum number of properties. `dav-server` builds each of them for each member of a folder, also unknown ones.
const MAX_PROPERTIES: usize = 100;

const DAV: &str = "DAV:";

/// Limits the number of properties, and adds the resource type. `dav-server` leaves out what a resource does not have, and a
/// response without any property would be invalid: each resource has this one.
pub(crate) fn prepare(xml: Bytes) -> Result<Bytes, &'static str> {
    // `dav-server` rejects malformed XML.
    let Ok(mut root) = Element::parse(&xml[..]) else {
        return Ok(xml);
    };
    let lists = root.children.iter().filter_map(XMLNode::as_element);
    if lists.map(properties).any(|count| count > MAX_PROPERTIES) {
        return Err("more than 100 properties are requested");
    }
    let kinds = ["propname", "prop", "allprop"];
    let mut lists = root.children.iter_mut().filter_map(XMLNode::as_mut_element);
    let list = lists.find(|list| kinds.contains(&list.name.as_str()));
    let Some(list) = list.filter(|list| list.name == "prop" && is_dav(list)) else {
        return Ok(xml);
    };
    let mut names = list.children.iter().filter_map(XMLNode::as_element);
    if names.any(|name| name.name == "resourcetype" && is_dav(name)) {
        return Ok(xml);
    }
    let mut name = Element::new("resourcetype");
    // The namespace of the prefix is in scope.
    name.prefix.clone_from(&list.prefix);
    name.namespace.clone_from(&list.namespace);
    list.children.push(XMLNode::Element(name));
    let mut written = Vec::new();
    match root.write(&mut written) {
        Ok(()) => Ok(written.into()),
        Err(_) => Ok(xml),
    }
}

fn properties(list: &Element) -> usize {
    let children = list.children.iter();
    children
        .filter(|child| child.as_element().is_some())
        .count()
}

fn is_dav(element: &Element) -> bool {
    element.namespace.as_deref() == Some(DAV)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(xml: &str) -> Vec<(String, Option<String>)> {
        let prepared = prepare(Bytes::copy_from_slice(xml.as_bytes())).unwrap();
        let root = Element::parse(&prepared[..]).unwrap();
        let list = root.get_child("prop").unwrap();
        let names = list.children.iter().filter_map(XMLNode::as_element);
        names
            .map(|name| (name.name.clone(), name.namespace.clone()))
            .collect()
    }

    #[test]
    fn the_resource_type_is_requested_once() {
        let dav = |name: &str| (name.to_owned(), Some(DAV.to_owned()));
        for xml in [
            "<D:propfind xmlns:D='DAV:'><D:prop><D:getetag/></D:prop></D:propfind>",
            "<propfind xmlns='DAV:'><prop><getetag/></prop></propfind>",
            "<a:propfind xmlns:a='DAV:'><b:prop xmlns:b='DAV:'><a:getetag/></b:prop></a:propfind>",
        ] {
            assert_eq!(names(xml), [dav("getetag"), dav("resourcetype")], "{xml}");
        }
        let other = ("resourcetype".to_owned(), Some("urn:x".to_owned()));
        let xml = "<D:propfind xmlns:D='DAV:'><D:prop><resourcetype xmlns='urn:x'/></D:prop></D:propfind>";
        assert_eq!(names(xml), [other, dav("resourcetype")]);
        for xml in [
            "<D:propfind xmlns:D='DAV:'><D:prop><D:resourcetype/></D:prop></D:propfind>",
            "<D:propfind xmlns:D='DAV:'><D:allprop/></D:propfind>",
            "<D:propfind xmlns:D='DAV:'><D:propname/><D:prop/></D:propfind>",
            "<D:propfind",
            "",
        ] {
            assert_eq!(prepare(xml.into()).unwrap(), xml);
        }
    }

    #[test]
    fn the_number_of_properties_is_limited() {
        let xml = |list: &str, count: usize| {
            let names = "<x/>".repeat(count);
            let xml =
                format!("<D:propfind xmlns:D='DAV:'><D:{list}>{names}</D:{list}></D:propfind>");
            Bytes::from(xml)
        };
        for list in ["prop", "include", "includes"] {
            assert!(prepare(xml(list, MAX_PROPERTIES)).is_ok(), "{list}");
            assert!(prepare(xml(list, MAX_PROPERTIES + 1)).is_err(), "{list}");
        }
    }
}
