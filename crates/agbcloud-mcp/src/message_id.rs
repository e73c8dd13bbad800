//! [`IdScanner`]: the id of a JSON-RPC request that is read in pieces and not kept.

use rmcp::model::NumberOrString;
use serde_json::Value;

/// Bytes of an id, as JSON. A longer one is not found.
const MAX_ID_BYTES: usize = 256;

/// Bytes of the longest name that is looked for, as JSON.
const MAX_NAME_BYTES: usize = "\"method\"".len();

/// The id of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MessageId {
    /// That of a request.
    Valid(Value),
    /// A request has an id that is no number or string, or is too long.
    Invalid,
    /// A notification, a response and a batch have none.
    None,
}

/// Reads the bytes of a message one after the other. Does not check that they are valid JSON.
#[derive(Default)]
pub(crate) struct IdScanner {
    depth: usize,
    in_string: bool,
    /// After a backslash in a string.
    escaped: bool,
    /// Whether the position is in the value of a member of the message.
    in_value: bool,
    /// The last name of a member of the message.
    name: Vec<u8>,
    id: Vec<u8>,
    has_method: bool,
}

impl IdScanner {
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.step(*byte);
        }
    }

    /// Returns the id of the message.
    pub(crate) fn finish(self) -> MessageId {
        if !self.has_method || self.id.is_empty() {
            return MessageId::None;
        }
        let is_whole = self.id.len() <= MAX_ID_BYTES;
        let is_id = is_whole && serde_json::from_slice::<NumberOrString>(&self.id).is_ok();
        let id = is_id.then(|| serde_json::from_slice(&self.id).ok());
        id.flatten().map_or(MessageId::Invalid, MessageId::Valid)
    }

    fn step(&mut self, byte: u8) {
        let ends_member = !self.in_string && self.depth == 1 && matches!(byte, b',' | b'}');
        if ends_member {
            self.in_value = false;
            self.name.clear();
        } else if self.depth == 1 {
            self.keep(byte);
        }
        if self.in_string {
            self.in_string = self.escaped || byte != b'"';
            self.escaped = !self.escaped && byte == b'\\';
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' => self.depth += 1,
            // The members of a message are not in an array.
            b'[' => self.depth += if self.depth == 0 { 2 } else { 1 },
            b'}' | b']' => self.depth = self.depth.saturating_sub(1),
            b':' if self.depth == 1 && !self.in_value => {
                self.in_value = true;
                match self.name.as_slice() {
                    b"\"id\"" => self.id.clear(),
                    b"\"method\"" => self.has_method = true,
                    _ => {}
                }
            }
            _ => {}
        }
    }

    /// Keeps a byte of a name or of the id.
    fn keep(&mut self, byte: u8) {
        if !self.in_value {
            let is_part = self.in_string || byte == b'"';
            if is_part && self.name.len() <= MAX_NAME_BYTES {
                self.name.push(byte);
            }
        } else if self.name == b"\"id\"" && self.id.len() <= MAX_ID_BYTES {
            self.id.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn id_of(text: &str) -> MessageId {
        let mut scanner = IdScanner::default();
        scanner.feed(text.as_bytes());
        scanner.finish()
    }

    #[test]
    fn the_id_of_a_request_is_found() {
        for (text, id) in [
            (r#"{"jsonrpc":"2.0","id":7,"method":"a"}"#, json!(7)),
            (r#" { "method" : "a" , "id" : 7 } "#, json!(7)),
            (r#"{"method":"a","id":"a\"},\\"}"#, json!("a\"},\\")),
            (
                r#"{"method":"a","params":{"id":1,"x":[{"id":2}]},"id":-3}"#,
                json!(-3),
            ),
            (r#"{"params":"\"id\":1,{[","id":4,"method":"a"}"#, json!(4)),
            (r#"{"params":["id",":",1],"id":5,"method":"a"}"#, json!(5)),
        ] {
            assert_eq!(id_of(text), MessageId::Valid(id), "{text}");
        }
    }

    #[test]
    fn other_messages_have_no_id() {
        for text in [
            "",
            "nonsense",
            r#"{"method":"a"}"#,
            r#"{"id":1,"result":{"method":"a"}}"#,
            r#"[{"id":1,"method":"a"}]"#,
            r#"{"method":"a","params":{"id":1}}"#,
            r#"{"method":"a","ids":1}"#,
            "}}}}\"id\":1,\"method\":2",
        ] {
            assert_eq!(id_of(text), MessageId::None, "{text}");
        }
    }

    #[test]
    fn an_id_that_can_not_be_answered_is_invalid() {
        let long = format!(r#"{{"method":"a","id":"{}"}}"#, "x".repeat(300));
        for text in [
            r#"{"method":"a","id":null}"#,
            r#"{"method":"a","id":1.5}"#,
            r#"{"method":"a","id":{"x":1}}"#,
            r#"{"method":"a","id":[1]}"#,
            r#"{"method":"a","id":x}"#,
            &long,
        ] {
            assert_eq!(id_of(text), MessageId::Invalid, "{text}");
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let text = prop_oneof!["(id|method|\\PC)*", ".{0,20}", Just("id".to_owned())];
        let leaf = prop_oneof![
            any::<i64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
            Just(Value::Null),
        ];
        leaf.prop_recursive(4, 40, 5, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::hash_map(text.clone(), inner, 0..5).prop_map(Value::from_iter),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_id_is_that_of_the_parsed_message(
            params in values(),
            id in prop_oneof![any::<i64>().prop_map(Value::from), ".{0,40}".prop_map(Value::from)],
            last in any::<bool>(),
            pretty in any::<bool>(),
        ) {
            let named = |name: &str, value: &Value| match pretty {
                true => format!("{}: {value:#}", json!(name)),
                false => format!("{}:{value}", json!(name)),
            };
            let mut members = vec![named("method", &json!("tools/call")), named("params", &params)];
            members.insert(if last { 2 } else { 0 }, named("id", &id));
            let message = format!("{{{}}}", members.join(","));
            prop_assert_eq!(id_of(&message), MessageId::Valid(id), "{}", message);
        }

        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut scanner = IdScanner::default();
            scanner.feed(&bytes);
            scanner.finish();
        }
    }
}
