//! Prints listings, records and results.

use std::{borrow::Cow, fmt::Write};

use agbcloud::escape_for_display as escape;
use futures_util::{Stream, StreamExt};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    options::{OutputMode, OutputOptions},
    stdout::write,
    table::{self, Columns, Layout},
};
use crate::{failure::Failure, stderr};

/// Maximum number of items that are formatted together.
const CHUNK: usize = 256;

/// One item of a listing.
pub(crate) trait Row: Serialize + JsonSchema {
    /// Names of the columns.
    const COLUMNS: &'static [&'static str];

    /// What happens to cells that do not fit a terminal.
    const LAYOUT: Layout = Layout {
        narrowing: &[],
        wraps_last: false,
    };

    /// The tab-separated values, one for each column.
    fn plain(&self) -> Vec<String>;

    /// The values on a terminal.
    fn human(&self) -> Vec<String> {
        self.plain()
    }

    /// The values on a terminal that shows only this item.
    fn details(&self) -> Vec<String> {
        self.human()
    }

    /// The only value with `--quiet`.
    fn name(&self) -> String;
}

/// A listing that is being printed.
pub(crate) struct Rows {
    mode: OutputMode,
    columns: Columns,
    has_heading: bool,
}

impl Rows {
    pub(crate) fn new(options: &OutputOptions) -> Self {
        Self {
            mode: options.mode(),
            columns: Columns::default(),
            has_heading: false,
        }
    }

    /// Widens the columns to fit these cells.
    pub(crate) fn fit(&mut self, cells: &[&str]) {
        self.columns.fit(&[to_owned(cells)]);
    }

    /// Prints items as they arrive, with at most one page in memory. Returns how many there were.
    pub(crate) async fn print_all<R: Row>(
        mut self,
        items: impl Stream<Item = Result<R, Failure>>,
    ) -> Result<u64, Failure> {
        let mut chunks = std::pin::pin!(items.ready_chunks(CHUNK));
        let mut count = 0;
        while let Some(chunk) = chunks.next().await {
            let mut rows = Vec::with_capacity(chunk.len());
            let mut failed = None;
            for item in chunk {
                match item {
                    Ok(row) => rows.push(row),
                    Err(error) => failed = Some(error),
                }
            }
            count += rows.len() as u64;
            self.print(&rows)?;
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(count)
    }

    pub(crate) fn print<R: Row>(&mut self, rows: &[R]) -> Result<(), Failure> {
        if rows.is_empty() {
            return Ok(());
        }
        let text = match self.mode {
            OutputMode::Json => rows.iter().map(json).collect::<Result<String, _>>()?,
            OutputMode::Quiet => rows.iter().map(name).collect(),
            OutputMode::Plain => rows.iter().map(|row| format!("{}\n", plain(row))).collect(),
            OutputMode::Human => self.in_columns(rows),
        };
        write(&text)
    }

    fn in_columns<R: Row>(&mut self, rows: &[R]) -> String {
        let escaped = |row: &R| {
            let cells = row.human();
            cells.iter().map(|cell| escape(cell).into_owned()).collect()
        };
        let cells: Vec<Vec<String>> = rows.iter().map(escaped).collect();
        let mut text = String::new();
        if !std::mem::replace(&mut self.has_heading, true) {
            let size = console::Term::stdout().size_checked();
            let width = size.map(|(_, width)| usize::from(width));
            self.columns.limit(width, R::LAYOUT);
            self.columns.fit(&[to_owned(R::COLUMNS)]);
            self.columns.fit(&cells);
            text = self.columns.heading(R::COLUMNS);
        }
        text + &self.columns.lines(&cells, anstyle::Style::new())
    }
}

fn to_owned(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

/// The name on a line of its own, escaped.
pub(super) fn name(row: &impl Row) -> String {
    format!("{}\n", escape(&row.name()))
}

/// The values, escaped, with tabs between them.
pub(super) fn plain(row: &impl Row) -> String {
    let cells = row.plain();
    let cells: Vec<_> = cells.iter().map(|cell| escape(cell)).collect();
    cells.join("\t")
}

/// A line of JSON.
pub(super) fn json(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string(value);
    let text =
        text.map_err(|error| Failure::with_cause("can't format the result as JSON", error))?;
    Ok(escape_json(&text) + "\n")
}

/// Writes every character that other formats escape as `\uXXXX`, which is the same JSON value. Such characters occur
/// only in JSON strings.
fn escape_json(json: &str) -> String {
    let mut escaped = String::with_capacity(json.len());
    for char in json.chars() {
        if matches!(escape(char.encode_utf8(&mut [0; 4])), Cow::Borrowed(_)) {
            escaped.push(char);
            continue;
        }
        for unit in char.encode_utf16(&mut [0; 2]) {
            let _ = write!(escaped, "\\u{unit:04x}");
        }
    }
    escaped
}

/// Prints one record: on a terminal a line for each value.
pub(crate) fn print_record<R: Row>(options: &OutputOptions, row: &R) -> Result<(), Failure> {
    write(&match options.mode() {
        OutputMode::Json => json(row)?,
        OutputMode::Quiet => name(row),
        OutputMode::Plain => format!("{}\n", plain(row)),
        OutputMode::Human => table::fields(R::COLUMNS, &row.details()),
    })
}

/// Prints the result of a command: JSON on stdout, or a message on stderr.
pub(crate) fn print_result(
    options: &OutputOptions,
    document: &impl Serialize,
    message: &str,
) -> Result<(), Failure> {
    match options.mode() {
        OutputMode::Json => write(&json(document)?),
        OutputMode::Quiet => Ok(()),
        OutputMode::Plain | OutputMode::Human => {
            stderr::note(message);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn escaped_json_is_one_line_with_the_same_value(text in any::<String>()) {
            let line = json(&[&text]).unwrap();
            let read: Vec<String> = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(&read[0], &text);
            let line = line.strip_suffix('\n').unwrap();
            prop_assert_eq!(escape(line), line);
        }
    }

    #[test]
    fn escaped_characters_are_written_in_utf_16() {
        let line = json(&"\u{9b}\u{202e}\u{7f}\u{feff}\u{e0041}é").unwrap();
        assert_eq!(line, "\"\\u009b\\u202e\\u007f\\ufeff\\udb40\\udc41é\"\n");
    }
}
