//! [`FolderOptions`]: the options of every command that copies folders.

use std::path::Path;

use agbcloud::{
    Compare, ConflictPolicy, GlobFilter, Symlinks, SyncDir, TwoWayConflict, TwoWaySync,
};
use clap::{Args, ValueEnum};

use crate::failure::Failure;

/// Which files to copy, and how to compare them.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Folders")]
pub(in crate::commands) struct FolderOptions {
    /// Compare files of the same size by checksum instead of by time
    #[arg(long)]
    checksum: bool,
    #[command(flatten)]
    selection: Selection,
    /// Skip files that git ignores: by .gitignore files of the folder and its parents, .git/info/exclude and core.excludesFile
    #[arg(long)]
    gitignore: bool,
    /// How to treat local symbolic links
    #[arg(long, value_name = "HOW", value_enum, default_value = "skip")]
    links: Links,
    /// How to treat a file that would be replaced or deleted but changed since the last sync, or may be newer
    #[arg(long, value_name = "HOW", value_enum)]
    conflict: Option<OnConflict>,
}

/// Which files to copy, and how many at a time.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Folders")]
pub(in crate::commands) struct Selection {
    /// Copy only files that match the glob, in the syntax of .gitignore
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Skip files that match the glob
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Maximum number of files that are copied concurrently. Defaults to 32, and to 8 within the service and for moves
    #[arg(long, value_name = "N", value_parser = jobs)]
    jobs: Option<usize>,
}

impl From<Selection> for FolderOptions {
    fn from(selection: Selection) -> Self {
        Self {
            selection,
            ..Self::default()
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnConflict {
    /// Fail and leave the file unchanged. The default of sync; other commands require --force to replace a file
    Fail,
    /// Replace or delete the file
    Overwrite,
    /// Skip the file
    Skip,
    /// Replace the file and keep the old version as NAME.conflict-TIME-HOST-RANDOM
    KeepBoth,
    /// With --both: keep the file with the later modification time
    Newer,
    /// With --both: keep the local file
    Local,
    /// With --both: keep the file of the context
    Context,
}

impl OnConflict {
    fn one_way(self) -> Option<ConflictPolicy> {
        match self {
            Self::Fail => Some(ConflictPolicy::Fail),
            Self::Overwrite => Some(ConflictPolicy::Overwrite),
            Self::Skip => Some(ConflictPolicy::Skip),
            Self::KeepBoth => Some(ConflictPolicy::KeepBoth),
            Self::Newer | Self::Local | Self::Context => None,
        }
    }

    fn two_way(self) -> Option<TwoWayConflict> {
        match self {
            Self::Fail => Some(TwoWayConflict::Fail),
            Self::Skip => Some(TwoWayConflict::Skip),
            Self::KeepBoth => Some(TwoWayConflict::KeepBoth),
            Self::Newer => Some(TwoWayConflict::Newer),
            Self::Local => Some(TwoWayConflict::Local),
            Self::Context => Some(TwoWayConflict::Remote),
            Self::Overwrite => None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Links {
    /// Skip links and list them
    #[default]
    Skip,
    /// Copy the target
    Follow,
    /// Fail for each link
    Refuse,
}

/// Parses the value of --jobs.
pub(in crate::commands) fn jobs(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(jobs @ 1..=1024) => Ok(jobs),
        _ => Err("expected a number of files from 1 to 1024".to_owned()),
    }
}

/// Sets the options that a sync in one direction and one in both have, whose types share no trait.
macro_rules! apply_common {
    ($options:expr, $sync:expr) => {{
        let options = $options;
        let mut sync = $sync
            .gitignore(options.gitignore)
            .compare(options.compare())
            .symlinks(options.symlinks());
        if let Some(jobs) = options.selection.jobs {
            sync = sync.max_concurrent_files(jobs);
        }
        for glob in &options.selection.include {
            sync = sync.include(glob);
        }
        for glob in &options.selection.exclude {
            sync = sync.exclude(glob);
        }
        sync
    }};
}

impl FolderOptions {
    /// The value of --jobs.
    pub(in crate::commands) fn jobs(&self) -> Option<usize> {
        self.selection.jobs
    }

    /// Whether only some files are copied.
    pub(in crate::commands) fn has_globs(&self) -> bool {
        !(self.selection.include.is_empty() && self.selection.exclude.is_empty())
    }

    /// The files that the globs include, below a local folder.
    pub(in crate::commands) fn filter(
        &self,
        root: impl AsRef<Path>,
    ) -> agbcloud::Result<GlobFilter> {
        GlobFilter::new(&self.selection.include, &self.selection.exclude, root)
    }

    /// Fails if an option is given that needs a local folder.
    pub(in crate::commands) fn check_without_local_folder(&self) -> Result<(), Failure> {
        let given = [
            (self.checksum, "--checksum"),
            (self.gitignore, "--gitignore"),
            (self.links != Links::Skip, "--links"),
            (self.conflict.is_some(), "--conflict"),
        ];
        match given.iter().find(|(given, _)| *given) {
            Some((_, option)) => {
                let message = format!("{option} has no effect between contexts");
                Err(Failure::usage(message).with_hint("omit it"))
            }
            None => Ok(()),
        }
    }

    /// Sets the options. `conflict` is the default of --conflict.
    pub(in crate::commands) fn apply(&self, sync: SyncDir, conflict: ConflictPolicy) -> SyncDir {
        let chosen = self.conflict.and_then(OnConflict::one_way);
        apply_common!(self, sync.on_conflict(chosen.unwrap_or(conflict)))
    }

    /// Sets the options of a two-way sync.
    pub(super) fn apply_both(&self, sync: TwoWaySync) -> TwoWaySync {
        let chosen = self.conflict.and_then(OnConflict::two_way);
        apply_common!(self, sync.on_conflict(chosen.unwrap_or_default()))
    }

    fn compare(&self) -> Compare {
        match self.checksum {
            true => Compare::Checksum,
            false => Compare::SizeAndTime,
        }
    }

    fn symlinks(&self) -> Symlinks {
        match self.links {
            Links::Skip => Symlinks::Skip,
            Links::Follow => Symlinks::Follow,
            Links::Refuse => Symlinks::Refuse,
        }
    }

    /// Fails if the value of --conflict does not fit the number of directions.
    pub(super) fn check_conflict(&self, both: bool) -> Result<(), Failure> {
        let Some(conflict) = self.conflict else {
            return Ok(());
        };
        match both {
            true if conflict.two_way().is_none() => {
                let message =
                    "--conflict overwrite does not say which side to overwrite with --both";
                Err(Failure::usage(message).with_hint("pass --conflict local, context or newer"))
            }
            false if conflict.one_way().is_none() => {
                let message = "--conflict newer, local and context require --both";
                Err(Failure::usage(message)
                    .with_hint("pass --conflict overwrite, skip or keep-both"))
            }
            _ => Ok(()),
        }
    }

    /// Fails if an option for folders is given without -r.
    pub(in crate::commands) fn check_recursive(&self, recursive: bool) -> Result<(), Failure> {
        self.check_conflict(false)?;
        let given = [
            (self.checksum, "--checksum"),
            (!self.selection.include.is_empty(), "--include"),
            (!self.selection.exclude.is_empty(), "--exclude"),
            (self.gitignore, "--gitignore"),
            (self.links != Links::Skip, "--links"),
            (self.conflict.is_some(), "--conflict"),
        ];
        match given.iter().find(|(given, _)| *given && !recursive) {
            Some((_, option)) => {
                let failure = Failure::usage(format!("{option} requires -r"));
                Err(failure.with_hint("pass -r to copy a folder"))
            }
            None => Ok(()),
        }
    }
}
