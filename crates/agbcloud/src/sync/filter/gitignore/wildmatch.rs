//! The glob matching of git: a port of `wildmatch.c`. Braces are literal, an unclosed class matches nothing, and `**` is special
//! only as a whole segment. Tests compare it with `git check-ignore`.

/// The result of a match. The two kinds of abort avoid attempts with longer texts that can't match either.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MatchEnd {
    Match,
    NoMatch,
    /// The text has ended. No star further left can match.
    AbortAll,
    /// The text contains a slash. Only a `**` further left can match.
    AbortToStarStar,
}

/// The options of a match.
#[derive(Debug, Clone, Copy)]
pub(super) struct MatchMode {
    /// Whether only a slash and `**` match a slash.
    pub(super) pathname: bool,
    pub(super) ignore_case: bool,
}

pub(super) fn matches(pattern: &[u8], text: &[u8], mode: MatchMode) -> bool {
    wild(pattern, text, mode) == MatchEnd::Match
}

pub(super) fn is_special(byte: u8) -> bool {
    matches!(byte, b'*' | b'?' | b'[' | b'\\')
}

fn folded(byte: u8, mode: MatchMode) -> u8 {
    match mode.ignore_case {
        true => byte.to_ascii_lowercase(),
        false => byte,
    }
}

/// Returns the byte at a position, or zero after the end, as in a C string.
fn at(bytes: &[u8], place: usize) -> u8 {
    bytes.get(place).copied().unwrap_or(0)
}

fn wild(pattern: &[u8], text: &[u8], mode: MatchMode) -> MatchEnd {
    let (mut p, mut t) = (0, 0);
    while p < pattern.len() {
        let text_byte = folded(at(text, t), mode);
        if t >= text.len() && pattern[p] != b'*' {
            return MatchEnd::AbortAll;
        }
        match folded(pattern[p], mode) {
            b'\\' => {
                p += 1;
                if folded(at(pattern, p), mode) != text_byte {
                    return MatchEnd::NoMatch;
                }
            }
            b'?' => {
                if mode.pathname && text_byte == b'/' {
                    return MatchEnd::NoMatch;
                }
            }
            b'*' => match star(pattern, p, text, t, mode) {
                StarMatch::End(end) => return end,
                StarMatch::Segment { pattern, text } => (p, t) = (pattern, text),
            },
            b'[' => match class(pattern, p, text_byte, mode) {
                Some(end) => p = end,
                None => return MatchEnd::NoMatch,
            },
            byte => {
                if byte != text_byte {
                    return MatchEnd::NoMatch;
                }
            }
        }
        p += 1;
        t += 1;
    }
    match t < text.len() {
        true => MatchEnd::NoMatch,
        false => MatchEnd::Match,
    }
}

/// The result of matching a star.
enum StarMatch {
    End(MatchEnd),
    /// The star matches the rest of a segment. Matching continues after these slashes.
    Segment {
        pattern: usize,
        text: usize,
    },
}

fn star(pattern: &[u8], first: usize, text: &[u8], mut t: usize, mode: MatchMode) -> StarMatch {
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
            // `**/` may match no segment.
            if at(pattern, p) == b'/'
                && wild(&pattern[p + 1..], &text[t..], mode) == MatchEnd::Match
            {
                return StarMatch::End(MatchEnd::Match);
            }
            crosses = true;
        }
    }
    if p >= pattern.len() {
        let slash = !crosses && text[t..].contains(&b'/');
        return StarMatch::End(match slash {
            true => MatchEnd::AbortToStarStar,
            false => MatchEnd::Match,
        });
    }
    if !crosses && pattern[p] == b'/' {
        return match text[t..].iter().position(|byte| *byte == b'/') {
            Some(slash) => StarMatch::Segment {
                pattern: p,
                text: t + slash,
            },
            None => StarMatch::End(MatchEnd::AbortAll),
        };
    }
    while t < text.len() {
        if !is_special(pattern[p]) {
            // Continues at the next occurrence of the literal after the star.
            let wanted = folded(pattern[p], mode);
            let rest = &text[t..];
            let stop = |byte: &u8| folded(*byte, mode) == wanted || (!crosses && *byte == b'/');
            let found = rest.iter().position(stop);
            match found.filter(|found| folded(rest[*found], mode) == wanted) {
                Some(found) => t += found,
                None if crosses => return StarMatch::End(MatchEnd::AbortAll),
                None => return StarMatch::End(MatchEnd::AbortToStarStar),
            }
        }
        match wild(&pattern[p..], &text[t..], mode) {
            MatchEnd::NoMatch if !crosses && text[t] == b'/' => {
                return StarMatch::End(MatchEnd::AbortToStarStar);
            }
            MatchEnd::NoMatch => {}
            MatchEnd::AbortToStarStar if crosses => {}
            end => return StarMatch::End(end),
        }
        t += 1;
    }
    StarMatch::End(MatchEnd::AbortAll)
}

/// Matches a byte against the class at a position. Returns the position of the closing bracket.
fn class(pattern: &[u8], open: usize, byte: u8, mode: MatchMode) -> Option<usize> {
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
                // The end of a range can't start another.
                member = 0;
            }
            b'[' if at(pattern, p + 1) == b':' => {
                let start = p + 2;
                let length = pattern[start..].iter().position(|byte| *byte == b']')?;
                let end = start + length;
                if length == 0 || pattern[end - 1] != b':' {
                    // Without a class name, the bracket is a member.
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

/// Whether a byte is in a named class; `None` for an unknown name.
fn named(name: &[u8], byte: u8, mode: MatchMode) -> Option<bool> {
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
