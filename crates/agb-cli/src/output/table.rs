//! Columns on a terminal.

use agbcloud::escape_for_display as escape;
use anstyle::Style;
use unicode_width::UnicodeWidthStr;

const HEADING: Style = Style::new().bold();
const NAME: Style = Style::new().dimmed();

/// Columns that widen to fit each row.
#[derive(Default)]
pub(super) struct Columns {
    widths: Vec<usize>,
}

impl Columns {
    /// Formats rows, aligned with the ones before.
    pub(super) fn lines(&mut self, rows: &[Vec<String>], style: Style) -> String {
        for row in rows {
            self.widths.resize(self.widths.len().max(row.len()), 0);
            for (width, cell) in self.widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        rows.iter().map(|row| self.line(row, style)).collect()
    }

    /// Widens the columns to fit these rows.
    pub(super) fn fit(&mut self, rows: &[Vec<String>]) {
        let _ = self.lines(rows, Style::new());
    }

    fn line(&self, row: &[String], style: Style) -> String {
        let last = row.len().saturating_sub(1);
        let cells = row.iter().zip(&self.widths).enumerate();
        let line: String = cells
            .map(|(at, (cell, width))| match at {
                at if at == last => cell.clone(),
                _ => format!("{cell}{}  ", " ".repeat(width - cell.width())),
            })
            .collect();
        format!("{style}{}{style:#}\n", line.trim_end())
    }

    pub(super) fn heading(&self, names: &[&str]) -> String {
        let names: Vec<String> = names.iter().map(|name| name.to_uppercase()).collect();
        self.line(&names, HEADING)
    }
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
}
