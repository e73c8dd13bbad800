//! Indents JSON, without changing a value: numbers keep their digits, and members their order.

use serde::de::IgnoredAny;

/// Maximum number of spaces before a line.
const MAX_INDENT: usize = 64;
/// Maximum bytes of the indented text: a short text of many brackets has a long indented one.
const MAX_BYTES: usize = 1024 * 1024;

/// A text as JSON.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Json {
    Indented(String),
    /// The indented text would be too long.
    TooLong,
    /// The text is not JSON.
    Invalid,
}

pub(super) fn indent(text: &str) -> Json {
    if serde_json::from_str::<IgnoredAny>(text).is_err() {
        return Json::Invalid;
    }
    let mut output = String::with_capacity(text.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    // The white space outside of strings. A string has none of these characters unescaped.
    let mut chars = text
        .chars()
        .filter(|char| !matches!(char, '\t' | '\n' | '\r'))
        .peekable();
    while let Some(char) = chars.next() {
        if output.len() > MAX_BYTES {
            return Json::TooLong;
        }
        if in_string {
            output.push(char);
            in_string = escaped || char != '"';
            escaped = !escaped && char == '\\';
            continue;
        }
        match char {
            ' ' => {}
            '{' | '[' => {
                output.push(char);
                while chars.next_if(|next| *next == ' ').is_some() {}
                match chars.next_if(|next| matches!(next, '}' | ']')) {
                    Some(end) => output.push(end),
                    None => {
                        depth += 1;
                        new_line(&mut output, depth);
                    }
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                new_line(&mut output, depth);
                output.push(char);
            }
            ',' => {
                output.push(char);
                new_line(&mut output, depth);
            }
            ':' => output.push_str(": "),
            _ => {
                in_string = char == '"';
                output.push(char);
            }
        }
    }
    Json::Indented(output)
}

fn new_line(output: &mut String, depth: usize) {
    output.push('\n');
    output.extend(std::iter::repeat_n(' ', (depth * 2).min(MAX_INDENT)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_their_order_do_not_change() {
        let text = "{\"b\" : [1.50, 12345678901234567890123, {} ,[ ]],\n\"a\":\"x: [\\\"{, \\\\\",\"a\":null}";
        let expected = "{\n  \"b\": [\n    1.50,\n    12345678901234567890123,\n    {},\n    []\n  ],\n  \"a\": \"x: [\\\"{, \\\\\",\n  \"a\": null\n}";
        assert_eq!(indent(text), Json::Indented(expected.to_owned()));
    }

    #[test]
    fn strings_keep_each_character() {
        let text = "{\"\u{7f}\":\t\"a\u{7f} \u{85}b\"}";
        let expected = "{\n  \"\u{7f}\": \"a\u{7f} \u{85}b\"\n}";
        assert_eq!(indent(text), Json::Indented(expected.to_owned()));
    }

    #[test]
    fn other_texts_are_not_json() {
        for text in ["", "{", "{a: 1}", "1 2", &"[".repeat(100_000)] {
            assert_eq!(indent(text), Json::Invalid);
        }
    }

    #[test]
    fn the_indented_text_is_limited() {
        let nested = format!("{}{}", "[".repeat(100), "]".repeat(100));
        let many = format!("[{}[]]", format!("{nested},").repeat(1300));
        assert!(many.len() < 300 * 1024);
        assert_eq!(indent(&many), Json::TooLong);
        let flat = format!("[{}1]", "1,".repeat(100_000));
        assert!(matches!(indent(&flat), Json::Indented(text) if text.len() <= MAX_BYTES));
    }
}
