//! The patterns of an ignore file.

use super::wildmatch::{self, MatchMode, is_special};

/// A line of an ignore file.
#[derive(Debug)]
struct IgnorePattern {
    /// Without the `!`, and without leading and trailing slashes.
    glob: Vec<u8>,
    negated: bool,
    /// The pattern matches only folders.
    only_folders: bool,
    /// The pattern has no slash, so it matches the last segment in any folder.
    base_name: bool,
    /// Length of the prefix without special characters.
    literal: usize,
}

/// The lines of one ignore file.
#[derive(Debug, Default)]
pub(super) struct IgnorePatterns(Vec<IgnorePattern>);

impl IgnorePatterns {
    /// Parses lines as git does.
    pub(super) fn parse(text: &[u8]) -> Self {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let lines = text.split(|byte| *byte == b'\n');
        let lines = lines.filter(|line| !line.starts_with(b"#"));
        let lines = lines.map(|line| {
            // Git reads a line as a C string, which ends at a zero byte.
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            line.split(|byte| *byte == 0).next().unwrap_or_default()
        });
        Self(
            lines
                .filter_map(|line| IgnorePattern::parse(trim_line(line)))
                .collect(),
        )
    }

    /// Returns the decision of the last matching line: `true` ignores the entry, `false` includes it again. The path is relative to
    /// the folder of the file.
    pub(super) fn ignores(&self, path: &[u8], is_folder: bool, ignore_case: bool) -> Option<bool> {
        let patterns = self.0.iter().rev();
        let mut matching = patterns.filter(|pattern| pattern.matches(path, is_folder, ignore_case));
        matching.next().map(|pattern| !pattern.negated)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Removes trailing spaces that are not escaped.
fn trim_line(line: &[u8]) -> &[u8] {
    let mut end = 0;
    let mut bytes = line.iter().enumerate();
    while let Some((place, byte)) = bytes.next() {
        match byte {
            b' ' => {}
            b'\\' => match bytes.next() {
                Some((place, _)) => end = place + 1,
                None => return line,
            },
            _ => end = place + 1,
        }
    }
    &line[..end]
}

impl IgnorePattern {
    fn parse(line: &[u8]) -> Option<Self> {
        let (line, negated) = match line.strip_prefix(b"!") {
            Some(rest) => (rest, true),
            None => (line, false),
        };
        let (glob, only_folders) = match line.strip_suffix(b"/") {
            Some(rest) => (rest, true),
            None => (line, false),
        };
        let base_name = !glob.contains(&b'/');
        let glob = glob.strip_prefix(b"/").unwrap_or(glob);
        let special = glob.iter().position(|byte| is_special(*byte));
        (!glob.is_empty()).then(|| Self {
            literal: special.unwrap_or(glob.len()),
            glob: glob.to_owned(),
            negated,
            only_folders,
            base_name,
        })
    }

    fn matches(&self, path: &[u8], is_folder: bool, ignore_case: bool) -> bool {
        if self.only_folders && !is_folder {
            return false;
        }
        let same = |one: &[u8], other: &[u8]| match ignore_case {
            true => one.eq_ignore_ascii_case(other),
            false => one == other,
        };
        let (pathname, text) = match self.base_name {
            true => (
                false,
                path.rsplit(|byte| *byte == b'/').next().unwrap_or(path),
            ),
            false => (true, path),
        };
        let mode = MatchMode {
            pathname,
            ignore_case,
        };
        if self.literal == self.glob.len() {
            return same(&self.glob, text);
        }
        if self.base_name {
            return wildmatch::matches(&self.glob, text, mode);
        }
        // The rest is matched as a separate glob: git ignores what precedes `**` in it.
        let (start, rest) = self.glob.split_at(self.literal);
        text.split_at_checked(start.len())
            .is_some_and(|(begins, ends)| {
                same(start, begins) && wildmatch::matches(rest, ends, mode)
            })
    }
}
