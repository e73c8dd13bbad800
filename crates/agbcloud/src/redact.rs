//! Removal of secrets from text.

use std::borrow::Cow;

/// Minimum length of keys that are redacted anywhere in a text.
const LONG_KEY: usize = 8;

/// Minimum length of keys that are redacted as whole words. A short key like `key` is part of other words; a still shorter
/// one is not a secret.
const SHORT_KEY: usize = 4;

/// Removes secrets from untrusted text: the API key, in case a gateway echoes the request, and the queries of URLs, since a
/// response may contain a presigned URL. Call it before the text is cut, since part of a key is not recognised.
pub(crate) fn redact<'a>(text: &'a str, key: &str) -> Cow<'a, str> {
    let shown = match key.len() {
        ..SHORT_KEY => Cow::Borrowed(text),
        length => redact_secret(text, key, length < LONG_KEY),
    };
    match redact_queries(&shown) {
        Cow::Borrowed(_) => shown,
        Cow::Owned(shown) => Cow::Owned(shown),
    }
}

/// Replaces a secret in a text by `***`, in any of the escaped forms it can have. With `whole_word`, an occurrence inside a
/// longer word is kept.
pub(crate) fn redact_secret<'a>(text: &'a str, secret: &str, whole_word: bool) -> Cow<'a, str> {
    let mut shown = String::new();
    let mut kept = 0;
    let mut at = 0;
    while let Some(length) = next_match(text, secret, &mut at) {
        let end = at + length;
        let inside_word = text[..at].ends_with(char::is_alphanumeric)
            || text[end..].starts_with(char::is_alphanumeric);
        if !(whole_word && inside_word) {
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

/// Advances `at` to the next occurrence of the secret and returns the length of the occurrence.
fn next_match(text: &str, secret: &str, at: &mut usize) -> Option<usize> {
    loop {
        let rest = text.get(*at..)?;
        if let Some(length) = escaped_prefix(rest, secret) {
            return Some(length);
        }
        *at += rest.chars().next()?.len_utf8();
    }
}

/// Removes the query of every URL in a text, also where `?` and `=` are escaped: everything from a question mark to the end
/// of the URL, if it contains an equals sign.
fn redact_queries(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, query)) = next_query(rest) {
        shown.push_str(before);
        shown.push_str("?…");
        rest = &query[end_of_url(query)..];
    }
    if shown.is_empty() {
        return Cow::Borrowed(text);
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// The text before the next query, and the text from its question mark on.
fn next_query(text: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    loop {
        let at = from + find(&text[from..], '?')?;
        let end = at + end_of_url(&text[at..]);
        if find(&text[at..end], '=').is_some() {
            return Some(text.split_at(at));
        }
        // No question mark before `end` is followed by an equals sign either.
        from = end;
    }
}

/// The index of a character, plain or escaped.
fn find(text: &str, character: char) -> Option<usize> {
    let mut indices = text.char_indices().map(|(at, _)| at);
    indices.find(|at| escaped_char(&text[*at..], character).is_some())
}

/// The index of the first character that can't be part of a URL.
fn end_of_url(text: &str) -> usize {
    let not_url = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>');
    text.find(not_url).unwrap_or(text.len())
}

/// The named character references of HTML and XML for ASCII characters.
const ENTITIES: [(&str, char); 5] = [
    ("&amp;", '&'),
    ("&lt;", '<'),
    ("&gt;", '>'),
    ("&quot;", '"'),
    ("&apos;", '\''),
];

/// The length of the prefix of `text` that spells `plain`, where any character can be escaped as in JSON, URLs or HTML.
fn escaped_prefix(text: &str, plain: &str) -> Option<usize> {
    if !plain.is_empty() && text.starts_with(plain) {
        return Some(plain.len());
    }
    let mut length = 0;
    for character in plain.chars() {
        length += escaped_char(&text[length..], character)?;
    }
    (length > 0).then_some(length)
}

/// The length of a character at the start of a text, plain or escaped.
fn escaped_char(text: &str, character: char) -> Option<usize> {
    let escaped = match text.bytes().next()? {
        b'\\' => backslash(text, character),
        b'%' => code_point(text, "%", 2, 16, character),
        b'&' => entity(text, character),
        _ => None,
    };
    escaped.or_else(|| text.starts_with(character).then_some(character.len_utf8()))
}

fn backslash(text: &str, character: char) -> Option<usize> {
    let is_plain = text[1..].starts_with(character) && character.is_ascii_punctuation();
    match is_plain {
        true => Some(2),
        false => code_point(text, "\\u", 4, 16, character),
    }
}

fn entity(text: &str, character: char) -> Option<usize> {
    for (name, named) in ENTITIES {
        if named == character && text.starts_with(name) {
            return Some(name.len());
        }
    }
    let end = text.find(';').filter(|end| *end <= 10)?;
    let (start, radix) = match text.get(2..3)? {
        "x" | "X" => (3, 16),
        _ => (2, 10),
    };
    let digits = text.get(start..end).filter(|_| text.starts_with("&#"))?;
    let code = u32::from_str_radix(digits, radix).ok()?;
    (code == u32::from(character)).then_some(end + 1)
}

/// The length of `mark` and a number of `digits` digits, if that is the code point of the character.
fn code_point(text: &str, mark: &str, digits: usize, radix: u32, character: char) -> Option<usize> {
    let end = mark.len() + digits;
    let digits = text
        .get(mark.len()..end)
        .filter(|_| text.starts_with(mark))?;
    let code = u32::from_str_radix(digits, radix).ok()?;
    (code == u32::from(character)).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_redacted_anywhere() {
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
    fn a_key_is_redacted_in_every_escaped_form() {
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

    #[test]
    fn the_query_of_a_url_is_redacted() {
        for (text, shown) in [
            ("https://a/b?c=secret", "https://a/b?…"),
            (
                r#"{"url":"https://a/b?c=secret&d","e":1}"#,
                r#"{"url":"https://a/b?…","e":1}"#,
            ),
            (
                "see /b?c=secret for https://a?Signature=secret.",
                "see /b?… for https://a?…",
            ),
            ("<a href=\"/b?c=secret\">", "<a href=\"/b?…\">"),
            (r"https:\/\/a\/b\u003fc\u003dsecret", r"https:\/\/a\/b?…"),
            (
                "https%3A%2F%2Fa%2Fb%3Fc%3Dsecret%22x",
                "https%3A%2F%2Fa%2Fb?…",
            ),
            ("https://a/b&#63;c&#x3d;secret", "https://a/b?…"),
            ("https://a/b?c=secret", "https://a/b?…"),
        ] {
            assert_eq!(redact_queries(text), shown);
        }
    }

    #[test]
    fn a_question_mark_without_a_query_is_kept() {
        for text in [
            "why? because a=b",
            "is it there?\"a=b",
            "a=b",
            "",
            "??",
            "是否存在?请检查",
        ] {
            assert_eq!(redact_queries(text), text);
        }
    }
}
