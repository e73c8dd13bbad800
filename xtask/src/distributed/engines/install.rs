//! Finds the programs of the engines, and installs those that are missing.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;

use crate::cargo;
use crate::failure::Failure;

/// Folders of installed programs, separated like those of PATH. They precede PATH.
const FOLDERS: &str = "AGB_TEST_ENGINES";
/// Where cargo installs programs, below the root of the repository.
const INSTALLED: &str = "target/engines";
/// Where it installs those that are built with optimization.
const OPTIMIZED: &str = "target/engines-release";

/// What installs a program.
#[derive(Debug, Clone, Copy)]
enum Source {
    /// Debian packages.
    Apt(&'static [&'static str]),
    /// A package of crates.io, and the arguments of `cargo install`.
    Cargo(&'static str, &'static [&'static str]),
}

/// A program of an engine.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Program {
    /// `postgres`. The other programs of PostgreSQL are beside it.
    Postgres,
    PgBouncer,
    S3sFs,
    Garage,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::PgBouncer => "pgbouncer",
            Self::S3sFs => "s3s-fs",
            Self::Garage => "garage",
        }
    }

    fn source(self) -> Source {
        match self {
            Self::Postgres => Source::Apt(&["postgresql"]),
            Self::PgBouncer => Source::Apt(&["pgbouncer"]),
            Self::S3sFs => Source::Cargo("s3s-fs", &["--version", "0.14.1", "--features=binary"]),
            Self::Garage => Source::Cargo(
                "garage",
                &[
                    "--version",
                    "2.5.0",
                    "--no-default-features",
                    "--features=bundled-libs,sqlite",
                ],
            ),
        }
    }

    /// Returns the path of the program. Installs it if it is not in `AGB_TEST_ENGINES`, PATH, the usual folders of the
    /// system, or `target/engines/bin`.
    pub(crate) fn find_or_install(self, root: &Path) -> Result<PathBuf, Failure> {
        if let Some(path) = self.find(root) {
            return Ok(path);
        }
        println!("installing {}", self.name());
        match self.source() {
            Source::Apt(packages) => install_packages(packages)?,
            Source::Cargo(package, arguments) => {
                cargo_install(
                    root,
                    INSTALLED,
                    package,
                    &[&["--debug"], arguments].concat(),
                )?;
            }
        }
        self.find(root).ok_or_else(|| {
            let problem = format!("{} is not found after its installation", self.name());
            Failure::new(problem, format!("add its folder to {FOLDERS}"))
        })
    }

    /// Returns the path of a program that is built with optimization. Installs it if it is not in
    /// `target/engines-release/bin`; other folders may contain a slow one. Programs of the system are optimized.
    pub(crate) fn find_or_install_optimized(self, root: &Path) -> Result<PathBuf, Failure> {
        let Source::Cargo(package, arguments) = self.source() else {
            return self.find_or_install(root);
        };
        let path = root.join(OPTIMIZED).join("bin").join(self.name());
        if !path.is_file() {
            println!("installing {} with optimization", self.name());
            cargo_install(root, OPTIMIZED, package, arguments)?;
        }
        Ok(path)
    }

    fn find(self, root: &Path) -> Option<PathBuf> {
        let mut folders = Vec::new();
        for variable in [FOLDERS, "PATH"] {
            let value = std::env::var_os(variable).unwrap_or_default();
            folders.extend(std::env::split_paths(&value));
        }
        folders.push("/usr/sbin".into());
        folders.push(root.join(INSTALLED).join("bin"));
        folders.extend(newest_first(Path::new("/usr/lib/postgresql")));
        let paths = folders.into_iter().map(|folder| folder.join(self.name()));
        // `PATH` of Debian has wrappers of other programs of PostgreSQL, but not `postgres`.
        let mut files = paths.filter(|path| path.is_absolute() && path.is_file());
        files.next().map(|path| path.canonicalize().unwrap_or(path))
    }
}

/// The folders `VERSION/bin` of a folder, the highest version first.
fn newest_first(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let versions: BTreeMap<u32, PathBuf> = entries
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.into_values().rev().collect()
}

fn install_packages(packages: &[&str]) -> Result<(), Failure> {
    let apt = |arguments: &[&str]| {
        // `sudo` must not ask for a password.
        let mut command = match geteuid().is_root() {
            true => Command::new("apt-get"),
            false => {
                let mut command = Command::new("sudo");
                command.args(["-n", "apt-get"]);
                command
            }
        };
        command
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive");
        run(&mut command, &format!("`apt-get {}`", arguments.join(" ")))
    };
    apt(&["update", "-q"])?;
    let start = ["install", "-q", "-y", "--no-install-recommends"];
    apt(&[&start[..], packages].concat())
}

fn cargo_install(
    root: &Path,
    folder: &str,
    package: &str,
    arguments: &[&str],
) -> Result<(), Failure> {
    cargo::install(root, folder, package, arguments)
        .map_err(|problem| Failure::new(problem, by_hand()))
}

/// Runs a command with its output shown.
fn run(command: &mut Command, action: &str) -> Result<(), Failure> {
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Failure::new(
            format!("{action} failed: {status}"),
            by_hand(),
        )),
        Err(error) => Err(Failure::new(
            format!("can't run {action}: {error}"),
            by_hand(),
        )),
    }
}

fn by_hand() -> String {
    format!("install it by hand, and add its folder to {FOLDERS}")
}

/// The path of another program in the folder of one.
pub(crate) fn beside(program: &Path, name: impl AsRef<OsStr>) -> PathBuf {
    program.with_file_name(name.as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_is_first() {
        let folder = tempfile::tempdir().unwrap();
        for version in ["9", "15", "16", "common"] {
            std::fs::create_dir(folder.path().join(version)).unwrap();
        }
        let bin = |version: &str| folder.path().join(version).join("bin");
        assert_eq!(
            newest_first(folder.path()),
            [bin("16"), bin("15"), bin("9")]
        );
        assert_eq!(newest_first(&bin("16")), Vec::<PathBuf>::new());
    }
}
