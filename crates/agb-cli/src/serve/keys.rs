//! `agb serve keys`: edits the key file, or the keys in the database, also while services use them.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use agbcloud_server::{
    Clock, KeyDatabase, KeyDatabaseError, KeyEntry, KeyFile, KeyFileError, NewKey, Protection,
    SystemClock, check_permissions,
};
use clap::{Args, Subcommand};

use super::settings::{ConfigFile, Settings};
use crate::{
    environment::EnvironmentArguments,
    failure::{Code, Failure},
    output::print_line,
    stderr,
};

#[derive(Debug, Args)]
pub(crate) struct KeysArguments {
    /// Key file. 'add' and 'rotate-signing' create it
    #[arg(long, value_name = "FILE", env = "AGB_KEYS", global = true)]
    keys: Option<PathBuf>,

    /// PostgreSQL database with the keys of all services that use it: postgres://USER@HOST/DATABASE
    #[arg(
        long,
        value_name = "URL",
        env = "AGB_METADATA",
        hide_env_values = true,
        global = true
    )]
    metadata: Option<String>,

    /// Config file with the path of the key file or the URL of the database
    #[arg(long, value_name = "FILE", env = "AGB_CONFIG", global = true)]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Create an API key for a tenant and print it once
    ///
    /// All keys of a tenant access the same contexts. To change a key, add a new one, distribute it and revoke the old one.
    #[command(after_long_help = "Examples:\n  agb serve keys --keys keys.jsonl add my-tenant")]
    Add {
        /// Tenant name: letters, digits, dots, hyphens and underscores
        tenant: String,
    },
    /// List the API keys with id, creation time and tenant
    #[command(after_long_help = "Examples:\n  agb serve keys --keys keys.jsonl list")]
    List,
    /// Revoke an API key from the next request on
    #[command(after_long_help = "Examples:\n  agb serve keys --keys keys.jsonl revoke KEY-ID")]
    Revoke {
        /// Key id, as printed by 'list'
        id: String,
    },
    /// Replace the key that signs presigned URLs
    #[command(
        after_long_help = "Examples:\n  agb serve keys --keys keys.jsonl rotate-signing --overlap 3600"
    )]
    RotateSigning {
        /// Duration for which URLs of the old key remain valid. The default is a week, the maximum lifetime of a URL
        #[arg(long, value_name = "SECONDS", default_value_t = 604_800)]
        overlap: u64,
    },
}

pub(crate) async fn run(
    arguments: KeysArguments,
    environment: &EnvironmentArguments,
) -> Result<(), Failure> {
    let given = Settings {
        keys: arguments.keys,
        metadata: arguments.metadata,
        ..Settings::default()
    };
    let file = ConfigFile {
        config: arguments.config,
    };
    let settings = given.with_config_file(&file, environment)?;
    match (settings.keys, settings.metadata) {
        (Some(path), _) => edit_file(&path, arguments.command),
        (None, Some(url)) => edit_database(&url, arguments.command).await,
        (None, None) => Err(Failure::usage("no key file").with_hint(
            "pass --keys FILE or --metadata postgres://…, or set AGB_KEYS, AGB_METADATA or a config file",
        )),
    }
}

fn edit_file(path: &Path, command: KeysCommand) -> Result<(), Failure> {
    // The service does not use an exposed file.
    check_permissions(path, Protection::Write)
        .map_err(|exposed| Failure::with_code(Code::NotAllowed, exposed.to_string()))?;
    let now = SystemClock.now();
    match command {
        KeysCommand::Add { tenant } => {
            print_new(&KeyFile::edit(path, |keys| keys.add(&tenant, now)).map_err(failed)?)
        }
        KeysCommand::List => print_keys(KeyFile::read(path).map_err(failed)?.keys()),
        KeysCommand::Revoke { id } => KeyFile::edit(path, |keys| keys.revoke(&id)).map_err(failed),
        KeysCommand::RotateSigning { overlap } => {
            let overlap = Duration::from_secs(overlap);
            KeyFile::edit(path, |keys| keys.rotate_signing(overlap, now)).map_err(failed)
        }
    }
}

async fn edit_database(url: &str, command: KeysCommand) -> Result<(), Failure> {
    let failed = |error: KeyDatabaseError| match error {
        KeyDatabaseError::Key(error) => failed(error),
        error => Failure::with_code(Code::Unavailable, error.to_string()),
    };
    let keys = KeyDatabase::open(url).await.map_err(super::start_failure)?;
    let now = SystemClock.now();
    match command {
        KeysCommand::Add { tenant } => print_new(&keys.add(&tenant, now).await.map_err(failed)?),
        KeysCommand::List => print_keys(&keys.keys().await.map_err(failed)?),
        KeysCommand::Revoke { id } => keys.revoke(&id).await.map_err(failed),
        KeysCommand::RotateSigning { overlap } => {
            let overlap = Duration::from_secs(overlap);
            keys.rotate_signing(overlap, now).await.map_err(failed)
        }
    }
}

fn print_new(key: &NewKey) -> Result<(), Failure> {
    print_line(key.secret())?;
    stderr::note(format_args!(
        "store the key now: it is not shown again (key id {})",
        key.id()
    ));
    Ok(())
}

fn print_keys(keys: &[KeyEntry]) -> Result<(), Failure> {
    for key in keys {
        let created = jiff::Timestamp::try_from(key.created()).unwrap_or_default();
        print_line(format_args!("{}  {created}  {}", key.id(), key.tenant()))?;
    }
    Ok(())
}

fn failed(error: KeyFileError) -> Failure {
    match error {
        KeyFileError::Tenant | KeyFileError::NoKey { .. } => Failure::usage(error.to_string()),
        error => Failure::new(error.to_string()),
    }
}
