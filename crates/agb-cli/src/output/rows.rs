//! Listings, shown as they come.

use std::{borrow::Cow, fmt::Write};

use futures_util::{Stream, StreamExt};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Look, Reader, escape, table::Columns, write};
use crate::exit::Failure;

/// Items that are shown at a time, if so many are there.
const AT_ONCE: usize = 256;

/// One line of a listing.
pub(crate) trait Row: Serialize + JsonSchema {
    /// Names of the columns.
    const HEAD: &'static [&'static str];

    /// Values for scripts, one for each column.
    fn plain(&self) -> Vec<String>;

    /// Values for people.
    fn pretty(&self) -> Vec<String> {
        self.plain()
    }

    /// Values for people who look at one alone.
    fn full(&self) -> Vec<String> {
        self.pretty()
    }

    /// What `--quiet` leaves of it.
    fn name(&self) -> String;
}

/// A listing that is being shown.
pub(crate) struct Rows {
    reader: Reader,
    columns: Columns,
    began: bool,
}

impl Rows {
    pub(crate) fn new(look: &Look) -> Self {
        Self {
            reader: look.reader(),
            columns: Columns::default(),
            began: false,
        }
    }

    /// Makes room for what will come one by one.
    pub(crate) fn fit(&mut self, cells: &[&str]) {
        self.columns
            .fit(&[cells.iter().map(|cell| (*cell).to_owned()).collect()]);
    }

    /// Shows items as they come: the first page at once, and no more than a page is in memory.
    pub(crate) async fn show<R: Row>(
        mut self,
        items: impl Stream<Item = Result<R, Failure>>,
    ) -> Result<u64, Failure> {
        let mut chunks = std::pin::pin!(items.ready_chunks(AT_ONCE));
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
            self.write(&rows)?;
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(count)
    }

    pub(crate) fn write<R: Row>(&mut self, rows: &[R]) -> Result<(), Failure> {
        if rows.is_empty() {
            return Ok(());
        }
        let text = match self.reader {
            Reader::Program => rows.iter().map(json).collect::<Result<String, _>>()?,
            Reader::Terse => rows.iter().map(name).collect(),
            Reader::Script => rows.iter().map(|row| format!("{}\n", plain(row))).collect(),
            Reader::Person => self.columns_of(rows),
        };
        write(&text)
    }

    fn columns_of<R: Row>(&mut self, rows: &[R]) -> String {
        let cells: Vec<Vec<String>> = rows
            .iter()
            .map(|row| {
                row.pretty()
                    .iter()
                    .map(|cell| escape(cell).into_owned())
                    .collect()
            })
            .collect();
        let mut text = String::new();
        if !std::mem::replace(&mut self.began, true) {
            self.columns
                .fit(&[R::HEAD.iter().map(|name| (*name).to_owned()).collect()]);
            self.columns.fit(&cells);
            text = self.columns.head(R::HEAD);
        }
        text + &self.columns.lines(&cells, anstyle::Style::new())
    }
}

/// A name alone on its line, whatever is in it.
pub(super) fn name(row: &impl Row) -> String {
    format!("{}\n", escape(&row.name()))
}

/// Values with tabs between them, of which none has one inside.
pub(super) fn plain(row: &impl Row) -> String {
    let cells = row.plain();
    let cells: Vec<_> = cells.iter().map(|cell| escape(cell)).collect();
    cells.join("\t")
}

/// A line of JSON.
pub(super) fn json(value: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string(value);
    let text = text.map_err(|error| Failure::other("can't write it as JSON", error))?;
    Ok(ascii_controls(&text) + "\n")
}

/// The same JSON, in which no terminal and no reader of lines meets a character that is escaped elsewhere. Outside of its
/// texts JSON has none of them, and in its texts `\uXXXX` is the same value.
fn ascii_controls(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for char in json.chars() {
        if matches!(escape(char.encode_utf8(&mut [0; 4])), Cow::Borrowed(_)) {
            shown.push(char);
            continue;
        }
        for unit in char.encode_utf16(&mut [0; 2]) {
            let _ = write!(shown, "\\u{unit:04x}");
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn json_stays_the_same_value_and_is_one_harmless_line(text in any::<String>()) {
            let line = json(&[&text]).unwrap();
            let read: Vec<String> = serde_json::from_str(&line).unwrap();
            prop_assert_eq!(&read[0], &text);
            let line = line.strip_suffix('\n').unwrap();
            prop_assert_eq!(escape(line), line);
        }
    }

    #[test]
    fn what_is_escaped_is_written_in_utf_16() {
        let line = json(&"\u{9b}\u{202e}\u{7f}\u{feff}\u{e0041}é").unwrap();
        assert_eq!(line, "\"\\u009b\\u202e\\u007f\\ufeff\\udb40\\udc41é\"\n");
    }
}
