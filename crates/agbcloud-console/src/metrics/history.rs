//! [`History`]: the last samples, in memory.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{
    sample::Sample,
    series::{Point, Series},
};

/// Maximum number of samples: an hour at one each five seconds.
const MAX_SAMPLES: usize = 720;

/// The last samples, and why the last reading failed.
#[derive(Debug)]
pub(crate) struct History {
    pub(super) interval: Duration,
    samples: Mutex<VecDeque<Sample>>,
    problem: Mutex<Option<String>>,
}

impl History {
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            interval,
            samples: Mutex::default(),
            problem: Mutex::default(),
        }
    }

    /// Adds the result of a reading. The oldest sample is dropped when there are too many.
    pub(super) fn record(&self, reading: Result<Sample, String>) {
        let mut problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        match reading {
            Ok(sample) => {
                *problem = None;
                let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
                if samples.len() == MAX_SAMPLES {
                    samples.pop_front();
                }
                samples.push_back(sample);
            }
            Err(text) => *problem = Some(text),
        }
    }

    /// Why the last reading failed.
    pub(crate) fn problem(&self) -> Option<String> {
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        problem.clone()
    }

    /// The values of a plot.
    pub(crate) fn points(&self, series: Series) -> Vec<Point> {
        let samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = None;
        let point = |sample| {
            let value = series.value(before.replace(sample), sample);
            (sample.at, value)
        };
        samples.iter().map(point).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_samples_is_limited() {
        let history = History::new(Duration::from_secs(5));
        for at in 0..MAX_SAMPLES + 10 {
            history.record(Ok(Sample {
                at: at as f64,
                requests: at as f64 * 2.0,
                ..Sample::default()
            }));
        }
        let points = history.points(Series::Requests);
        assert_eq!(points.len(), MAX_SAMPLES);
        assert_eq!(points[0], (10.0, None));
        assert_eq!(points[1], (11.0, Some(2.0)));
        history.record(Err("no connection".to_owned()));
        assert_eq!(history.problem().as_deref(), Some("no connection"));
        history.record(Ok(Sample::default()));
        assert_eq!(history.problem(), None);
    }
}
