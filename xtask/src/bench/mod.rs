//! `cargo xtask bench`: runs all comparisons, and writes their results, a report and plots.
//!
//! In each round of a comparison, all programs run one after the other, so that changes of the machine affect all of them. The
//! data is in a temporary folder, so TMPDIR selects the disk that is measured.

#![expect(clippy::disallowed_methods, reason = "measures real time")]

mod clients;
mod comparison;
mod environment;
mod load;
mod plots;
mod report;
mod results;
mod scripts;
mod server;
mod sizes;
mod units;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use self::comparison::Comparison;
use self::environment::{Programs, Watch};
use self::results::{Measured, Results, Section};
use crate::distributed::interrupt;
use crate::failure::Failure;
use crate::machine::load_average;
use crate::temporary;

/// Folder of the committed results.
const FOLDER: &str = "benches";
/// Folder of the results of `--quick`.
const QUICK_FOLDER: &str = "target/bench";
const PLOTS: &str = "plots";

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Run only this comparison. Repeat it for several. The results of the others are kept
    #[arg(long, value_name = "COMPARISON")]
    only: Vec<Comparison>,
    /// Number of measurements. Defaults to one for each comparison
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,
    /// Run everything for seconds with little data, to check that it works. Writes to target/bench
    #[arg(long)]
    quick: bool,
    /// List the comparisons
    #[arg(long, conflicts_with_all = ["only", "rounds", "quick", "render", "output"])]
    list: bool,
    /// Write the report and the plots of results.json, without measuring
    #[arg(long, conflicts_with_all = ["only", "rounds", "quick"])]
    render: bool,
    /// Folder of results.json, RESULTS.md and plots. Defaults to benches
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
}

/// What a comparison needs.
struct Run<'a> {
    root: &'a Path,
    programs: &'a Programs,
    /// For data. It is deleted afterwards.
    folder: &'a Path,
    comparison: Comparison,
    rounds: u32,
    is_quick: bool,
}

impl Run<'_> {
    fn measure(&self) -> Result<Measured, Failure> {
        match self.comparison {
            Comparison::Server => server::measure(self),
            Comparison::Transfers => scripts::transfers(self),
            Comparison::Get => clients::get(self),
            Comparison::Pages => clients::pages(self),
            Comparison::Streams => clients::streams(self),
            Comparison::Startup => scripts::startup(self),
            Comparison::Scale => sizes::measure(self),
        }
    }

    /// Reports a round on stderr, and fails after an interruption. Round 0 warms up.
    fn begin_round(&self, round: u32) -> Result<(), Failure> {
        interrupt::check()?;
        match round {
            0 => eprintln!("{}: warming up", self.comparison.name()),
            _ => eprintln!(
                "{}: round {round} of {}",
                self.comparison.name(),
                self.rounds
            ),
        }
        Ok(())
    }
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    let all = Comparison::ALL;
    if options.list {
        for comparison in all {
            println!(
                "{:<10} {} (about {:.1} minutes)",
                comparison.name(),
                comparison.title(),
                comparison.minutes(false)
            );
        }
        return Ok(());
    }
    let output = options.output.clone().unwrap_or_else(|| {
        root.join(match options.quick {
            true => QUICK_FOLDER,
            false => FOLDER,
        })
    });
    let mut results = Results::load(&output)?;
    if !options.render {
        let selected: Vec<_> = all
            .into_iter()
            .filter(|one| options.only.is_empty() || options.only.contains(one))
            .collect();
        measure(root, options, &selected, &mut results, &output)?;
    }
    for path in write(&results, &output)? {
        println!("{}", path.display());
    }
    Ok(())
}

/// Runs the selected comparisons. A failed one keeps its previous results, and is reported at the end.
fn measure(
    root: &Path,
    options: &Options,
    selected: &[Comparison],
    results: &mut Results,
    output: &Path,
) -> Result<(), Failure> {
    interrupt::listen()?;
    let minutes = selected.iter().map(|one| one.minutes(options.quick));
    eprintln!(
        "running {} comparisons, about {:.0} minutes after compiling",
        selected.len(),
        minutes.sum::<f64>().ceil()
    );
    let load = load_average();
    let programs = Programs::build(root)?;
    let mut failed = Vec::new();
    for comparison in selected {
        let name = comparison.name();
        let folder = temporary::folder("bench")?;
        let run = Run {
            root,
            programs: &programs,
            folder: folder.path(),
            comparison: *comparison,
            rounds: options
                .rounds
                .unwrap_or_else(|| comparison.rounds(options.quick)),
            is_quick: options.quick,
        };
        let watch = Watch::start()?;
        match run.measure() {
            Ok(measured) => {
                for skipped in &measured.skipped {
                    eprintln!("{name}: skipped {skipped}");
                }
                let (machine, seconds) = watch.finish(folder.path(), &load)?;
                let section = Section {
                    date: jiff::Zoned::now().date().to_string(),
                    commit: environment::commit(root),
                    machine,
                    versions: environment::versions(root, *comparison),
                    rounds: run.rounds,
                    seconds: seconds.round(),
                    measured,
                };
                results.0.insert(*comparison, section);
                // After each, so that an interruption loses only the current one.
                write(results, output)?;
            }
            Err(failure) => {
                interrupt::check()?;
                eprintln!("{name}: {failure}");
                failed.push(name);
            }
        }
    }
    match failed.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(
            format!("failed comparisons: {}", failed.join(", ")),
            "see their errors above; the results of the others are written",
        )),
    }
}

/// The report and the plots, by their paths in the folder.
fn render(results: &Results) -> Vec<(PathBuf, String)> {
    let mut files = vec![(
        PathBuf::from(report::FILE),
        report::Report(results).to_string(),
    )];
    for (comparison, section) in &results.0 {
        if plots::has_plot(*comparison, &section.measured) {
            let path = Path::new(PLOTS).join(format!("{}.svg", comparison.name()));
            files.push((path, plots::draw(*comparison, &section.measured)));
        }
    }
    files
}

/// Writes the results, the report and the plots. Returns their paths.
fn write(results: &Results, folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files = vec![(PathBuf::from(results::FILE), results.to_json()?)];
    files.extend(render(results));
    let mut written = Vec::new();
    for (path, text) in files {
        let path = folder.join(path);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| {
                Failure::new(
                    format!("can't write {}: {error}", path.display()),
                    "check the permissions of the folder, or pass --output",
                )
            })?;
        written.push(path);
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_report_and_plots_are_those_of_the_results() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(FOLDER);
        let results = Results::load(&folder).unwrap();
        let files = render(&results);
        for (path, text) in &files {
            let committed = fs::read_to_string(folder.join(path)).unwrap_or_default();
            let is_same = committed == *text;
            let path = path.display();
            assert!(is_same, "{path} differs: run `cargo xtask bench --render`");
        }
        // Nor is there a plot without results.
        let plots = fs::read_dir(folder.join(PLOTS)).unwrap().count();
        assert_eq!(plots, files.len() - 1);
    }

    #[test]
    fn written_results_are_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut section = Section::default();
        for value in [0.5, 0.25] {
            let seconds = results::Quantity::Seconds;
            section.measured.add("x", seconds, "y", value);
        }
        section.measured.compare_with("x", "y");
        let results = Results([(Comparison::Get, section)].into());
        let written = write(&results, folder.path()).unwrap();
        assert_eq!(written.len(), 3);
        assert_eq!(Results::load(folder.path()).unwrap(), results);
    }
}
