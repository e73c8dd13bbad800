//! [`Sample`]: one reading of the metrics, parsed from the text format of Prometheus.

/// One reading. Counters are totals since the start of the service.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Sample {
    /// Seconds since 1970.
    pub(super) at: f64,
    /// Contexts of the API key of the console.
    pub(super) contexts: Option<f64>,
    pub(super) bytes: Option<f64>,
    pub(super) requests: f64,
    /// Requests with a status of 5xx.
    pub(super) errors: f64,
    /// The sum of the durations, in seconds.
    pub(super) seconds: f64,
    /// The histogram of the durations: upper limits in seconds, in order, and how many requests took at most that long.
    pub(super) durations: Vec<(f64, f64)>,
}

impl Sample {
    /// Reads the metrics that the plots show. Other lines are skipped.
    pub(super) fn parse(text: &str) -> Self {
        let mut sample = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let Ok(value) = value.parse::<f64>() else {
                continue;
            };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            match name {
                "agb_stored_bytes" => sample.bytes = Some(value),
                "agb_requests_total" => {
                    sample.requests += value;
                    if labels.contains("status=\"5xx\"") {
                        sample.errors += value;
                    }
                }
                "agb_request_duration_seconds_sum" => sample.seconds += value,
                "agb_request_duration_seconds_bucket" => {
                    if let Some(limit) = upper_limit(labels) {
                        sample.add_durations(limit, value);
                    }
                }
                _ => {}
            }
        }
        sample
    }

    fn add_durations(&mut self, limit: f64, count: f64) {
        match self
            .durations
            .binary_search_by(|(other, _)| other.total_cmp(&limit))
        {
            Ok(at) => self.durations[at].1 += count,
            Err(at) => self.durations.insert(at, (limit, count)),
        }
    }

    /// The duration that this share of the requests since another sample did not exceed, estimated from the histogram as Prometheus
    /// does: linear within a bucket, and at most the largest limit.
    pub(super) fn quantile_since(&self, before: &Self, share: f64) -> Option<f64> {
        let counts = || {
            let old = |limit: f64| {
                let found = before.durations.iter().find(|(other, _)| *other == limit);
                found.map_or(0.0, |(_, count)| *count)
            };
            self.durations
                .iter()
                .map(move |(limit, count)| (*limit, count - old(*limit)))
        };
        let (_, total) = counts().next_back()?;
        // A smaller count than before was reset by a restart of the service.
        if total <= 0.0 || counts().any(|(_, count)| count < 0.0) {
            return None;
        }
        let rank = share * total;
        let mut lower = (0.0, 0.0);
        for (limit, count) in counts() {
            if count >= rank {
                let (start, faster) = lower;
                let inside = (rank - faster) / (count - faster);
                let is_last = limit.is_infinite();
                return Some(if is_last {
                    start
                } else {
                    start + (limit - start) * inside
                });
            }
            lower = (limit, count);
        }
        None
    }
}

/// The upper limit of a bucket, from the labels of its series.
fn upper_limit(labels: &str) -> Option<f64> {
    let label = |label: &str| {
        let value = label.strip_prefix("le=\"")?.strip_suffix('"')?;
        value.parse().ok().filter(|limit: &f64| !limit.is_nan())
    };
    labels.trim_end_matches('}').split(',').find_map(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_the_sums_of_all_operations() {
        let text = "# TYPE agb_requests counter\n\
            agb_stored_bytes 1024\n\
            agb_requests_total{operation=\"GetContext\",status=\"2xx\"} 3\n\
            agb_requests_total{operation=\"upload\",status=\"5xx\"} 2\n\
            agb_request_duration_seconds_sum{operation=\"GetContext\"} 0.5\n\
            agb_request_duration_seconds_sum{operation=\"upload\"} 1.25\n\
            agb_request_duration_seconds_bucket{le=\"0.1\"} 9\n\
            broken\nagb_requests_total{} x\n# EOF\n";
        let sample = Sample::parse(text);
        assert_eq!(sample.bytes, Some(1024.0));
        assert_eq!((sample.requests, sample.errors), (5.0, 2.0));
        assert!((sample.seconds - 1.75).abs() < 1e-9);
        assert_eq!(sample.durations, [(0.1, 9.0)]);
        assert_eq!(Sample::parse(""), Sample::default());
    }

    #[test]
    fn a_quantile_is_estimated_from_the_requests_between_two_samples() {
        let sample = |counts: [u32; 3]| {
            let mut text = String::new();
            for (limit, count) in ["+Inf", "0.1", "1.0"].iter().zip(counts) {
                for operation in ["GetContext", "upload"] {
                    let series = "agb_request_duration_seconds_bucket";
                    text +=
                        &format!("{series}{{le=\"{limit}\",operation=\"{operation}\"}} {count}\n");
                }
            }
            Sample::parse(&text)
        };
        let before = sample([10, 10, 10]);
        let quantile = |counts, share| {
            let value: Option<f64> = sample(counts).quantile_since(&before, share);
            value.map(|value| (value * 1000.0).round())
        };
        // All in the first bucket, of which half are assumed to take at most half of its limit.
        assert_eq!(quantile([20, 20, 20], 0.5), Some(50.0));
        // Half of them between 0.1 and 1 s.
        assert_eq!(quantile([20, 15, 20], 0.5), Some(100.0));
        assert_eq!(quantile([20, 15, 20], 0.75), Some(550.0));
        // Slower than the largest limit.
        assert_eq!(quantile([20, 10, 10], 0.99), Some(1000.0));
        // None, and a restart.
        assert_eq!(quantile([10, 10, 10], 0.99), None);
        assert_eq!(quantile([20, 9, 20], 0.99), None);
        assert_eq!(Sample::default().quantile_since(&before, 0.99), None);
    }
}
