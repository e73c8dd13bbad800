//! `agb serve fsck`: checks a data folder while no service uses it.

use std::path::PathBuf;

use agbcloud_server::{FsckMode, FsckReport, StartError, fsck};
use clap::Args;

use super::settings::{ConfigFile, DEFAULT_DATA_DIR, Settings};
use crate::{
    environment::EnvironmentArguments,
    failure::Failure,
    output::{counted, print_line},
};

#[derive(Debug, Args)]
pub(super) struct FsckArguments {
    /// Data folder. Defaults to agb-data
    #[arg(long, value_name = "DIR", env = "AGB_DATA_DIR")]
    data_dir: Option<PathBuf>,

    /// Config file with the data folder
    #[arg(long, value_name = "FILE", env = "AGB_CONFIG")]
    config: Option<PathBuf>,

    /// Repair counts and folders, restore contents from quarantine, and move contents that no file uses there. Does not change
    /// files with damaged content
    #[arg(long)]
    repair: bool,

    /// Repair a database and a blob folder that do not belong together. Data that only the lost part contained is dropped
    #[arg(long)]
    accept: bool,

    /// Print one line of JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(
    arguments: FsckArguments,
    environment: &EnvironmentArguments,
) -> Result<(), Failure> {
    let given = Settings {
        data_dir: arguments.data_dir,
        ..Settings::default()
    };
    let file = ConfigFile {
        config: arguments.config,
    };
    let folder = given.with_config_file(&file, environment)?.data_dir;
    let folder = folder.unwrap_or_else(|| PathBuf::from(DEFAULT_DATA_DIR));
    let mode = match (arguments.accept, arguments.repair) {
        (true, _) => FsckMode::Accept,
        (false, true) => FsckMode::Repair,
        (false, false) => FsckMode::Check,
    };
    let report = tokio::task::spawn_blocking(move || fsck(folder, mode))
        .await
        .map_err(|error| Failure::with_cause("the check stopped", error))?
        .map_err(start_failure)?;
    if arguments.json {
        print_line(report.to_json())?;
    } else {
        print_report(&report)?;
    }
    if report.is_damaged() {
        let open = report.findings.iter().filter(|finding| !finding.repaired);
        Err(Failure::new(format!(
            "{} not repaired",
            counted(open.count() as u64, "finding")
        )))
    } else {
        Ok(())
    }
}

fn print_report(report: &FsckReport) -> Result<(), Failure> {
    for finding in &report.findings {
        print_line(finding)?;
    }
    for item in &report.quarantine {
        print_line(format_args!(
            "in quarantine since {}: {}, {} bytes",
            item.since, item.name, item.bytes
        ))?;
    }
    print_line(format_args!(
        "{}, {}, {}: {}",
        counted(report.contexts, "context"),
        counted(report.files, "file"),
        counted(report.bytes, "byte"),
        match report.findings.len() {
            0 => "clean".to_owned(),
            findings => counted(findings as u64, "finding"),
        }
    ))
}

fn start_failure(error: StartError) -> Failure {
    match std::error::Error::source(&error) {
        Some(source) => Failure::with_cause(error.to_string(), source),
        None => Failure::new(error.to_string()),
    }
}
