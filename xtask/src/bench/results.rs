//! The measurements of all comparisons, kept in `results.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::comparison::Comparison;
use crate::failure::Failure;
use crate::statistics::Spread;

/// Name of the file.
pub(super) const FILE: &str = "results.json";

/// The last run of each comparison.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Results(pub(super) BTreeMap<Comparison, Section>);

/// One run of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Section {
    pub(super) date: String,
    /// The commit of the measured programs.
    pub(super) commit: String,
    pub(super) machine: Machine,
    pub(super) versions: BTreeMap<String, String>,
    pub(super) rounds: u32,
    /// Duration of the whole comparison in seconds.
    pub(super) seconds: f64,
    #[serde(flatten)]
    pub(super) measured: Measured,
}

/// The machine and what else it did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Machine {
    pub(super) cores: usize,
    pub(super) processor: String,
    pub(super) memory_gib: u64,
    pub(super) kernel: String,
    pub(super) file_system: String,
    /// The load average before the programs were built.
    pub(super) load: String,
    /// Share of the processor time of all cores that other processes used.
    pub(super) others: f64,
}

/// The measurements of a comparison.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Measured {
    pub(super) jobs: Vec<Job>,
    /// What was not measured, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) skipped: Vec<String>,
}

/// Something that several programs do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) name: String,
    pub(super) quantity: Quantity,
    /// The program that the others are compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) base: Option<String>,
    pub(super) series: Vec<Series>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) goals: Vec<Goal>,
}

/// The unit of the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Quantity {
    Seconds,
    PerSecond,
    Mebibytes,
}

/// The values of one program, one of each round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Series {
    pub(super) name: String,
    /// The size that the value belongs to, for plots of costs against sizes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) size: Option<u64>,
    pub(super) values: Vec<f64>,
}

/// A program is to be at least this fast, relative to another one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Goal {
    pub(super) of: String,
    pub(super) relative_to: String,
    pub(super) speed: f64,
}

impl Measured {
    /// Adds a value to a series, and creates its job and the series if they do not exist.
    pub(super) fn add(&mut self, job: &str, quantity: Quantity, series: &str, value: f64) {
        let at = match self.jobs.iter().position(|known| known.name == job) {
            Some(at) => at,
            None => {
                self.jobs.push(Job {
                    name: job.to_owned(),
                    quantity,
                    base: None,
                    series: Vec::new(),
                    goals: Vec::new(),
                });
                self.jobs.len() - 1
            }
        };
        self.jobs[at].add(series, value);
    }

    /// Sets the program that the others of a job are compared with.
    pub(super) fn compare_with(&mut self, job: &str, base: &str) {
        if let Some(job) = self.jobs.iter_mut().find(|known| known.name == job) {
            job.base = Some(base.to_owned());
        }
    }

    pub(super) fn goal(&mut self, job: &str, of: &str, relative_to: &str, speed: f64) {
        if let Some(job) = self.jobs.iter_mut().find(|known| known.name == job) {
            job.goals.push(Goal {
                of: of.to_owned(),
                relative_to: relative_to.to_owned(),
                speed,
            });
        }
    }

    pub(super) fn skip(&mut self, what: impl Into<String>) {
        self.skipped.push(what.into());
    }
}

impl Job {
    fn add(&mut self, series: &str, value: f64) {
        let value = rounded(value);
        match self.series(series) {
            Some(at) => self.series[at].values.push(value),
            None => self.series.push(Series {
                name: series.to_owned(),
                size: series.replace(',', "").parse().ok(),
                values: vec![value],
            }),
        }
    }

    fn series(&self, name: &str) -> Option<usize> {
        self.series.iter().position(|known| known.name == name)
    }

    /// How fast one program is relative to another one in the same rounds. Above 1, it is faster.
    pub(super) fn speed(&self, of: &str, relative_to: &str) -> Option<Spread> {
        let [of, other] = [of, relative_to].map(|name| self.series(name));
        let (of, other) = (&self.series[of?].values, &self.series[other?].values);
        Spread::of(of.iter().zip(other).map(|(of, other)| match self.quantity {
            Quantity::PerSecond => of / other,
            Quantity::Seconds | Quantity::Mebibytes => other / of,
        }))
    }
}

/// Four significant digits: the rest is noise.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

impl Results {
    /// Reads the results of a folder. There are none if the file does not exist.
    pub(super) fn load(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(FILE);
        let failure = |problem: String| {
            Failure::new(
                format!("can't read {}: {problem}", path.display()),
                "correct it, or delete it and run all comparisons",
            )
        };
        match fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text).map_err(|error| failure(error.to_string())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(failure(error.to_string())),
        }
    }

    /// The text of the file.
    pub(super) fn to_json(&self) -> Result<String, Failure> {
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|error| {
            Failure::new(
                format!("can't serialize the results: {error}"),
                "this is a bug",
            )
        })?;
        Ok(text + "\n")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn job(quantity: Quantity, ours: &[f64], theirs: &[f64]) -> Job {
        let mut measured = Measured::default();
        for (series, values) in [("ours", ours), ("theirs", theirs)] {
            for value in values {
                measured.add("x", quantity, series, *value);
            }
        }
        measured.jobs.remove(0)
    }

    #[test]
    fn a_speed_compares_the_same_round() {
        let job = job(Quantity::Seconds, &[1.0, 10.0, 4.0], &[2.0, 20.0, 4.0]);
        let speed = job.speed("ours", "theirs");
        assert_eq!(speed, Spread::of([2.0, 2.0, 1.0]));
        assert_eq!(job.speed("ours", "others"), None);
    }

    #[test]
    fn values_have_four_digits() {
        assert_eq!(rounded(123_456.0), 123_500.0);
        assert_eq!(rounded(0.000_123_44), 0.000_123_4);
    }

    #[test]
    fn a_missing_file_has_no_results_and_a_damaged_one_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Results::load(folder.path()).unwrap(), Results::default());
        fs::write(folder.path().join(FILE), "{").unwrap();
        let error = Results::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains(FILE), "{error}");
    }

    proptest! {
        #[test]
        fn a_speed_and_its_inverse_are_reciprocal(
            pairs in prop::collection::vec((0.001..1000.0_f64, 0.001..1000.0_f64), 1..9),
            is_rate: bool,
        ) {
            let (ours, theirs): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let quantity = if is_rate { Quantity::PerSecond } else { Quantity::Seconds };
            let job = job(quantity, &ours, &theirs);
            let speed = job.speed("ours", "theirs").unwrap();
            let inverse = job.speed("theirs", "ours").unwrap();
            prop_assert!((speed.min * inverse.max - 1.0).abs() < 1e-9);
            prop_assert!((speed.max * inverse.min - 1.0).abs() < 1e-9);
        }
    }
}
