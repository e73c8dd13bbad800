//! Filters of a search: by name, and by lines.

use std::ops::Range;

use agbcloud::FolderPath;
use globset::GlobBuilder;
use percent_encoding::percent_decode_str;
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    content::as_text,
    failure::{Failure, Result},
    limits::{MAX_PATTERN_CHARS, SEARCH_LINE_CHARS, SEARCH_LINES},
};

/// A glob of names, or of paths below a folder.
#[derive(Debug)]
pub(super) struct NameFilter {
    pattern: Regex,
    /// The folder with a slash at its end, if the glob applies to paths.
    folder: Option<String>,
}

impl NameFilter {
    pub(super) fn new(glob: &str, folder: &FolderPath, ignore_case: bool) -> Result<Self> {
        check_length("name", glob)?;
        let failure = |cause: &str| {
            Failure::invalid_argument(
                format!("name is not a glob: {cause}"),
                "use *, ?, [a-z], {a,b} and **/, and write a backslash before them to match them",
            )
        };
        let glob_pattern = GlobBuilder::new(glob.trim_start_matches('/'))
            .literal_separator(true)
            .build()
            .map_err(|error| failure(&error.kind().to_string()))?;
        let pattern = RegexBuilder::new(&unicode_pattern(glob_pattern.regex()))
            .case_insensitive(ignore_case)
            .dot_matches_new_line(true)
            .build()
            .map_err(|_| failure("it is too large or nested too deeply"))?;
        let is_path = glob.contains('/');
        Ok(Self {
            pattern,
            folder: is_path.then(|| format!("{}/", folder.as_str().trim_end_matches('/'))),
        })
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        let text = match &self.folder {
            Some(folder) => path.strip_prefix(folder).unwrap_or(path),
            None => path.rsplit('/').next().unwrap_or(path),
        };
        self.pattern.is_match(text)
    }
}

/// Makes a pattern of `globset`, which matches bytes, match characters: it starts with `(?-u)`, and characters other than ASCII
/// are written as their bytes, such as `\xc3\xa4`.
fn unicode_pattern(bytes_pattern: &str) -> String {
    let pattern = bytes_pattern.trim_start_matches("(?-u)");
    let mut encoded = String::with_capacity(pattern.len());
    let mut chars = pattern.chars();
    while let Some(char) = chars.next() {
        match char {
            '\\' => match chars.next() {
                Some('x') => encoded.push('%'),
                escaped => encoded.extend(['\\'].into_iter().chain(escaped)),
            },
            '%' => encoded.push_str("%25"),
            char => encoded.push(char),
        }
    }
    percent_decode_str(&encoded)
        .decode_utf8_lossy()
        .into_owned()
}

/// A text in a line.
#[derive(Debug, Clone)]
pub(super) struct TextFilter(Regex);

/// Lines that contain a text.
#[derive(Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct MatchingLines {
    /// Number of lines that contain the text
    matching_lines: u64,
    /// The first 10 of them
    lines: Vec<Line>,
}

impl MatchingLines {
    pub(super) fn is_empty(&self) -> bool {
        self.matching_lines == 0
    }
}

#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
struct Line {
    /// Number of the line, counted from 1
    line: u64,
    /// The line, or 240 characters of it around the text
    text: String,
}

impl TextFilter {
    pub(super) fn new(text: &str, ignore_case: bool) -> Result<Self> {
        check_length("content", text)?;
        if text.contains(['\n', '\r']) {
            return Err(Failure::invalid_argument(
                "content has a line break, and the search compares single lines",
                "pass a part of one line, without its end",
            ));
        }
        let pattern = RegexBuilder::new(&regex::escape(text))
            .case_insensitive(ignore_case)
            .build();
        pattern.map(Self).map_err(|_| {
            Failure::invalid_argument("content is too large", "pass a shorter content")
        })
    }

    /// Returns the lines of a content that contain the text. `None` if the content is not text.
    pub(super) fn find_lines(&self, content: &[u8]) -> Option<MatchingLines> {
        let content = as_text(content)?;
        let mut found = MatchingLines::default();
        for (number, line) in (1..).zip(content.lines()) {
            let Some(text) = self.0.find(line) else {
                continue;
            };
            found.matching_lines += 1;
            if found.lines.len() < SEARCH_LINES {
                let text = excerpt(line, text.range());
                found.lines.push(Line { line: number, text });
            }
        }
        Some(found)
    }
}

/// The characters of a line around a text, which precedes what follows it if the line is long.
fn excerpt(line: &str, text: Range<usize>) -> String {
    const BEFORE: usize = SEARCH_LINE_CHARS / 4;
    let before = line[..text.start].chars().count();
    let found = line[text].chars().count();
    let shown_before = BEFORE.min(SEARCH_LINE_CHARS.saturating_sub(found));
    let length = line.chars().count();
    let skipped = before.saturating_sub(shown_before);
    let skipped = skipped.min(length.saturating_sub(SEARCH_LINE_CHARS));
    line.chars().skip(skipped).take(SEARCH_LINE_CHARS).collect()
}

fn check_length(argument: &str, text: &str) -> Result<()> {
    match text.chars().count() {
        0 => Err(Failure::invalid_argument(
            format!("{argument} is empty"),
            format!("leave out {argument}"),
        )),
        length if length > MAX_PATTERN_CHARS => Err(Failure::invalid_argument(
            format!("{argument} has more than {MAX_PATTERN_CHARS} characters"),
            format!("pass a shorter {argument}"),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_without_a_slash_applies_to_names() {
        let folder = FolderPath::new("/src").unwrap();
        let filter = |glob, ignore_case| NameFilter::new(glob, &folder, ignore_case).unwrap();
        assert!(filter("*.rs", false).matches("/src/a/b.rs"));
        assert!(!filter("*.rs", false).matches("/src/a/b.RS"));
        assert!(filter("*.rs", true).matches("/src/a/b.RS"));
        assert!(filter("**/*.rs", false).matches("/src/a/b.rs"));
        assert!(filter("a/*.rs", false).matches("/src/a/b.rs"));
        assert!(!filter("*/*.rs", false).matches("/src/a/c/b.rs"));
        for wrong in ["", "[", "{a", &"x".repeat(2000)] {
            let failure = NameFilter::new(wrong, &folder, false).unwrap_err();
            assert_eq!(failure.kind, "invalid_argument", "{wrong}");
        }
    }

    #[test]
    fn a_glob_matches_characters_of_any_script() {
        let folder = FolderPath::root();
        for (glob, ignore_case, name, expected) in [
            ("?.md", false, "/ä.md", true),
            ("?.md", false, "/ab.md", false),
            ("[à-ü].md", false, "/ä.md", true),
            ("[!x].md", false, "/ä.md", true),
            ("[!ä].md", false, "/ä.md", false),
            ("ü.txt", true, "/Ü.txt", true),
            ("ü.txt", false, "/Ü.txt", false),
            ("100%25.md", false, "/100%25.md", true),
            ("100%25.md", false, "/100%.md", false),
            ("\\\\xc3\\\\xa4", false, "/\\xc3\\xa4", true),
            ("\\\\xc3\\\\xa4", false, "/ä", false),
            ("*", false, "/a\nb", true),
        ] {
            let filter = NameFilter::new(glob, &folder, ignore_case).unwrap();
            assert_eq!(filter.matches(name), expected, "{glob} {name}");
        }
    }

    #[test]
    fn a_deeply_nested_glob_is_an_error() {
        let folder = FolderPath::root();
        for depth in [1, 100, 249, 250, 260, 400, 499] {
            let glob = format!("{}a{}", "{".repeat(depth), "}".repeat(depth));
            match NameFilter::new(&glob, &folder, false) {
                Ok(filter) => assert!(filter.matches("/a"), "{depth}"),
                Err(failure) => assert_eq!(failure.kind, "invalid_argument"),
            }
        }
    }

    #[test]
    fn lines_with_the_text_are_found() {
        let filter = TextFilter::new("Needle", true).unwrap();
        let found = filter.find_lines(b"hay\na NEEDLE\nhay\nneedle").unwrap();
        assert_eq!(found.matching_lines, 2);
        let lines: Vec<_> = found.lines.iter().map(|line| line.line).collect();
        assert_eq!(lines, [2, 4]);
        assert!(filter.find_lines(b"needle\0").is_none());
        let exact = TextFilter::new("Needle", false).unwrap();
        assert!(exact.find_lines(b"needle").unwrap().is_empty());
        assert!(TextFilter::new("a\nb", false).is_err());
        let special = TextFilter::new("a.*(b", false).unwrap();
        assert!(!special.find_lines(b"a.*(b").unwrap().is_empty());
        assert!(special.find_lines(b"axx(b").unwrap().is_empty());
    }

    #[test]
    fn the_case_of_every_letter_is_ignored() {
        for (text, line) in [("straße", "STRAẞE"), ("ümlaut", "ÜMLAUT"), ("Σ", "ς")] {
            let filter = TextFilter::new(text, true).unwrap();
            assert!(
                !filter.find_lines(line.as_bytes()).unwrap().is_empty(),
                "{text}"
            );
        }
    }

    #[test]
    fn a_long_line_is_cut_around_the_text() {
        let line = format!("{}needle{}", "ä".repeat(1000), "ö".repeat(1000));
        let filter = TextFilter::new("needle", false).unwrap();
        let found = filter.find_lines(line.as_bytes()).unwrap();
        let text = &found.lines[0].text;
        assert_eq!(text.chars().count(), SEARCH_LINE_CHARS);
        assert!(text.contains("needle"), "{text}");
        // These letters have another number of bytes or characters in lower case.
        for letter in ["İ", "Ⱥ"] {
            let line = format!("{}NEEDLE{}", letter.repeat(300), "x".repeat(300));
            let filter = TextFilter::new("needle", true).unwrap();
            let found = filter.find_lines(line.as_bytes()).unwrap();
            assert!(found.lines[0].text.contains("NEEDLE"), "{letter}");
        }
        let long = "n".repeat(SEARCH_LINE_CHARS);
        let line = format!("{}{long}{}", "-".repeat(300), "-".repeat(300));
        let found = TextFilter::new(&long, false).unwrap();
        let found = found.find_lines(line.as_bytes()).unwrap();
        assert_eq!(found.lines[0].text, long);
    }

    #[test]
    fn many_lines_are_counted_and_some_are_returned() {
        let filter = TextFilter::new("x", false).unwrap();
        let found = filter.find_lines("x\n".repeat(100).as_bytes()).unwrap();
        assert_eq!(
            (found.matching_lines, found.lines.len()),
            (100, SEARCH_LINES)
        );
    }
}
