//! `agb serve keys`: the key file, also while a service uses it.

use std::{path::PathBuf, time::Duration};

use agbcloud_server::{Clock, KeyFile, KeyFileError, Protection, SystemClock, check_permissions};
use clap::{Args, Subcommand};

use super::settings::{ConfigFile, Settings};
use crate::{
    arguments::Ambient,
    exit::{Code, Failure},
    say,
};

#[derive(Debug, Args)]
pub(crate) struct KeysArguments {
    /// Key file; `add` and `rotate-signing` make it
    #[arg(long, value_name = "FILE", env = "AGB_KEYS", global = true)]
    keys: Option<PathBuf>,

    /// Config file that names the key file
    #[arg(long, value_name = "FILE", env = "AGB_CONFIG", global = true)]
    config: Option<PathBuf>,

    #[command(subcommand)]
    command: KeysCommand,
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Make an API key for a tenant and print it, this once
    ///
    /// All keys of a tenant see the same contexts. To change a key: add one, hand it out, revoke the old one.
    Add {
        /// Name of the tenant: letters, digits, dots, hyphens and underscores
        tenant: String,
    },
    /// List the API keys: id, tenant, and when they were made
    List,
    /// Take an API key away; it is refused from the next request on
    Revoke {
        /// Id of the key, as `list` tells it
        id: String,
    },
    /// Sign presigned URLs with a new key from now on
    RotateSigning {
        /// How long, in seconds, the URLs of the key before stay good; no URL lives longer than a week
        #[arg(long, value_name = "SECONDS", default_value_t = 604_800)]
        overlap: u64,
    },
}

pub(crate) fn run(arguments: KeysArguments, ambient: &Ambient) -> Result<(), Failure> {
    let given = Settings {
        keys: arguments.keys,
        ..Settings::default()
    };
    let file = ConfigFile {
        config: arguments.config,
    };
    let path = given.over(&file, ambient)?.keys.ok_or_else(|| {
        Failure::usage("which key file? Give --keys FILE, AGB_KEYS, or `keys` in a config file")
    })?;
    // The service would not use it.
    check_permissions(&path, Protection::Write)
        .map_err(|exposed| Failure::of(Code::NotAllowed, exposed.to_string()))?;
    let now = SystemClock.now();
    match arguments.command {
        KeysCommand::Add { tenant } => {
            let key = KeyFile::edit(&path, |keys| keys.add(&tenant, now)).map_err(failed)?;
            say::line(key.secret())?;
            say::note(format_args!(
                "this is the only time that the key can be seen; its id is {}",
                key.id()
            ));
        }
        KeysCommand::List => {
            for key in KeyFile::read(&path).map_err(failed)?.keys() {
                let made = jiff::Timestamp::try_from(key.created()).unwrap_or_default();
                say::line(format_args!("{}  {made}  {}", key.id(), key.tenant()))?;
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

fn failed(error: KeyFileError) -> Failure {
    match error {
        KeyFileError::Tenant | KeyFileError::NoKey { .. } => Failure::usage(error.to_string()),
        error => Failure::new(error.to_string()),
    }
}
