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

/// Keys shorter than this are not looked for: `a` stands in every word, and is no secret either.
const SHORTEST_KEY: usize = 8;

/// Takes the API key out of a text from outside, in case a gateway echoed the request. It must be done before
/// the text is cut, since part of a key would not be found.
pub(crate) fn redact<'a>(text: &'a str, key: &str) -> Cow<'a, str> {
    if key.len() < SHORTEST_KEY || !text.contains(key) {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.replace(key, "***"))
    }
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
    }
}
