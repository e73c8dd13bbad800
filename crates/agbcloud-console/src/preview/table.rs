//! Tables of CSV and TSV files, of bounded size.

use csv::ReaderBuilder;

use crate::text;

const MAX_ROWS: usize = 200;
const MAX_COLUMNS: usize = 50;
/// Characters of a cell.
const MAX_CELL: usize = 500;

/// The start of a table.
pub(super) struct Table {
    pub(super) head: Vec<String>,
    pub(super) rows: Vec<Vec<String>>,
    rows_are_cut: bool,
    columns_are_cut: bool,
}

impl Table {
    /// Parses the first rows. `None` if the text is not a table.
    pub(super) fn parse(text: &str, path: &str) -> Option<Self> {
        let is_tsv = path.to_ascii_lowercase().ends_with(".tsv");
        let mut reader = ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(if is_tsv { b'\t' } else { b',' })
            .from_reader(text.as_bytes());
        let mut table = Self {
            head: Vec::new(),
            rows: Vec::new(),
            rows_are_cut: false,
            columns_are_cut: false,
        };
        for (index, record) in reader.records().enumerate() {
            let record = record.ok()?;
            if index > MAX_ROWS {
                table.rows_are_cut = true;
                break;
            }
            table.columns_are_cut |= record.len() > MAX_COLUMNS;
            let cells = record.iter().take(MAX_COLUMNS).map(cell).collect();
            match index {
                0 => table.head = cells,
                _ => table.rows.push(cells),
            }
        }
        (!table.head.is_empty()).then_some(table)
    }

    /// What is left out of the text. `cut` is what is left out of the file.
    pub(super) fn note(&self, cut: String) -> String {
        let rest = "Download the file for the rest.";
        match (self.rows_are_cut, self.columns_are_cut) {
            // They have fewer bytes than were read.
            (true, true) => {
                format!("Showing the first {MAX_ROWS} rows and {MAX_COLUMNS} columns. {rest}")
            }
            (true, false) => format!("Showing the first {MAX_ROWS} rows. {rest}"),
            (false, true) if cut.is_empty() => {
                format!("Showing the first {MAX_COLUMNS} columns. {rest}")
            }
            (false, true) => format!("Showing the first {MAX_COLUMNS} columns. {cut}"),
            (false, false) => cut,
        }
    }
}

fn cell(value: &str) -> String {
    match value.char_indices().nth(MAX_CELL) {
        Some((end, _)) => text::lines(&value[..end]) + "…",
        None => text::lines(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_parsed_and_limited() {
        let table = Table::parse("a,b\n\"1,\n2\",3\n4\n", "/x.csv").unwrap();
        assert_eq!(table.head, ["a", "b"]);
        assert_eq!(table.rows, [vec!["1,\n2", "3"], vec!["4"]]);
        assert_eq!(table.note("cut".to_owned()), "cut");
        let tabs = Table::parse("a,b\tc\n", "/x.TSV").unwrap();
        assert_eq!(tabs.head, ["a,b", "c"]);
        let long = format!("{}\n", "x".repeat(MAX_CELL + 1)).repeat(MAX_ROWS + 2);
        let long = Table::parse(&long, "/x.csv").unwrap();
        assert_eq!(long.rows.len(), MAX_ROWS);
        let note = long.note("Showing the first 256.0 KiB.".to_owned());
        assert_eq!(
            note,
            "Showing the first 200 rows. Download the file for the rest."
        );
        assert_eq!(long.head[0].chars().count(), MAX_CELL + 1);
        let wide = Table::parse(&",".repeat(MAX_COLUMNS), "/x.csv").unwrap();
        assert_eq!(wide.head.len(), MAX_COLUMNS);
        let note = wide.note("Showing the first 256.0 KiB.".to_owned());
        assert_eq!(
            note,
            "Showing the first 50 columns. Showing the first 256.0 KiB."
        );
        let both = format!("{}\n", ",".repeat(MAX_COLUMNS)).repeat(MAX_ROWS + 2);
        let note = Table::parse(&both, "/x.csv").unwrap().note(String::new());
        assert!(note.starts_with("Showing the first 200 rows and 50 columns."));
        assert!(Table::parse("", "/x.csv").is_none());
    }
}
