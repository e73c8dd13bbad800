//! What happened to the requests of a load in each of its phases.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::balancer::Problem;

/// Maximum number of shown requests.
const SHOWN: usize = 10;

/// Which problems of requests a phase allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed {
    /// None.
    Nothing,
    /// 503 with `Retry-After`.
    Unavailable,
    /// Also connections that end within a response, since the body of a response is cut.
    Cut,
    /// Connections that end with a killed replica. The service does not answer with errors.
    Killed,
    /// Also requests without an answer, since a replica is stopped.
    Stopped,
    /// Errors because the context is cleared.
    Cleared,
    /// Injected faults: 429 and 503 with `Retry-After`, and broken connections.
    Faults,
    /// The only replica, which may inject faults, ends and starts again: connections break, and none is accepted for a
    /// time.
    Restarting,
}

impl Allowed {
    fn includes(self, problem: Problem) -> bool {
        let unavailable = Problem::Status {
            status: 503,
            retry_after: true,
        };
        match self {
            Self::Nothing => false,
            Self::Unavailable => problem == unavailable,
            Self::Cut => problem == unavailable || problem == Problem::Broken,
            Self::Killed => problem == Problem::Broken,
            Self::Faults => {
                let throttled = Problem::Status {
                    status: 429,
                    retry_after: true,
                };
                problem == throttled || Self::Cut.includes(problem)
            }
            Self::Restarting => problem == Problem::Refused || Self::Faults.includes(problem),
            Self::Stopped => {
                problem == unavailable || matches!(problem, Problem::Broken | Problem::TimedOut)
            }
            Self::Cleared => matches!(
                problem,
                Problem::Broken
                    | Problem::Status {
                        status: 403 | 409,
                        ..
                    }
            ),
        }
    }
}

/// The requests that ended in a phase.
#[derive(Debug)]
struct Phase {
    name: &'static str,
    allowed: Allowed,
    succeeded: u64,
    problems: BTreeMap<Problem, u64>,
    slowest: Duration,
}

/// A request with its phase at its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Started(usize);

/// The requests of all phases.
#[derive(Debug)]
pub(crate) struct Report {
    phases: Vec<Phase>,
    /// Requests with a problem that is not allowed.
    violations: Vec<String>,
    violation_count: u64,
}

impl Report {
    pub(crate) fn new(name: &'static str, allowed: Allowed) -> Self {
        let mut report = Self {
            phases: Vec::new(),
            violations: Vec::new(),
            violation_count: 0,
        };
        report.begin(name, allowed);
        report
    }

    /// Begins a phase.
    pub(crate) fn begin(&mut self, name: &'static str, allowed: Allowed) {
        self.phases.push(Phase {
            name,
            allowed,
            succeeded: 0,
            problems: BTreeMap::new(),
            slowest: Duration::ZERO,
        });
    }

    pub(crate) fn start(&self) -> Started {
        Started(self.phases.len() - 1)
    }

    /// Counts a request. A problem must be allowed in the phase of its start or in a later one.
    pub(crate) fn count(
        &mut self,
        started: Started,
        what: &str,
        time: Duration,
        result: Result<(), Problem>,
    ) {
        let phases = self.phases.iter().skip(started.0);
        let (mut names, mut is_allowed) = (Vec::new(), false);
        for phase in phases {
            names.push(phase.name);
            is_allowed |= result.is_err_and(|problem| phase.allowed.includes(problem));
        }
        if let Err(problem) = result
            && !is_allowed
        {
            self.violation_count += 1;
            if self.violations.len() < SHOWN {
                self.violations.push(format!(
                    "{what}: {problem} after {:.3} s ({})",
                    time.as_secs_f64(),
                    names.join(", then ")
                ));
            }
        }
        if let Some(phase) = self.phases.last_mut() {
            phase.slowest = phase.slowest.max(time);
            match result {
                Ok(()) => phase.succeeded += 1,
                Err(problem) => *phase.problems.entry(problem).or_default() += 1,
            }
        }
    }

    /// Number of problems in the current phase.
    pub(crate) fn problems(&self) -> u64 {
        let phase = self.phases.last();
        phase.map_or(0, |phase| phase.problems.values().sum())
    }

    /// The problems that are not allowed.
    pub(crate) fn violations(&self) -> Option<String> {
        match self.violation_count {
            0 => None,
            count => Some(format!(
                "{count} requests failed in a way that is not allowed:\n    {}",
                self.violations.join("\n    ")
            )),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for phase in &self.phases {
            write!(
                f,
                "  {:<28} {:6} succeeded, slowest {:6.3} s",
                phase.name,
                phase.succeeded,
                phase.slowest.as_secs_f64()
            )?;
            for (problem, count) in &phase.problems {
                write!(f, ", {count} × {problem}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNAVAILABLE: Result<(), Problem> = Err(Problem::Status {
        status: 503,
        retry_after: true,
    });

    #[test]
    fn a_problem_must_be_allowed_in_a_phase_of_the_request() {
        let mut report = Report::new("before", Allowed::Nothing);
        let before = report.start();
        report.begin("outage", Allowed::Unavailable);
        report.begin("after", Allowed::Nothing);
        report.count(before, "get", Duration::ZERO, UNAVAILABLE);
        assert_eq!(report.violations(), None);
        report.count(report.start(), "get", Duration::ZERO, UNAVAILABLE);
        let violations = report.violations().unwrap();
        assert!(violations.starts_with("1 requests"), "{violations}");
        assert!(violations.contains("503 with Retry-After"), "{violations}");
        assert_eq!(report.problems(), 2);
    }

    #[test]
    fn an_outage_allows_neither_other_errors_nor_missing_answers() {
        let internal = Problem::Status {
            status: 500,
            retry_after: false,
        };
        let without_hint = Problem::Status {
            status: 503,
            retry_after: false,
        };
        for problem in [internal, without_hint, Problem::TimedOut, Problem::Refused] {
            for allowed in [Allowed::Nothing, Allowed::Unavailable, Allowed::Cut] {
                assert!(!allowed.includes(problem), "{problem} {allowed:?}");
            }
        }
        assert!(Allowed::Cut.includes(Problem::Broken));
        assert!(!Allowed::Unavailable.includes(Problem::Broken));
    }
}
