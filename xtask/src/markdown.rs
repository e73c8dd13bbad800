//! Tables and numbers in Markdown.

use std::fmt::{self, Display, Write};

/// Writes the titles of a table.
pub(crate) fn header(
    f: &mut impl Write,
    titles: impl IntoIterator<Item = impl Display>,
) -> fmt::Result {
    let mut columns = 0;
    for title in titles {
        write!(f, "| {title} ")?;
        columns += 1;
    }
    writeln!(f, "|\n|{}", " --- |".repeat(columns))
}

/// Writes a row of a table.
pub(crate) fn row(
    f: &mut impl Write,
    cells: impl IntoIterator<Item = impl Display>,
) -> fmt::Result {
    for cell in cells {
        write!(f, "| {cell} ")?;
    }
    writeln!(f, "|")
}

/// Two or more significant digits. Nothing for zero and for what does not exist.
pub(crate) fn digits(number: f64) -> String {
    match number.abs() {
        size if size == 0.0 || !size.is_finite() => String::new(),
        size if size < 1.0 => format!("{number:.2}"),
        size if size < 10.0 => format!("{number:.1}"),
        _ => format!("{number:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_two_or_more_digits() {
        assert_eq!(digits(0.0), "");
        assert_eq!(digits(f64::NAN), "");
        assert_eq!(digits(0.128), "0.13");
        assert_eq!(digits(9.96), "10.0");
        assert_eq!(digits(1234.5), "1234");
    }

    #[test]
    fn a_table_has_a_line_for_each_row() {
        let mut text = String::new();
        header(&mut text, ["a", "b"]).unwrap();
        row(&mut text, [1, 2]).unwrap();
        assert_eq!(text, "| a | b |\n| --- | --- |\n| 1 | 2 |\n");
    }
}
