//! Text from outside on its way into a message: short, on one line, without secrets.

use std::borrow::Cow;

/// Characters of an answer that a message shows at most.
const SHOWN: usize = 300;

/// One line of text that came from outside, cut to a length that a terminal bears.
pub(crate) fn snippet(text: &str) -> String {
    let mut shown = String::new();
    for (count, word) in text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .enumerate()
    {
        if shown.chars().count() + word.chars().count() > SHOWN {
            shown.extend(
                word.chars()
                    .take(SHOWN.saturating_sub(shown.chars().count())),
            );
            shown.push('…');
            break;
        }
        if count > 0 && !word.is_empty() && !shown.is_empty() {
            shown.push(' ');
        }
        shown.push_str(word);
    }
    shown
}

/// Keys of so many characters are looked for everywhere,
const LONG_KEY: usize = 8;

/// shorter ones of so many as words of their own: `key` stands in other words. Still shorter ones are no secrets.
const SHORTEST_KEY: usize = 4;

/// Takes the API key out of a text from outside, in case a gateway echoed the request. It must be done before
/// the text is cut, since part of a key would not be found.
pub(crate) fn redact<'a>(text: &'a str, key: &str) -> Cow<'a, str> {
    if key.len() < SHORTEST_KEY || !text.contains(key) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(key) {
        shown.push_str(before);
        let in_a_word =
            shown.ends_with(char::is_alphanumeric) || after.starts_with(char::is_alphanumeric);
        let taken_out = key.len() >= LONG_KEY || !in_a_word;
        shown.push_str(if taken_out { "***" } else { key });
        rest = after;
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_is_one_short_line() {
        assert_eq!(snippet("a\n\tb  c\u{7}d"), "a b c d");
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
    }
}
