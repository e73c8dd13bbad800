//! The options of every command that copies folders.

use agbcloud::{Compare, ConflictPolicy, Symlinks, SyncDir};
use clap::{Args, ValueEnum};

use crate::exit::Failure;

/// What takes part, and what counts as the same.
#[derive(Debug, Args)]
#[command(next_help_heading = "Folders")]
pub(crate) struct FolderOptions {
    /// Compare the content of files of the same size, whatever their times
    #[arg(long)]
    checksum: bool,
    /// Take just the files that match a glob (as in .gitignore)
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Leave out what matches a glob
    #[arg(long, value_name = "GLOB")]
    exclude: Vec<String>,
    /// Leave out what git ignores: .gitignore files here and in the folders above, .git/info/exclude, core.excludesFile
    #[arg(long)]
    gitignore: bool,
    /// What to do with local symbolic links
    #[arg(long, value_name = "HOW", value_enum, default_value = "skip")]
    links: Links,
    /// What to do with a file that would be replaced or deleted, and that was changed there since the last sync or may be newer
    #[arg(long, value_name = "HOW", value_enum)]
    conflict: Option<OnConflict>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OnConflict {
    /// Fail for each, and change nothing of it; the default of sync and put
    Fail,
    /// Replace or delete it
    Overwrite,
    /// Skip it
    Skip,
    /// Replace it, and keep the replaced version beside it as NAME.conflict-TIME-HOST-RANDOM
    KeepBoth,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Links {
    /// Skip them and name them
    Skip,
    /// Copy what they lead to
    Follow,
    /// Fail for each
    Refuse,
}

impl FolderOptions {
    /// Sets what was chosen. Conflicts are dealt with in this way if none was.
    pub(super) fn apply(&self, mut sync: SyncDir, conflict: ConflictPolicy) -> SyncDir {
        sync = sync
            .on_conflict(match self.conflict {
                None => conflict,
                Some(OnConflict::Fail) => ConflictPolicy::Fail,
                Some(OnConflict::Overwrite) => ConflictPolicy::Overwrite,
                Some(OnConflict::Skip) => ConflictPolicy::Skip,
                Some(OnConflict::KeepBoth) => ConflictPolicy::KeepBoth,
            })
            .gitignore(self.gitignore)
            .compare(match self.checksum {
                true => Compare::Checksum,
                false => Compare::SizeAndTime,
            })
            .symlinks(match self.links {
                Links::Skip => Symlinks::Skip,
                Links::Follow => Symlinks::Follow,
                Links::Refuse => Symlinks::Refuse,
            });
        for glob in &self.include {
            sync = sync.include(glob);
        }
        for glob in &self.exclude {
            sync = sync.exclude(glob);
        }
        sync
    }

    /// Fails if one is given where no folder is copied.
    pub(super) fn only_with(&self, recursive: bool, dry_run: bool) -> Result<(), Failure> {
        let given = [
            (self.checksum, "--checksum"),
            (!self.include.is_empty(), "--include"),
            (!self.exclude.is_empty(), "--exclude"),
            (self.gitignore, "--gitignore"),
            (self.links != Links::Skip, "--links"),
            (self.conflict.is_some(), "--conflict"),
            (dry_run, "--dry-run"),
        ];
        match given.iter().find(|(given, _)| *given && !recursive) {
            Some((_, option)) => {
                let failure = Failure::usage(format!("{option} is for folders"));
                Err(failure.hint("pass -r to copy a folder"))
            }
            None => Ok(()),
        }
    }
}
