//! Copies or moves a folder within the service.

use std::collections::{BTreeSet, HashMap, HashSet};

use agbcloud::{ErrorDetail, Files, SyncPlan};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    batch::{BatchFile, run_batch},
    copier::Copier,
    existing::{check_folder_target, version},
    move_file::{FileAt, Source, Target},
    remote_copy::{Condition, copy, is_same_context},
    same_content::same_content,
    slash_rule::remote_into_remote,
};
use crate::{
    address::Remote,
    commands::{folders::would_replace, operands::Operand},
    failure::{Code, ErrorContext, Failure},
    output::{
        Rows,
        records::{ChangeRow, TransferSummary},
    },
};

impl Copier<'_> {
    /// Copies or moves a folder within the service.
    pub(super) async fn copy_folder(
        &mut self,
        from: &Operand,
        to: &Operand,
    ) -> Result<(), Failure> {
        self.folders.check_without_local_folder()?;
        let to = Operand {
            files: to.files.clone(),
            address: remote_into_remote(&from.address, &to.address),
        };
        check_not_inside(from, &to)?;
        check_folder_target(&to.files, &to.address).await?;
        let (sources, filtered) = self.remote_files(from).await?;
        let existing = Existing::list(&to).await?;
        existing.check_names(sources.iter().map(|file| &file.path), &to.address)?;
        let (same, different) = self.compare(from, &to, sources.clone(), &existing).await?;
        if !different.is_empty() && !self.options.force {
            let first: Vec<_> = different.iter().take(3).cloned().collect();
            let failure = would_replace(&first, different.len());
            return Err(failure.with_hint("pass --force to replace them"));
        }
        if self.options.dry_run {
            self.results.preview();
            return self.preview(sources, &same, &different);
        }
        let (copier, force) = (&*self, self.options.force);
        let (same_files, to_files) = (&same, &to);
        let one = async |file: BatchFile, listener: super::batch::Listener| {
            let source = child(from, &file.path);
            let target = child(to_files, &file.path);
            let from = Source::Remote(&source);
            if same_files.contains(&file.path) {
                return copier.finish_same(from, FileAt::Remote(&target)).await;
            }
            let listener = move |progress| listener.report(progress);
            let condition = Condition::of_force(force);
            let copied = copy(&source, &target, condition, listener).await;
            let copied = copied.map_err(|error| error.into_failure(&source.address))?;
            let at = Target::Remote(&target.files, &target.address);
            let moved = copier.delete_moved(from, at, copied);
            Ok(moved.await?.bytes)
        };
        let mut work = sources;
        let mut summary = TransferSummary::default();
        if self.moves {
            summary.filtered = filtered;
        } else {
            summary.unchanged = same.len() as u64;
            work.retain(|file| !same.contains(&file.path));
        }
        let batch = run_batch(self.session, self.verb, self.jobs(), work, one).await?;
        self.print_batch(summary, &[], batch)
    }

    /// The files of a folder that the globs include, and the number of others.
    pub(super) async fn remote_files(
        &self,
        from: &Operand,
    ) -> Result<(Vec<BatchFile>, u64), Failure> {
        let Operand { files, address } = from;
        let action = || format!("list {address}");
        let filter = self.folders.filter("").with_action(action)?;
        // A plan of deletion lists the files. It is not executed.
        let plan = files.delete_dir(address.without_slash()).plan().await;
        let plan = plan.with_action(action)?;
        if let Some(failure) = plan.failures().first() {
            let message = format!(
                "{address} has a file that can't be copied: {}",
                failure.path
            );
            return Err(Failure::with_cause(message, &failure.error));
        }
        let file = |change: agbcloud::PlannedChange| BatchFile {
            path: change.path,
            size: change.size,
        };
        let all = plan.changes().len();
        let included: Vec<_> = plan
            .changes()
            .filter(|change| filter.includes(&change.path))
            .map(file)
            .collect();
        let filtered = (all - included.len()) as u64;
        Ok((included, filtered))
    }

    /// The files that exist at the target, by path: those with the same content, and those that differ.
    async fn compare(
        &self,
        from: &Operand,
        to: &Operand,
        sources: Vec<BatchFile>,
        existing: &Existing,
    ) -> Result<(HashSet<String>, Vec<String>), Failure> {
        let existing = sources.into_iter().filter_map(|file| {
            let size = existing.files.get(&file.path)?;
            let may_be_same = file.size.is_none() || *size == file.size;
            Some((file, may_be_same))
        });
        let compare = async |(file, may_be_same): (BatchFile, bool)| {
            let same = match may_be_same {
                true => {
                    let (from, to) = (child(from, &file.path), child(to, &file.path));
                    self.is_same_content(&from, &to).await?
                }
                false => false,
            };
            Ok::<_, Failure>((file.path, same))
        };
        let compared = stream::iter(existing).map(compare);
        let compared: Vec<_> = compared.buffer_unordered(self.jobs()).try_collect().await?;
        let (mut same, mut different) = (HashSet::new(), BTreeSet::new());
        for (path, is_same) in compared {
            match is_same {
                true => same.insert(path),
                false => different.insert(path),
            };
        }
        Ok((same, different.into_iter().collect()))
    }

    /// Whether both files certainly have the same content. A copy reads none of them to compare.
    async fn is_same_content(&self, from: &Operand, to: &Operand) -> Result<bool, Failure> {
        if self.moves {
            let same = same_content(FileAt::Remote(from), FileAt::Remote(to));
            return Ok(same.await?.is_some());
        }
        let (from, to) = tokio::try_join!(
            version(&from.files, &from.address),
            version(&to.files, &to.address)
        )?;
        Ok(from
            .zip(to)
            .is_some_and(|(from, to)| to.has_content_of(&from)))
    }

    /// Lists the changes of a dry run.
    fn preview(
        &self,
        sources: Vec<BatchFile>,
        same: &HashSet<String>,
        different: &[String],
    ) -> Result<(), Failure> {
        let sources = sources
            .into_iter()
            .filter(|file| !same.contains(&file.path));
        let row = |file: BatchFile| {
            let replaces = different.binary_search(&file.path).is_ok();
            let change = if self.moves { "move" } else { "copy" };
            ChangeRow::within_service(change, file.path, file.size, replaces)
        };
        let rows: Vec<_> = sources.map(row).collect();
        Rows::new(&self.session.output).print(&rows)
    }
}

/// A file of a folder.
pub(in crate::commands) fn child(folder: &Operand, path: &str) -> Operand {
    Operand {
        files: folder.files.clone(),
        address: folder.address.join(path),
    }
}

/// Fails if one of two folders of a context is in the other, so that a copy would have no end or replace its sources.
fn check_not_inside(from: &Operand, to: &Operand) -> Result<(), Failure> {
    if !is_same_context(&from.files, &to.files)? {
        return Ok(());
    }
    let folder = |address: &Remote| format!("{}/", address.without_slash().trim_end_matches('/'));
    let (source, target) = (folder(&from.address), folder(&to.address));
    let relation = match (source == target, target.starts_with(&source)) {
        (true, _) => "are the same folder",
        (false, true) => "are a folder and one inside it",
        _ => return Ok(()),
    };
    let message = format!("{} and {} {relation}", from.address, to.address);
    Err(Failure::usage(message))
}

/// The files and folders at a target, by relative path.
pub(in crate::commands) struct Existing {
    /// With their sizes.
    pub(in crate::commands) files: HashMap<String, Option<u64>>,
    folders: BTreeSet<String>,
}

impl Existing {
    /// The folders are those above the files.
    pub(in crate::commands) fn of_files<'a>(paths: impl Iterator<Item = &'a str>) -> Self {
        let mut existing = Self {
            files: HashMap::new(),
            folders: BTreeSet::new(),
        };
        for path in paths {
            existing.files.insert(path.to_owned(), None);
            for (at, _) in path.rmatch_indices('/') {
                if !existing.folders.insert(path[..at].to_owned()) {
                    break;
                }
            }
        }
        existing
    }

    pub(in crate::commands) async fn list(to: &Operand) -> Result<Self, Failure> {
        let Operand { files, address } = to;
        let mut existing = Self {
            files: HashMap::new(),
            folders: BTreeSet::new(),
        };
        let prefix = format!("{}/", address.without_slash().trim_end_matches('/'));
        let mut entries = walk(files, address);
        while let Some(entry) = entries.next().await {
            let entry = entry.with_action(|| format!("list {address}"))?;
            let Some(path) = entry.path.trim_end_matches('/').strip_prefix(&prefix) else {
                continue;
            };
            match entry.is_folder() {
                true => drop(existing.folders.insert(path.to_owned())),
                false => drop(existing.files.insert(path.to_owned(), entry.size)),
            }
        }
        Ok(existing)
    }

    /// Fails if the plan would give a file the name of a folder, or a folder that of a file.
    pub(in crate::commands) fn check_plan(
        &self,
        plan: &SyncPlan,
        to: &Remote,
    ) -> Result<(), Failure> {
        let clashes = plan.failures().iter();
        let clashes =
            clashes.filter(|failure| failure.error.detail() == Some(ErrorDetail::FileAndFolder));
        self.check_names(clashes.map(|failure| &failure.path), to)?;
        self.check_names(plan.changes().map(|change| change.path), to)
    }

    /// Fails if a file would get the name of a folder, or a folder that of a file.
    pub(in crate::commands) fn check_names(
        &self,
        sources: impl Iterator<Item = impl AsRef<str>>,
        to: &Remote,
    ) -> Result<(), Failure> {
        for source in sources {
            let path = source.as_ref();
            let mut parents = path.match_indices('/').map(|(at, _)| &path[..at]);
            if self.folders.contains(path) {
                let message = format!(
                    "{} is a folder, so no file can have this name",
                    to.join(path)
                );
                return Err(Failure::with_code(Code::Conflict, message)
                    .with_hint("choose another folder, or rename one of the two"));
            }
            if let Some(file) = parents.find(|parent| self.files.contains_key(*parent)) {
                let message = format!(
                    "{} is a file, so no folder can have this name",
                    to.join(file)
                );
                return Err(Failure::with_code(Code::Conflict, message)
                    .with_hint("choose another folder, or rename one of the two"));
            }
        }
        Ok(())
    }
}

fn walk(files: &Files, folder: &Remote) -> agbcloud::FileWalk {
    let listing = files.list().folder(folder.without_slash());
    listing
        .page_size(agbcloud::MAX_PAGE_SIZE)
        .prefetch(true)
        .walk()
}
