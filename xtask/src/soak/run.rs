//! The course of a soak: processes of the service one after the other under load, and their windows.

use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use super::client::SoakClient;
use super::plant::{Plant, lose_file, open_connections};
use super::schedule::{End, Lifetime, lifetimes};
use super::service::SoakService;
use super::shared::{Shared, Stopped};
use super::window::{Sample, Window, judge, medians};
use crate::distributed::failover::load::Allowed;
use crate::distributed::failover::{now, pause};
use crate::distributed::interrupt;
use crate::http_client::Connection;

const SAMPLE_TIME: Duration = Duration::from_millis(250);
/// Windows of the whole time, and the limits of each.
const WINDOWS: u32 = 60;
const MIN_WINDOW: Duration = Duration::from_secs(1);
const MAX_WINDOW: Duration = Duration::from_secs(30);
/// Descriptors that a service may have more than at its start when no client is connected: threads open the database when
/// they first use it.
const IDLE_DESCRIPTORS: f64 = 16.0;
/// Time until connections of clients that ended are closed.
const CLOSE_TIME: Duration = Duration::from_secs(15);

pub(super) struct SoakRun<'a> {
    shared: &'a Shared,
    service: SoakService,
    endpoint: String,
    plant: Option<Plant>,
    /// What a planted defect keeps open.
    planted: Vec<Connection>,
    seed: u64,
    clients: u32,
    start: Instant,
    window_time: Duration,
    windows: Vec<Window>,
    /// Start and samples of the current window.
    window_start: Instant,
    samples: Vec<Sample>,
    /// Descriptors of the last process before its first request.
    descriptors_at_start: f64,
}

impl<'a> SoakRun<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        program: PathBuf,
        folder: &Path,
        plant: Option<Plant>,
        seed: u64,
    ) -> Self {
        let start = now();
        Self {
            shared,
            service: SoakService::new(program, folder, Plant::arguments(plant)),
            endpoint: String::new(),
            plant,
            planted: Vec::new(),
            seed,
            clients: 0,
            start,
            window_time: Duration::ZERO,
            windows: Vec::new(),
            window_start: start,
            samples: Vec::new(),
            descriptors_at_start: 0.0,
        }
    }

    pub(super) fn run(mut self, time: Duration, clients: u32) -> Result<(), String> {
        self.window_time = (time / WINDOWS).clamp(MIN_WINDOW, MAX_WINDOW);
        self.clients = clients;
        self.start_service(None)?;
        let shared = self.shared;
        for slot in &shared.slots {
            let mut slot = slot.write().unwrap_or_else(PoisonError::into_inner);
            shared
                .create(&mut slot)
                .map_err(|stopped| self.problem(stopped))?;
        }
        println!("{}", Window::header());
        let mut random = fastrand::Rng::with_seed(self.seed);
        std::thread::scope(|scope| {
            for number in 0..clients {
                let random = random.fork();
                scope.spawn(move || SoakClient::new(shared, number, random).run());
            }
            let result = self.run_lifetimes(&lifetimes(time));
            shared.stop();
            result
        })?;
        self.finish()
    }

    /// Runs one process of the service after the other, and leaves the last one running.
    fn run_lifetimes(&mut self, lifetimes: &[Lifetime]) -> Result<(), String> {
        let shared = self.shared;
        for (number, lifetime) in lifetimes.iter().enumerate() {
            if number > 0 {
                let faults = lifetime.faults.then_some(self.seed);
                self.start_service(faults)?;
            }
            match lifetime.faults {
                true => shared.begin_phase("faults", Allowed::Faults),
                false => shared.begin_phase("load", Allowed::Nothing),
            }
            shared.set_paused(false);
            self.run_lifetime(lifetime)?;
            if lifetime.end == End::Finish {
                break;
            }
            shared.begin_phase("restart", Allowed::Restarting);
            // Requests are in progress when the service ends. They are followed by no others.
            shared.set_paused(lifetime.end == End::Terminate);
            let ended = self.service.end(lifetime.end);
            shared.set_paused(true);
            shared.set_endpoint(None);
            self.check()?;
            ended?;
        }
        Ok(())
    }

    fn start_service(&mut self, faults: Option<u64>) -> Result<(), String> {
        self.endpoint = self.service.start(faults)?;
        self.shared.set_endpoint(Some(&self.endpoint));
        if let Some(sample) = self.service.sample() {
            self.descriptors_at_start = sample.descriptors;
        }
        Ok(())
    }

    /// Samples a process of the service until its time is over.
    fn run_lifetime(&mut self, lifetime: &Lifetime) -> Result<(), String> {
        let start = now();
        self.window_start = start;
        self.samples.clear();
        // Times of the restart belong to no window.
        drop(self.shared.take_latencies());
        while start.elapsed() < lifetime.time {
            pause(SAMPLE_TIME);
            self.check()?;
            match self.service.sample() {
                Some(sample) => self.samples.push(sample),
                None => return Err("the service ended by itself".to_owned()),
            }
            self.cause_defect(lifetime)?;
            if self.window_start.elapsed() >= self.window_time {
                let begun = self.window_start.duration_since(start);
                self.close_window(lifetime, begun >= lifetime.warm_up());
            }
        }
        Ok(())
    }

    /// Causes the planted defect, if any.
    fn cause_defect(&mut self, lifetime: &Lifetime) -> Result<(), String> {
        let failed = |problem: &dyn std::fmt::Display| format!("can't cause a defect: {problem}");
        match self.plant {
            // The next client of the file may replace it before it is missed.
            Some(Plant::LostFile) if !lifetime.faults => {
                lose_file(self.shared).map_err(|problem| failed(&problem))
            }
            Some(Plant::Connections) if lifetime.end == End::Finish => {
                let opened = open_connections(&self.endpoint);
                self.planted.extend(opened.map_err(|error| failed(&error))?);
                Ok(())
            }
            Some(Plant::LostFile | Plant::Connections) | None => Ok(()),
        }
    }

    fn close_window(&mut self, lifetime: &Lifetime, steady: bool) {
        let phase = match (lifetime.end, steady) {
            _ if lifetime.faults => "faults",
            (End::Finish, true) => "steady",
            (End::Finish, false) => "warm-up",
            _ => "load",
        };
        let (latencies, failed) = self.shared.take_latencies();
        if let Some(sample) = medians(&self.samples) {
            let window = Window {
                time: self.start.elapsed().as_secs_f64(),
                phase,
                steady,
                sample,
                files: self.service.files(),
                failed,
                latencies: latencies.summarize(),
            };
            println!("{window}");
            self.windows.push(window);
        }
        self.window_start = now();
        self.samples.clear();
    }

    /// Compares everything, ends the service and judges the windows.
    fn finish(&mut self) -> Result<(), String> {
        let shared = self.shared;
        self.check()?;
        shared.resume();
        shared
            .verify_all()
            .map_err(|stopped| self.problem(stopped))?;
        self.check()?;
        shared.set_endpoint(None);
        let descriptors = self.wait_for_descriptors();
        self.service.end(End::Finish)?;
        let quarantined = self.service.collect()?;
        let (kills, files) = (self.service.kills(), self.service.files());
        println!(
            "soak: {kills} kills, {quarantined} contents in quarantine, {files} files in the data folder at the end"
        );
        let mut problems = Vec::new();
        // A kill between the rename of a content and its commit leaves one for each client.
        let most = kills * self.clients as usize;
        if quarantined > most {
            problems.push(format!(
                "{quarantined} contents are in quarantine after {kills} kills"
            ));
        }
        problems.extend(descriptors.err());
        match judge(&self.windows) {
            None => println!("soak: too few windows to judge whether anything grew"),
            Some(verdicts) => {
                for verdict in verdicts {
                    println!("  {verdict}");
                    if verdict.growth.is_leak() {
                        problems.push(format!("grew: {verdict}"));
                    }
                }
            }
        }
        match problems.is_empty() {
            true => Ok(()),
            false => Err(problems.join("\n")),
        }
    }

    /// Waits until the service has closed the descriptors of all connections.
    fn wait_for_descriptors(&self) -> Result<(), String> {
        let (start, first) = (now(), self.descriptors_at_start);
        loop {
            let last = self
                .service
                .sample()
                .map_or(f64::INFINITY, |sample| sample.descriptors);
            if last <= first + IDLE_DESCRIPTORS {
                println!(
                    "soak: {first} descriptors at the start of the last process, {last} without clients at its end"
                );
                return Ok(());
            }
            if start.elapsed() > CLOSE_TIME {
                return Err(format!(
                    "{first} descriptors at the start of the last process, {last} without clients at its end, at most \
                     {IDLE_DESCRIPTORS} more are allowed"
                ));
            }
            pause(SAMPLE_TIME);
        }
    }

    /// Fails after a signal or a violation.
    fn check(&self) -> Result<(), String> {
        interrupt::check().map_err(|_| "interrupted".to_owned())?;
        self.shared.violations().map_or(Ok(()), Err)
    }

    /// Why a step of the main thread ended.
    fn problem(&self, _: Stopped) -> String {
        let violations = self.shared.violations();
        violations.unwrap_or_else(|| "interrupted".to_owned())
    }
}
