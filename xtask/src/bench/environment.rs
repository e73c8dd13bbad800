//! The programs that are measured, the machine, and the versions of the peers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use super::comparison::Comparison;
use super::results::Machine;
use crate::failure::Failure;
use crate::machine::{machine_time, memory, process_time, processor};
use crate::python::virtual_environment::OFFICIAL_SDK;
use crate::{agb_serve, cargo};

/// The programs, built with optimization.
#[derive(Debug)]
pub(super) struct Programs {
    pub(super) agb: PathBuf,
    pub(super) clients: PathBuf,
    pub(super) load: PathBuf,
    pub(super) peer: PathBuf,
    pub(super) transfer: PathBuf,
}

impl Programs {
    pub(super) fn build(root: &Path) -> Result<Self, Failure> {
        eprintln!("building agb and the examples of benches");
        let example = |name: &str| {
            let arguments = ["--package", "agbcloud-benches", "--example", name];
            cargo::build_release(root, name, &arguments)
                .map_err(|problem| Failure::new(problem, "correct the error"))
        };
        Ok(Self {
            agb: agb_serve::build_release(root)?,
            clients: example("clients")?,
            load: example("load")?,
            peer: example("peer")?,
            transfer: example("transfer")?,
        })
    }
}

/// What the machine does during a comparison.
pub(super) struct Watch {
    /// Processor time of this program and its children, and of the machine.
    processor: [f64; 2],
    start: Instant,
}

impl Watch {
    pub(super) fn start() -> Result<Self, Failure> {
        Ok(Self {
            processor: processor_times()?,
            start: Instant::now(),
        })
    }

    /// Returns the machine, and the seconds since the start. All children have ended. `load` is the load average before
    /// this program did anything.
    pub(super) fn finish(self, folder: &Path, load: &str) -> Result<(Machine, f64), Failure> {
        let times = processor_times()?;
        let [own, machine] = [0, 1].map(|at| times[at] - self.processor[at]);
        let seconds = self.start.elapsed().as_secs_f64();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let others = ((machine - own) / (cores as f64 * seconds)).clamp(0.0, 1.0);
        let machine = Machine {
            cores,
            processor: processor(),
            memory_gib: memory(),
            kernel: kernel(),
            file_system: file_system(folder),
            load: load.to_owned(),
            others: (others * 1000.0).round() / 1000.0,
        };
        Ok((machine, seconds))
    }
}

fn processor_times() -> Result<[f64; 2], Failure> {
    let own = process_time(std::process::id());
    let times = own.and_then(|own| Ok([own, machine_time()?]));
    times.map_err(|error| {
        Failure::new(
            format!("can't read the processor time: {error}"),
            "/proc must be mounted",
        )
    })
}

fn kernel() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    release.trim().to_owned()
}

/// The type of the file system of a folder.
fn file_system(folder: &Path) -> String {
    let mut command = Command::new("stat");
    command.args(["--file-system", "--format=%T"]).arg(folder);
    let found = first_line(command).unwrap_or_default();
    // The name of all three in statfs.
    match found.as_str() {
        "ext2/ext3" => "ext4".to_owned(),
        _ => found,
    }
}

/// The commit of the repository, with `-dirty` if files differ from it.
pub(super) fn commit(root: &Path) -> String {
    let mut command = Command::new("git");
    command
        .args(["describe", "--always", "--dirty", "--exclude=*"])
        .current_dir(root);
    first_line(command).unwrap_or_else(|| "unknown".to_owned())
}

/// The versions of the programs and crates that a comparison contains.
pub(super) fn versions(root: &Path, comparison: Comparison) -> BTreeMap<String, String> {
    let (programs, crates): (&[(&str, &str)], &[&str]) = match comparison {
        Comparison::Server => (&[("nginx", "-v"), ("openssl", "version")], &["axum"]),
        Comparison::Transfers => (
            &[("curl", "--version"), ("python3", "--version")],
            &["reqwest"],
        ),
        Comparison::Startup => (&[("python3", "--version")], &[]),
        Comparison::Get | Comparison::Pages | Comparison::Streams => (&[], &["reqwest"]),
        Comparison::Scale => (&[], &[]),
    };
    let mut versions = BTreeMap::new();
    for (program, option) in programs.iter().chain(&[("rustc", "--version")]) {
        if let Some(version) = version(program, option) {
            versions.insert((*program).to_owned(), version);
        }
    }
    if !crates.is_empty() {
        let tree = |package| cargo::tree(root, package, &[]).unwrap_or_default();
        let all: BTreeSet<_> = [tree("agbcloud"), tree("agbcloud-server")]
            .into_iter()
            .flatten()
            .collect();
        for (name, version) in all {
            if crates.contains(&name.as_str()) {
                versions.insert(name, version);
            }
        }
    }
    if matches!(comparison, Comparison::Transfers | Comparison::Startup) {
        let requirements = fs::read_to_string(root.join(OFFICIAL_SDK)).unwrap_or_default();
        versions.extend(requirements.lines().filter_map(requirement));
    }
    versions
}

/// A pinned package of a line of requirements.
fn requirement(line: &str) -> Option<(String, String)> {
    let (name, version) = line.split_once("==")?;
    let version = version.split_whitespace().next()?;
    (!name.starts_with('#')).then(|| (name.trim().to_owned(), version.to_owned()))
}

/// Whether a program is installed.
pub(super) fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

fn version(program: &str, option: &str) -> Option<String> {
    let output = Command::new(program)
        .arg(option)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    // nginx prints it to stderr.
    let printed = [output.stdout, output.stderr].concat();
    parse_version(&String::from_utf8_lossy(&printed))
}

/// The first word of a text that begins with a digit.
fn parse_version(text: &str) -> Option<String> {
    let mut words = text.split(|c: char| c.is_whitespace() || c == '/');
    words
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
        .map(str::to_owned)
}

fn first_line(mut command: Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let line = text.lines().next()?.trim().to_owned();
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_print() {
        let version = |text| parse_version(text).unwrap_or_default();
        assert_eq!(version("nginx version: nginx/1.22.1\n"), "1.22.1");
        assert_eq!(version("curl 7.88.1 (x86_64-pc-linux-gnu)"), "7.88.1");
        assert_eq!(version("none"), "");
        let package = requirement("agb==1.2.3 \\").unwrap();
        assert_eq!(package, ("agb".to_owned(), "1.2.3".to_owned()));
        assert_eq!(requirement("# a==1"), None);
    }

    #[test]
    fn the_machine_is_described() {
        let folder = tempfile::tempdir().unwrap();
        let watch = Watch::start().unwrap();
        let (machine, seconds) = watch.finish(folder.path(), "0.10").unwrap();
        assert!(machine.cores > 0 && !machine.kernel.is_empty() && !machine.file_system.is_empty());
        assert!((0.0..=1.0).contains(&machine.others) && seconds >= 0.0);
    }
}
