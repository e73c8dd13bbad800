//! What `backup`, `restore` and `migrate` have in common: the store, the options, the progress and the report.

use std::{fmt, path::PathBuf, sync::Arc};

use agbcloud_server::{ArchiveError, CopyOptions, CopyPhase, CopyReport, Storage};
use clap::Args;
use indicatif::BinaryBytes;

use super::{
    settings::{ConfigFile, Settings},
    start_failure,
};
use crate::{
    environment::EnvironmentArguments,
    failure::Failure,
    output::{counted, print_line},
    progress::Spinner,
    signals::unless_interrupted,
    stderr,
};

/// The store that is copied or filled.
#[derive(Args)]
pub(super) struct StoreArguments {
    /// Data folder. Defaults to agb-data
    #[arg(long, value_name = "DIR", env = "AGB_DATA_DIR")]
    data_dir: Option<PathBuf>,

    /// Metadata engine instead of a data folder: sqlite:DIR or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "URL", env = "AGB_METADATA", hide_env_values = true)]
    metadata: Option<String>,

    /// Where the contents of files are, with PostgreSQL: file:DIR or s3://BUCKET/PREFIX?endpoint=URL
    #[arg(long, value_name = "URL", env = "AGB_BLOBS", hide_env_values = true)]
    blobs: Option<String>,

    /// Config file with the data folder or the URLs
    #[arg(long, value_name = "FILE", env = "AGB_CONFIG")]
    config: Option<PathBuf>,
}

/// Omits the URLs, which may contain passwords.
impl fmt::Debug for StoreArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreArguments")
            .field("data_dir", &self.data_dir)
            .finish_non_exhaustive()
    }
}

impl StoreArguments {
    pub(super) fn storage(self, environment: &EnvironmentArguments) -> Result<Storage, Failure> {
        let given = Settings {
            data_dir: self.data_dir,
            metadata: self.metadata,
            blobs: self.blobs,
            ..Settings::default()
        };
        let file = ConfigFile {
            config: self.config,
        };
        given.with_config_file(&file, environment)?.storage()
    }
}

#[derive(Debug, Args)]
pub(super) struct CopyArguments {
    /// Read and verify everything, and write nothing
    #[arg(long, short = 'n')]
    dry_run: bool,

    /// Print one line of JSON
    #[arg(long)]
    json: bool,

    /// Print no progress
    #[arg(long, short)]
    quiet: bool,
}

impl CopyArguments {
    /// Runs a copy, shows its progress and prints its report. `done` and `planned` say what happened to the counts.
    pub(super) async fn run(
        &self,
        (done, planned): (&str, &str),
        hint: &str,
        copy: impl AsyncFnOnce(CopyOptions) -> Result<CopyReport, ArchiveError>,
    ) -> Result<(), Failure> {
        let spinner = Arc::new(Spinner::start_if(!self.quiet, "reading".to_owned()));
        let shown = spinner.clone();
        let options = CopyOptions::default()
            .dry_run(self.dry_run)
            .on_progress(move |progress| {
                let phase = match progress.phase {
                    CopyPhase::Verifying => "verifying",
                    _ => "copying",
                };
                let (files, bytes) = (counted(progress.files, "file"), progress.bytes);
                shown.set_state(&format!("{phase}: {files}, {}", BinaryBytes(bytes)));
            });
        let work = async { Ok(copy(options).await) };
        let copied = unless_interrupted(work, hint).await;
        spinner.finish();
        match copied? {
            Ok(report) if self.json => print_line(report.to_json()),
            Ok(report) => {
                if let Some(file) = &report.key_file {
                    stderr::note(format_args!(
                        "the keys of the database are in {file}: start the service with --keys {file}",
                        file = file.display()
                    ));
                }
                print_line(format_args!(
                    "{} {}",
                    if self.dry_run { planned } else { done },
                    summary(&report)
                ))
            }
            Err(ArchiveError::Damaged { place, report }) => {
                match self.json {
                    true => print_line(report.to_json())?,
                    false => report.findings.iter().try_for_each(print_line)?,
                }
                let found = counted(report.findings.len() as u64, "problem");
                Err(Failure::new(format!("{place} is damaged: {found}"))
                    .with_hint("check the store with 'agb serve fsck'"))
            }
            Err(error) => Err(copy_failure(error)),
        }
    }
}

fn summary(report: &CopyReport) -> String {
    let mut counts = vec![
        counted(report.contexts, "context"),
        counted(report.files, "file"),
        counted(report.bytes, "byte"),
    ];
    if report.skipped_files > 0 {
        let skipped = counted(report.skipped_files, "file");
        counts.push(format!("{skipped} copied before"));
    }
    counts.join(", ")
}

fn copy_failure(error: ArchiveError) -> Failure {
    match error {
        ArchiveError::Store(error) => start_failure(error),
        ArchiveError::SameStore | ArchiveError::Unsupported { .. } => {
            Failure::usage(error.to_string())
        }
        error => match std::error::Error::source(&error) {
            Some(source) => Failure::with_cause(error.to_string(), source),
            None => Failure::new(error.to_string()),
        },
    }
}
