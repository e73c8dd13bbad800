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
                _ => {}
            }
        }
        sample
    }
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
        assert_eq!(Sample::parse(""), Sample::default());
    }
}
