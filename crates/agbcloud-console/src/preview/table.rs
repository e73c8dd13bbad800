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
    /// Whether rows or columns are left out.
    pub(super) is_cut: bool,
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
            is_cut: false,
        };
        for (index, record) in reader.records().enumerate() {
            let record = record.ok()?;
            if index > MAX_ROWS {
                table.is_cut = true;
                break;
            }
            table.is_cut |= record.len() > MAX_COLUMNS;
            let cells = record.iter().take(MAX_COLUMNS).map(cell).collect();
            match index {
                0 => table.head = cells,
                _ => table.rows.push(cells),
            }
        }
        (!table.head.is_empty()).then_some(table)
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
        assert!(!table.is_cut);
        let tabs = Table::parse("a,b\tc\n", "/x.TSV").unwrap();
        assert_eq!(tabs.head, ["a,b", "c"]);
        let long = format!("{}\n", "x".repeat(MAX_CELL + 1)).repeat(MAX_ROWS + 2);
        let long = Table::parse(&long, "/x.csv").unwrap();
        assert!(long.is_cut && long.rows.len() == MAX_ROWS);
        assert_eq!(long.head[0].chars().count(), MAX_CELL + 1);
        let wide = Table::parse(&",".repeat(MAX_COLUMNS), "/x.csv").unwrap();
        assert!(wide.is_cut && wide.head.len() == MAX_COLUMNS);
        assert!(Table::parse("", "/x.csv").is_none());
    }
}
