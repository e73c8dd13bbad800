//! Queries of URLs in texts from outside: in that of a presigned one is its signature.

use std::borrow::Cow;

use super::escape;

/// Takes the query out of every URL in a text, however `?` and `=` are escaped there: what follows a question mark up to
/// a place where no URL goes on, if it has an equals sign. What is left out cannot be told from what is no secret, so it
/// must be done before the text is cut.
pub(super) fn take_out(text: &str) -> Cow<'_, str> {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, query)) = next(rest) {
        shown.push_str(before);
        shown.push_str("?…");
        rest = &query[end(query)..];
    }
    if shown.is_empty() {
        return Cow::Borrowed(text);
    }
    shown.push_str(rest);
    Cow::Owned(shown)
}

/// What is before the next query, and the text from its question mark on.
fn next(text: &str) -> Option<(&str, &str)> {
    let mut from = 0;
    loop {
        let at = from + find(&text[from..], '?')?;
        let end = at + end(&text[at..]);
        if find(&text[at..end], '=').is_some() {
            return Some(text.split_at(at));
        }
        // Where one has no equals sign behind it, no other on the way to that place has.
        from = end;
    }
}

fn find(text: &str, character: char) -> Option<usize> {
    let mut places = text.char_indices().map(|(at, _)| at);
    places.find(|at| escape::begins_with(&text[*at..], character))
}

/// No URL has one of these. One that is escaped may stand in a query.
fn end(text: &str) -> usize {
    let outside = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>');
    text.find(outside).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_taken_out_wherever_it_stands() {
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
            assert_eq!(take_out(text), shown);
        }
    }

    #[test]
    fn a_question_is_no_query() {
        for text in [
            "why? because a=b",
            "is it there?\"a=b",
            "a=b",
            "",
            "??",
            "是否存在?请检查",
        ] {
            assert_eq!(take_out(text), text);
        }
    }
}
