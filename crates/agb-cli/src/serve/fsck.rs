//! `agb serve fsck`: checks a data folder that no service uses.

use std::path::PathBuf;

use agbcloud_server::{FsckMode, FsckReport, StartError, fsck};
use clap::Args;

use super::{
    DATA_DIR,
    settings::{ConfigFile, Settings},
};
use crate::{arguments::Ambient, exit::Failure, say};

#[derive(Debug, Args)]
pub(super) struct FsckArguments {
    /// Folder that holds the data [default: agb-data]
    #[arg(long, value_name = "DIR", env = "AGB_DATA_DIR")]
    data_dir: Option<PathBuf>,

    /// Config file that names the folder
    #[arg(long, value_name = "FILE", env = "AGB_CONFIG")]
    config: Option<PathBuf>,

    /// Repair counts and folders, put contents back from quarantine, and move there what no file names. Files whose content
    /// is damaged are left as they are
    #[arg(long)]
    repair: bool,

    /// Repair, and accept a database and a folder of blobs that do not belong together: what only the lost part had is
    /// given up
    #[arg(long)]
    accept: bool,

    /// Print one line of JSON instead
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(arguments: FsckArguments, ambient: &Ambient) -> Result<(), Failure> {
    let given = Settings {
        data_dir: arguments.data_dir,
        ..Settings::default()
    };
    let file = ConfigFile {
        config: arguments.config,
    };
    let folder = given.over(&file, ambient)?.data_dir;
    let folder = folder.unwrap_or_else(|| PathBuf::from(DATA_DIR));
    let mode = match (arguments.accept, arguments.repair) {
        (true, _) => FsckMode::Accept,
        (false, true) => FsckMode::Repair,
        (false, false) => FsckMode::Check,
    };
    let report = tokio::task::spawn_blocking(move || fsck(folder, mode))
        .await
        .map_err(|error| Failure::other("the check broke off", error))?
        .map_err(refused)?;
    if arguments.json {
        say::line(report.to_json())?;
    } else {
        tell(&report)?;
    }
    if report.is_damaged() {
        let unmended = report.findings.iter().filter(|found| !found.repaired);
        Err(Failure::new(format!(
            "{} findings are not repaired",
            unmended.count()
        )))
    } else {
        Ok(())
    }
}

fn tell(report: &FsckReport) -> Result<(), Failure> {
    for finding in &report.findings {
        say::line(finding)?;
    }
    for kept in &report.quarantine {
        say::line(format_args!(
            "in quarantine since {}: {}, {} bytes",
            kept.since, kept.name, kept.bytes
        ))?;
    }
    say::line(format_args!(
        "{} contexts, {} files, {} bytes: {}",
        report.contexts,
        report.files,
        report.bytes,
        match report.findings.len() {
            0 => "clean".to_owned(),
            found => format!("{found} findings"),
        }
    ))
}

fn refused(error: StartError) -> Failure {
    match std::error::Error::source(&error) {
        Some(source) => Failure::new(format!("{error}: {source}")),
        None => Failure::new(error.to_string()),
    }
}
