//! `agb serve backup`: copies a store to an archive.

use std::path::PathBuf;

use agbcloud_server::backup;
use clap::Args;

use super::{
    copy::{CHECK_STORE, CopyArguments},
    store_arguments::StoreArguments,
};
use crate::{environment::EnvironmentArguments, failure::Failure};

#[derive(Debug, Args)]
pub(super) struct BackupArguments {
    /// New folder, or new file with a name that ends with .tar
    #[arg(value_name = "DIR|FILE.tar")]
    archive: PathBuf,

    #[command(flatten)]
    store: StoreArguments,

    #[command(flatten)]
    copy: CopyArguments,
}

pub(super) async fn run(
    arguments: BackupArguments,
    environment: &EnvironmentArguments,
) -> Result<(), Failure> {
    let store = arguments.store.storage(environment)?;
    let archive = arguments.archive;
    let hint = format!("delete the incomplete archive {}", archive.display());
    let copy = async |options| backup(&store, &archive, &options).await;
    arguments
        .copy
        .run(
            ("backed up", "would back up"),
            &hint,
            Some(CHECK_STORE),
            copy,
        )
        .await
}
