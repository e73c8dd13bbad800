//! `cargo xtask msrv`: whether the Rust version that each package declares is true.
//!
//! Every package that it is built from, dev-dependencies aside, must get by with that version. Versions are
//! compared as declared, on every platform and with the features that the whole workspace turns on; where the
//! toolchain of the version is installed, the package is compiled with it as well.

mod graph;
mod version;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use self::graph::{Graph, Member, Offender};
use self::version::Version;
use crate::cargo;
use crate::failure::Failure;

pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let graph = load(root)?;
    let mut failed = 0_usize;
    let mut by_version = BTreeMap::<Version, Vec<String>>::new();
    for member in graph.members() {
        let offenders = graph.offenders(&member);
        failed += usize::from(!offenders.is_empty());
        print!("{}", report(&member, &offenders));
        if let Some(version) = member.rust_version {
            by_version.entry(version).or_default().push(member.name);
        }
    }
    for (version, packages) in by_version {
        failed += usize::from(!compile(root, version, &packages)?);
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::new(
            "a declared Rust version is not true",
            "raise `rust-version` in the package's Cargo.toml, or hold the dependency back with \
             `cargo update -p NAME --precise VERSION`",
        )),
    }
}

fn load(root: &Path) -> Result<Graph, Failure> {
    let mend = "run `cargo metadata --format-version 1 --locked` to see more";
    let output = cargo::output(root, &["metadata", "--format-version", "1", "--locked"])
        .map_err(|problem| Failure::new(problem, mend))?;
    Graph::parse(&output).map_err(|problem| Failure::new(problem, mend))
}

/// One line if all is well; else the offender that needs the newest Rust, and how it comes in.
fn report(member: &Member, offenders: &[Offender]) -> String {
    let name = &member.name;
    let Some(declared) = member.rust_version else {
        return format!("{name}: declares no rust-version\n");
    };
    // Of several the last is taken: reversed, the nearest.
    let Some(worst) = offenders.iter().rev().max_by_key(|offender| offender.needs) else {
        return format!("{name}: {declared} is enough, as declared by its dependencies\n");
    };
    format!(
        "{name}: declares {declared}, but needs {}\n    {}\n    ({} of its dependencies need more than {declared})\n",
        worst.needs,
        worst.chain.join(" → "),
        offenders.len()
    )
}

/// Compiles with the toolchain of that version, if there is one; whether that went well.
fn compile(root: &Path, version: Version, packages: &[String]) -> Result<bool, Failure> {
    let list = packages.join(", ");
    let Some(toolchain) = toolchain(version) else {
        println!(
            "Rust {version} is not installed: for {list} only the declared versions were compared"
        );
        return Ok(true);
    };
    println!("compiling {list} with Rust {version}");
    let mut command = Command::new("rustup");
    command
        .current_dir(root)
        // What started this program is of another toolchain.
        .env_remove("CARGO")
        .env_remove("RUSTUP_TOOLCHAIN")
        .args(["run", &toolchain, "cargo", "check", "--quiet", "--locked"]);
    for package in packages {
        command.args(["--package", package]);
    }
    let status = command.status();
    status
        .map(|status| status.success())
        .map_err(|error| Failure::new(format!("can't run rustup: {error}"), "install rustup"))
}

/// The installed toolchain of that version, if rustup is there at all.
fn toolchain(version: Version) -> Option<String> {
    let output = Command::new("rustup")
        .args(["toolchain", "list"])
        .output()
        .ok()?;
    let list = String::from_utf8(output.stdout).ok()?;
    version.find_toolchain(&list).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member() -> Member {
        Member {
            id: "a".into(),
            name: "agb".into(),
            rust_version: Version::parse("1.88"),
        }
    }

    #[test]
    fn the_report_names_the_worst_offender_and_its_chain() {
        let offender = |needs: &str, chain: &[&str]| Offender {
            needs: Version::parse(needs).unwrap(),
            chain: chain.iter().map(|name| (*name).to_owned()).collect(),
        };
        let offenders = [
            offender("1.89", &["agb", "x 1.0.0"]),
            offender("1.91", &["agb", "y 1.0.0", "z 2.0.0"]),
        ];
        assert_eq!(
            report(&member(), &offenders),
            "agb: declares 1.88, but needs 1.91\n    agb → y 1.0.0 → z 2.0.0\n    \
             (2 of its dependencies need more than 1.88)\n"
        );
    }

    #[test]
    fn the_report_says_when_all_is_well() {
        assert_eq!(
            report(&member(), &[]),
            "agb: 1.88 is enough, as declared by its dependencies\n"
        );
    }
}
