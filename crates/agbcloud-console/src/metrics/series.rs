//! [`Series`]: what the plots show, as values over time.

use super::sample::Sample;
use crate::text;

/// A plot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Series {
    Contexts,
    Bytes,
    Requests,
    Errors,
    Latency,
    TailLatency,
}

/// A value at a time in seconds since 1970; `None` is a gap.
pub(crate) type Point = (f64, Option<f64>);

impl Series {
    pub(crate) const ALL: [Self; 6] = [
        Self::Contexts,
        Self::Bytes,
        Self::Requests,
        Self::Errors,
        Self::Latency,
        Self::TailLatency,
    ];

    /// The name in URLs.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Contexts => "contexts",
            Self::Bytes => "bytes",
            Self::Requests => "requests",
            Self::Errors => "errors",
            Self::Latency => "latency",
            Self::TailLatency => "tail-latency",
        }
    }

    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Contexts => "Contexts of this API key",
            Self::Bytes => "Stored bytes of all keys",
            Self::Requests => "Requests per second",
            Self::Errors => "Errors (status 5xx) per second",
            Self::Latency => "Mean latency",
            Self::TailLatency => "Latency that 99 % of the requests do not exceed",
        }
    }

    /// The value at a sample, given the one before it.
    pub(super) fn value(self, before: Option<&Sample>, sample: &Sample) -> Option<f64> {
        // A counter that is smaller than before was reset by a restart of the service.
        let increase = |of: fn(&Sample) -> f64| {
            let increase = of(sample) - of(before?);
            (increase >= 0.0).then_some(increase)
        };
        let seconds = before.map(|before| sample.at - before.at);
        let rate = |of| Some(increase(of)? / seconds.filter(|seconds| *seconds > 0.0)?);
        match self {
            Self::Contexts => sample.contexts,
            Self::Bytes => sample.bytes,
            Self::Requests => rate(|sample| sample.requests),
            Self::Errors => rate(|sample| sample.errors),
            Self::Latency => {
                let requests = increase(|sample| sample.requests)?;
                let seconds = increase(|sample| sample.seconds)?;
                (requests > 0.0).then_some(seconds / requests)
            }
            Self::TailLatency => sample.quantile_since(before?, 0.99),
        }
    }

    /// The value as text.
    pub(crate) fn format(self, value: f64) -> String {
        match self {
            Self::Contexts => text::count(value.max(0.0) as u64),
            Self::Bytes => text::bytes(value.max(0.0) as u64),
            Self::Requests | Self::Errors => format!("{value:.1}/s"),
            Self::Latency | Self::TailLatency => format!("{:.1} ms", value * 1000.0),
        }
    }

    /// The plot in words.
    pub(crate) fn describe(self, points: &[Point]) -> String {
        let values = || points.iter().filter_map(|(_, value)| *value);
        let Some(last) = values().next_back() else {
            return "No values yet.".to_owned();
        };
        let lowest = values().fold(f64::INFINITY, f64::min);
        let highest = values().fold(f64::NEG_INFINITY, f64::max);
        format!(
            "Last {}, lowest {}, highest {}.",
            self.format(last),
            self.format(lowest),
            self.format(highest)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_increases_over_time() {
        let before = Sample {
            at: 10.0,
            requests: 100.0,
            seconds: 1.0,
            ..Sample::default()
        };
        let after = Sample {
            at: 15.0,
            requests: 110.0,
            errors: 5.0,
            seconds: 1.5,
            ..Sample::default()
        };
        let value = |series: Series| series.value(Some(&before), &after);
        assert_eq!(value(Series::Requests), Some(2.0));
        assert_eq!(value(Series::Errors), Some(1.0));
        assert_eq!(value(Series::Latency), Some(0.05));
        assert_eq!(value(Series::Bytes), None);
        assert_eq!(Series::Requests.value(None, &after), None);
        // A restart.
        assert_eq!(Series::Requests.value(Some(&after), &before), None);
        // No requests.
        assert_eq!(Series::Latency.value(Some(&after), &after), None);
    }

    #[test]
    fn a_plot_is_described_in_words() {
        let points = [(1.0, Some(0.5)), (2.0, None), (3.0, Some(2.0))];
        assert_eq!(
            Series::Requests.describe(&points),
            "Last 2.0/s, lowest 0.5/s, highest 2.0/s."
        );
        assert_eq!(Series::Bytes.describe(&[]), "No values yet.");
    }
}
