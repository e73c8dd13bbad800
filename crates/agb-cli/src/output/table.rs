//! Columns on a terminal.

use std::borrow::Cow;

use agbcloud::escape_for_display as escape;
use anstyle::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

const HEADING: Style = Style::new().bold();
const NAME: Style = Style::new().dimmed();

/// Minimum width of a column that is wrapped.
const MIN_WIDTH: usize = 12;

/// Columns that widen to fit each row, up to the width of the terminal.
#[derive(Default)]
pub(super) struct Columns {
    widths: Vec<usize>,
    /// The width of the terminal, if it is known.
    available: Option<usize>,
    layout: Layout,
    /// The columns that are not shown. The heading decides, since lines below it may be wider.
    omitted: Vec<usize>,
}

/// What makes a table narrower.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Narrowing {
    /// Shortens the cells of a column to a minimum width.
    Shorten { column: usize, min: usize },
    /// Omits a column.
    Omit(usize),
}

/// What happens to cells that do not fit the terminal. Other cells continue on the next line.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Layout {
    /// What makes the table narrower, as far as necessary, in this order.
    pub(crate) narrowing: &'static [Narrowing],
    /// Whether the last column is wrapped at spaces, below its heading.
    pub(crate) wraps_last: bool,
}

impl Columns {
    /// Limits the columns to the width of a terminal.
    pub(super) fn limit(&mut self, available: Option<usize>, layout: Layout) {
        self.available = available;
        self.layout = layout;
    }

    /// Formats rows, aligned with the ones before.
    pub(super) fn lines(&mut self, rows: &[Vec<String>], style: Style) -> String {
        for row in rows {
            self.widths.resize(self.widths.len().max(row.len()), 0);
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let widths = self.limited_widths();
        rows.iter()
            .map(|row| self.line(row, &widths, style))
            .collect()
    }

    /// Widens the columns to fit these rows.
    pub(super) fn fit(&mut self, rows: &[Vec<String>]) {
        let _ = self.lines(rows, Style::new());
    }

    /// The widths, shortened to fit the terminal as far as possible. Those of omitted columns are 0.
    fn limited_widths(&self) -> Vec<usize> {
        let mut widths = self.widths.clone();
        for column in &self.omitted {
            if let Some(width) = widths.get_mut(*column) {
                *width = 0;
            }
        }
        for step in self.layout.narrowing {
            let excess = self.excess(&widths);
            if let Narrowing::Shorten { column, min } = *step
                && let Some(width) = widths.get_mut(column)
            {
                *width -= excess.min(width.saturating_sub(min));
            }
        }
        widths
    }

    /// The columns that do not fit the terminal beside the others.
    fn columns_to_omit(&self) -> Vec<usize> {
        let mut widths = self.widths.clone();
        let mut omitted = Vec::new();
        for step in self.layout.narrowing {
            let excess = self.excess(&widths);
            match *step {
                Narrowing::Shorten { column, min } => {
                    if let Some(width) = widths.get_mut(column) {
                        *width -= excess.min(width.saturating_sub(min));
                    }
                }
                Narrowing::Omit(column) if excess > 0 => {
                    if let Some(width) = widths.get_mut(column) {
                        *width = 0;
                        omitted.push(column);
                    }
                }
                Narrowing::Omit(_) => {}
            }
        }
        omitted
    }

    /// By how many characters the columns exceed the terminal.
    fn excess(&self, widths: &[usize]) -> usize {
        let Some(available) = self.available else {
            return 0;
        };
        let shown = widths.iter().filter(|width| **width > 0);
        let gaps = 2 * shown.count().saturating_sub(1);
        (widths.iter().sum::<usize>() + gaps).saturating_sub(available)
    }

    fn line(&self, row: &[String], widths: &[usize], style: Style) -> String {
        let last = row.len().saturating_sub(1);
        let mut line = String::new();
        for (at, (cell, width)) in row.iter().zip(widths).enumerate() {
            if self.omitted.contains(&at) {
                continue;
            }
            let cell = shortened(cell, *width);
            match (at == last, self.available) {
                (true, Some(available)) if self.layout.wraps_last => {
                    line += &wrapped(&cell, line.width(), available);
                }
                (true, _) => line += &cell,
                (false, _) => {
                    line += &cell;
                    line += &" ".repeat(width - cell.width() + 2);
                }
            }
        }
        format!("{style}{}{style:#}\n", line.trim_end())
    }

    pub(super) fn heading(&mut self, names: &[&str]) -> String {
        self.omitted = self.columns_to_omit();
        let names: Vec<String> = names.iter().map(|name| name.to_uppercase()).collect();
        self.line(&names, &self.limited_widths(), HEADING)
    }
}

/// Shortens a cell to a width, with an ellipsis at its end.
fn shortened(cell: &str, width: usize) -> Cow<'_, str> {
    if cell.width() <= width {
        return Cow::Borrowed(cell);
    }
    let mut kept = String::new();
    let mut used = 1;
    for char in cell.chars() {
        used += char.width().unwrap_or(0);
        if used > width {
            break;
        }
        kept.push(char);
    }
    Cow::Owned(kept + "…")
}

/// Wraps a text at spaces into lines that start at a column.
fn wrapped(text: &str, column: usize, available: usize) -> String {
    let width = available.saturating_sub(column).max(MIN_WIDTH);
    let mut wrapped = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        if used > 0 && used + 1 + word.width() > width {
            wrapped += "\n";
            wrapped += &" ".repeat(column);
            used = 0;
        } else if used > 0 {
            wrapped.push(' ');
            used += 1;
        }
        wrapped += word;
        used += word.width();
    }
    wrapped
}

/// Formats one record: a line for each value.
pub(super) fn fields(names: &[&str], values: &[String]) -> String {
    let widest = names.iter().map(|name| name.width()).max().unwrap_or(0);
    let lines = names.iter().zip(values);
    lines
        .map(|(name, value)| {
            let padding = " ".repeat(widest - name.width());
            format!("{NAME}{name}:{NAME:#}{padding} {}\n", escape(value))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_the_width_of_their_characters() {
        let mut columns = Columns::default();
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        columns.fit(&[row(["name", "state", "made"])]);
        let rows = [
            row(["日本", "clearing", "now"]),
            row(["a", "available", ""]),
        ];
        let lines = columns.lines(&rows, Style::new());
        assert_eq!(lines, "日本  clearing   now\na     available\n");
    }

    #[test]
    fn rows_fit_the_terminal() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row([
            "a-name-that-is-long",
            "日本日本日本日本日本",
            "state",
        ])];
        let lines = |width: usize| {
            let mut columns = Columns::default();
            columns.limit(
                Some(width),
                Layout {
                    narrowing: &[
                        Narrowing::Shorten { column: 1, min: 12 },
                        Narrowing::Shorten { column: 0, min: 12 },
                    ],
                    wraps_last: false,
                },
            );
            columns.lines(&rows, Style::new())
        };
        assert_eq!(
            lines(48),
            "a-name-that-is-long  日本日本日本日本日本  state\n"
        );
        assert_eq!(lines(45), "a-name-that-is-long  日本日本日本日本…  state\n");
        assert_eq!(lines(40), "a-name-that-is-long  日本日本日…   state\n");
        assert_eq!(lines(38), "a-name-that-is-l…  日本日本日…   state\n");
        for width in 33..60 {
            assert!(lines(width).trim_end().width() <= width, "{width}");
        }
        // No column is shortened further.
        assert_eq!(lines(1), "a-name-that…  日本日本日…   state\n");
    }

    #[test]
    fn columns_are_omitted_before_an_important_one_is_shortened() {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        let rows = [row([
            "a-name-that-is-long",
            "an-id-of-16-char",
            "state",
            "now",
        ])];
        let table = |width: usize| {
            let mut columns = Columns::default();
            columns.limit(
                Some(width),
                Layout {
                    narrowing: &[
                        Narrowing::Shorten { column: 0, min: 15 },
                        Narrowing::Omit(3),
                        Narrowing::Omit(2),
                        Narrowing::Shorten { column: 0, min: 5 },
                        Narrowing::Shorten { column: 1, min: 5 },
                    ],
                    wraps_last: false,
                },
            );
            columns.fit(&[row(["name", "id", "state", "used"])]);
            columns.fit(&rows);
            let heading = columns.heading(&["name", "id", "state", "used"]);
            heading + &columns.lines(&rows, Style::new())
        };
        assert!(
            table(46).contains("a-name-that-is…  an-id-of-16-char  state  now\n"),
            "{}",
            table(46)
        );
        assert!(
            table(40).ends_with("a-name-that-is…  an-id-of-16-char  state\n"),
            "{}",
            table(40)
        );
        assert!(!table(40).contains("USED"), "{}", table(40));
        assert!(
            table(35).ends_with("a-name-that-is-l…  an-id-of-16-char\n"),
            "{}",
            table(35)
        );
        for width in 12..70 {
            for line in table(width).lines() {
                let line = anstream::adapter::strip_str(line).to_string();
                assert!(line.width() <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn the_last_column_is_wrapped() {
        let mut columns = Columns::default();
        columns.limit(
            Some(24),
            Layout {
                narrowing: &[],
                wraps_last: true,
            },
        );
        let row = ["key", "failed", "no API key; log in"].map(str::to_owned);
        let lines = columns.lines(&[row.to_vec()], Style::new());
        let indent = " ".repeat(13);
        assert_eq!(lines, format!("key  failed  no API key;\n{indent}log in\n"));
    }
}
