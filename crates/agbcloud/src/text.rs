//! Untrusted text, made safe for one line of a terminal or a log.

use std::borrow::Cow;

/// Escapes characters that could make a text look like something else: control characters (C0, C1 and DEL), line and
/// paragraph separators, marks that change the direction of text, and characters without a width. The result is a single
/// line without tabs. Text without such characters is returned unchanged.
///
/// Names of contexts and files are chosen by other users: escape each value before writing it into a message, a table or
/// a log.
///
/// ```
/// use agbcloud::escape_for_display;
///
/// assert_eq!(escape_for_display("a.txt\nb.txt"), "a.txt\\nb.txt");
/// assert_eq!(escape_for_display("a\u{202e}txt.exe"), "a\\u{202e}txt.exe");
/// assert_eq!(escape_for_display("日本 é"), "日本 é");
/// ```
pub fn escape_for_display(text: &str) -> Cow<'_, str> {
    // Most texts are ASCII, for which bytes suffice.
    let is_printable = |byte| matches!(byte, b' '..=b'~');
    if text.bytes().all(is_printable) || !text.chars().any(is_deceptive) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for char in text.chars() {
        match is_deceptive(char) {
            true => shown.extend(char.escape_default()),
            false => shown.push(char),
        }
    }
    Cow::Owned(shown)
}

fn is_deceptive(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            // Soft hyphen, Arabic letter mark, Mongolian vowel separator, Hangul fillers.
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}'
            // Zero-width characters and direction marks.
            | '\u{200b}'..='\u{200f}'
            // Line and paragraph separators, direction embeddings and overrides.
            | '\u{2028}'..='\u{202e}'
            // Joiners, invisible operators, isolates.
            | '\u{2060}'..='\u{206f}'
            // The byte order mark, interlinear annotations, tags.
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

/// Maximum number of characters that a message shows of a response.
const MAX_SNIPPET_CHARS: usize = 300;

/// Untrusted text as one short line: white space is collapsed, and long text is cut.
pub(crate) fn snippet(text: &str) -> String {
    let mut shown = String::new();
    let mut left = MAX_SNIPPET_CHARS;
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    for word in words.filter(|word| !word.is_empty()) {
        if !shown.is_empty() {
            shown.push(' ');
            left = left.saturating_sub(1);
        }
        let end = word.char_indices().nth(left).map(|(index, _)| index);
        shown.push_str(&word[..end.unwrap_or(word.len())]);
        if end.is_some() {
            shown.push('…');
            break;
        }
        left -= word.chars().count();
    }
    match escape_for_display(&shown) {
        Cow::Borrowed(_) => shown,
        Cow::Owned(shown) => shown,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn deceptive_characters_are_escaped() {
        for (text, shown) in [
            ("a\tb", "a\\tb"),
            ("a\r\nb", "a\\r\\nb"),
            ("\u{1b}[31m\u{7f}", "\\u{1b}[31m\\u{7f}"),
            ("\u{85}\u{9b}31m", "\\u{85}\\u{9b}31m"),
            ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
            ("\u{feff}a\u{200b}", "\\u{feff}a\\u{200b}"),
            ("\u{2066}a\u{2069}\u{61c}", "\\u{2066}a\\u{2069}\\u{61c}"),
            ("plain, ünïcödé \u{1f600}", "plain, ünïcödé \u{1f600}"),
        ] {
            assert_eq!(escape_for_display(text), shown);
        }
    }

    #[test]
    fn a_snippet_is_one_short_line() {
        assert_eq!(snippet("a\n\tb  c\u{7}d"), "a b c d");
        assert_eq!(snippet("a\u{202e}b\u{2028}c\u{9b}d"), "a\\u{202e}b c d");
        let long = snippet(&"x".repeat(5000));
        assert_eq!(long.chars().count(), MAX_SNIPPET_CHARS + 1);
        assert!(snippet(&"word ".repeat(500)).chars().count() <= MAX_SNIPPET_CHARS + 1);
    }

    proptest! {
        #[test]
        fn the_result_is_one_line_and_stable(text in any::<String>()) {
            let shown = escape_for_display(&text).into_owned();
            prop_assert!(!shown.chars().any(is_deceptive));
            let has_break = shown.contains(['\n', '\t', '\u{2028}']);
            prop_assert!(!has_break);
            prop_assert_eq!(escape_for_display(&shown), shown.as_str());
        }
    }
}
