//! Moves a folder between the local disk and a context: file by file, each deleted after its copy is verified.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
};

use super::{
    batch::{BatchFile, Listener, run_batch},
    copier::Copier,
    existing::check_folder_target,
    get::{DownloadFailure, download, explain},
    move_file::{Source, Target, delete_empty_folders},
    put::upload,
    remote_folder::{Existing, child},
    slash_rule::{local_into_remote, remote_into_local},
};
use crate::{
    commands::{folders::would_replace, operands::Operand},
    failure::{Code, Failure},
    output::{
        Rows,
        records::{ChangeRow, SkippedItem, TransferSummary},
    },
};

impl Copier<'_> {
    /// Moves a local folder to a context.
    pub(super) async fn move_up(&mut self, from: &Path, to: &Operand) -> Result<(), Failure> {
        let given = &to.address;
        let to = Operand {
            files: to.files.clone(),
            address: local_into_remote(from, given)?,
        };
        let contents_only = to.address == *given;
        check_folder_target(&to.files, &to.address).await?;
        let mut summary = TransferSummary::default();
        let mut sources = Vec::new();
        list_local(from, "", &mut sources, &mut summary)?;
        let existing = Existing::list(&to).await?;
        existing.check_names(sources.iter().map(|file| &file.path), &to.address)?;
        self.check_replaced(&sources, |path| existing.files.contains_key(path))?;
        if self.options.dry_run {
            return self.preview_moves(sources);
        }
        let (copier, folder) = (&*self, &to);
        let one = async |file: BatchFile, listener: Listener| {
            let (path, target) = (from.join(&file.path), child(folder, &file.path));
            let (source, address) = (Source::local(&path), &target.address);
            let listener = move |progress| listener.report(progress);
            let uploaded = upload(&target.files, &path, address, copier, listener).await?;
            let at = Target::Remote(&target.files, address);
            let moved = copier.delete_moved(source, at, uploaded.into());
            Ok(moved.await?.bytes)
        };
        let batch = run_batch(self.session, self.verb, self.jobs(), sources, one).await?;
        delete_empty_folders(from, contents_only);
        self.print_batch(summary, batch)
    }

    /// Moves a folder of a context to a local one.
    pub(super) async fn move_down(&mut self, from: &Operand, to: &Path) -> Result<(), Failure> {
        let to = remote_into_local(&from.address, to)?;
        let sources = self.remote_files(from).await?;
        for file in &sources {
            check_relative(&file.path)?;
        }
        let target = |path: &str| to.join(path);
        check_links(&to, &sources)?;
        self.check_replaced(&sources, |path| target(path).symlink_metadata().is_ok())?;
        if self.options.dry_run {
            return self.preview_moves(sources);
        }
        let copier = &*self;
        let one = async |file: BatchFile, listener: Listener| {
            let (source, target) = (child(from, &file.path), target(&file.path));
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
        let batch = run_batch(self.session, self.verb, self.jobs(), sources, one).await?;
        self.print_batch(TransferSummary::default(), batch)
    }

    /// Lists the moves of a dry run.
    fn preview_moves(&mut self, sources: Vec<BatchFile>) -> Result<(), Failure> {
        self.results.preview();
        let sources = sources.into_iter();
        let rows: Vec<_> = sources
            .map(|file| ChangeRow::within_service("move", file.path, file.size, false))
            .collect();
        Rows::new(&self.session.output).print(&rows)
    }

    /// Fails before anything is moved if a file would be replaced without --force.
    fn check_replaced(
        &self,
        sources: &[BatchFile],
        exists: impl Fn(&str) -> bool,
    ) -> Result<(), Failure> {
        if self.options.force {
            return Ok(());
        }
        let paths = sources.iter().map(|file| &file.path);
        let replaced: Vec<_> = paths.filter(|path| exists(path)).cloned().collect();
        match replaced.len() {
            0 => Ok(()),
            count => Err(would_replace(&replaced, count).with_hint("pass --force to replace them")),
        }
    }
}

/// Lists the files of a local folder. Symbolic links and special files are skipped, and stay.
fn list_local(
    root: &Path,
    below: &str,
    files: &mut Vec<BatchFile>,
    summary: &mut TransferSummary,
) -> Result<(), Failure> {
    let folder = root.join(below);
    let failed = |error| Failure::with_cause(format!("can't read {}", folder.display()), error);
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(failed)? {
        entries.push(entry.map_err(failed)?);
    }
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            let message = format!("the name of {} is not UTF-8", entry.path().display());
            return Err(Failure::with_code(Code::Usage, message));
        };
        let path = match below {
            "" => name.to_owned(),
            below => format!("{below}/{name}"),
        };
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            list_local(root, &path, files, summary)?;
        } else if kind.is_file() {
            let size = entry.metadata().map_err(failed)?.len();
            files.push(BatchFile {
                path,
                size: Some(size),
            });
        } else {
            let reason = match kind.is_symlink() {
                true => "symlink",
                false => "special_file",
            };
            summary.skip(SkippedItem { path, reason });
        }
    }
    Ok(())
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
