//! `agb serve migrate`: copies a store to another engine.

use std::fmt;

use agbcloud_server::{Storage, migrate};
use clap::Args;

use super::copy::{CHECK_STORE, CopyArguments};
use crate::failure::Failure;

#[derive(Args)]
pub(super) struct MigrateArguments {
    /// Metadata of the source: sqlite:DIR or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "URL")]
    from: String,

    /// Contents of the source, with PostgreSQL: file:DIR or s3://BUCKET/PREFIX?endpoint=URL
    #[arg(long, value_name = "URL")]
    from_blobs: Option<String>,

    /// Metadata of the target, as for --from
    #[arg(long, value_name = "URL")]
    to: String,

    /// Contents of the target, as for --from-blobs
    #[arg(long, value_name = "URL")]
    to_blobs: Option<String>,

    #[command(flatten)]
    copy: CopyArguments,
}

/// Omits the URLs, which may contain passwords.
impl fmt::Debug for MigrateArguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MigrateArguments").finish_non_exhaustive()
    }
}

pub(super) async fn run(arguments: MigrateArguments) -> Result<(), Failure> {
    let parse = |flag: &str, metadata: &str, blobs: &Option<String>| {
        Storage::parse(Some(metadata), blobs.as_deref())
            .map_err(|error| Failure::usage(format!("--{flag}: {error}")))
    };
    let from = parse("from", &arguments.from, &arguments.from_blobs)?;
    let to = parse("to", &arguments.to, &arguments.to_blobs)?;
    let copy = async |options| migrate(&from, &to, &options).await;
    let hint = "repeat the migration to continue it";
    arguments
        .copy
        .run(("migrated", "would migrate"), hint, Some(CHECK_STORE), copy)
        .await
}
