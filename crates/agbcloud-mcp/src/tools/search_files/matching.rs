//! Filters of a search: by name, and by lines.

use agbcloud::FolderPath;
use globset::{GlobBuilder, GlobMatcher};
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
    matcher: GlobMatcher,
    /// The folder with a slash at its end, if the glob applies to paths.
    folder: Option<String>,
}

impl NameFilter {
    pub(super) fn new(glob: &str, folder: &FolderPath, ignore_case: bool) -> Result<Self> {
        check_length("name", glob)?;
        let built = GlobBuilder::new(glob.trim_start_matches('/'))
            .literal_separator(true)
            .case_insensitive(ignore_case)
            .build();
        let glob_error = |error: globset::Error| {
            Failure::invalid_argument(
                format!("name is not a glob: {}", error.kind()),
                "use *, ?, [a-z], {a,b} and **/, and write a backslash before them to match them",
            )
        };
        let is_path = glob.contains('/');
        Ok(Self {
            matcher: built.map_err(glob_error)?.compile_matcher(),
            folder: is_path.then(|| format!("{}/", folder.as_str().trim_end_matches('/'))),
        })
    }

    pub(super) fn matches(&self, path: &str) -> bool {
        let text = match &self.folder {
            Some(folder) => path.strip_prefix(folder).unwrap_or(path),
            None => path.rsplit('/').next().unwrap_or(path),
        };
        self.matcher.is_match(text)
    }
}

/// A text in a line.
#[derive(Debug, Clone)]
pub(super) struct TextFilter {
    text: String,
    ignore_case: bool,
}

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
        if text.contains('\n') {
            return Err(Failure::invalid_argument(
                "content has several lines, and the search compares single lines",
                "pass a part of one line",
            ));
        }
        Ok(Self {
            text: match ignore_case {
                true => text.to_lowercase(),
                false => text.to_owned(),
            },
            ignore_case,
        })
    }

    /// Returns the lines of a content that contain the text. `None` if the content is not text.
    pub(super) fn find_lines(&self, content: &[u8]) -> Option<MatchingLines> {
        let content = as_text(content)?;
        let mut found = MatchingLines::default();
        for (number, line) in (1..).zip(content.lines()) {
            let at = match self.ignore_case {
                true => line.to_lowercase().find(&self.text),
                false => line.find(&self.text),
            };
            let Some(at) = at else { continue };
            found.matching_lines += 1;
            if found.lines.len() < SEARCH_LINES {
                let text = excerpt(line, at);
                found.lines.push(Line { line: number, text });
            }
        }
        Some(found)
    }
}

/// The characters of a line around a byte, which may be one of the line in lower case.
fn excerpt(line: &str, at: usize) -> String {
    const BEFORE: usize = SEARCH_LINE_CHARS / 4;
    let before = line.char_indices().take_while(|(byte, _)| *byte < at);
    let skipped = before.count().saturating_sub(BEFORE);
    let length = line.chars().count();
    let skipped = match length <= SEARCH_LINE_CHARS {
        true => 0,
        false => skipped.min(length - SEARCH_LINE_CHARS),
    };
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
    }

    #[test]
    fn a_long_line_is_cut_around_the_text() {
        let line = format!("{}needle{}", "ä".repeat(1000), "ö".repeat(1000));
        let filter = TextFilter::new("needle", false).unwrap();
        let found = filter.find_lines(line.as_bytes()).unwrap();
        let text = &found.lines[0].text;
        assert_eq!(text.chars().count(), SEARCH_LINE_CHARS);
        assert!(text.contains("needle"), "{text}");
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
