//! Moves a folder between the local disk and a context: file by file, each deleted after its copy is verified.

use std::{
    collections::{HashMap, HashSet},
    path::{Path, PathBuf},
};

use agbcloud::{GlobFilter, SkipReason};
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    batch::{BatchFile, Listener, run_batch},
    copied::Copied,
    copier::Copier,
    existing::check_folder_target,
    get::{DownloadFailure, download, explain},
    move_file::{FileAt, Source, Target, delete_emptied_folders, delete_empty_folders},
    put::upload,
    remote_folder::{Existing, child},
    same_content::same_content,
    slash_rule::{local_into_remote, remote_into_local},
};
use crate::{
    commands::{folders::would_replace, operands::Operand},
    failure::{Code, ErrorContext, Failure},
    output::{
        Rows, quote,
        records::{ChangeRow, TransferSummary},
    },
};

impl Copier<'_> {
    /// Moves a local folder to a context.
    pub(super) async fn move_up(&mut self, from: &Path, to: &Operand) -> Result<(), Failure> {
        let given = &to.address;
        let to = to.at(&local_into_remote(from, given)?);
        let contents_only = to.address == *given;
        check_folder_target(&to.files, &to.address).await?;
        let filter = self.folders.filter(from);
        let mut listing = LocalListing {
            root: from,
            filter: filter.with_action(|| format!("move {}", from.display()))?,
            files: Vec::new(),
            skipped: Vec::new(),
            filtered: 0,
        };
        listing.add(Path::new(""))?;
        let LocalListing {
            files: sources,
            skipped,
            filtered,
            ..
        } = listing;
        let existing = Existing::list(&to).await?;
        existing.check_names(sources.iter().map(|file| &file.path), &to.address)?;
        let exists = |file: &BatchFile| existing.files.contains_key(&file.path);
        let is_same = async |path: &str| {
            let (source, target) = (from.join(path), child(&to, path));
            same_content(FileAt::Local(&source), FileAt::Remote(&target)).await
        };
        let same = self.check_replaced(&sources, exists, is_same).await?;
        if self.options.dry_run {
            return self.preview_moves(sources, skipped);
        }
        let (copier, folder) = (&*self, &to);
        let one = async |file: BatchFile, listener: Listener| {
            let (path, target) = (from.join(&file.path), child(folder, &file.path));
            let (source, address) = (Source::local(&path), &target.address);
            if same.contains(&file.path) {
                return copier.finish_same(source, FileAt::Remote(&target)).await;
            }
            let listener = move |progress| listener.report(progress);
            let uploaded = upload(&target.files, &path, address, copier, listener).await?;
            let at = Target::Remote(&target.files, address);
            let moved = copier.delete_moved(source, at, uploaded.into());
            Ok(moved.await?.bytes)
        };
        let moved = self.folders.has_globs().then(|| sources.clone());
        let batch = run_batch(self.session, self.verb, self.jobs(), sources, one).await?;
        match moved {
            // Other folders may have been empty for a reason.
            Some(moved) => delete_emptied_folders(from, &moved, contents_only),
            None => delete_empty_folders(from, contents_only),
        }
        let summary = TransferSummary {
            filtered,
            ..TransferSummary::default()
        };
        self.print_batch(summary, &skipped, batch)
    }

    /// Moves a folder of a context to a local one.
    pub(super) async fn move_down(&mut self, from: &Operand, to: &Path) -> Result<(), Failure> {
        let to = remote_into_local(&from.address, to)?;
        let (sources, filtered) = self.remote_files(from).await?;
        for file in &sources {
            check_relative(&file.path)?;
        }
        let target = |path: &str| to.join(path);
        let (sources, clashes) = split_clashes(sources, from, |path| target(path).is_dir());
        check_links(&to, &sources)?;
        let exists = |file: &BatchFile| target(&file.path).symlink_metadata().is_ok();
        let is_same = async |path: &str| {
            let (source, target) = (child(from, path), target(path));
            same_content(FileAt::Remote(&source), FileAt::Local(&target)).await
        };
        let same = self.check_replaced(&sources, exists, is_same).await?;
        if self.options.dry_run {
            return self.preview_moves(sources, Vec::new());
        }
        let copier = &*self;
        let one = async |file: BatchFile, listener: Listener| {
            let (source, target) = (child(from, &file.path), target(&file.path));
            if same.contains(&file.path) {
                let source = Source::Remote(&source);
                return copier.finish_same(source, FileAt::Local(&target)).await;
            }
            let listener = move |progress| listener.report(progress);
            let address = &source.address;
            let downloaded = download(&source.files, address, &target, copier, listener).await;
            let downloaded = downloaded.map_err(|error| match error {
                DownloadFailure::Local(failure) => failure,
                DownloadFailure::Remote(error) => explain(&error, address),
            })?;
            let source = Source::Remote(&source);
            let moved = copier.delete_moved(source, Target::Local, downloaded.into());
            Ok(moved.await?.bytes)
        };
        let mut batch = run_batch(self.session, self.verb, self.jobs(), sources, one).await?;
        batch.failures.extend(clashes);
        let summary = TransferSummary {
            filtered,
            ..TransferSummary::default()
        };
        self.print_batch(summary, &[], batch)
    }

    /// Lists the moves of a dry run, and what is skipped.
    fn preview_moves(
        &mut self,
        sources: Vec<BatchFile>,
        skipped: Vec<(SkipReason, String)>,
    ) -> Result<(), Failure> {
        self.results.preview();
        let sources = sources.into_iter();
        let rows: Vec<_> = sources
            .map(|file| ChangeRow::within_service("move", file.path, file.size, false))
            .chain(
                skipped
                    .into_iter()
                    .map(|(reason, path)| ChangeRow::skipped(path, reason)),
            )
            .collect();
        Rows::new(&self.session.output).print(&rows)
    }

    /// Fails before anything is moved if a file would be replaced without --force. Returns the files that the target has
    /// already, as after an interrupted move.
    async fn check_replaced(
        &self,
        sources: &[BatchFile],
        exists: impl Fn(&BatchFile) -> bool,
        same: impl AsyncFn(&str) -> Result<Option<Copied>, Failure>,
    ) -> Result<HashSet<String>, Failure> {
        if self.options.force {
            return Ok(HashSet::new());
        }
        let existing = sources.iter().filter(|file| exists(file));
        let compare = async |file: &BatchFile| {
            let copied = same(&file.path).await?;
            Ok::<_, Failure>((file.path.clone(), copied.is_some()))
        };
        let compared = stream::iter(existing).map(compare);
        let compared: Vec<_> = compared.buffered(self.jobs()).try_collect().await?;
        let (same, different): (Vec<_>, Vec<_>) =
            compared.into_iter().partition(|(_, is_same)| *is_same);
        let different: Vec<_> = different.into_iter().map(|(path, _)| path).collect();
        match different.len() {
            0 => Ok(same.into_iter().map(|(path, _)| path).collect()),
            count => {
                Err(would_replace(&different, count).with_hint("pass --force to replace them"))
            }
        }
    }
}

/// The files of a local folder to move. Symbolic links and special files are skipped, and stay.
struct LocalListing<'a> {
    root: &'a Path,
    filter: GlobFilter,
    files: Vec<BatchFile>,
    skipped: Vec<(SkipReason, String)>,
    filtered: u64,
}

impl LocalListing<'_> {
    /// Adds the files below a folder, which is relative to the root.
    fn add(&mut self, below: &Path) -> Result<(), Failure> {
        let folder = self.root.join(below);
        let failed = |error| Failure::with_cause(format!("can't read {}", folder.display()), error);
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            entries.push(entry.map_err(failed)?);
        }
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let relative = below.join(entry.file_name());
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                self.add(&relative)?;
                continue;
            }
            if !self.filter.includes(&relative) {
                self.filtered += u64::from(kind.is_file());
                continue;
            }
            let path = slashed(&relative).ok_or_else(|| {
                let message = format!("the name of {} is not UTF-8", entry.path().display());
                Failure::with_code(Code::Usage, message)
            })?;
            if kind.is_file() {
                let size = Some(entry.metadata().map_err(failed)?.len());
                self.files.push(BatchFile { path, size });
            } else {
                let reason = match kind.is_symlink() {
                    true => SkipReason::Symlink,
                    false => SkipReason::SpecialFile,
                };
                self.skipped.push((reason, path));
            }
        }
        Ok(())
    }
}

/// A relative path with slashes; `None` if it is not UTF-8.
fn slashed(relative: &Path) -> Option<String> {
    let names: Option<Vec<&str>> = relative
        .components()
        .map(|component| component.as_os_str().to_str())
        .collect();
    Some(names?.join("/"))
}

/// Separates the files that can't be local, since a name in their path is a file and a folder in the context. The file is
/// moved, or the contents of the folder if the local folder exists.
fn split_clashes(
    sources: Vec<BatchFile>,
    from: &Operand,
    is_local_folder: impl Fn(&str) -> bool,
) -> (Vec<BatchFile>, Vec<(String, Failure)>) {
    let names: HashSet<String> = sources.iter().map(|file| file.path.clone()).collect();
    let mut both = HashMap::new();
    for path in &names {
        for (slash, _) in path.match_indices('/') {
            let name = &path[..slash];
            if names.contains(name) && !both.contains_key(name) {
                both.insert(name.to_owned(), is_local_folder(name));
            }
        }
    }
    let clash = |path: &str| {
        if both.get(path) == Some(&true) {
            let address = from.address.join(path);
            let failure = Failure::with_code(Code::Conflict, "it is also a folder: it is kept");
            let name = path.rsplit('/').next().unwrap_or(path);
            return Some(failure.with_hint(format!(
                "run: agb mv {} {}",
                quote(address),
                quote(format_args!("{name}.file"))
            )));
        }
        let mut above = path.match_indices('/').map(|(slash, _)| &path[..slash]);
        let file = above.find(|name| both.get(*name) == Some(&false))?;
        let address = from.address.join(file);
        let failure =
            Failure::with_code(Code::Conflict, format!("{file} is also a file: it is kept"));
        let name = file.rsplit('/').next().unwrap_or(file);
        Some(failure.with_hint(format!(
            "run: agb mv -r {} {}",
            quote(format_args!("{address}/")),
            quote(format_args!("{name}.folder"))
        )))
    };
    let (mut free, mut clashes) = (Vec::new(), Vec::new());
    for file in sources {
        match clash(&file.path) {
            Some(failure) => clashes.push((file.path, failure)),
            None => free.push(file),
        }
    }
    (free, clashes)
}

/// Fails if a folder below the local one is a symbolic link, through which a file would leave it.
fn check_links(folder: &Path, sources: &[BatchFile]) -> Result<(), Failure> {
    let parents = |path: &'_ str| {
        path.rmatch_indices('/')
            .map(|(at, _)| at)
            .collect::<Vec<_>>()
    };
    let mut checked = HashSet::new();
    for source in sources {
        for at in parents(&source.path) {
            let parent = &source.path[..at];
            if !checked.insert(parent) {
                break;
            }
            let parent = folder.join(parent);
            let metadata = parent.symlink_metadata();
            if metadata.is_ok_and(|metadata| metadata.is_symlink()) {
                let message = format!("{} is a symbolic link", parent.display());
                return Err(Failure::with_code(Code::Conflict, message));
            }
        }
    }
    Ok(())
}

/// Fails for a path that would leave the local folder. The service chooses the names.
fn check_relative(path: &str) -> Result<(), Failure> {
    let is_normal = |name: &str| {
        let name_path = PathBuf::from(name);
        let mut components = name_path.components();
        matches!(components.next(), Some(std::path::Component::Normal(first)) if first == name)
            && components.next().is_none()
            && !name.contains(['\\', '\0'])
    };
    match path.split('/').all(is_normal) {
        true => Ok(()),
        false => Err(Failure::new(format!("{path} is not a local path"))),
    }
}
