//! An upper bound for the nesting of quotes and lists in Markdown, from the starts of its lines.
//!
//! The parser compares each line with all open quotes and lists, so that its time is their number multiplied by the lines.

/// An upper bound for the number of quotes and lists that are open at the same time.
pub(super) fn containers(source: &str) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    for line in source.lines() {
        let start = LineStart::of(line);
        if start.markers == 0 {
            // It may continue a paragraph in all of them.
            continue;
        }
        open = open.min(start.continued) + start.markers;
        most = most.max(open);
    }
    most
}

/// The start of a line.
struct LineStart {
    /// Number of markers of quotes and lists.
    markers: usize,
    /// Maximum number of open quotes and lists that the line continues: a quote by a marker, and a list by two columns.
    continued: usize,
}

impl LineStart {
    fn of(line: &str) -> Self {
        let (mut markers, mut quotes, mut columns) = (0, 0, 0);
        // Horizontal lines have the characters of list items.
        let mut rest = &line.as_bytes()[..line.len() - ruler(line)];
        while let Some((first, after)) = rest.split_first() {
            rest = match first {
                b' ' => {
                    columns += 1;
                    after
                }
                b'\t' => {
                    columns += 4;
                    after
                }
                b'>' => {
                    markers += 1;
                    quotes += 1;
                    after
                }
                _ => match after_item(rest) {
                    Some(after) => {
                        markers += 1;
                        after
                    }
                    None => break,
                },
            };
        }
        Self {
            markers,
            continued: quotes + columns / 2,
        }
    }
}

/// The bytes after the marker of a list item.
fn after_item(bytes: &[u8]) -> Option<&[u8]> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit());
    let marker = match (digits.count(), bytes.first()?) {
        (0, b'-' | b'+' | b'*') => 1,
        (0, _) => return None,
        (digits, _) => match bytes.get(digits)? {
            b'.' | b')' => digits + 1,
            _ => return None,
        },
    };
    let after = bytes.get(marker..)?;
    matches!(after.first(), None | Some(b' ' | b'\t')).then_some(after)
}

/// The length of the horizontal line at the end of a line, such as `- - -`; 0 if it has none.
fn ruler(line: &str) -> usize {
    let line = line.trim_end_matches([' ', '\t']);
    let Some(mark @ ('-' | '*')) = line.chars().next_back() else {
        return 0;
    };
    let before = line.trim_end_matches([' ', '\t', mark]).len();
    let marks = line[before..].matches(mark).count();
    if marks < 3 { 0 } else { line.len() - before }
}

#[cfg(test)]
mod tests {
    use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

    use super::*;

    /// The nesting that the parser finds.
    fn parsed(source: &str) -> usize {
        let (mut open, mut most) = (0, 0);
        for event in Parser::new_ext(source, Options::ENABLE_TABLES) {
            match event {
                Event::Start(Tag::BlockQuote(_) | Tag::Item) => open += 1,
                Event::End(TagEnd::BlockQuote(_) | TagEnd::Item) => open -= 1,
                _ => {}
            }
            most = most.max(open);
        }
        most
    }

    #[test]
    fn usual_texts_have_a_small_bound() {
        for (source, expected) in [
            ("# a\n\ntext - with * marks 1. in it\n", 0),
            ("- a\n- b\n\n  c\n- d\n", 1),
            ("- a\n  - b\n    - c\n- d\n", 3),
            ("1. a\n   > b\n   > c\n2. d\n", 2),
            ("- - - -\n\n* * *\n***\n---\n", 0),
            ("-1 and 1.5 and 12\n+a\n", 0),
        ] {
            assert_eq!(parsed(source), expected, "{source:?}");
            assert!(containers(source) <= expected + 1, "{source:?}");
        }
    }

    #[test]
    fn flat_lists_stay_flat_at_any_length() {
        assert_eq!(containers(&"- a\n\n".repeat(1000)), 1);
        assert_eq!(containers(&"> a\n>\n".repeat(1000)), 2);
        assert!(containers(&"\t\t- a\n".repeat(1000)) < 10);
    }

    /// Random lines of markers and white space: the bound is at least the nesting that the parser finds.
    #[test]
    fn the_bound_is_never_too_small() {
        const PARTS: [&str; 14] = [
            ">", "> ", "- ", "-\t", "* ", "+ ", "1. ", "10) ", " ", "  ", "\t", "a", "-", "\n",
        ];
        let mut state = 1_u64;
        let mut random = |limit: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % limit
        };
        for _ in 0..20_000 {
            let mut source = String::new();
            for _ in 0..=random(8) {
                for _ in 0..=random(8) {
                    source.push_str(PARTS[random(PARTS.len())]);
                }
                source.push('\n');
            }
            let (bound, found) = (containers(&source), parsed(&source));
            assert!(bound >= found, "{bound} < {found}: {source:?}");
        }
    }
}
