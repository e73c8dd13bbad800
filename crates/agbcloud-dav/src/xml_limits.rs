//! Limits on the XML of clients. `dav-server` parses it recursively, and copies the namespaces in scope to each element: deep XML
//! would end the process, and 64 KiB of XML could occupy gigabytes.

use xml::{EventReader, reader::XmlEvent};

/// Maximum depth of elements.
const MAX_DEPTH: usize = 100;

/// Maximum number of elements.
const MAX_ELEMENTS: usize = 1_000;

/// Maximum number of namespaces in scope, summed over all elements.
const MAX_NAMESPACES: usize = 10_000;

/// Returns why XML may not be parsed. Malformed XML may: `dav-server` rejects it at the same position.
pub(crate) fn check(xml: &[u8]) -> Result<(), &'static str> {
    let (mut depth, mut elements, mut namespaces) = (0usize, 0, 0);
    for event in EventReader::new(xml) {
        match event {
            // Entities of a document type can be larger than the document.
            Ok(XmlEvent::Doctype { .. }) => return Err("the XML has a document type: remove it"),
            Ok(XmlEvent::StartElement { namespace, .. }) => {
                depth += 1;
                elements += 1;
                namespaces += namespace.0.len();
            }
            Ok(XmlEvent::EndElement { .. }) => depth = depth.saturating_sub(1),
            Ok(_) => {}
            Err(_) => return Ok(()),
        }
        if depth > MAX_DEPTH {
            return Err("the elements of the XML are nested too deeply");
        }
        if elements > MAX_ELEMENTS {
            return Err("the XML has more than 1000 elements");
        }
        if namespaces > MAX_NAMESPACES {
            return Err("the XML declares too many namespaces");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(xml: impl AsRef<[u8]>) -> bool {
        check(xml.as_ref()).is_ok()
    }

    #[test]
    fn the_depth_is_limited() {
        let nested = |depth: usize| format!("{}x{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(is_allowed(nested(MAX_DEPTH)));
        assert!(!is_allowed(nested(MAX_DEPTH + 1)));
        assert!(is_allowed("") && is_allowed("<a") && is_allowed(b"\xff"));
        assert!(!is_allowed("<a>".repeat(20_000)));
    }

    #[test]
    fn the_number_of_elements_is_limited() {
        let wide = |elements: usize| format!("<a>{}</a>", "<b/>".repeat(elements - 1));
        assert!(is_allowed(wide(MAX_ELEMENTS)));
        assert!(!is_allowed(wide(MAX_ELEMENTS + 1)));
    }

    #[test]
    fn the_namespaces_in_scope_of_all_elements_are_limited() {
        let xml = |namespaces: usize, elements: usize| {
            let declared = (0..namespaces).map(|number| format!(" xmlns:n{number}='u'"));
            let declared: String = declared.collect();
            format!("<a{declared}>{}</a>", "<b/>".repeat(elements))
        };
        assert!(is_allowed(xml(10, 700)));
        assert!(!is_allowed(xml(20, 700)));
        assert!(!is_allowed(xml(1500, 10)));
    }

    #[test]
    fn a_document_type_is_rejected() {
        assert!(!is_allowed("<!DOCTYPE a><a/>"));
        assert!(!is_allowed("<!DOCTYPE a [<!ENTITY b 'x'>]><a>&b;</a>"));
        assert!(is_allowed("<?xml version='1.0'?><!-- x --><a>&amp;</a>"));
    }
}
