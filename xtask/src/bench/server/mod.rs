//! The service beside nginx, an axum route, MD5 alone and synced files.

mod clearing;
mod nginx;
mod peer;
mod target;

use std::path::Path;
use std::process::Command;

use self::clearing::Clearing;
use self::nginx::Nginx;
use self::peer::Peer;
use self::target::{Agb, FILE, FILE_SIZE, failed};
use super::Run;
use super::environment::is_installed;
use super::load::{self, End, Job, Requests};
use super::results::{Measured, Quantity};
use crate::failure::Failure;

const GET: &str = "GET of a file of 4 KiB, 8 connections";
const GET_CONTEXT: &str = "GetContext, 8 connections";
const PUT: &str = "PUT of 64 MiB, 1 connection";
const CREATE: &str = "PUT of new files of 4 KiB, 32 connections";
const AGB: &str = "agb serve";
const NGINX: &str = "nginx";
const AXUM: &str = "axum";
const MD5: &str = "MD5 alone";
const FILES: &str = "one synced file each";
const CONNECTIONS: usize = 8;
const CREATING_CONNECTIONS: usize = 32;
const LARGE: usize = 64 << 20;

/// How much is done in a round.
#[derive(Debug, Clone, Copy)]
struct Amounts {
    /// Of the GET requests of each program.
    seconds: f64,
    uploads: usize,
    creates: usize,
    /// Files of the context that is cleared.
    cleared: usize,
    md5_seconds: u32,
}

impl Amounts {
    fn new(is_quick: bool) -> Self {
        match is_quick {
            true => Self {
                seconds: 0.3,
                uploads: 1,
                creates: 200,
                cleared: 2000,
                md5_seconds: 1,
            },
            false => Self {
                seconds: 3.0,
                uploads: 4,
                creates: 6000,
                cleared: 50_000,
                md5_seconds: 1,
            },
        }
    }
}

/// The programs that run during the comparison.
struct Programs {
    agb: Agb,
    nginx: Option<Nginx>,
    axum: Peer,
    has_openssl: bool,
}

pub(super) fn measure(run: &Run<'_>) -> Result<Measured, Failure> {
    let amounts = Amounts::new(run.is_quick);
    let mut measured = Measured::default();
    let agb = Agb::start(&run.programs.agb, &run.folder.join("agb"))?;
    let axum = Peer::start(&run.programs.peer, &agb.context()?, run.folder)?;
    let nginx = match is_installed(NGINX) {
        true => Some(Nginx::start()?),
        false => {
            measured.skip("nginx: it is not installed");
            None
        }
    };
    let has_openssl = is_installed("openssl");
    if !has_openssl {
        measured.skip("MD5 alone: openssl is not installed");
    }
    let programs = Programs {
        agb,
        nginx,
        axum,
        has_openssl,
    };
    eprintln!("{}: creating files to clear", run.comparison.name());
    let mut clearing = Clearing::start(run, amounts.cleared)?;
    for round in 0..=run.rounds {
        run.begin_round(round)?;
        let mut discarded = Measured::default();
        let target = match round {
            0 => &mut discarded,
            _ => &mut measured,
        };
        gets(run, &programs, amounts, round, target)?;
        uploads(run, &programs, amounts, round, target)?;
        creates(run, &programs, amounts, round, target)?;
        if round > 0 {
            clearing.measure(run, round, target)?;
        }
    }
    for (job, base) in [(GET, NGINX), (GET_CONTEXT, AXUM), (CREATE, FILES)] {
        measured.compare_with(job, base);
    }
    measured.compare_with(PUT, if programs.nginx.is_some() { NGINX } else { MD5 });
    measured.goal(GET, AGB, NGINX, 0.8);
    measured.goal(GET_CONTEXT, AGB, AXUM, 0.8);
    measured.goal(PUT, AGB, NGINX, 0.6);
    measured.goal(PUT, AGB, MD5, 1.0 / 1.15);
    measured.goal(CREATE, AGB, FILES, 5.0);
    clearing.set_goal(&mut measured);
    Ok(measured)
}

/// Runs the measurements of a job in an order that differs in each round, and adds them in the same one.
fn in_turn<P>(
    round: u32,
    programs: Vec<(&'static str, P)>,
    mut measure: impl FnMut(&P) -> Result<f64, Failure>,
    mut add: impl FnMut(&'static str, f64),
) -> Result<(), Failure> {
    let count = programs.len();
    let mut values = vec![0.0; count];
    for step in 0..count {
        let at = (step + round as usize) % count;
        values[at] = measure(&programs[at].1)?;
    }
    for ((name, _), value) in programs.iter().zip(values) {
        add(name, value);
    }
    Ok(())
}

/// Small GETs of a file and of a context.
fn gets(
    run: &Run<'_>,
    programs: &Programs,
    amounts: Amounts,
    round: u32,
    measured: &mut Measured,
) -> Result<(), Failure> {
    let get = |address: &str, target: &str, headers| {
        Job::Requests(Requests {
            address: address.to_owned(),
            connections: CONNECTIONS,
            requests: vec![("GET", target.to_owned())],
            headers,
            body: 0,
            until: End::Seconds(amounts.seconds),
        })
    };
    let Programs {
        agb, nginx, axum, ..
    } = programs;
    let mut files = Vec::new();
    if let Some(nginx) = nginx {
        files.push((NGINX, get(nginx.address(), FILE, Vec::new())));
    }
    files.push((AGB, get(agb.address(), agb.download_target(), Vec::new())));
    let contexts = vec![
        (AXUM, get(axum.address(), "/sdk/GetContext", Vec::new())),
        (AGB, get(agb.address(), agb.context_target(), agb.headers())),
    ];
    for (name, jobs) in [(GET, files), (GET_CONTEXT, contexts)] {
        in_turn(
            round,
            jobs,
            |job| Ok(load::run(&run.programs.load, job)?.rate()),
            |program, rate| measured.add(name, Quantity::PerSecond, program, rate),
        )?;
    }
    Ok(())
}

/// Uploads of large files. The time is that of one upload.
fn uploads(
    run: &Run<'_>,
    programs: &Programs,
    amounts: Amounts,
    round: u32,
    measured: &mut Measured,
) -> Result<(), Failure> {
    enum Upload {
        To(String, Vec<String>),
        Md5,
    }
    // Every second round replaces the files of the first, so that the space is bounded.
    let names: Vec<_> = (0..amounts.uploads)
        .map(|n| format!("/large-{}-{n}", round % 2))
        .collect();
    let mut uploads = Vec::new();
    if let Some(nginx) = &programs.nginx {
        let to = Upload::To(nginx.address().to_owned(), names.clone());
        uploads.push((NGINX, to));
    }
    if programs.has_openssl {
        uploads.push((MD5, Upload::Md5));
    }
    let targets = programs.agb.upload_targets(&names)?;
    let address = programs.agb.address().to_owned();
    uploads.push((AGB, Upload::To(address, targets)));
    in_turn(
        round,
        uploads,
        |upload| match upload {
            Upload::To(address, targets) => {
                // So that no earlier writes are in the way.
                rustix::fs::sync();
                let job = put(address, targets, 1, LARGE);
                Ok(1.0 / load::run(&run.programs.load, &job)?.rate())
            }
            Upload::Md5 => md5_time(amounts.md5_seconds),
        },
        |program, time| measured.add(PUT, Quantity::Seconds, program, time),
    )
}

/// Durable uploads of new small files.
fn creates(
    run: &Run<'_>,
    programs: &Programs,
    amounts: Amounts,
    round: u32,
    measured: &mut Measured,
) -> Result<(), Failure> {
    let names: Vec<_> = (0..amounts.creates)
        .map(|n| format!("/new-{round}/{n}"))
        .collect();
    let targets = programs.agb.upload_targets(&names)?;
    let folder = run.folder.join(format!("files-{round}"));
    let jobs = vec![
        (
            FILES,
            Job::Files {
                folder: folder.clone(),
                count: amounts.creates,
                bytes: FILE_SIZE,
                threads: CREATING_CONNECTIONS,
            },
        ),
        (
            AGB,
            put(
                programs.agb.address(),
                &targets,
                CREATING_CONNECTIONS,
                FILE_SIZE,
            ),
        ),
    ];
    in_turn(
        round,
        jobs,
        |job| {
            rustix::fs::sync();
            Ok(load::run(&run.programs.load, job)?.rate())
        },
        |program, rate| measured.add(CREATE, Quantity::PerSecond, program, rate),
    )
    // The files stay: after many are deleted, ext4 creates new ones slowly for minutes.
}

fn put(address: &str, targets: &[String], connections: usize, body: usize) -> Job {
    let requests = targets.iter().map(|target| ("PUT", target.clone()));
    Job::Requests(Requests {
        address: address.to_owned(),
        connections,
        requests: requests.collect(),
        headers: Vec::new(),
        body,
        until: End::Once,
    })
}

/// Seconds that OpenSSL takes for MD5 of a large file.
fn md5_time(seconds: u32) -> Result<f64, Failure> {
    let output = Command::new("openssl")
        .args(["speed", "-mr", "-seconds", &seconds.to_string()])
        .args(["-bytes", &LARGE.to_string(), "-evp", "md5"])
        .output()
        .map_err(|error| failed("run openssl", error))?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let speed = parse_speed(&printed).ok_or_else(|| {
        Failure::new(
            format!("unexpected output of `openssl speed`: {printed}"),
            "uninstall openssl to skip MD5",
        )
    })?;
    Ok(LARGE as f64 / speed)
}

/// The bytes a second in a line `+F:NUMBER:NAME:SPEED`.
fn parse_speed(printed: &str) -> Option<f64> {
    let line = printed.lines().find(|line| line.starts_with("+F:"))?;
    line.rsplit(':').next()?.trim().parse().ok()
}

/// Whether a program accepts connections.
fn accepts_connections(address: &str) -> bool {
    std::net::TcpStream::connect(address).is_ok()
}

/// Creates a folder.
fn create_folder(path: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(path).map_err(|error| failed("create a folder", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_the_last_field() {
        let printed = "+DT:md5:1:67108864\n+R:10:md5:1.0\n+H:67108864\n+F:22:md5:671088640.00\n";
        assert_eq!(parse_speed(printed), Some(671_088_640.0));
        assert_eq!(parse_speed("error"), None);
    }

    #[test]
    fn programs_alternate_and_values_keep_their_order() {
        let mut order = Vec::new();
        let mut values = Vec::new();
        let programs = vec![("a", 1.0), ("b", 2.0), ("c", 3.0)];
        let measure = |value: &f64| {
            order.push(*value);
            Ok(*value)
        };
        in_turn(1, programs, measure, |name, value| {
            values.push((name, value))
        })
        .unwrap();
        assert_eq!(order, [2.0, 3.0, 1.0]);
        assert_eq!(values, [("a", 1.0), ("b", 2.0), ("c", 3.0)]);
    }
}
