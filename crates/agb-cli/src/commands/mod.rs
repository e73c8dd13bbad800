//! The commands for contexts and files.

mod bandwidth;
mod completion;
mod config;
mod confirm;
#[cfg(feature = "console")]
mod console;
mod context;
#[cfg(feature = "dav")]
mod dav;
mod doctor;
mod files;
mod folders;
mod generate;
mod guesses;
mod local;
mod login;
mod lookup;
#[cfg(feature = "mcp")]
mod mcp;
mod operands;
mod partial_failures;
mod print_file;
mod session;
mod snapshot;
mod transfer;
mod transfers;

pub(crate) use bandwidth::Bandwidth;
pub(crate) use completion::{CompletionArguments, answer_shell, completion};
pub(crate) use config::ConfigCommand;
#[cfg(feature = "console")]
pub(crate) use console::ConsoleArguments;
pub(crate) use context::{ContextCommand, CreateArguments};
#[cfg(feature = "dav")]
pub(crate) use dav::DavArguments;
pub(crate) use doctor::DoctorArguments;
pub(crate) use files::{
    CatArguments, DuArguments, FindArguments, LsArguments, RmArguments, StatArguments,
    TreeArguments, UrlCommand,
};
pub(crate) use folders::{DiffArguments, SyncArguments};
pub(crate) use generate::{ManArguments, man, schema};
pub(crate) use guesses::MkdirArguments;
pub(crate) use local::{EditArguments, OpenArguments};
pub(crate) use login::{LoginArguments, LogoutArguments};
#[cfg(feature = "mcp")]
pub(crate) use mcp::McpArguments;
pub(crate) use session::{Session, WithSession};
pub(crate) use transfer::{CpArguments, GetArguments, MvArguments, PutArguments};
pub(crate) use transfers::TransfersCommand;
