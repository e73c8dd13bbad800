//! [`History`]: the last readings, in memory.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::{
    sample::Sample,
    series::{Point, Series},
};

/// Maximum number of readings: an hour at one each five seconds.
const MAX_READINGS: usize = 720;
/// How long readings are kept, in seconds.
const MAX_AGE: f64 = 3600.0;

/// The last readings, and why the last one failed.
#[derive(Debug)]
pub(crate) struct History {
    pub(super) interval: Duration,
    readings: Mutex<VecDeque<Reading>>,
    problem: Mutex<Option<String>>,
}

/// A reading of the metrics.
#[derive(Debug)]
struct Reading {
    /// Seconds since 1970.
    at: f64,
    /// `None` if it failed, which is a gap in each plot.
    sample: Option<Sample>,
}

impl History {
    pub(crate) fn new(interval: Duration) -> Self {
        Self {
            interval,
            readings: Mutex::default(),
            problem: Mutex::default(),
        }
    }

    /// Adds a reading of this time. Older ones are dropped after an hour, or when there are too many.
    pub(super) fn record(&self, at: f64, reading: Result<Sample, String>) {
        let (sample, failure) = match reading {
            Ok(sample) => (Some(sample), None),
            Err(failure) => (None, Some(failure)),
        };
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        let mut readings = self.readings.lock().unwrap_or_else(PoisonError::into_inner);
        readings.retain(|reading| reading.at > at - MAX_AGE);
        if readings.len() == MAX_READINGS {
            readings.pop_front();
        }
        readings.push_back(Reading { at, sample });
    }

    /// Why the last reading failed.
    pub(crate) fn problem(&self) -> Option<String> {
        let problem = self.problem.lock().unwrap_or_else(PoisonError::into_inner);
        problem.clone()
    }

    /// The values of a plot.
    pub(crate) fn points(&self, series: Series) -> Vec<Point> {
        let readings = self.readings.lock().unwrap_or_else(PoisonError::into_inner);
        let mut points = Vec::with_capacity(readings.len());
        let mut before = None;
        for reading in readings.iter() {
            let sample = reading.sample.as_ref();
            let value = sample.and_then(|sample| series.value(before, sample));
            points.push((reading.at, value));
            before = sample;
        }
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at: f64) -> Sample {
        Sample {
            at,
            bytes: Some(1.0),
            requests: at * 2.0,
            ..Sample::default()
        }
    }

    #[test]
    fn the_number_and_the_age_of_samples_are_limited() {
        let history = History::new(Duration::from_secs(1));
        for second in 0..MAX_READINGS + 10 {
            let at = second as f64;
            history.record(at, Ok(sample(at)));
        }
        let points = history.points(Series::Requests);
        assert_eq!(points.len(), MAX_READINGS);
        assert_eq!(points[0], (10.0, None));
        assert_eq!(points[1], (11.0, Some(2.0)));
        // The computer was suspended.
        let later = 729.0 + MAX_AGE - 1.5;
        history.record(later, Ok(sample(later)));
        let times: Vec<_> = history.points(Series::Bytes);
        let times: Vec<_> = times.into_iter().map(|(at, _)| at).collect();
        assert_eq!(times, [728.0, 729.0, later]);
    }

    #[test]
    fn a_failed_reading_is_a_gap() {
        let history = History::new(Duration::from_secs(5));
        history.record(10.0, Ok(sample(10.0)));
        history.record(15.0, Ok(sample(15.0)));
        history.record(20.0, Err("no connection".to_owned()));
        assert_eq!(history.problem().as_deref(), Some("no connection"));
        history.record(25.0, Ok(sample(25.0)));
        history.record(30.0, Ok(sample(30.0)));
        assert_eq!(history.problem(), None);
        let values = |series| -> Vec<_> {
            let points = history.points(series);
            points.into_iter().map(|(_, value)| value).collect()
        };
        let one = Some(1.0);
        assert_eq!(values(Series::Bytes), [one, one, None, one, one]);
        // A rate needs two readings.
        let two = Some(2.0);
        assert_eq!(values(Series::Requests), [None, two, None, None, two]);
    }
}
