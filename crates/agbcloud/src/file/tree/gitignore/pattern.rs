//! The lines of an ignore file.

use super::wildmatch::{self, Mode, is_special};

/// One line of an ignore file.
#[derive(Debug)]
struct Pattern {
    /// Without the `!` and without a slash at either end.
    glob: Vec<u8>,
    negated: bool,
    /// It matches folders alone.
    only_folders: bool,
    /// It has no slash, and so matches the last segment, in any folder.
    base_name: bool,
    /// Bytes at the start without anything special.
    literal: usize,
}

/// The lines of one ignore file.
#[derive(Debug, Default)]
pub(super) struct Patterns(Vec<Pattern>);

impl Patterns {
    /// Reads them as git does.
    pub(super) fn parse(text: &[u8]) -> Self {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let lines = text.split(|byte| *byte == b'\n');
        let lines = lines.filter(|line| !line.starts_with(b"#"));
        let lines = lines.map(|line| {
            // As a C string.
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            line.split(|byte| *byte == 0).next().unwrap_or_default()
        });
        Self(
            lines
                .filter_map(|line| Pattern::parse(trimmed(line)))
                .collect(),
        )
    }

    /// Whether the last line that matches an entry ignores it or takes it in again; `None` if none does. The path is below
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

/// Without spaces at the end, unless a backslash is before them.
fn trimmed(line: &[u8]) -> &[u8] {
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

impl Pattern {
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
        let mode = Mode {
            pathname,
            ignore_case,
        };
        if self.literal == self.glob.len() {
            return same(&self.glob, text);
        }
        if self.base_name {
            return wildmatch::matches(&self.glob, text, mode);
        }
        // The rest is matched as a glob of its own, so that what is before `**` there does not count.
        let (start, rest) = self.glob.split_at(self.literal);
        text.split_at_checked(start.len())
            .is_some_and(|(begins, ends)| {
                same(start, begins) && wildmatch::matches(rest, ends, mode)
            })
    }
}
