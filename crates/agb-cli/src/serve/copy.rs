//! What `backup`, `restore` and `migrate` have in common: the options, the progress and the report.

use std::{path::PathBuf, sync::Arc};

use agbcloud_server::{
    ArchiveError, CopyOptions, CopyPhase, CopyReport, Protection, check_permissions,
};
use clap::Args;
use indicatif::BinaryBytes;

use super::start_failure;
use crate::{
    failure::{Code, Failure},
    output::{counted, print_line},
    progress::Spinner,
    signals::unless_interrupted,
    stderr,
};

/// What to do about damage of a store.
pub(super) const CHECK_STORE: &str = "check the store with 'agb serve fsck'";

#[derive(Debug, Args)]
pub(super) struct CopyArguments {
    /// Read and verify everything, and write nothing
    #[arg(long, short = 'n')]
    dry_run: bool,

    /// Copy the API keys and signing keys of this key file, too: into the database of a target in PostgreSQL, the archive, or
    /// the file 'keys' of a new data folder
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,

    /// Print one line of JSON
    #[arg(long)]
    json: bool,

    /// Print no progress
    #[arg(long, short)]
    quiet: bool,
}

impl CopyArguments {
    /// Runs a copy, shows its progress and prints its report. `done` and `planned` say what happened to the counts, `hint` what
    /// to do after an interruption, and `damage_hint` what to do about damage of the source.
    pub(super) async fn run(
        &self,
        (done, planned): (&str, &str),
        hint: &str,
        damage_hint: Option<&'static str>,
        copy: impl AsyncFnOnce(CopyOptions) -> Result<CopyReport, ArchiveError>,
    ) -> Result<(), Failure> {
        let mut options = CopyOptions::default().dry_run(self.dry_run);
        if let Some(keys) = &self.keys {
            // As for the service, which does not use an exposed file.
            check_permissions(keys, Protection::Write)
                .map_err(|exposed| Failure::with_code(Code::NotAllowed, exposed.to_string()))?;
            options = options.key_file(keys);
        }
        let spinner = Arc::new(Spinner::start_if(!self.quiet, "reading".to_owned()));
        let shown = spinner.clone();
        let options = options.on_progress(move |progress| {
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
                        "the keys are in {file}: start the service with --keys {file}",
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
                let failure = Failure::new(format!("{place} is damaged: {found}"));
                Err(match damage_hint {
                    Some(hint) => failure.with_hint(hint),
                    None => failure,
                })
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
    if report.keys > 0 {
        counts.insert(0, counted(report.keys, "API key"));
    }
    if report.skipped_files > 0 {
        let skipped = counted(report.skipped_files, "file");
        counts.push(format!("{skipped} copied before"));
    }
    counts.join(", ")
}

fn copy_failure(error: ArchiveError) -> Failure {
    match error {
        ArchiveError::Store(error) => start_failure(error),
        ArchiveError::SameStore
        | ArchiveError::OtherBlobs { .. }
        | ArchiveError::Unsupported { .. } => Failure::usage(error.to_string()),
        error => match std::error::Error::source(&error) {
            Some(source) => Failure::with_cause(error.to_string(), source),
            None => Failure::new(error.to_string()),
        },
    }
}
