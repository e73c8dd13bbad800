//! `agb serve keys`: edits the key file, also while a service uses it.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use agbcloud_server::{
    Clock, KeyEntry, KeyFile, KeyFileError, KeyLimits, Protection, StoredUsage, SystemClock,
    check_permissions, parse_bytes,
};
use clap::{Args, Subcommand};

use super::settings::{ConfigFile, DEFAULT_DATA_DIR, Settings};
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

    /// Config file with the path of the key file and the data folder
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

        /// Maximum number of bytes that the tenant may store in total when this key writes, optionally with k, m or g. Defaults
        /// to the limit tenant-bytes of the service, which also applies if it is lower
        #[arg(long, value_name = "BYTES", value_parser = byte_count)]
        max_bytes: Option<u64>,

        /// Maximum number of files that the tenant may store in total when this key writes. Defaults to the limit tenant-files
        /// of the service, which also applies if it is lower
        #[arg(long, value_name = "NUMBER")]
        max_files: Option<u64>,
    },
    /// List the API keys with id, creation time, tenant, usage and limits
    ///
    /// The usage is what the tenant stores in the data folder: files and bytes. It is '-' if the folder can't be read; a limit
    /// that is not set is '-' too.
    #[command(
        after_long_help = "Examples:\n  agb serve keys --keys keys.jsonl list --data-dir agb-data"
    )]
    List {
        /// Data folder of the service, for the usage. Defaults to agb-data
        #[arg(long, value_name = "DIR", env = "AGB_DATA_DIR")]
        data_dir: Option<PathBuf>,
    },
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

pub(crate) fn run(
    arguments: KeysArguments,
    environment: &EnvironmentArguments,
) -> Result<(), Failure> {
    let data_dir = match &arguments.command {
        KeysCommand::List { data_dir } => data_dir.clone(),
        _ => None,
    };
    let given = Settings {
        keys: arguments.keys,
        data_dir,
        ..Settings::default()
    };
    let file = ConfigFile {
        config: arguments.config,
    };
    let settings = given.with_config_file(&file, environment)?;
    let path = settings.keys.clone().ok_or_else(|| {
        Failure::usage("no key file")
            .with_hint("pass --keys FILE, or set AGB_KEYS or keys in a config file")
    })?;
    // The service does not use an exposed file.
    check_permissions(&path, Protection::Write)
        .map_err(|exposed| Failure::with_code(Code::NotAllowed, exposed.to_string()))?;
    let now = SystemClock.now();
    match arguments.command {
        KeysCommand::Add {
            tenant,
            max_bytes,
            max_files,
        } => {
            let mut limits = KeyLimits::default();
            (limits.max_bytes, limits.max_files) = (max_bytes, max_files);
            let key = KeyFile::edit(&path, |keys| {
                let key = keys.add(&tenant, now)?;
                keys.set_limits(key.id(), limits)?;
                Ok(key)
            })
            .map_err(failed)?;
            print_line(key.secret())?;
            stderr::note(format_args!(
                "store the key now: it is not shown again (key id {})",
                key.id()
            ));
        }
        KeysCommand::List { .. } => {
            let keys = KeyFile::read(&path).map_err(failed)?;
            let usage = stored_usage(&settings);
            for key in keys.keys() {
                print_line(line(key, usage.as_ref()))?;
            }
        }
        KeysCommand::Revoke { id } => {
            KeyFile::edit(&path, |keys| keys.revoke(&id)).map_err(failed)?;
        }
        KeysCommand::RotateSigning { overlap } => {
            let overlap = Duration::from_secs(overlap);
            KeyFile::edit(&path, |keys| keys.rotate_signing(overlap, now)).map_err(failed)?;
        }
    }
    Ok(())
}

/// Opens the data folder. Returns `None` without one, and if it can't be read.
fn stored_usage(settings: &Settings) -> Option<StoredUsage> {
    if settings.metadata.is_some() {
        return None;
    }
    let folder = settings
        .data_dir
        .as_deref()
        .unwrap_or(Path::new(DEFAULT_DATA_DIR));
    if settings.data_dir.is_none() && !folder.exists() {
        return None;
    }
    StoredUsage::open(folder)
        .inspect_err(|error| {
            stderr::note(format_args!(
                "can't read the usage in {}: {error}",
                folder.display()
            ));
        })
        .ok()
}

/// Describes a key.
fn line(key: &KeyEntry, usage: Option<&StoredUsage>) -> String {
    let created = jiff::Timestamp::try_from(key.created()).unwrap_or_default();
    let usage = usage.and_then(|usage| usage.tenant(key.tenant()).ok());
    let limits = key.limits();
    let number = |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
    format!(
        "{}  {created}  {}  files={} max-files={} bytes={} max-bytes={}",
        key.id(),
        key.tenant(),
        number(usage.map(|usage| usage.files)),
        number(limits.max_files),
        number(usage.map(|usage| usage.bytes)),
        number(limits.max_bytes)
    )
}

fn byte_count(text: &str) -> Result<u64, &'static str> {
    parse_bytes(text).ok_or("expected a whole number of bytes, optionally with k, m or g")
}

fn failed(error: KeyFileError) -> Failure {
    match error {
        KeyFileError::Tenant | KeyFileError::NoKey { .. } => Failure::usage(error.to_string()),
        error => Failure::new(error.to_string()),
    }
}
