//! Compares measured costs with the baseline.

use std::fmt::Write as _;

use super::Costs;
use super::baseline::FILE;
use super::group::{Group, Tolerance};
use crate::failure::Failure;

/// Percentage of the baseline that a cost may grow.
const PERCENT: u64 = 3;

/// The measured and the recorded costs of a group.
#[derive(Debug)]
pub(crate) struct Comparison {
    pub(crate) group: Group,
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: String,
    before: Option<u64>,
    now: Option<u64>,
    verdict: Verdict,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Same,
    /// Less by as much as an increase that is an error. The baseline no longer detects such an increase.
    Lower,
    Higher,
    /// An exact number differs.
    Different,
    /// The baseline has a cost that was not measured.
    Missing,
    /// The baseline does not have a measured cost.
    Additional,
    /// Another compiler built the baseline.
    Incomparable,
}

impl Verdict {
    fn of(before: Option<u64>, now: Option<u64>, tolerance: Tolerance) -> Self {
        let (before, now) = match (before, now) {
            (Some(before), Some(now)) => (before, now),
            (None, _) => return Self::Additional,
            (_, None) => return Self::Missing,
        };
        match tolerance {
            Tolerance::Exact if before == now => Self::Same,
            Tolerance::Exact => Self::Different,
            Tolerance::Percent { slack } => {
                let tolerated = (before.saturating_mul(PERCENT) / 100).max(slack);
                match (before.abs_diff(now) > tolerated, before < now) {
                    (false, _) => Self::Same,
                    (true, true) => Self::Higher,
                    (true, false) => Self::Lower,
                }
            }
        }
    }

    fn is_error(self) -> bool {
        match self {
            Self::Same | Self::Lower | Self::Incomparable => false,
            Self::Higher | Self::Different | Self::Missing | Self::Additional => true,
        }
    }

    fn note(self) -> &'static str {
        match self {
            Self::Same => "",
            Self::Lower => "lower",
            Self::Higher => "HIGHER",
            Self::Different => "DIFFERENT",
            Self::Missing => "NOT MEASURED",
            Self::Additional => "NOT IN THE BASELINE",
            Self::Incomparable => "another compiler",
        }
    }
}

impl Comparison {
    /// Compares all costs of a group. If `compares` is false, numbers are shown and not judged.
    pub(crate) fn new(group: Group, before: Costs, now: Costs, compares: bool) -> Self {
        let mut names: Vec<&String> = before.keys().chain(now.keys()).collect();
        names.sort();
        names.dedup();
        let row = |name: &String| {
            let (before, now) = (before.get(name).copied(), now.get(name).copied());
            let verdict = match Verdict::of(before, now, group.tolerance()) {
                Verdict::Higher | Verdict::Lower | Verdict::Different if !compares => {
                    Verdict::Incomparable
                }
                verdict => verdict,
            };
            Row {
                name: name.clone(),
                before,
                now,
                verdict,
            }
        };
        let rows = names.into_iter().map(row).collect();
        Self { group, rows }
    }

    /// Returns the measured costs.
    pub(crate) fn measured(self) -> Costs {
        let rows = self.rows.into_iter();
        rows.filter_map(|row| Some((row.name, row.now?))).collect()
    }
}

/// Returns a line for each cost: name, baseline, now, change.
pub(crate) fn table(comparisons: &[Comparison]) -> String {
    let mut lines = vec![["cost", "baseline", "now", "change", ""].map(str::to_owned)];
    for Comparison { group, rows } in comparisons {
        for row in rows {
            let number = |value: Option<u64>| value.map_or("-".to_owned(), |n| n.to_string());
            lines.push([
                format!("{} {}", group.name(), row.name),
                number(row.before),
                number(row.now),
                change(row.before, row.now),
                row.verdict.note().to_owned(),
            ]);
        }
    }
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max();
    let widths = [0, 1, 2, 3].map(|column| width(column).unwrap_or(0));
    let mut table = String::new();
    for [name, before, now, change, note] in &lines {
        let line = format!(
            "{name:<0$}  {before:>1$}  {now:>2$}  {change:>3$}  {note}",
            widths[0], widths[1], widths[2], widths[3]
        );
        // Writing to a string does not fail.
        let _ = writeln!(table, "{}", line.trim_end());
    }
    table
}

#[expect(clippy::cast_precision_loss, reason = "shown with two digits")]
fn change(before: Option<u64>, now: Option<u64>) -> String {
    match (before, now) {
        (Some(before), Some(now)) if before > 0 => {
            format!("{:+.2} %", (now as f64 / before as f64 - 1.0) * 100.0)
        }
        _ => String::new(),
    }
}

/// Prints notes. Fails if a cost is too high or has no counterpart.
pub(crate) fn conclude(
    comparisons: &[Comparison],
    baseline_compiler: &str,
    compiler: &str,
) -> Result<(), Failure> {
    let rows = || {
        comparisons
            .iter()
            .flat_map(|comparison| comparison.rows.iter().map(|row| (comparison.group, row)))
    };
    let count = |verdict| rows().filter(|(_, row)| row.verdict == verdict).count();
    let incomparable = comparisons
        .iter()
        .any(|comparison| comparison.group.depends_on_compiler())
        && baseline_compiler != compiler;
    if incomparable {
        println!(
            "note: instructions and sizes are not compared: the baseline is of {baseline_compiler}, and this is {compiler}"
        );
    }
    let lower = count(Verdict::Lower);
    if lower > 0 {
        println!(
            "note: {lower} costs are lower by more than {PERCENT} %: record them with `cargo xtask costs --write`"
        );
    }
    let mut problems = Vec::new();
    for (group, row) in rows().filter(|(_, row)| row.verdict.is_error()) {
        let name = format!("{} {}", group.name(), row.name);
        problems.push(match (row.before, row.now) {
            (Some(before), Some(now)) => format!(
                "{name}: {now}, the baseline is {before} ({})",
                change(row.before, row.now)
            ),
            (Some(before), None) => format!("{name}: not measured, the baseline is {before}"),
            (None, now) => format!("{name}: {}, not in the baseline", now.unwrap_or_default()),
        });
    }
    if problems.is_empty() {
        return Ok(());
    }
    Err(Failure::new(
        format!("costs differ from {FILE}:\n  {}", problems.join("\n  ")),
        "reduce them, or run `cargo xtask costs --write` and give the reason in the commit message",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn costs(costs: &[(&str, u64)]) -> Costs {
        let costs = costs.iter().map(|(name, cost)| ((*name).to_owned(), *cost));
        costs.collect()
    }

    fn compare(before: &[(&str, u64)], now: &[(&str, u64)]) -> Comparison {
        Comparison::new(Group::Instructions, costs(before), costs(now), true)
    }

    fn conclude(comparison: Comparison) -> Result<(), String> {
        super::conclude(&[comparison], "rustc 1", "rustc 1").map_err(|failure| failure.to_string())
    }

    #[test]
    fn more_than_three_percent_fails_with_both_numbers() {
        assert_eq!(
            conclude(compare(&[("get", 1000)], &[("get", 1030)])),
            Ok(())
        );
        let problem = conclude(compare(&[("get", 1000)], &[("get", 1031)])).unwrap_err();
        assert!(
            problem.contains("instructions get: 1031, the baseline is 1000 (+3.10 %)"),
            "{problem}"
        );
    }

    #[test]
    fn a_decrease_is_noted_and_succeeds() {
        let comparison = compare(
            &[("get", 1000), ("plan", 10)],
            &[("get", 900), ("plan", 10)],
        );
        assert_eq!(comparison.rows[0].verdict, Verdict::Lower);
        assert_eq!(comparison.rows[1].verdict, Verdict::Same);
        assert_eq!(conclude(comparison), Ok(()));
    }

    #[test]
    fn missing_and_additional_costs_are_errors() {
        let problem = conclude(compare(&[("get", 1)], &[])).unwrap_err();
        assert!(
            problem.contains("get: not measured, the baseline is 1"),
            "{problem}"
        );
        let problem = conclude(compare(&[], &[("get", 1)])).unwrap_err();
        assert!(problem.contains("get: 1, not in the baseline"), "{problem}");
    }

    #[test]
    fn an_exact_number_may_not_differ_at_all() {
        let verdict = |before, now| Verdict::of(Some(before), Some(now), Tolerance::Exact);
        assert_eq!(verdict(100, 100), Verdict::Same);
        assert_eq!(verdict(100, 101), Verdict::Different);
        assert_eq!(verdict(100, 99), Verdict::Different);
        assert!(Verdict::Different.is_error());
    }

    #[test]
    fn noise_within_the_slack_is_no_increase() {
        let verdict = |now| Verdict::of(Some(1000), Some(now), Tolerance::Percent { slack: 100 });
        assert_eq!(verdict(1100), Verdict::Same);
        assert_eq!(verdict(1101), Verdict::Higher);
        assert_eq!(verdict(899), Verdict::Lower);
    }

    #[test]
    fn numbers_of_another_compiler_are_only_shown() {
        let before = costs(&[("get", 1000)]);
        let comparison = Comparison::new(
            Group::Instructions,
            before.clone(),
            costs(&[("get", 2000)]),
            false,
        );
        let shown = table(std::slice::from_ref(&comparison));
        assert!(shown.contains("+100.00 %  another compiler"), "{shown}");
        assert_eq!(conclude(comparison), Ok(()));
        // A case that was removed is an error with each compiler.
        let comparison = Comparison::new(Group::Instructions, before, Costs::new(), false);
        assert!(conclude(comparison).is_err());
    }

    #[test]
    fn the_table_aligns_its_columns() {
        let comparison = compare(&[("get", 1000), ("plan", 5)], &[("get", 1100), ("plan", 5)]);
        assert_eq!(
            table(&[comparison]),
            "cost               baseline   now    change\n\
             instructions get       1000  1100  +10.00 %  HIGHER\n\
             instructions plan         5     5   +0.00 %\n"
        );
    }
}
