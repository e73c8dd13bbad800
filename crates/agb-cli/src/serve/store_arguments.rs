//! The store that `fsck`, `backup` and `restore` use.

use std::{fmt, path::PathBuf};

use agbcloud_server::Storage;
use clap::Args;

use super::settings::{ConfigFile, Settings};
use crate::{environment::EnvironmentArguments, failure::Failure};

/// The store that is checked, copied or filled.
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
