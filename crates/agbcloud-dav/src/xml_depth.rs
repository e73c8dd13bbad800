//! The depth of XML from clients. `dav-server` parses it recursively: deep XML would overflow the stack and end the process.

use xml::{EventReader, reader::XmlEvent};

/// Maximum depth of elements.
const MAX_DEPTH: usize = 100;

/// Whether XML may be parsed. Malformed XML may: it is rejected at the same position.
pub(crate) fn is_shallow(xml: &[u8]) -> bool {
    let mut depth = 0usize;
    for event in EventReader::new(xml) {
        match event {
            Ok(XmlEvent::StartElement { .. }) => depth += 1,
            Ok(XmlEvent::EndElement { .. }) => depth = depth.saturating_sub(1),
            Ok(_) => {}
            Err(_) => return true,
        }
        if depth > MAX_DEPTH {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_deep_xml_is_rejected() {
        let nested = |depth: usize| format!("{}x{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert!(is_shallow(nested(MAX_DEPTH).as_bytes()));
        assert!(!is_shallow(nested(MAX_DEPTH + 1).as_bytes()));
        let wide = format!("<a>{}</a>", "<b/>".repeat(1000));
        assert!(is_shallow(wide.as_bytes()));
        assert!(is_shallow(b"") && is_shallow(b"<a") && is_shallow(b"\xff"));
        assert!(!is_shallow("<a>".repeat(20_000).as_bytes()));
    }
}
