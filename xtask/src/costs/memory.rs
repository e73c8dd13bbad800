//! Peak resident memory of transfers and synchronizations, in KiB.

use std::path::Path;
use std::process::{Command, Stdio};

use super::Costs;
use super::programs::{self, Programs, failure};
use crate::agb_serve::Service;
use crate::failure::Failure;
use crate::temporary;

/// Number of measurements of which the median counts.
const ROUNDS: usize = 3;

/// Other numbers of threads need other amounts of memory.
const THREADS: (&str, &str) = ("TOKIO_WORKER_THREADS", "2");

const KEY: &str = "bench-key";

/// How much is transferred and synchronized.
pub(crate) struct Size {
    bytes: u64,
    transfer: &'static str,
    /// Number of folders of 1000 files.
    folders: u64,
    sync: &'static str,
}

pub(crate) const SMALL: Size = Size {
    bytes: 128 << 20,
    transfer: "128 MiB",
    folders: 50,
    sync: "50,000 files",
};

pub(crate) const LARGE: Size = Size {
    bytes: 1 << 30,
    transfer: "1 GiB",
    folders: 1000,
    sync: "1,000,000 files",
};

pub(crate) fn measure(programs: &mut Programs<'_>, size: &Size) -> Result<Costs, Failure> {
    let mut rounds = Vec::new();
    let folder = temporary::folder("costs")?;
    let million = programs.get("million")?;
    sync(&million, folder.path(), size, "fill")?;
    for _ in 0..ROUNDS {
        let mut costs = transfers(programs, size)?;
        for job in ["up", "down"] {
            let peak = peak(&sync(&million, folder.path(), size, job)?)?;
            costs.insert(format!("sync {job} {}", size.sync), peak);
        }
        rounds.push(costs);
    }
    Ok(medians(&rounds))
}

/// Runs a job of a synchronization of files that do not differ.
fn sync(million: &Path, folder: &Path, size: &Size, job: &str) -> Result<Vec<u8>, Failure> {
    let mut command = Command::new(million);
    command.arg(job).arg(folder);
    command.env("AGB_BENCH_FOLDERS", size.folders.to_string());
    command.envs([THREADS]);
    programs::output(&mut command, "million")
}

/// Uploads and downloads one file. Measures the client, and the service after both.
fn transfers(programs: &mut Programs<'_>, size: &Size) -> Result<Costs, Failure> {
    let (agb, transfer) = (programs.get("agb")?, programs.get("transfer")?);
    let folder = temporary::folder("costs")?;
    let (file, copy) = (folder.path().join("file"), folder.path().join("copy"));
    let created = std::fs::File::create(&file).and_then(|file| file.set_len(size.bytes));
    created.map_err(|error| failure(format!("can't write {}: {error}", file.display())))?;
    let service = Service::start(&agb, &folder.path().join("data"), &[], Stdio::null())?;
    let run = |arguments: [&Path; 3]| {
        let mut command = Command::new(&transfer);
        command.arg(service.endpoint()).args(arguments);
        command.envs([THREADS, ("AGB_API_KEY", KEY)]);
        peak(&programs::output(&mut command, "transfer")?)
    };
    let remote = Path::new("/file");
    let up = run([Path::new("up"), &file, remote])?;
    let down = run([Path::new("down"), remote, &copy])?;
    let status = std::fs::read_to_string(format!("/proc/{}/status", service.process_id()))
        .map_err(|error| failure(format!("can't read the memory of agb serve: {error}")))?;
    service.stop();
    let name = |job: &str| format!("{job} {}", size.transfer);
    Ok(Costs::from([
        (name("upload"), up),
        (name("download"), down),
        (name("service, transfers of"), peak_of_status(&status)?),
    ]))
}

/// The peak that ends the output of a benchmark: `…, 1234 KiB` or `…, 1234 KiB peak`.
fn peak(output: &[u8]) -> Result<u64, Failure> {
    let output = String::from_utf8_lossy(output);
    let words: Vec<&str> = output.split_whitespace().collect();
    let unit = words.iter().rposition(|word| *word == "KiB");
    let number = unit.and_then(|unit| words.get(unit.checked_sub(1)?)?.parse().ok());
    number.ok_or_else(|| failure(format!("no peak memory in {output:?}")))
}

/// The peak in the file `status` of a process.
fn peak_of_status(status: &str) -> Result<u64, Failure> {
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse().ok());
    number.ok_or_else(|| failure("the status of the process has no VmHWM".to_owned()))
}

/// The median of each cost.
fn medians(rounds: &[Costs]) -> Costs {
    let names = rounds.iter().flat_map(Costs::keys);
    let median = |name: &String| {
        let mut values: Vec<u64> = rounds
            .iter()
            .filter_map(|round| round.get(name).copied())
            .collect();
        values.sort_unstable();
        Some((name.clone(), *values.get(values.len() / 2)?))
    };
    names.filter_map(median).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_the_last_number_of_kib() {
        assert_eq!(peak(b"up: 1 files, 0.123 s, 10456 KiB\n").unwrap(), 10456);
        let sync = b"up DIR: 0 copied; 4096 KiB at the start, 98304 KiB peak\n";
        assert_eq!(peak(sync).unwrap(), 98304);
        for output in [&b""[..], b"KiB", b"many KiB"] {
            assert!(peak(output).is_err());
        }
    }

    #[test]
    fn the_peak_of_a_process_is_in_its_status() {
        assert_eq!(
            peak_of_status("VmPeak:\t 9 kB\nVmHWM:\t  5280 kB\n").unwrap(),
            5280
        );
        assert!(peak_of_status("VmPeak:\t 9 kB\n").is_err());
    }

    #[test]
    fn one_outlier_does_not_change_the_median() {
        let round = |cost| Costs::from([("up".to_owned(), cost)]);
        let rounds = [round(10), round(90), round(11)];
        assert_eq!(medians(&rounds), round(11));
    }
}
