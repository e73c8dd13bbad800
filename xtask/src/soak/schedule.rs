//! The processes of the service during a soak: how long each runs, with which faults, and how it ends.

use std::time::Duration;

/// Approximate time of a process that is restarted.
const LIFETIME: Duration = Duration::from_secs(40);
const LIFETIMES: std::ops::RangeInclusive<u32> = 4..=60;

/// How a process of the service ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// SIGTERM, during requests.
    Terminate,
    /// SIGKILL, during requests.
    Kill,
    /// SIGTERM, after the clients have ended.
    Finish,
}

/// One process of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifetime {
    pub(super) time: Duration,
    /// Whether the service injects faults.
    pub(super) faults: bool,
    pub(super) end: End,
}

impl Lifetime {
    /// The first part, which is not judged: caches and buffers are filled.
    pub(super) fn warm_up(&self) -> Duration {
        match self.end {
            End::Finish => self.time / 4,
            // Too short to be judged.
            End::Terminate | End::Kill => self.time,
        }
    }
}

/// Divides the time of a soak: two thirds with restarts, of which every second one has faults, then one process without
/// either, whose resources are judged.
pub(super) fn lifetimes(time: Duration) -> Vec<Lifetime> {
    let steady = time / 3;
    let restarted = time - steady;
    let count = (restarted.as_secs_f64() / LIFETIME.as_secs_f64()).round() as u32;
    let count = count.clamp(*LIFETIMES.start(), *LIFETIMES.end());
    let mut lifetimes: Vec<_> = (0..count)
        .map(|number| Lifetime {
            time: restarted / count,
            faults: number % 2 == 1,
            end: match number % 4 {
                0 | 3 => End::Terminate,
                _ => End::Kill,
            },
        })
        .collect();
    lifetimes.push(Lifetime {
        time: steady,
        faults: false,
        end: End::Finish,
    });
    lifetimes
}

/// Flags for faults that a client must survive. None of them loses an acknowledged change.
pub(super) fn fault_arguments(seed: u64) -> Vec<String> {
    let faults = [
        "latency=20ms,rate=0.05",
        "status=503,rate=0.03,retry-after=0",
        "status=429,rate=0.03,retry-after=0",
        // The request is executed, and its response is cut within its head or body.
        "cut=10,rate=0.02",
        "cut=100000,rate=0.05,op=download",
    ];
    let numbered = faults.iter().zip(seed..);
    numbered
        .flat_map(|(fault, seed)| ["--fault".to_owned(), format!("{fault},seed={seed}")])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_time_is_one_process_without_faults() {
        for minutes in [1, 10, 60] {
            let time = Duration::from_secs(60 * minutes);
            let lifetimes = lifetimes(time);
            let all: Duration = lifetimes.iter().map(|lifetime| lifetime.time).sum();
            assert!(time - all < Duration::from_secs(1), "{all:?}");
            let last = lifetimes.last().unwrap();
            assert_eq!(
                (last.time, last.faults, last.end),
                (time / 3, false, End::Finish)
            );
            assert!(last.warm_up() < last.time);
        }
    }

    #[test]
    fn restarts_are_of_both_kinds_with_and_without_faults() {
        let lifetimes = lifetimes(Duration::from_secs(600));
        assert_eq!(lifetimes.len(), 11);
        for faults in [false, true] {
            for end in [End::Terminate, End::Kill] {
                let matching =
                    |lifetime: &&Lifetime| lifetime.faults == faults && lifetime.end == end;
                assert!(lifetimes.iter().any(|lifetime| matching(&lifetime)));
            }
        }
    }
}
