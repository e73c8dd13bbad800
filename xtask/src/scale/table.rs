//! The table of times and their ratios.

use std::fmt;
use std::time::Duration;

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

/// Minimum, median and maximum.
fn spread(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_unstable_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    [
        at(0),
        at(values.len() / 2),
        at(values.len().saturating_sub(1)),
    ]
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| call | large / small: median | lowest to highest | small, large |"
        )?;
        writeln!(f, "| --- | --- | --- | --- |")?;
        for (name, rounds) in &self.rows {
            let ratios = rounds
                .iter()
                .map(|[small, large]| large.as_secs_f64() / small.as_secs_f64());
            let [lowest, ratio, highest] = spread(ratios.collect());
            let [small, large] = [0, 1].map(|side| {
                let times = rounds.iter().map(|times| times[side].as_secs_f64() * 1e6);
                spread(times.collect())[1]
            });
            writeln!(
                f,
                "| {name} | {ratio:.2} | {lowest:.2} to {highest:.2} | {small:.0} µs, {large:.0} µs |"
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
