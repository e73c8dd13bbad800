//! The header `If` of WebDAV. `dav-server` ignores one that it can't parse, and panics for some of them: a write would have no
//! condition.

use reqwest::Url;

/// The lock tokens of a header `If`; `None` if `dav-server` would not evaluate it.
///
/// The grammar is that of RFC 4918, section 10.4, without tags that are paths.
pub(crate) fn lock_tokens(value: &str) -> Option<Vec<String>> {
    let mut tokens = Vec::new();
    let mut lists = 0;
    let mut rest = value.trim_start_matches(is_space);
    while !rest.is_empty() {
        if let Some(tagged) = rest.strip_prefix('<') {
            let (tag, after) = coded_url(tagged)?;
            Url::parse(tag).ok()?;
            rest = after;
        }
        rest = list(rest.strip_prefix('(')?, &mut tokens)?;
        lists += 1;
    }
    (lists > 0).then_some(tokens)
}

/// Parses the conditions of a list, and returns what follows it.
fn list<'a>(text: &'a str, tokens: &mut Vec<String>) -> Option<&'a str> {
    let mut conditions = 0;
    let mut rest = text.trim_start_matches(is_space);
    loop {
        if let Some(after) = rest.strip_prefix(')') {
            return (conditions > 0).then(|| after.trim_start_matches(is_space));
        }
        if let Some(negated) = rest.strip_prefix("Not") {
            rest = negated.trim_start_matches(is_space);
        }
        rest = match rest.strip_prefix('<') {
            Some(token) => {
                let (token, after) = coded_url(token)?;
                if !token.contains(':') {
                    return None;
                }
                tokens.push(token.to_owned());
                after
            }
            None => {
                let (etag, after) = rest.strip_prefix('[')?.split_once("\"]")?;
                let tag = etag.strip_prefix("W/").unwrap_or(etag).strip_prefix('"')?;
                if tag.contains(|c: char| c == '"' || is_space(c)) {
                    return None;
                }
                after
            }
        };
        rest = rest.trim_start_matches(is_space);
        conditions += 1;
    }
}

/// Splits a URL from what follows it.
fn coded_url(text: &str) -> Option<(&str, &str)> {
    let (url, after) = text.split_once('>')?;
    let is_invalid = url.is_empty() || url.contains(|c: char| c == '"' || is_space(c));
    (!is_invalid).then(|| (url, after.trim_start_matches(is_space)))
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tokens_of_a_valid_header_are_returned() {
        for (value, tokens) in [
            ("(<urn:uuid:a>)", &["urn:uuid:a"][..]),
            (" ( <urn:a>  [W/\"e\"] ) ", &["urn:a"]),
            (
                "<http://h/a> (<urn:a> [\"e\"]) <http://h/b> (<urn:b>)",
                &["urn:a", "urn:b"],
            ),
            ("(Not <DAV:no-lock>)(<urn:a>)", &["DAV:no-lock", "urn:a"]),
            ("([\"a](,\"])", &[]),
            ("([\"\"])", &[]),
        ] {
            assert_eq!(lock_tokens(value).unwrap(), tokens, "{value}");
        }
    }

    #[test]
    fn what_dav_server_ignores_or_panics_for_is_invalid() {
        for value in [
            "",
            " ",
            "()",
            "(<urn:uuid:a",
            "([\"a\"",
            "([\"])",
            "([\"a\"])x",
            "([a])",
            "([\"a b\"])",
            "([\"a\"b\"])",
            "([W/])",
            "(<a>)",
            "(<>)",
            "(<urn:\"a>)",
            "(<urn: a>)",
            "(Not)",
            "(Not Not <urn:a>)",
            "(urn:a)",
            "<http://h/a>",
            "</a> (<urn:a>)",
            "<http://h/a> <http://h/b> (<urn:a>)",
            "(<urn:a>",
            "*",
        ] {
            assert_eq!(lock_tokens(value), None, "{value}");
        }
    }
}
