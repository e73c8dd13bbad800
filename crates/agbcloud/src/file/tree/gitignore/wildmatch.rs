//! Git's glob matching, byte for byte: braces are literal, an unclosed class matches nothing, `**` is special only as a
//! whole segment. A port of `wildmatch.c`, held against `git check-ignore` by the tests.

/// How a match can end. The two kinds of giving up save trying longer texts that cannot match either.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Match,
    NoMatch,
    /// The text has ended: no star further left can help.
    AbortAll,
    /// A slash is in the way: only a `**` further left can help.
    AbortToStarStar,
}

/// How a glob is matched.
#[derive(Debug, Clone, Copy)]
pub(super) struct Mode {
    /// Whether a slash is matched by a slash and by `**` alone.
    pub(super) pathname: bool,
    pub(super) ignore_case: bool,
}

pub(super) fn matches(pattern: &[u8], text: &[u8], mode: Mode) -> bool {
    wild(pattern, text, mode) == End::Match
}

pub(super) fn is_special(byte: u8) -> bool {
    matches!(byte, b'*' | b'?' | b'[' | b'\\')
}

fn folded(byte: u8, mode: Mode) -> u8 {
    match mode.ignore_case {
        true => byte.to_ascii_lowercase(),
        false => byte,
    }
}

/// The byte at a place; zero behind the end, as in a C string.
fn at(bytes: &[u8], place: usize) -> u8 {
    bytes.get(place).copied().unwrap_or(0)
}

fn wild(pattern: &[u8], text: &[u8], mode: Mode) -> End {
    let (mut p, mut t) = (0, 0);
    while p < pattern.len() {
        let text_byte = folded(at(text, t), mode);
        if t >= text.len() && pattern[p] != b'*' {
            return End::AbortAll;
        }
        match folded(pattern[p], mode) {
            b'\\' => {
                p += 1;
                if folded(at(pattern, p), mode) != text_byte {
                    return End::NoMatch;
                }
            }
            b'?' => {
                if mode.pathname && text_byte == b'/' {
                    return End::NoMatch;
                }
            }
            b'*' => match star(pattern, p, text, t, mode) {
                Star::End(end) => return end,
                Star::Segment { pattern, text } => (p, t) = (pattern, text),
            },
            b'[' => match class(pattern, p, text_byte, mode) {
                Some(end) => p = end,
                None => return End::NoMatch,
            },
            byte => {
                if byte != text_byte {
                    return End::NoMatch;
                }
            }
        }
        p += 1;
        t += 1;
    }
    match t < text.len() {
        true => End::NoMatch,
        false => End::Match,
    }
}

/// What follows from a star.
enum Star {
    End(End),
    /// It matches the rest of a segment: both go on behind these slashes.
    Segment {
        pattern: usize,
        text: usize,
    },
}

fn star(pattern: &[u8], first: usize, text: &[u8], mut t: usize, mode: Mode) -> Star {
    let mut p = first + 1;
    let mut crosses = !mode.pathname;
    if at(pattern, p) == b'*' {
        while at(pattern, p) == b'*' {
            p += 1;
        }
        let begins = first == 0 || pattern[first - 1] == b'/';
        let ends = p >= pattern.len()
            || pattern[p] == b'/'
            || (pattern[p] == b'\\' && at(pattern, p + 1) == b'/');
        if mode.pathname && begins && ends {
            // It may match no segment at all.
            if at(pattern, p) == b'/' && wild(&pattern[p + 1..], &text[t..], mode) == End::Match {
                return Star::End(End::Match);
            }
            crosses = true;
        }
    }
    if p >= pattern.len() {
        let slash = !crosses && text[t..].contains(&b'/');
        return Star::End(match slash {
            true => End::AbortToStarStar,
            false => End::Match,
        });
    }
    if !crosses && pattern[p] == b'/' {
        return match text[t..].iter().position(|byte| *byte == b'/') {
            Some(slash) => Star::Segment {
                pattern: p,
                text: t + slash,
            },
            None => Star::End(End::AbortAll),
        };
    }
    while t < text.len() {
        if !is_special(pattern[p]) {
            // Goes on to the next place where the literal behind the star is.
            let wanted = folded(pattern[p], mode);
            let rest = &text[t..];
            let stop = |byte: &u8| folded(*byte, mode) == wanted || (!crosses && *byte == b'/');
            let found = rest.iter().position(stop);
            match found.filter(|found| folded(rest[*found], mode) == wanted) {
                Some(found) => t += found,
                None if crosses => return Star::End(End::AbortAll),
                None => return Star::End(End::AbortToStarStar),
            }
        }
        match wild(&pattern[p..], &text[t..], mode) {
            End::NoMatch if !crosses && text[t] == b'/' => {
                return Star::End(End::AbortToStarStar);
            }
            End::NoMatch => {}
            End::AbortToStarStar if crosses => {}
            end => return Star::End(end),
        }
        t += 1;
    }
    Star::End(End::AbortAll)
}

/// Matches a byte against the class at a place, and returns the place of its closing bracket.
fn class(pattern: &[u8], open: usize, byte: u8, mode: Mode) -> Option<usize> {
    let mut p = open + 1;
    let negated = matches!(at(pattern, p), b'!' | b'^');
    if negated {
        p += 1;
    }
    let mut matched = false;
    let mut previous = 0;
    let mut first = true;
    loop {
        let mut member = *pattern.get(p)?;
        if member == b']' && !first {
            break;
        }
        first = false;
        match member {
            b'\\' => {
                p += 1;
                member = *pattern.get(p)?;
                matched |= byte == member;
            }
            b'-' if previous != 0 && p + 1 < pattern.len() && pattern[p + 1] != b']' => {
                p += 1;
                member = pattern[p];
                if member == b'\\' {
                    p += 1;
                    member = *pattern.get(p)?;
                }
                matched |= (previous..=member).contains(&byte);
                if mode.ignore_case && byte.is_ascii_lowercase() {
                    matched |= (previous..=member).contains(&byte.to_ascii_uppercase());
                }
                // A range begins no other.
                member = 0;
            }
            b'[' if at(pattern, p + 1) == b':' => {
                let start = p + 2;
                let length = pattern[start..].iter().position(|byte| *byte == b']')?;
                let end = start + length;
                if length == 0 || pattern[end - 1] != b':' {
                    // No name of a class: the bracket is a member.
                    matched |= byte == b'[';
                } else {
                    matched |= named(&pattern[start..end - 1], byte, mode)?;
                    p = end;
                    member = 0;
                }
            }
            member => matched |= byte == member,
        }
        previous = member;
        p += 1;
    }
    let slash = mode.pathname && byte == b'/';
    (matched != negated && !slash).then_some(p)
}

/// Whether a byte is in a class of this name, if there is one.
fn named(name: &[u8], byte: u8, mode: Mode) -> Option<bool> {
    Some(match name {
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"alpha" => byte.is_ascii_alphabetic(),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"cntrl" => byte.is_ascii_control(),
        b"digit" => byte.is_ascii_digit(),
        b"graph" => byte.is_ascii_graphic(),
        b"lower" => byte.is_ascii_lowercase(),
        b"print" => byte.is_ascii_graphic() || byte == b' ',
        b"punct" => byte.is_ascii_punctuation(),
        b"space" => byte.is_ascii_whitespace() || byte == 0x0b,
        b"upper" => byte.is_ascii_uppercase() || (mode.ignore_case && byte.is_ascii_lowercase()),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => return None,
    })
}
