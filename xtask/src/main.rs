//! Maintenance tasks of this repository: `cargo xtask TASK`. Run `cargo xtask --help` for the list.

mod agb_serve;
#[cfg(target_os = "linux")]
mod bench;
mod browser;
mod capacity;
mod cargo;
mod check;
mod console;
#[cfg(target_os = "linux")]
mod costs;
mod crash;
#[cfg(target_os = "linux")]
mod distributed;
mod failure;
#[cfg(target_os = "linux")]
mod figures;
mod fsck;
mod generate;
mod http_client;
#[cfg(target_os = "linux")]
mod machine;
mod markdown;
mod mcp;
mod modules;
mod msrv;
mod public_api;
mod python;
mod scale;
#[cfg(target_os = "linux")]
mod soak;
mod statistics;
mod temporary;
#[cfg(test)]
mod test_repository;
mod webdav;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use self::python::{comparison, interop, schemathesis};

/// Maintenance tasks of this repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    /// Root of the repository. Defaults to the one that this program was built from.
    #[arg(long, global = true, hide = true, value_name = "DIR")]
    root: Option<PathBuf>,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Generate crates/agbcloud-api/src/generated from spec/context-api.yaml
    Generate,
    /// Check that the specification, generated code, examples and routes agree, and that no modules form a cycle
    Check,
    /// Check only for cycles between modules, without compiling anything
    Modules,
    /// Check that no dependency requires a newer Rust than the package that uses it declares
    Msrv,
    /// Compare costs with benches/costs.json: instructions, allocations, requests, memory, crates and size
    #[cfg(target_os = "linux")]
    Costs(costs::Options),
    /// Check that the public API of each library is the one in its public-api.txt
    PublicApi {
        /// Write the lists instead
        #[arg(long)]
        write: bool,
    },
    /// Install the programs that `costs` and `test-distributed` compile, so that this can run beside other checks
    #[cfg(target_os = "linux")]
    InstallTools,
    /// Test `agb serve` with the official Python SDK
    Interop,
    /// Test `agb serve` with requests generated from the specification
    Schemathesis {
        /// Seed of the requests
        #[arg(long, default_value_t = 1)]
        seed: u32,
        /// Number of requests for each operation
        #[arg(long, default_value_t = 100)]
        examples: u32,
    },
    /// Test `agb mcp` with the official Python SDK of the protocol and with its inspector
    Mcp,
    /// Check in headless Chromium that files from `agb serve` run no scripts
    Browser,
    /// Test `agb dav` with litmus, rclone and davfs2
    Webdav,
    /// Test the console in headless Chromium
    Console {
        /// Also write the screenshots of the documentation to docs/images
        #[arg(long)]
        screenshots: bool,
    },
    /// Kill `agb serve` during writes and check that no acknowledged change is lost
    Crash {
        /// Number of kills
        #[arg(long, default_value_t = 20)]
        rounds: u32,
        /// Seed of the changes. Defaults to a random one.
        #[arg(long)]
        seed: Option<u64>,
        /// Durability mode of the service: strict or relaxed
        #[arg(long, default_value = "strict")]
        durability: String,
    },
    /// Run a mixed load with restarts and faults, and check that nothing is lost and nothing grows
    #[cfg(target_os = "linux")]
    Soak(soak::Options),
    /// Test the service on PostgreSQL and S3, which it installs and starts
    #[cfg(target_os = "linux")]
    TestDistributed(distributed::Options),
    /// Compare the throughput and costs of the service on SQLite, PostgreSQL and S3, with 1, 2 and 4 replicas
    #[cfg(target_os = "linux")]
    EngineFigures(figures::Options),
    /// Run all comparisons and write benches/RESULTS.md with plots
    #[cfg(target_os = "linux")]
    Bench(bench::Options),
    /// Compare the latency of calls to a full and a nearly empty `agb serve`
    Scale {
        /// Number of contexts of the full service
        #[arg(long, default_value_t = 100_000)]
        contexts: usize,
        /// Number of files in one of them
        #[arg(long, default_value_t = 1_000_000)]
        files: usize,
        /// Number of measurements
        #[arg(long, default_value_t = 3)]
        rounds: usize,
    },
    /// Calculate the size of a large store in PostgreSQL, and simulate its throughput
    Capacity(Box<capacity::Arguments>),
    /// Compare the time to start and list contexts: `agb` and the official Python SDK
    #[command(disable_help_flag = true)]
    Startup {
        /// Options of benches/startup.py, listed by --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Compare transfers by the SDK, curl, a plain loop and the official Python SDK
    #[command(disable_help_flag = true)]
    Transfers {
        /// Options of benches/transfers.py, listed by --help
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let root = arguments.root.unwrap_or_else(workspace);
    let result = match arguments.task {
        Task::Generate => generate::run(&root),
        Task::Check => check::run(&root),
        Task::Modules => modules::run(&root),
        Task::Msrv => msrv::run(&root),
        #[cfg(target_os = "linux")]
        Task::Costs(options) => costs::run(&root, &options),
        Task::PublicApi { write } => public_api::run(&root, write),
        #[cfg(target_os = "linux")]
        Task::InstallTools => {
            distributed::engines::install(&root).and_then(|()| costs::install(&root))
        }
        Task::Interop => interop::run(&root),
        Task::Schemathesis { seed, examples } => schemathesis::run(&root, seed, examples),
        Task::Webdav => webdav::run(&root),
        Task::Mcp => mcp::run(&root),
        Task::Browser => browser::run(&root),
        Task::Console { screenshots } => console::run(&root, screenshots),
        Task::Crash {
            rounds,
            seed,
            durability,
        } => crash::run(&root, rounds, seed, &durability),
        #[cfg(target_os = "linux")]
        Task::Soak(options) => soak::run(&root, &options),
        #[cfg(target_os = "linux")]
        Task::TestDistributed(options) => distributed::run(&root, &options),
        #[cfg(target_os = "linux")]
        Task::EngineFigures(options) => figures::run(&root, &options),
        #[cfg(target_os = "linux")]
        Task::Bench(options) => bench::run(&root, &options),
        Task::Scale {
            contexts,
            files,
            rounds,
        } => scale::run(&root, contexts, files, rounds),
        Task::Capacity(arguments) => capacity::run(&arguments),
        Task::Startup { arguments } => comparison::STARTUP.run(&root, &arguments),
        Task::Transfers { arguments } => comparison::TRANSFERS.run(&root, &arguments),
    };
    match result {
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
