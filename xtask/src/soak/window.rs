//! Windows of time: what the process of the service uses, and how long requests take.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

use super::judgement::{Bound, FEWEST_WINDOWS, Growth, median};
use super::operation::{Latency, Operation};

/// Growth of memory that is no leak. The allocator keeps what large uploads needed.
const MEMORY: Bound = Bound {
    share: 0.1,
    amount: 8.0,
};
const DESCRIPTORS: Bound = Bound {
    share: 0.1,
    amount: 8.0,
};
/// Contents that wait for their collection vary.
const FILES: Bound = Bound {
    share: 0.1,
    amount: 24.0,
};
/// Late medians of latencies relative to early ones. Other work on the machine easily doubles them, so that only a service
/// that becomes several times slower fails.
const LATENCY: Bound = Bound {
    share: 2.0,
    amount: 5.0,
};
/// Fewest requests in a window for a median of their latency.
const FEWEST_REQUESTS: usize = 5;

/// Operations whose times are in the rows of windows. The others are only judged.
const SHOWN: [(Operation, &str); 5] = [
    (Operation::GetContext, "get a context"),
    (Operation::ListFiles, "list files"),
    (Operation::UploadSmall, "small upload"),
    (Operation::Download, "download"),
    (Operation::Clear, "clear"),
];

/// What a process uses at an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Sample {
    /// MiB of anonymous resident memory: without pages of files.
    pub(super) memory: f64,
    pub(super) descriptors: f64,
}

impl Sample {
    /// Reads `/proc`. `None` if the process has ended.
    pub(super) fn of(process: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let descriptors = fs::read_dir(format!("/proc/{process}/fd")).ok()?.count();
        Some(Self {
            memory: anonymous_kib(&status)? / 1024.0,
            descriptors: descriptors as f64,
        })
    }
}

fn anonymous_kib(status: &str) -> Option<f64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Number of files below a folder.
pub(super) fn count_files(folder: &Path) -> usize {
    // Files are removed at the same time.
    let Ok(entries) = fs::read_dir(folder) else {
        return 0;
    };
    let count = entries.flatten().map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => count_files(&entry.path()),
        _ => 1,
    });
    count.sum()
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    /// Seconds since the start of the soak, at its end.
    pub(super) time: f64,
    pub(super) phase: &'static str,
    /// Whether it is judged.
    pub(super) steady: bool,
    /// Medians of its samples.
    pub(super) sample: Sample,
    /// Files in the data folder.
    pub(super) files: f64,
    /// Requests that failed.
    pub(super) failed: u64,
    pub(super) latencies: BTreeMap<Operation, Latency>,
}

impl Window {
    /// The header of the rows that [`fmt::Display`] writes.
    pub(super) fn header() -> String {
        let mut header = format!(
            "{:>6} {:<8} {:>10} {:>11} {:>6} {:>8} {:>7}  median / p99 in ms:\n{:64}",
            "time s", "phase", "memory MiB", "descriptors", "files", "requests", "failed", ""
        );
        for (_, name) in SHOWN {
            header.push_str(&format!("{name:<15}"));
        }
        header
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests: usize = self.latencies.values().map(|latency| latency.count).sum();
        write!(
            f,
            "{:6.0} {:<8} {:10.1} {:11.0} {:6.0} {requests:8} {:7}  ",
            self.time,
            self.phase,
            self.sample.memory,
            self.sample.descriptors,
            self.files,
            self.failed,
        )?;
        for (operation, _) in SHOWN {
            let latency = self.latencies.get(&operation);
            let text = latency.map(|latency| format!("{:.1} / {:.1}", latency.median, latency.p99));
            write!(f, "{:<15}", text.unwrap_or_else(|| "-".to_owned()))?;
        }
        Ok(())
    }
}

/// The medians of samples, which are never empty in a window.
pub(super) fn medians(samples: &[Sample]) -> Option<Sample> {
    let of = |value: fn(&Sample) -> f64| median(&samples.iter().map(value).collect::<Vec<_>>());
    Some(Sample {
        memory: of(|sample| sample.memory)?,
        descriptors: of(|sample| sample.descriptors)?,
    })
}

/// The judgement of a resource.
#[derive(Debug)]
pub(super) struct Verdict {
    pub(super) resource: String,
    pub(super) growth: Growth,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.resource, self.growth)
    }
}

/// Judges memory, descriptors, files and latencies of all steady windows. `None` if there are too few.
pub(super) fn judge(windows: &[Window]) -> Option<Vec<Verdict>> {
    let steady: Vec<_> = windows.iter().filter(|window| window.steady).collect();
    if steady.len() < FEWEST_WINDOWS {
        return None;
    }
    let series = |value: &dyn Fn(&Window) -> Option<f64>| -> Vec<(f64, f64)> {
        let points = steady.iter();
        points
            .filter_map(|window| Some((window.time, value(window)?)))
            .collect()
    };
    let mut verdicts = Vec::new();
    let mut judge = |resource: &str, bound, value: &dyn Fn(&Window) -> Option<f64>| {
        if let Some(growth) = Growth::of(&series(value), bound) {
            verdicts.push(Verdict {
                resource: resource.to_owned(),
                growth,
            });
        }
    };
    judge("memory, MiB", MEMORY, &|window| Some(window.sample.memory));
    judge("descriptors", DESCRIPTORS, &|window| {
        Some(window.sample.descriptors)
    });
    judge("files in the data folder", FILES, &|window| {
        Some(window.files)
    });
    for operation in Operation::ALL {
        let name = format!("median of {}, ms", operation.name());
        judge(&name, LATENCY, &|window| {
            let latency = window.latencies.get(&operation)?;
            (latency.count >= FEWEST_REQUESTS).then_some(latency.median)
        });
    }
    Some(verdicts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(memory: impl Fn(u32) -> f64, milliseconds: impl Fn(u32) -> f64) -> Vec<Window> {
        let window = |number| Window {
            time: f64::from(number) * 10.0,
            phase: "steady",
            steady: number >= 5,
            sample: Sample {
                memory: memory(number),
                descriptors: 40.0,
            },
            files: 100.0,
            failed: 0,
            latencies: BTreeMap::from([(
                Operation::Download,
                Latency {
                    count: 100,
                    median: milliseconds(number),
                    p99: 50.0,
                },
            )]),
        };
        (0..20).map(window).collect()
    }

    fn leaks(windows: &[Window]) -> Vec<String> {
        let verdicts = judge(windows).unwrap();
        assert_eq!(verdicts.len(), 4);
        let leaks = verdicts
            .into_iter()
            .filter(|verdict| verdict.growth.is_leak());
        leaks.map(|verdict| verdict.resource).collect()
    }

    #[test]
    fn only_the_resource_that_grows_is_a_leak() {
        assert!(leaks(&windows(|_| 40.0, |_| 3.0)).is_empty());
        let memory = windows(|number| 40.0 + f64::from(number), |_| 3.0);
        assert!(leaks(&memory).is_empty());
        let memory = windows(|number| 40.0 + 3.0 * f64::from(number), |_| 3.0);
        assert_eq!(leaks(&memory), ["memory, MiB"]);
        let slower = windows(|_| 40.0, |number| f64::from(number) * 4.0);
        assert!(leaks(&slower).is_empty());
        let slower = windows(
            |_| 40.0,
            |number| 3.0 + 20.0 * f64::from(number.saturating_sub(8)),
        );
        assert_eq!(leaks(&slower), ["median of download, ms"]);
    }

    #[test]
    fn growth_before_the_steady_windows_is_not_judged() {
        let filled = windows(|number| f64::from(number.min(5)) * 50.0, |_| 3.0);
        assert!(leaks(&filled).is_empty());
        assert!(judge(&filled[..8]).is_none());
    }

    #[test]
    fn memory_is_read_from_the_status_of_a_process() {
        let status = "Name:\tagb\nVmRSS:\t  30000 kB\nRssAnon:\t   20480 kB\nRssFile:\t  9 kB\n";
        assert_eq!(anonymous_kib(status), Some(20480.0));
        assert_eq!(anonymous_kib("Name:\tagb\n"), None);
        let own = Sample::of(std::process::id()).unwrap();
        assert!(own.memory > 0.1 && own.descriptors > 2.0, "{own:?}");
    }
}
