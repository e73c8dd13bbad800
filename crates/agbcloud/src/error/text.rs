//! Text from outside on its way into a message: short, on one line, without secrets.

use std::borrow::Cow;

use super::{escape, query};
use crate::escape_for_display;

/// Characters of an answer that a message shows at most.
const SHOWN: usize = 300;

/// One line of text that came from outside, cut to a length that a terminal bears.
pub(crate) fn snippet(text: &str) -> String {
    let mut shown = String::new();
    let mut room = SHOWN;
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    for word in words.filter(|word| !word.is_empty()) {
        if !shown.is_empty() {
            shown.push(' ');
            room = room.saturating_sub(1);
        }
        let kept = word.char_indices().nth(room).map(|(end, _)| end);
        shown.push_str(&word[..kept.unwrap_or(word.len())]);
        if kept.is_some() {
            shown.push('…');
            break;
        }
        room -= word.chars().count();
    }
    match escape_for_display(&shown) {
        Cow::Borrowed(_) => shown,
        Cow::Owned(shown) => shown,
    }
}

/// Keys of so many characters are looked for everywhere,
const LONG_KEY: usize = 8;

/// shorter ones of so many as words of their own: `key` stands in other words. Still shorter ones are no secrets.
const SHORTEST_KEY: usize = 4;

/// Takes out of a text from outside what must not be shown: the API key, in case a gateway echoed the request, and the
/// queries of URLs, since the answer that was not understood may have held a presigned one. It must be done before the
/// text is cut, since part of a key would not be found.
pub(crate) fn redact<'a>(text: &'a str, key: &str) -> Cow<'a, str> {
    let shown = match key.len() {
        ..SHORTEST_KEY => Cow::Borrowed(text),
        length => take_out(text, key, length < LONG_KEY),
    };
    match query::take_out(&shown) {
        Cow::Borrowed(_) => shown,
        Cow::Owned(shown) => Cow::Owned(shown),
    }
}

/// Takes a secret out of a text, however its characters are escaped there. One that must be a word of its own is left
/// where it is a part of another.
pub(crate) fn take_out<'a>(text: &'a str, secret: &str, own_word: bool) -> Cow<'a, str> {
    let mut shown = String::new();
    let mut kept = 0;
    let mut at = 0;
    while let Some(length) = next_match(text, secret, &mut at) {
        let end = at + length;
        let in_a_word = text[..at].ends_with(char::is_alphanumeric)
            || text[end..].starts_with(char::is_alphanumeric);
        if !(own_word && in_a_word) {
            shown.push_str(&text[kept..at]);
            shown.push_str("***");
            kept = end;
        }
        at = end;
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    shown.push_str(&text[kept..]);
    Cow::Owned(shown)
}

/// Moves on to where the secret is next met, and tells how long it is there.
fn next_match(text: &str, secret: &str, at: &mut usize) -> Option<usize> {
    loop {
        let rest = text.get(*at..)?;
        if let Some(length) = escape::matched(rest, secret) {
            return Some(length);
        }
        *at += rest.chars().next()?.len_utf8();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_is_one_short_line() {
        assert_eq!(snippet("a\n\tb  c\u{7}d"), "a b c d");
        assert_eq!(snippet("a\u{202e}b\u{2028}c\u{9b}d"), "a\\u{202e}b c d");
        let long = snippet(&"x".repeat(5000));
        assert_eq!(long.chars().count(), SHOWN + 1);
        assert!(snippet(&"word ".repeat(500)).chars().count() <= SHOWN + 1);
    }

    #[test]
    fn a_key_is_taken_out_wherever_it_stands() {
        assert_eq!(
            redact("key key-0001 and key-0001", "key-0001"),
            "key *** and ***"
        );
        assert_eq!(redact("Invalid.NotFound", "a"), "Invalid.NotFound");
        assert_eq!(redact("Invalid.NotFound", "Found"), "Invalid.NotFound");
        assert_eq!(
            redact("Bearer fobar, foobar", "fobar"),
            "Bearer ***, foobar"
        );
        assert_eq!(redact("fobar", "fobar"), "***");
        assert_eq!(redact("xkey-0001x", "key-0001"), "x***x");
        assert_eq!(redact("key-000key-0001", "key-0001"), "key-000***");
    }

    #[test]
    fn a_key_is_taken_out_however_it_is_escaped() {
        let key = "k+/=\"<&1";
        for echoed in [
            key,
            r#"k+\/=\"<&1"#,
            r"k\u002b\u002F=\u0022\u003C\u00261",
            "k%2B%2f%3D%22%3C%261",
            "%6b%2B/=%22%3C%26%31",
            "k+/=&quot;&lt;&amp;1",
            "k&#43;&#x2F;&#061;&#34;&lt;&#x0026;1",
        ] {
            assert_eq!(redact(&format!("é{echoed}é"), key), "é***é", "{echoed}");
        }
        assert_eq!(redact("is ab%25cd", "ab%25cd"), "is ***");
        assert_eq!(redact("is ab%2525cd", "ab%25cd"), "is ***");
        for other in ["k%2C/=", "k&#44;", r"k\u002", "k%2", "k&", r"k\"] {
            assert_eq!(redact(other, key), other);
        }
    }
}
