//! `RESULTS.md`.

use std::fmt;

use super::comparison::Plot;
use super::plots;
use super::results::{Job, Measured, Results, Section, Series};
use super::units::{quantity, ratio};
use crate::markdown::{header, row};
use crate::statistics::Spread;

/// Name of the file.
pub(super) const FILE: &str = "RESULTS.md";
/// Share of the processor time of others from which the values are not reliable.
const BUSY: f64 = 0.1;
const INTRODUCTION: &str = "# Results

Written by `cargo xtask bench`, from [results.json](results.json); [README.md](README.md) describes how to run and read it.

Values are the median of all rounds, with the minimum and maximum in parentheses. In each round, all programs run one after
the other. A speed compares two programs in the same round: above 1, the program is faster than the other one. Absolute
values depend on the machine and the day.
";

pub(super) struct Report<'a>(pub(super) &'a Results);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(INTRODUCTION)?;
        for (comparison, section) in &self.0.0 {
            write!(
                f,
                "\n## {}\n\n{}\n\n",
                comparison.title(),
                comparison.description()
            )?;
            conditions(f, section)?;
            for skipped in &section.measured.skipped {
                writeln!(f, "\nSkipped: {skipped}.")?;
            }
            if plots::has_plot(*comparison, &section.measured) {
                let name = comparison.name();
                writeln!(f, "\n![{}](plots/{name}.svg)", comparison.title())?;
            }
            if section.measured.jobs.is_empty() {
                continue;
            }
            writeln!(f)?;
            match comparison.plot() {
                Plot::Bars => programs(f, &section.measured)?,
                Plot::Lines => sizes(f, &section.measured)?,
            }
        }
        Ok(())
    }
}

/// Where and when a comparison ran.
fn conditions(f: &mut fmt::Formatter<'_>, section: &Section) -> fmt::Result {
    let machine = &section.machine;
    writeln!(
        f,
        "{}, commit {}, {} rounds in {:.0} s. {} cores ({}), {} GiB, Linux {}, {}; load average before: {}; \
         other processes used {:.0} % of the processor time.",
        section.date,
        section.commit,
        section.rounds,
        section.seconds,
        machine.cores,
        machine.processor,
        machine.memory_gib,
        machine.kernel,
        machine.file_system,
        machine.load,
        machine.others * 100.0
    )?;
    if !section.versions.is_empty() {
        let versions = section.versions.iter();
        let versions: Vec<_> = versions
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        writeln!(f, "Versions: {}.", versions.join(", "))?;
    }
    if machine.others > BUSY {
        writeln!(
            f,
            "\n**The machine was busy with something else: these values are not reliable.**"
        )?;
    }
    Ok(())
}

/// A row for each program.
fn programs(f: &mut fmt::Formatter<'_>, measured: &Measured) -> fmt::Result {
    header(f, ["Measurement", "Program", "Value", "Speed", "Goal"])?;
    for job in &measured.jobs {
        for series in &job.series {
            let Some(spread) = Spread::of(series.values.iter().copied()) else {
                continue;
            };
            row(
                f,
                [
                    job.name.clone(),
                    series.name.clone(),
                    range(spread, |value| quantity(job.quantity, value)),
                    speed(job, &series.name),
                    goals(job, &series.name),
                ],
            )?;
        }
    }
    Ok(())
}

/// The speed relative to the base.
fn speed(job: &Job, of: &str) -> String {
    match &job.base {
        Some(base) if base == of => "1".to_owned(),
        Some(base) => job
            .speed(of, base)
            .map(|speed| format!("{} of {base}", range(speed, ratio)))
            .unwrap_or_default(),
        None => String::new(),
    }
}

/// The goals of a program, and whether it reaches them.
fn goals(job: &Job, of: &str) -> String {
    let goals = job.goals.iter().filter(|goal| goal.of == of);
    let shown = goals.map(|goal| {
        let found = job.speed(of, &goal.relative_to);
        let found = match found {
            Some(speed) if speed.median >= goal.speed => ": reached".to_owned(),
            Some(speed) => format!(": missed with {}", ratio(speed.median)),
            None => String::new(),
        };
        format!("{} of {}{found}", ratio(goal.speed), goal.relative_to)
    });
    shown.collect::<Vec<_>>().join("; ")
}

/// A row for each job, a column for each size.
fn sizes(f: &mut fmt::Formatter<'_>, measured: &Measured) -> fmt::Result {
    let Some(first) = measured.jobs.first() else {
        return Ok(());
    };
    let title = |series: &Series| match series.size {
        Some(1) => "1 file".to_owned(),
        _ => format!("{} files", series.name),
    };
    let titles = first.series.iter().map(title);
    let ratio_title = match (first.series.first(), first.series.last()) {
        (Some(smallest), Some(largest)) => {
            format!("{} relative to {}: time", largest.name, smallest.name)
        }
        _ => String::new(),
    };
    let call = std::iter::once("Call".to_owned());
    header(f, call.chain(titles).chain([ratio_title]))?;
    for job in &measured.jobs {
        let mut cells = vec![job.name.clone()];
        for series in &job.series {
            let spread = Spread::of(series.values.iter().copied());
            cells.push(spread.map_or(String::new(), |spread| {
                range(spread, |value| quantity(job.quantity, value))
            }));
        }
        let time = match (job.series.first(), job.series.last()) {
            // The time of one is the speed of the other.
            (Some(smallest), Some(largest)) => job.speed(&smallest.name, &largest.name),
            _ => None,
        };
        cells.push(time.map_or(String::new(), |time| range(time, ratio)));
        row(f, cells)?;
    }
    Ok(())
}

/// Median, minimum and maximum.
fn range(spread: Spread, show: impl Fn(f64) -> String) -> String {
    format!(
        "{} ({} to {})",
        show(spread.median),
        show(spread.min),
        show(spread.max)
    )
}

#[cfg(test)]
mod tests {
    use super::super::comparison::Comparison;
    use super::super::results::{Machine, Quantity};
    use super::*;

    fn section() -> Section {
        let mut measured = Measured::default();
        for (program, rates) in [("nginx", [100.0, 200.0]), ("agb serve", [90.0, 100.0])] {
            for rate in rates {
                measured.add("GET", Quantity::PerSecond, program, rate);
            }
        }
        measured.compare_with("GET", "nginx");
        measured.goal("GET", "agb serve", "nginx", 0.8);
        measured.skip("PUT: curl is not installed");
        Section {
            date: "2026-01-02".to_owned(),
            rounds: 2,
            machine: Machine {
                cores: 2,
                load: "0.10".to_owned(),
                ..Machine::default()
            },
            measured,
            ..Section::default()
        }
    }

    fn report(section: Section) -> String {
        let results = Results([(Comparison::Server, section)].into());
        Report(&results).to_string()
    }

    #[test]
    fn a_row_shows_the_spread_and_whether_the_goal_is_reached() {
        let text = report(section());
        let expected = "| GET | agb serve | 95.0/s (90.0/s to 100/s) | 0.70 (0.50 to 0.90) of nginx | \
                        0.80 of nginx: missed with 0.70 |";
        assert!(text.contains(expected), "{text}");
        assert!(
            text.contains("| GET | nginx | 150/s (100/s to 200/s) | 1 |  |"),
            "{text}"
        );
        assert!(
            text.contains("\nSkipped: PUT: curl is not installed.\n"),
            "{text}"
        );
        assert!(!text.contains("was busy"), "{text}");
    }

    #[test]
    fn a_busy_machine_is_reported() {
        let mut section = section();
        section.machine.others = 0.3;
        let text = report(section);
        assert!(text.contains("30 % of the processor time"), "{text}");
        assert!(text.contains("**The machine was busy"), "{text}");
    }

    #[test]
    fn a_comparison_without_jobs_has_neither_a_table_nor_a_plot() {
        let mut section = section();
        section.measured.jobs.clear();
        let text = report(section);
        assert!(!text.contains("| Measurement"), "{text}");
        assert!(!text.contains(".svg"), "{text}");
    }
}
