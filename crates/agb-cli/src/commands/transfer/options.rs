//! [`CopyOptions`]: the options of every command that copies or moves files.

use clap::Args;

use crate::commands::bandwidth::Bandwidth;

#[derive(Debug, Args)]
pub(super) struct CopyOptions {
    /// Copy folders and all their contents: SRC as a folder of DST, and SRC/ as the contents of DST
    #[arg(long, short, short_alias = 'R')]
    pub(super) recursive: bool,
    /// Replace existing files
    #[arg(long, short)]
    pub(super) force: bool,
    /// Do not replace existing files, which is the default
    #[arg(long, hide = true, conflicts_with = "force")]
    no_clobber: bool,
    /// List the changes and make none
    #[arg(long, short = 'n')]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) bandwidth: Bandwidth,
}
