//! `agb context snapshot`, `agb context restore` and `agb context copy`: the files of a context in a tar archive, a folder or
//! another context.

mod blocking_reader;
mod context_copy;
mod copy;
mod folder;
mod outcome;
mod place;
mod restore;
mod save;
mod tar_index;

use std::path::{Path, PathBuf};

use agbcloud::Context;
use clap::Args;
use clap_complete::ArgValueCompleter;

use self::{
    context_copy::{CopySettings, root},
    copy::copy_to,
    outcome::Outcome,
    place::{Place, context_name, create_context, existing_context},
};
use super::{
    bandwidth::Bandwidth,
    completion,
    folders::RESUME_HINT,
    lookup,
    session::{Run, Session},
};
use crate::{
    clock,
    connection::ServiceClient,
    failure::Failure,
    output::{bytes, counted, file_time, quote, snapshot_summary::SnapshotSummary},
    signals::unless_interrupted,
};

pub(crate) use copy::ContextCopyArguments;

/// Endings of compressed archives.
const COMPRESSED: [&str; 6] = ["gz", "tgz", "bz2", "xz", "zst", "zip"];

#[derive(Debug, Args)]
pub(crate) struct SnapshotArguments {
    /// Name or id of the context
    #[arg(add = ArgValueCompleter::new(completion::contexts))]
    name: String,
    /// A tar file; a folder, with a slash at the end unless it exists; or another context, as NAME2:. Defaults to
    /// NAME-TIME.tar in the working folder
    #[arg(long, value_name = "PATH", add = ArgValueCompleter::new(completion::addresses_and_files))]
    to: Option<PathBuf>,
    /// Replace an existing archive, or files of the target that differ
    #[arg(long, short)]
    force: bool,
    #[command(flatten)]
    bandwidth: Bandwidth,
}

impl Run for SnapshotArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let name = context_name(&self.name)?;
        let place = self.to.as_deref().map(target).transpose()?;
        let client = self.bandwidth.connect(session)?;
        if let Some(place) = &place {
            place.check_ambiguous(&client).await?;
        }
        let context = lookup::context(&client, &name).await?;
        let place = place.unwrap_or_else(|| {
            let name = context.name.replace(['/', '\\', ':'], "_");
            let name = format!("{name}-{}.tar", file_time(clock::now()));
            Place::Archive(PathBuf::from(name))
        });
        let from = root(client.contexts().files(&context.id), &context.name);
        let mut summary = SnapshotSummary {
            context: context.id.to_string(),
            ..SnapshotSummary::default()
        };
        match place {
            Place::Context(to) => {
                let settings = CopySettings::of_snapshot(self.force);
                copy_to(session, &client, &context, &to, settings, |_, to| {
                    summary.other_context = Some(to.id.to_string());
                    summary
                })
                .await
            }
            Place::Folder(to) => {
                check_no_file(&to)?;
                let saved = folder::save(session, &from, &to, self.force).await?;
                let to = to.display().to_string();
                summary.folder = Some(to.clone());
                let text = text(&saved, &format!("saved in {to}"));
                saved.print(session, summary, &text, &to)
            }
            Place::Archive(to) => {
                let save = save::save(session, &from.files, &to, self.force);
                let saved = unless_interrupted(save, RESUME_HINT).await?;
                let to = to.display().to_string();
                summary.archive = Some(to.clone());
                let (files, size) = (counted(saved.files, "file"), bytes(Some(saved.bytes)));
                let text = format!("{files} ({size}) in {to}");
                saved.print(session, summary, &text, &to)
            }
        }
    }
}

/// Fails if a path with a slash at the end is a file.
fn check_no_file(folder: &Path) -> Result<(), Failure> {
    // Without the slash.
    let path: PathBuf = folder.components().collect();
    if !path.is_file() {
        return Ok(());
    }
    let failure = Failure::usage(format!("{} is a file, not a folder", path.display()));
    Err(failure.with_hint("omit the slash for a tar file, or choose another folder"))
}

/// Where a snapshot goes.
fn target(to: &Path) -> Result<Place, Failure> {
    if to == Path::new("-") {
        let failure = Failure::usage("a snapshot is a file, which appears when it is complete");
        return Err(failure.with_hint("pass a path, such as snapshot.tar"));
    }
    let place = Place::parse(to)?;
    if let Place::Archive(to) = &place
        && let Some(ending) = to.extension()
        && COMPRESSED
            .iter()
            .any(|other| ending.eq_ignore_ascii_case(other))
    {
        let failure = Failure::usage("a snapshot is not compressed");
        return Err(failure.with_hint("pass a path that ends in .tar, and compress the file"));
    }
    Ok(place)
}

/// `2 files restored (10 B), 1 unchanged`.
fn text(outcome: &Outcome, done: &str) -> String {
    let files = counted(outcome.files, "file");
    let text = format!("{files} {done} ({})", bytes(Some(outcome.bytes)));
    match outcome.unchanged {
        0 => text,
        unchanged => format!("{text}, {unchanged} unchanged"),
    }
}

#[derive(Debug, Args)]
pub(crate) struct RestoreArguments {
    /// A tar file, a folder, or another context as NAME2:
    #[arg(value_name = "FROM", add = ArgValueCompleter::new(completion::addresses_and_files))]
    from: PathBuf,
    /// Name or id of the context. It is created if it does not exist
    #[arg(add = ArgValueCompleter::new(completion::contexts))]
    name: String,
    /// Replace files of the context that differ
    #[arg(long, short)]
    force: bool,
    #[command(flatten)]
    bandwidth: Bandwidth,
}

impl Run for RestoreArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let name = context_name(&self.name)?;
        if self.from == Path::new("-") {
            let failure = Failure::usage("an archive is read several times, so it can't be stdin");
            return Err(failure.with_hint("save it in a file first"));
        }
        if !self.from.exists() && Path::new(&self.name).is_file() {
            let failure = Failure::usage(format!("{} is a file, not a context", self.name));
            let (file, context) = (quote(&self.name), quote(self.from.display()));
            let hint = format!("name the archive first: agb context restore {file} {context}");
            return Err(failure.with_hint(hint));
        }
        let place = Place::parse(&self.from)?;
        let client = self.bandwidth.connect(session)?;
        let mut summary = SnapshotSummary::default();
        let from = self.from.display().to_string();
        let (context, restored) = match place {
            Place::Context(from) => {
                let from = lookup::context(&client, &from).await?;
                let settings = CopySettings::of_snapshot(self.force);
                let copy = copy_to(session, &client, &from, &name, settings, |from, to| {
                    summary.context = to.id.to_string();
                    summary.other_context = Some(from.id.to_string());
                    summary
                });
                return copy.await;
            }
            Place::Folder(folder) => {
                lookup::check_local_folder(&folder)?;
                summary.folder = Some(from);
                let context = get_or_create(&client, &name).await?;
                let to = root(client.contexts().files(&context.id), &context.name);
                let restored = folder::restore(session, &folder, &to, self.force).await?;
                (context, restored)
            }
            Place::Archive(path) => {
                if !path.exists() {
                    Place::Archive(path.clone())
                        .check_ambiguous(&client)
                        .await?;
                }
                // Before a context is created.
                let archive = restore::open(&path).await?;
                summary.archive = Some(from);
                let context = get_or_create(&client, &name).await?;
                let to = root(client.contexts().files(&context.id), &context.name);
                let restored = restore::restore(session, &to, archive, self.force).await?;
                (context, restored)
            }
        };
        summary.context = context.id.to_string();
        let text = text(&restored, "restored");
        restored.print(session, summary, &text, &context.name)
    }
}

async fn get_or_create(client: &ServiceClient, name: &str) -> Result<Context, Failure> {
    match existing_context(client, name).await? {
        Some(context) => Ok(context),
        None => create_context(client, name).await,
    }
}
