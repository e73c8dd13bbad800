//! `agb serve restore`: copies an archive to a new store.

use std::path::PathBuf;

use agbcloud_server::restore;
use clap::Args;

use super::{copy::CopyArguments, store_arguments::StoreArguments};
use crate::{environment::EnvironmentArguments, failure::Failure};

#[derive(Debug, Args)]
pub(super) struct RestoreArguments {
    /// Archive of 'agb serve backup'
    #[arg(value_name = "DIR|FILE.tar")]
    archive: PathBuf,

    #[command(flatten)]
    store: StoreArguments,

    #[command(flatten)]
    copy: CopyArguments,
}

pub(super) async fn run(
    arguments: RestoreArguments,
    environment: &EnvironmentArguments,
) -> Result<(), Failure> {
    let store = arguments.store.storage(environment)?;
    let copy = async |options| restore(&arguments.archive, &store, &options).await;
    let hint = "repeat the restore to continue it";
    arguments
        .copy
        .run(("restored", "would restore"), hint, None, copy)
        .await
}
