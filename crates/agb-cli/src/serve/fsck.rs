//! `agb serve fsck`: checks a data folder that no service uses, or a database and a store of blobs.

use agbcloud_server::{FsckMode, FsckReport, fsck_storage};
use clap::Args;

use super::store_arguments::StoreArguments;
use crate::{
    environment::EnvironmentArguments,
    failure::Failure,
    output::{counted, print_line},
};

#[derive(Debug, Args)]
pub(super) struct FsckArguments {
    #[command(flatten)]
    store: StoreArguments,

    /// Repair counts and folders, restore contents from quarantine, and move contents that no file uses there. Does not change
    /// files with damaged content
    #[arg(long)]
    repair: bool,

    /// Repair a database and blobs that do not belong together. Data that only the lost part contained is dropped
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
    let storage = arguments.store.storage(environment)?;
    let mode = match (arguments.accept, arguments.repair) {
        (true, _) => FsckMode::Accept,
        (false, true) => FsckMode::Repair,
        (false, false) => FsckMode::Check,
    };
    let report = fsck_storage(&storage, mode)
        .await
        .map_err(super::start_failure)?;
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
