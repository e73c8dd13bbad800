//! `agb serve keys`: edits the key file, or the keys in the database, also while services use them.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use agbcloud_server::{
    Clock, KeyDatabase, KeyDatabaseError, KeyEntry, KeyFile, KeyFileError, KeyLimits, NewKey,
    Protection, StoredUsage, SystemClock, Usage, check_permissions, parse_bytes,
};
use clap::{Args, Subcommand};

use super::settings::{ConfigFile, DEFAULT_DATA_DIR, Settings};
use crate::{
    environment::EnvironmentArguments,
    failure::{Code, Failure},
    output::{OutputOptions, Rows, print_line, rfc3339, setting_records::KeyRow},
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

    /// Config file with the path of the key file, the data folder or the URL of the database
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

        #[command(flatten)]
        limits: KeyLimitArguments,
    },
    /// Change the limits of an API key
    ///
    /// A limit that is not given stays. Other keys of the tenant keep their limits. The change applies from the next request on, on
    /// each service that uses the database after at most two seconds.
    #[command(
        after_long_help = "Examples:\n  agb serve keys --keys keys.jsonl set-limits KEY-ID --max-bytes 10g --max-files none"
    )]
    SetLimits {
        /// Key id, as printed by 'list'
        id: String,

        #[command(flatten)]
        limits: NewLimitArguments,
    },
    /// List the API keys with id, creation time, tenant, usage and limits
    ///
    /// The usage is what the tenant stores: files and bytes. With a key file it comes from the data folder. It is '-' if that
    /// can't be read; a limit that is not set is '-' too.
    #[command(
        after_long_help = "Examples:\n  agb serve keys --keys keys.jsonl list --data-dir agb-data"
    )]
    List {
        /// Data folder of the service, for the usage. Defaults to agb-data
        #[arg(long, value_name = "DIR", env = "AGB_DATA_DIR")]
        data_dir: Option<PathBuf>,

        #[command(flatten)]
        output: OutputOptions,
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

#[derive(Debug, Clone, Copy, Args)]
struct KeyLimitArguments {
    /// Maximum number of bytes that the tenant may store in total when this key writes, optionally with k, m or g. Defaults to
    /// the limit tenant-bytes of the service, which also applies if it is lower
    #[arg(long, value_name = "BYTES", value_parser = byte_count)]
    max_bytes: Option<u64>,

    /// Maximum number of files that the tenant may store in total when this key writes. Defaults to the limit tenant-files of
    /// the service, which also applies if it is lower
    #[arg(long, value_name = "NUMBER")]
    max_files: Option<u64>,
}

impl From<KeyLimitArguments> for KeyLimits {
    fn from(arguments: KeyLimitArguments) -> Self {
        let mut limits = Self::default();
        (limits.max_bytes, limits.max_files) = (arguments.max_bytes, arguments.max_files);
        limits
    }
}

#[derive(Debug, Clone, Copy, Args)]
#[group(required = true, multiple = true)]
struct NewLimitArguments {
    /// Maximum number of bytes that the tenant may store in total when this key writes, optionally with k, m or g, or 'none'
    #[arg(long, value_name = "BYTES", value_parser = byte_limit)]
    max_bytes: Option<NewLimit>,

    /// Maximum number of files that the tenant may store in total when this key writes, or 'none'
    #[arg(long, value_name = "NUMBER", value_parser = file_limit)]
    max_files: Option<NewLimit>,
}

/// A new limit of a key. `None` removes it.
#[derive(Debug, Clone, Copy)]
struct NewLimit(Option<u64>);

impl NewLimitArguments {
    fn apply(self, limits: &mut KeyLimits) {
        if let Some(NewLimit(limit)) = self.max_bytes {
            limits.max_bytes = limit;
        }
        if let Some(NewLimit(limit)) = self.max_files {
            limits.max_files = limit;
        }
    }
}

pub(crate) async fn run(
    arguments: KeysArguments,
    environment: &EnvironmentArguments,
) -> Result<(), Failure> {
    let data_dir = match &arguments.command {
        KeysCommand::List { data_dir, .. } => data_dir.clone(),
        _ => None,
    };
    let given = Settings {
        keys: arguments.keys,
        data_dir,
        metadata: arguments.metadata,
        ..Settings::default()
    };
    let file = ConfigFile {
        config: arguments.config,
    };
    let settings = given.with_config_file(&file, environment)?;
    match (&settings.keys, &settings.metadata) {
        (Some(path), _) => edit_file(path, &settings, arguments.command),
        (None, Some(url)) if url.starts_with("postgres") => {
            edit_database(url, arguments.command).await
        }
        (None, Some(_)) => Err(Failure::usage("only a PostgreSQL database contains keys")
            .with_hint("pass --keys FILE for the key file of a service with another storage")),
        (None, None) => Err(Failure::usage("no key file").with_hint(
            "pass --keys FILE or --metadata postgres://…, or set AGB_KEYS, AGB_METADATA or a config file",
        )),
    }
}

fn edit_file(path: &Path, settings: &Settings, command: KeysCommand) -> Result<(), Failure> {
    // The service does not use an exposed file.
    check_permissions(path, Protection::Write)
        .map_err(|exposed| Failure::with_code(Code::NotAllowed, exposed.to_string()))?;
    let now = SystemClock.now();
    match command {
        KeysCommand::Add { tenant, limits } => {
            let add = |keys: &mut KeyFile| {
                let key = keys.add(&tenant, now)?;
                keys.set_limits(key.id(), limits.into())?;
                Ok(key)
            };
            print_new(&KeyFile::edit(path, add).map_err(failed)?)
        }
        KeysCommand::List { output, .. } => {
            let usage = stored_usage(settings);
            let keys = KeyFile::read(path).map_err(failed)?;
            let usage = |key: &KeyEntry| usage.as_ref()?.tenant(key.tenant()).ok();
            let rows: Vec<_> = keys
                .keys()
                .iter()
                .map(|key| key_row(key, usage(key)))
                .collect();
            Rows::new(&output).print(&rows)
        }
        KeysCommand::SetLimits { id, limits } => {
            let change = |keys: &mut KeyFile| keys.change_limits(&id, |old| limits.apply(old));
            KeyFile::edit(path, change).map_err(failed)
        }
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
        KeysCommand::Add { tenant, limits } => {
            let added = keys.add(&tenant, limits.into(), now).await;
            print_new(&added.map_err(failed)?)
        }
        KeysCommand::List { output, .. } => {
            let mut rows = Vec::new();
            for key in keys.keys().await.map_err(failed)? {
                let usage = keys.usage(key.tenant()).await.map_err(failed)?;
                rows.push(key_row(&key, Some(usage)));
            }
            Rows::new(&output).print(&rows)
        }
        KeysCommand::SetLimits { id, limits } => {
            let changed = keys.change_limits(&id, |old| limits.apply(old)).await;
            changed.map_err(failed)
        }
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

fn key_row(key: &KeyEntry, usage: Option<Usage>) -> KeyRow {
    let limits = key.limits();
    KeyRow {
        id: key.id().to_owned(),
        created_at: rfc3339(key.created()),
        tenant: key.tenant().to_owned(),
        files: usage.map(|usage| usage.files),
        max_files: limits.max_files,
        bytes: usage.map(|usage| usage.bytes),
        max_bytes: limits.max_bytes,
    }
}

fn byte_count(text: &str) -> Result<u64, &'static str> {
    parse_bytes(text).ok_or("expected a whole number of bytes, optionally with k, m or g")
}

fn byte_limit(text: &str) -> Result<NewLimit, &'static str> {
    let expected = "expected a whole number of bytes, optionally with k, m or g, or none";
    new_limit(text, parse_bytes).ok_or(expected)
}

fn file_limit(text: &str) -> Result<NewLimit, &'static str> {
    new_limit(text, |text| text.parse().ok()).ok_or("expected a whole number or none")
}

fn new_limit(text: &str, parse: impl Fn(&str) -> Option<u64>) -> Option<NewLimit> {
    match text {
        "none" => Some(NewLimit(None)),
        number => parse(number).map(|number| NewLimit(Some(number))),
    }
}

fn failed(error: KeyFileError) -> Failure {
    match error {
        KeyFileError::Tenant | KeyFileError::NoKey { .. } => Failure::usage(error.to_string()),
        error => Failure::new(error.to_string()),
    }
}
