//! `edit_file`.

use agbcloud::RemotePath;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    answers::WrittenFile,
    new_content::{Condition, check_size, upload},
    read_file::{WholeFile, whole_file},
    tool::{Hints, ToolCall},
};
use crate::{
    access::Permission,
    content::{as_text, count_lines},
    failure::{Failure, NOT_TEXT, Result, UNSUPPORTED},
    limits::MAX_WRITE_BYTES,
    state::State,
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EditFile {
    /// Name or id of the context. Can be left out if the server is confined to one context
    context: Option<String>,
    /// Absolute path of a text file of at most 4 MiB
    path: String,
    /// The text to replace, exactly as in the file, with its white space. Must occur once unless replace_all is true
    old_text: String,
    /// The text instead of it
    new_text: String,
    /// Replace all occurrences. Defaults to false
    #[serde(default)]
    replace_all: bool,
    /// Fail if the file does not have this version, as returned by read_file
    if_version: Option<String>,
}

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Answer {
    /// The file after the edit
    #[serde(flatten)]
    file: WrittenFile,
    /// Number of replaced occurrences
    replacements: u64,
    /// Lines at which the first replaced occurrences started
    lines: Vec<u64>,
}

/// Lines in an answer or a message.
const SHOWN_LINES: usize = 10;

impl ToolCall for EditFile {
    const NAME: &'static str = "edit_file";
    const TITLE: &'static str = "Edit a file";
    const DESCRIPTION: &'static str = "Replaces a text in a file by another. The text must match exactly and occur once, or \
         replace_all must be true. Fails if the file changes meanwhile.";
    const PERMISSION: Permission = Permission::Write;
    const HINTS: Hints = Hints {
        destructive: true,
        idempotent: false,
        open_world: false,
    };
    type Answer = Answer;

    async fn run(self, state: &State) -> Result<Answer> {
        let path = RemotePath::new(self.path.as_str())?;
        let place = state.scope.place(self.context.as_deref()).await?;
        let next_step = "download the file, and upload the edited one with create_upload_url";
        let file = whole_file(&place, &path, MAX_WRITE_BYTES as u64, next_step).await?;
        let version = self.checked_version(&file, &path)?;
        let text = as_text(&file.bytes).ok_or_else(|| {
            Failure::new(
                NOT_TEXT,
                format!("{} is not text in UTF-8", path.as_str()),
                "replace the whole file with write_file and encoding base64",
            )
        })?;
        let edited = self.replace(text)?;
        let written = upload(
            &place,
            &path,
            edited.text.into_bytes(),
            Condition::Version(version),
        );
        let written = written.await?;
        Ok(Answer {
            file: WrittenFile::new(&place, path.as_str(), written),
            replacements: edited.replacements,
            lines: edited.lines,
        })
    }
}

#[derive(Debug)]
struct Edited {
    text: String,
    replacements: u64,
    lines: Vec<u64>,
}

impl EditFile {
    /// The version that guards the edit.
    fn checked_version(&self, file: &WholeFile, path: &RemotePath) -> Result<String> {
        let Some(etag) = &file.etag else {
            return Err(Failure::new(
                UNSUPPORTED,
                "the store reports no version of the file, so that an edit could overwrite a change",
                "read the file, and replace it with write_file and overwrite true",
            ));
        };
        match &self.if_version {
            Some(expected) if expected != etag => Err(Failure::changed(path.as_str())),
            _ => Ok(etag.clone()),
        }
    }

    fn replace(&self, text: &str) -> Result<Edited> {
        let exact = "copy the text exactly from read_file, with its white space";
        if self.old_text.is_empty() {
            return Err(Failure::invalid_argument("old_text is empty", exact));
        }
        if self.old_text == self.new_text {
            return Err(Failure::invalid_argument(
                "old_text and new_text are the same",
                "pass another new_text",
            ));
        }
        let mut lines = Vec::new();
        let (mut replacements, mut line, mut counted) = (0, 1, 0);
        for (at, _) in text.match_indices(&self.old_text) {
            line += count_lines(&text.as_bytes()[counted..at]);
            counted = at;
            replacements += 1;
            if lines.len() < SHOWN_LINES {
                lines.push(line);
            }
        }
        match replacements {
            0 => {
                return Err(Failure::invalid_argument(
                    "old_text does not occur in the file",
                    exact,
                ));
            }
            1 if !self.replace_all && self.overlaps(text) => {
                return Err(Failure::invalid_argument(
                    format!("old_text occurs several times, which overlap, first in line {line}"),
                    "pass more of the text around it",
                ));
            }
            2.. if !self.replace_all => {
                let shown: Vec<String> = lines.iter().map(u64::to_string).collect();
                return Err(Failure::invalid_argument(
                    format!(
                        "old_text occurs {replacements} times, first in lines {}",
                        shown.join(", ")
                    ),
                    "pass more of the text around it, or replace_all true",
                ));
            }
            _ => {}
        }
        // The size is known before the memory is used: one character can be replaced by megabytes.
        let removed = self.old_text.len() * replacements as usize;
        let added = self.new_text.len().saturating_mul(replacements as usize);
        check_size((text.len() - removed).saturating_add(added))?;
        Ok(Edited {
            text: text.replace(&self.old_text, &self.new_text),
            replacements,
            lines,
        })
    }
}

impl EditFile {
    /// Whether an occurrence starts within the first one.
    fn overlaps(&self, text: &str) -> bool {
        let first = text.find(&self.old_text);
        let second = first.and_then(|first| {
            let length = text[first..].chars().next()?.len_utf8();
            text[first + length..].find(&self.old_text)
        });
        second.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(old: &str, new: &str, replace_all: bool) -> EditFile {
        EditFile {
            context: None,
            path: "/a".to_owned(),
            old_text: old.to_owned(),
            new_text: new.to_owned(),
            replace_all,
            if_version: None,
        }
    }

    #[test]
    fn one_occurrence_is_replaced() {
        let edited = edit("two", "2", false).replace("one\ntwo\nthree").unwrap();
        assert_eq!(edited.text, "one\n2\nthree");
        assert_eq!((edited.replacements, edited.lines), (1, vec![2]));
    }

    #[test]
    fn several_occurrences_need_replace_all() {
        let text = "a\nb\na\n";
        let failure = edit("a", "c", false).replace(text).unwrap_err();
        assert!(
            failure.message.contains("2 times, first in lines 1, 3"),
            "{failure:?}"
        );
        let edited = edit("a", "c", true).replace(text).unwrap();
        assert_eq!((&*edited.text, edited.replacements), ("c\nb\nc\n", 2));
    }

    #[test]
    fn overlapping_occurrences_are_not_unique() {
        for (text, old) in [("aaa", "aa"), ("äbäbä", "äbä"), ("x\nx\nx", "x\nx")] {
            let failure = edit(old, "b", false).replace(text).unwrap_err();
            assert!(failure.message.contains("overlap"), "{failure:?}");
            assert!(edit(old, "b", true).replace(text).is_ok());
        }
    }

    #[test]
    fn a_text_that_does_not_occur_is_an_error() {
        for (old, new) in [("x", "y"), ("", "y"), ("a", "a"), ("A", "b")] {
            let failure = edit(old, new, true).replace("a").unwrap_err();
            assert_eq!(failure.kind, "invalid_argument", "{old:?} {new:?}");
        }
    }

    #[test]
    fn an_edit_that_grows_too_large_is_refused_before_it_is_made() {
        let large = "y".repeat(MAX_WRITE_BYTES / 2);
        let failure = edit("x", &large, true).replace("xxx").unwrap_err();
        assert_eq!(failure.kind, "too_large");
    }
}
