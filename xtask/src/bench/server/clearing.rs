//! The latency of a get while a context with many files is cleared, beside that of an idle service.

use std::time::{Duration, Instant};

use super::target::failed;
use crate::bench::Run;
use crate::bench::load::{self, End, Job, Requests, Running};
use crate::bench::results::{Measured, Quantity};
use crate::bench::units::thousands;
use crate::failure::Failure;
use crate::scale::{Instance, KEY, Size};

const IDLE: &str = "idle";
const CLEARING: &str = "during the clear";
/// Time of a measurement. A clear may take longer.
const TIME: Duration = Duration::from_secs(2);
const QUICK_TIME: Duration = Duration::from_millis(300);

pub(super) struct Clearing {
    instance: Instance,
    job: String,
    requests: Requests,
}

impl Clearing {
    /// Starts a service and creates a context to clear for each round.
    pub(super) fn start(run: &Run<'_>, files: usize) -> Result<Self, Failure> {
        let size = Size {
            contexts: 200,
            files: 1,
            cleared: files,
        };
        let mut instance = Instance::start(&run.programs.agb, &run.folder.join("cleared"), size)?;
        let fill = instance.fill(run.rounds as usize);
        fill.map_err(|error| failed("create files", error))?;
        let endpoint = instance.endpoint();
        let time = if run.is_quick { QUICK_TIME } else { TIME };
        let requests = Requests {
            address: endpoint.trim_start_matches("http://").to_owned(),
            connections: 1,
            requests: vec![("GET", "/sdk/GetContext?name=main".to_owned())],
            headers: vec![("authorization", format!("Bearer {KEY}"))],
            body: 0,
            until: End::Seconds(time.as_secs_f64()),
        };
        Ok(Self {
            instance,
            job: format!(
                "GetContext while {} files are cleared: 99th percentile",
                thousands(files as u64)
            ),
            requests,
        })
    }

    pub(super) fn measure(
        &mut self,
        run: &Run<'_>,
        round: u32,
        measured: &mut Measured,
    ) -> Result<(), Failure> {
        let program = &run.programs.load;
        let idle = load::run(program, &Job::Requests(self.requests.clone()))?;
        let requests = Requests {
            until: End::StdinClosed,
            ..self.requests.clone()
        };
        let running = Running::start(program, &Job::Requests(requests))?;
        let start = Instant::now();
        let cleared = self.instance.clear(round as usize - 1);
        cleared.map_err(|error| failed("clear a context", error))?;
        if let End::Seconds(least) = self.requests.until {
            // The service removes the files after it has reported the context as available.
            let rest = Duration::from_secs_f64(least).saturating_sub(start.elapsed());
            std::thread::sleep(rest);
        }
        let clearing = running.finish()?;
        for (program, report) in [(IDLE, idle), (CLEARING, clearing)] {
            measured.add(&self.job, Quantity::Seconds, program, report.p99);
        }
        Ok(())
    }

    pub(super) fn set_goal(&self, measured: &mut Measured) {
        measured.compare_with(&self.job, IDLE);
        measured.goal(&self.job, CLEARING, IDLE, 0.5);
    }
}
