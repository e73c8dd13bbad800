//! Copying the files of a context to another one.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, PoisonError},
};

use agbcloud::{FileEntry, RemotePath};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::outcome::Outcome;
use crate::{
    address::Remote,
    commands::{
        folders::{RESUME_HINT, would_replace},
        lookup,
        operands::Operand,
        session::Session,
        transfer::{
            BatchFile, Condition, CopyFailure, DEFAULT_JOBS, Existing, Listener, Version, child,
            copy, run_batch, version,
        },
    },
    failure::{ErrorContext, Failure},
    output::{Rows, quote, records::ChangeRow},
    progress::Spinner,
    signals::unless_interrupted,
};

/// How to copy.
#[derive(Debug, Clone, Copy)]
pub(super) struct CopySettings {
    /// Replace files of the target that differ.
    pub(super) force: bool,
    /// List the changes and make none.
    pub(super) dry_run: bool,
    /// Number of files that are copied concurrently.
    pub(super) jobs: usize,
}

impl CopySettings {
    /// Those of a snapshot or a restore.
    pub(super) fn of_snapshot(force: bool) -> Self {
        Self {
            force,
            dry_run: false,
            jobs: DEFAULT_JOBS,
        }
    }
}

/// The root of a context.
pub(super) fn root(files: agbcloud::Files, name: &str) -> Operand {
    let address = Remote {
        context: name.to_owned(),
        path: "/".to_owned(),
    };
    Operand { files, address }
}

/// What has to be copied.
struct Comparison {
    /// Files that the target does not have, or has with another content.
    copies: Vec<PlannedCopy>,
    /// What the comparison found already.
    outcome: Outcome,
}

/// A file to copy.
struct PlannedCopy {
    /// Path without the slash at the start.
    path: String,
    size: Option<u64>,
    condition: Condition,
}

impl PlannedCopy {
    fn replaces(&self) -> bool {
        self.condition != Condition::Absent
    }
}

/// The entries of a context.
struct Listing {
    /// By path without the slash at the start.
    files: HashMap<String, FileEntry>,
    /// Folders without files.
    empty_folders: Vec<String>,
}

impl Listing {
    async fn read(context: &Operand) -> Result<Self, Failure> {
        let listing = context.files.list().page_size(agbcloud::MAX_PAGE_SIZE);
        let mut entries = listing.prefetch(true).walk();
        let mut files = HashMap::new();
        let mut folders = BTreeSet::new();
        while let Some(entry) = entries.next().await {
            let entry = entry.with_action(|| format!("list {}", context.address))?;
            let path = entry.path.strip_prefix('/').unwrap_or(&entry.path);
            match entry.is_folder() {
                true => drop(folders.insert(path.trim_end_matches('/').to_owned())),
                false => drop(files.insert(path.to_owned(), entry)),
            }
        }
        for path in files.keys() {
            for (at, _) in path.rmatch_indices('/') {
                folders.remove(&path[..at]);
            }
        }
        Ok(Self {
            files,
            empty_folders: folders.into_iter().collect(),
        })
    }
}

/// Copies the files that the other context does not have with the same content. Nothing is written if a file differs, unless
/// `force` replaces it. The target is `None` if it does not exist, in a dry run. Returns `None` after a dry run.
pub(super) async fn copy_context(
    session: &Session,
    from: &Operand,
    to: Option<&Operand>,
    settings: CopySettings,
) -> Result<Option<Outcome>, Failure> {
    let spinner = Spinner::start(&session.output, "comparing".to_owned());
    let compared = unless_interrupted(compare(from, to, settings.jobs), RESUME_HINT).await;
    spinner.finish();
    let Comparison {
        copies,
        mut outcome,
    } = compared?;
    if settings.dry_run {
        let row = |copy: &PlannedCopy| {
            ChangeRow::within_service("copy", copy.path.clone(), copy.size, copy.replaces())
        };
        let rows: Vec<_> = copies.iter().map(row).collect();
        Rows::new(&session.output).print(&rows)?;
        check_replaced(&copies, settings.force, from, to)?;
        outcome.check()?;
        return Ok(None);
    }
    check_replaced(&copies, settings.force, from, to)?;
    let Some(to) = to else {
        return Ok(Some(outcome));
    };
    let conditions: HashMap<String, Condition> = copies
        .iter()
        .map(|copy| (copy.path.clone(), copy.condition.clone()))
        .collect();
    let deleted = Mutex::new(BTreeSet::new());
    let one = async |file: BatchFile, listener: Listener| {
        let (source, target) = (child(from, &file.path), child(to, &file.path));
        let condition = conditions.get(&file.path).cloned();
        let condition = condition.unwrap_or(Condition::Absent);
        let listener = move |progress| listener.report(progress);
        match copy(&source, &target, condition, listener).await {
            Ok(copied) => Ok(copied.bytes),
            Err(failure) => {
                if let CopyFailure::Source(error) = &failure
                    && lookup::is_missing_file(error)
                {
                    let mut deleted = deleted.lock().unwrap_or_else(PoisonError::into_inner);
                    deleted.insert(file.path.clone());
                }
                Err(failure.into_failure(&source.address))
            }
        }
    };
    let files = copies.into_iter().map(|copy| BatchFile {
        path: copy.path,
        size: copy.size,
    });
    let batch = run_batch(session, "copying", settings.jobs, files.collect(), one).await?;
    let deleted = deleted.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcome.files = batch.copied;
    outcome.bytes = batch.bytes;
    let failed = batch.failures.into_iter();
    let failed = failed.filter(|(path, _)| !deleted.contains(path));
    outcome
        .failures
        .extend(failed.map(|(path, failure)| (format!("/{path}"), failure)));
    outcome.deleted = deleted.into_iter().map(|path| format!("/{path}")).collect();
    Ok(Some(outcome))
}

fn check_replaced(
    copies: &[PlannedCopy],
    force: bool,
    from: &Operand,
    to: Option<&Operand>,
) -> Result<(), Failure> {
    let replaced = copies.iter().filter(|copy| copy.replaces());
    let paths: Vec<String> = replaced.map(|copy| format!("/{}", copy.path)).collect();
    if force || paths.is_empty() {
        return Ok(());
    }
    let failure = would_replace(&paths, paths.len());
    let (from, to) = (
        &from.address.context,
        to.map_or("", |to| &to.address.context),
    );
    Err(failure.with_hint(format!(
        "pass --force to replace them; list all with: agb context copy -n {} {}",
        quote(from),
        quote(to)
    )))
}

async fn compare(from: &Operand, to: Option<&Operand>, jobs: usize) -> Result<Comparison, Failure> {
    let mut outcome = Outcome::default();
    let sources = Listing::read(from).await?;
    let mut targets = match to {
        Some(to) => Listing::read(to).await?.files,
        None => HashMap::new(),
    };
    outcome.empty_folders = sources.empty_folders;
    let mut pairs = Vec::new();
    for (path, source) in sources.files {
        if let Err(error) = RemotePath::new(source.path.as_str()) {
            outcome.failures.push((source.path, Failure::from(error)));
            continue;
        }
        let target = targets.remove(&path);
        pairs.push((path, source, target));
    }
    pairs.sort_by(|(one, ..), (other, ..)| one.cmp(other));
    outcome.others = targets.len() as u64;
    let Some(to) = to else {
        let copies = pairs.into_iter().map(|(path, source, _)| PlannedCopy {
            path,
            size: source.size,
            condition: Condition::Absent,
        });
        return Ok(Comparison {
            copies: copies.collect(),
            outcome,
        });
    };
    // A name that both have as a file and as a folder is copied as it is.
    let others = Existing::of_files(targets.keys().map(String::as_str));
    let paths = pairs.iter().map(|(path, ..)| path.as_str());
    others.check_names(paths, &to.address)?;
    let compared = stream::iter(pairs).map(|(path, source, target)| async move {
        let size = source.size;
        let condition = match target {
            None => Some(Condition::Absent),
            Some(target) => compare_file(from, to, &path, &source, &target).await?,
        };
        Ok::<_, Failure>((path, size, condition))
    });
    let mut compared = std::pin::pin!(compared.buffered(jobs));
    let mut copies = Vec::new();
    while let Some((path, size, condition)) = compared.try_next().await? {
        match condition {
            Some(condition) => copies.push(PlannedCopy {
                path,
                size,
                condition,
            }),
            None => outcome.unchanged += 1,
        }
    }
    Ok(Comparison { copies, outcome })
}

/// Returns `None` if both files certainly have the same content, and otherwise the condition to replace the compared version.
/// Files whose checksum is not listed are requested.
async fn compare_file(
    from: &Operand,
    to: &Operand,
    path: &str,
    source: &FileEntry,
    target: &FileEntry,
) -> Result<Option<Condition>, Failure> {
    let sizes = source.size.zip(target.size);
    let checksums = source.crc64.zip(target.crc64);
    let is_same = match (sizes, checksums) {
        (Some((one, other)), _) if one != other => Some(false),
        (Some(_), Some((one, other))) => Some(one == other),
        _ => None,
    };
    match (is_same, &target.etag) {
        (Some(true), _) => return Ok(None),
        (Some(false), Some(etag)) => return Ok(Some(Condition::Unchanged(etag.clone()))),
        _ => {}
    }
    let (source, target) = (child(from, path), child(to, path));
    let target = version(&target.files, &target.address).await?;
    let Some(target) = target else {
        return Ok(Some(Condition::Absent));
    };
    let source = match is_same {
        None => version(&source.files, &source.address).await?,
        Some(_) => None,
    };
    let is_same = source.is_some_and(|source: Version| target.has_content_of(&source));
    Ok(match (is_same, target.etag) {
        (true, _) => None,
        (false, Some(etag)) => Some(Condition::Unchanged(etag)),
        (false, None) => Some(Condition::Any),
    })
}
