//! The table of times and their ratios.

use std::fmt;
use std::time::Duration;

use crate::markdown::header;
use crate::statistics::Spread;

/// Rows in the order of their first measurement.
#[derive(Debug, Default)]
pub(super) struct Table {
    rows: Vec<(&'static str, Vec<[Duration; 2]>)>,
    notes: Vec<(&'static str, Vec<u64>)>,
}

impl Table {
    /// Adds the times of a round: of the small and the large service.
    pub(super) fn add(&mut self, name: &'static str, times: [Duration; 2]) {
        put(&mut self.rows, name, times);
    }

    /// Adds a number of the large service.
    pub(super) fn note(&mut self, name: &'static str, number: u64) {
        put(&mut self.notes, name, number);
    }
}

fn put<T>(rows: &mut Vec<(&'static str, Vec<T>)>, name: &'static str, value: T) {
    match rows.iter_mut().find(|(known, _)| *known == name) {
        Some((_, values)) => values.push(value),
        None => rows.push((name, vec![value])),
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let titles = [
            "call",
            "large / small: median",
            "lowest to highest",
            "small, large",
        ];
        header(f, titles)?;
        for (name, rounds) in &self.rows {
            let ratios = rounds
                .iter()
                .map(|[small, large]| large.as_secs_f64() / small.as_secs_f64());
            let times = [0, 1].map(|side| {
                let times = rounds.iter().map(|times| times[side].as_secs_f64() * 1e6);
                Spread::of(times)
            });
            let (Some(ratio), [Some(small), Some(large)]) = (Spread::of(ratios), times) else {
                continue;
            };
            writeln!(
                f,
                "| {name} | {:.2} | {:.2} to {:.2} | {:.0} µs, {:.0} µs |",
                ratio.median, ratio.min, ratio.max, small.median, large.median
            )?;
        }
        for (name, numbers) in &self.notes {
            writeln!(f, "{name}: {numbers:?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_shows_the_ratios_of_its_rounds() {
        let mut table = Table::default();
        for [small, large] in [[2, 3], [2, 2], [2, 4]] {
            table.add("x", [small, large].map(Duration::from_micros));
        }
        table.note("y", 7);
        let text = table.to_string();
        assert!(
            text.contains("| x | 1.50 | 1.00 to 2.00 | 2 µs, 3 µs |"),
            "{text}"
        );
        assert!(text.ends_with("y: [7]\n"), "{text}");
    }
}
