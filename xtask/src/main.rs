//! The chores of this repository, in Rust: `cargo xtask NAME`.
//!
//! `generate` writes the raw client crate from the specification; `check` fails when the two, the
//! examples or the service's routes have drifted apart; `msrv` holds the dependencies against the declared
//! Rust versions, `ceiling` their number against the declared one; `interop` lets the official Python SDK
//! drive the service and `schemathesis` requests made from the specification, `browser` opens hostile files in
//! Chromium, `crash` kills the service under writers, `scale` measures calls to one that holds much and
//! `transfers` and `startup` what moves files and what lists contexts, side by side.

mod browser;
mod cargo;
mod ceiling;
mod check;
mod comparison;
mod crash;
mod failure;
mod generate;
mod interop;
mod msrv;
mod scale;
mod schemathesis;
#[cfg(test)]
mod scratch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;

/// The chores of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    /// The repository to work on; this one if not given.
    #[arg(long, global = true, hide = true, value_name = "DIR")]
    root: Option<PathBuf>,
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Write crates/agbcloud-api/src/generated from spec/context-api.yaml
    Generate,
    /// Fail if specification, generated code, examples and routes do not agree, and say which drifted
    Check,
    /// Fail if a dependency needs a newer Rust than the package that uses it declares
    Msrv,
    /// Fail if `agbcloud` pulls in more crates, or fewer, than the root Cargo.toml declares
    Ceiling,
    /// Drive `agb serve` with the official Python SDK
    Interop,
    /// Drive `agb serve` with requests made from the specification, and fail on any 5xx
    Schemathesis {
        /// Which requests are made
        #[arg(long, default_value_t = 1)]
        seed: u32,
        /// How many for each operation; more take longer
        #[arg(long, default_value_t = 100)]
        examples: u32,
    },
    /// Open files with scripts that `agb serve` serves in headless Chromium, and fail if one did anything
    Browser,
    /// Kill `agb serve` at random instants under writers, and verify every byte that was acknowledged
    Crash {
        /// How often
        #[arg(long, default_value_t = 20)]
        rounds: u32,
        /// Make the changes of an earlier run
        #[arg(long)]
        seed: Option<u64>,
        /// The mode of the service: strict or relaxed
        #[arg(long, default_value = "strict")]
        durability: String,
    },
    /// Measure calls to an `agb serve` that holds much against one that holds next to nothing
    Scale {
        #[arg(long, default_value_t = 100_000)]
        contexts: usize,
        /// In one of them
        #[arg(long, default_value_t = 1_000_000)]
        files: usize,
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// Measure what it takes to start and list contexts, by agb and by the official Python SDK
    #[command(disable_help_flag = true)]
    Startup {
        /// For benches/startup.py, which explains them with --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Measure transfers by the SDK, curl, a bare loop and the official Python SDK side by side
    #[command(disable_help_flag = true)]
    Transfers {
        /// For benches/transfers.py, which explains them with --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let root = arguments.root.unwrap_or_else(workspace);
    let done = match arguments.chore {
        Chore::Generate => generate(&root),
        Chore::Check => check(&root),
        Chore::Msrv => msrv::run(&root),
        Chore::Ceiling => ceiling::run(&root),
        Chore::Interop => interop::run(&root),
        Chore::Schemathesis { seed, examples } => schemathesis::run(&root, seed, examples),
        Chore::Browser => browser::run(&root),
        Chore::Crash {
            rounds,
            seed,
            durability,
        } => crash::run(&root, rounds, seed, &durability),
        Chore::Scale {
            contexts,
            files,
            rounds,
        } => scale::run(&root, contexts, files, rounds),
        Chore::Startup { arguments } => comparison::STARTUP.run(&root, &arguments),
        Chore::Transfers { arguments } => comparison::TRANSFERS.run(&root, &arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// The repository that this program was built from.
fn workspace() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

fn generate(root: &Path) -> Result<(), Failure> {
    let written = generate::write(root)?;
    for file in &written {
        println!("wrote {file}");
    }
    if written.is_empty() {
        println!("nothing to do");
    }
    Ok(())
}

fn check(root: &Path) -> Result<(), Failure> {
    let findings = check::run(root);
    if findings.is_empty() {
        println!(
            "the generated code, its schemas, the examples and the routes agree with {}",
            agbcloud_spec::SPEC
        );
        return Ok(());
    }
    for finding in &findings {
        println!("{finding}\n");
    }
    Err(Failure::new(
        format!("drifted: {}", check::summary(&findings)),
        "each finding above says how; then run `cargo xtask check` again",
    ))
}
