//! Indents JSON, without changing a value: numbers keep their digits, and members their order.

use serde::de::IgnoredAny;

/// Maximum number of spaces before a line.
const MAX_INDENT: usize = 64;

/// The indented text, or `None` if it is not JSON.
pub(super) fn indent(text: &str) -> Option<String> {
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let mut output = String::with_capacity(text.len() * 2);
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    // The white space outside of strings. A string has none of these characters unescaped.
    let mut chars = text
        .chars()
        .filter(|char| !matches!(char, '\t' | '\n' | '\r'))
        .peekable();
    while let Some(char) = chars.next() {
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
    Some(output)
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
        assert_eq!(indent(text).as_deref(), Some(expected));
    }

    #[test]
    fn strings_keep_each_character() {
        let text = "{\"\u{7f}\":\t\"a\u{7f} \u{85}b\"}";
        let expected = "{\n  \"\u{7f}\": \"a\u{7f} \u{85}b\"\n}";
        assert_eq!(indent(text).as_deref(), Some(expected));
    }

    #[test]
    fn other_texts_are_not_json() {
        for text in ["", "{", "{a: 1}", "1 2", &"[".repeat(100_000)] {
            assert_eq!(indent(text), None);
        }
    }
}
