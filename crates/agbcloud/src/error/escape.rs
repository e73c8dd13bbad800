//! A text as the characters of another may be escaped in JSON, in HTML and in URLs.

/// The names that HTML and XML have for characters of ASCII.
const NAMES: [(&str, char); 5] = [
    ("&amp;", '&'),
    ("&lt;", '<'),
    ("&gt;", '>'),
    ("&quot;", '"'),
    ("&apos;", '\''),
];

/// How many bytes the plain text takes at the start of the other one, whichever of its characters are escaped there.
pub(super) fn matched(text: &str, plain: &str) -> Option<usize> {
    if !plain.is_empty() && text.starts_with(plain) {
        return Some(plain.len());
    }
    let mut length = 0;
    for character in plain.chars() {
        length += one(&text[length..], character)?;
    }
    (length > 0).then_some(length)
}

/// Whether a text begins with a character, as it is or escaped.
pub(super) fn begins_with(text: &str, character: char) -> bool {
    one(text, character).is_some()
}

fn one(text: &str, character: char) -> Option<usize> {
    let escaped = match text.bytes().next()? {
        b'\\' => backslash(text, character),
        b'%' => number(text, "%", 2, 16, character),
        b'&' => entity(text, character),
        _ => None,
    };
    escaped.or_else(|| text.starts_with(character).then_some(character.len_utf8()))
}

fn backslash(text: &str, character: char) -> Option<usize> {
    let itself = text[1..].starts_with(character) && character.is_ascii_punctuation();
    match itself {
        true => Some(2),
        false => number(text, "\\u", 4, 16, character),
    }
}

fn entity(text: &str, character: char) -> Option<usize> {
    for (name, meant) in NAMES {
        if meant == character && text.starts_with(name) {
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

/// A character by its number, in so many digits.
fn number(text: &str, mark: &str, digits: usize, radix: u32, character: char) -> Option<usize> {
    let end = mark.len() + digits;
    let digits = text
        .get(mark.len()..end)
        .filter(|_| text.starts_with(mark))?;
    let code = u32::from_str_radix(digits, radix).ok()?;
    (code == u32::from(character)).then_some(end)
}
