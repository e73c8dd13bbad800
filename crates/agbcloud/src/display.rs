//! Text from outside, as one line of a terminal or a log can show it.

use std::borrow::Cow;

/// Escapes the characters by which a text could look like something else where it is shown: control characters (C0, C1
/// and DEL), the ends of lines and paragraphs, marks that change the direction of text, and characters without a width.
/// The result is one line, and one column where columns are separated by tabs. Other text is returned as it is.
///
/// Names of contexts and files come from whoever has made them: use it for each value before it is written into a
/// message, a table or a log.
///
/// ```
/// use agbcloud::escape_for_display;
///
/// assert_eq!(escape_for_display("a.txt\nb.txt"), "a.txt\\nb.txt");
/// assert_eq!(escape_for_display("a\u{202e}txt.exe"), "a\\u{202e}txt.exe");
/// assert_eq!(escape_for_display("日本 é"), "日本 é");
/// ```
pub fn escape_for_display(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_deceptive) {
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
            // Without a width, and marks of direction.
            | '\u{200b}'..='\u{200f}'
            // Ends of lines and paragraphs, embeddings and overrides of direction.
            | '\u{2028}'..='\u{202e}'
            // Joiners, invisible operators, isolates.
            | '\u{2060}'..='\u{206f}'
            // The byte order mark, annotations, and characters that stand for no text.
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_deceives_is_escaped() {
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

    proptest! {
        #[test]
        fn the_result_is_one_line_without_a_mark_and_stays_as_it_is(text in any::<String>()) {
            let shown = escape_for_display(&text).into_owned();
            prop_assert!(!shown.chars().any(is_deceptive));
            let breaks = shown.contains(['\n', '\t', '\u{2028}']);
            prop_assert!(!breaks);
            prop_assert_eq!(escape_for_display(&shown), shown.as_str());
        }
    }
}
