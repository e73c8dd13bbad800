//! Text from outside on its way into a message: short, on one line, without secrets.

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

/// Takes a secret out of a text, in case a gateway echoed the request.
pub(crate) fn redact(text: &str, secret: &str) -> String {
    if secret.is_empty() {
        text.to_owned()
    } else {
        text.replace(secret, "***")
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
    fn a_secret_is_taken_out_wherever_it_stands() {
        assert_eq!(redact("key k-1 and k-1", "k-1"), "key *** and ***");
        assert_eq!(redact("abc", ""), "abc");
    }
}
