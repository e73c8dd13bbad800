//! Checks what exists at the target of a copy.

use agbcloud::{Downloaded, ErrorKind, Files, RemoteFile};

use crate::{
    address::Remote,
    commands::{lookup, operands::Operand},
    failure::{Code, ErrorContext, Failure},
    output::quote,
};

/// A version of a remote file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::commands) struct Version {
    pub(in crate::commands) size: Option<u64>,
    pub(in crate::commands) etag: Option<String>,
    modified: Option<std::time::SystemTime>,
}

impl Version {
    pub(super) fn of(file: &RemoteFile) -> Self {
        Self {
            size: file.size(),
            etag: file.etag().map(str::to_owned),
            modified: file.modified_at(),
        }
    }

    pub(super) fn downloaded(downloaded: &Downloaded) -> Self {
        Self {
            size: Some(downloaded.bytes),
            etag: downloaded.etag.clone(),
            modified: None,
        }
    }

    /// Whether both are certainly the same version. One without an ETag is identified by size and time.
    pub(super) fn is(&self, other: &Self) -> bool {
        let identified = self.etag.is_some() || (self.size.is_some() && self.modified.is_some());
        identified
            && self.etag == other.etag
            && self.size == other.size
            && (self.etag.is_some() || self.modified == other.modified)
    }
}

impl Version {
    /// Whether both have the same content: the same MD5 and the same size.
    pub(in crate::commands) fn has_content_of(&self, other: &Self) -> bool {
        let is_md5 = self.etag.as_deref().is_some_and(is_md5);
        is_md5 && self.etag == other.etag && self.size == other.size
    }
}

/// Whether an ETag is the MD5 of the content: 32 hexadecimal digits.
pub(super) fn is_md5(etag: &str) -> bool {
    let digits = etag.trim_matches('"');
    digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// The current version of a file; `None` if there is none.
pub(in crate::commands) async fn version(
    files: &Files,
    at: &Remote,
) -> Result<Option<Version>, Failure> {
    let path = at.without_slash();
    let opened = match files.open(path).range(0..1).await {
        // An empty file has no first byte.
        Err(error) if error.kind() == ErrorKind::Rejected => files.open(path).await,
        opened => opened,
    };
    match opened {
        Ok(file) => Ok(Some(Version::of(&file))),
        Err(error) if lookup::is_missing_file(&error) => Ok(None),
        Err(error) => Err(error).with_action(|| format!("look up {at}")),
    }
}

/// The address of a copied file: in the folder if `to` ends with a slash, exists as a folder or takes several sources.
pub(super) async fn file_target(
    to: &Operand,
    name: Result<&str, Failure>,
    several: bool,
) -> Result<Remote, Failure> {
    let address = &to.address;
    if several || address.is_folder() || lookup::folder_exists(&to.files, address).await? {
        return Ok(address.join(name?));
    }
    Ok(address.clone())
}

/// Fails if a file can't be written there: a folder has the name, a folder above it is a file, or, unless `force` is set,
/// the file exists. Another client may still create one of them before the copy ends.
pub(super) async fn check_target(files: &Files, to: &Remote, force: bool) -> Result<(), Failure> {
    let exists = async {
        match force {
            true => Ok(None),
            false => version(files, to).await,
        }
    };
    let (folder, parents, exists) = tokio::join!(
        lookup::folder_exists(files, to),
        check_parents(files, to, to.without_slash()),
        exists
    );
    if folder? {
        let message = format!("{to} is a folder, so no file can have this name");
        return Err(Failure::with_code(Code::Conflict, message)
            .with_hint("choose another name for the file"));
    }
    parents?;
    match exists? {
        Some(_) => Err(already_exists(to)),
        None => Ok(()),
    }
}

/// Fails if the path of a folder, or of one above it, is a file.
pub(super) async fn check_folder_target(files: &Files, folder: &Remote) -> Result<(), Failure> {
    check_parents(files, folder, folder.join("file").without_slash()).await
}

/// Fails if the parent of the path, or of one above it, is a file.
async fn check_parents(files: &Files, to: &Remote, mut path: &str) -> Result<(), Failure> {
    while let Some((parent, _)) = path
        .rsplit_once('/')
        .filter(|(parent, _)| !parent.is_empty())
    {
        let folder = to.with_path(parent);
        // What has entries is a folder, and so is every folder above it.
        if lookup::folder_exists(files, &folder).await? {
            return Ok(());
        }
        if version(files, &folder).await?.is_some() {
            let message = match folder.without_slash() == to.without_slash() {
                true => format!("{to} is a file, not a folder"),
                false => format!("can't write to {to}: {folder} is a file, not a folder"),
            };
            return Err(
                Failure::with_code(Code::Conflict, message).with_hint(format!(
                    "choose another folder, or delete the file: agb rm {}",
                    quote(&folder)
                )),
            );
        }
        path = parent;
    }
    Ok(())
}

/// The failure for an existing target without --force.
pub(super) fn already_exists(to: impl std::fmt::Display) -> Failure {
    Failure::with_code(Code::Conflict, format!("{to} already exists"))
        .with_hint("pass --force to replace it")
}

/// Explains that an upload with the condition that no file exists failed.
pub(super) fn explain(error: &agbcloud::Error, to: &Remote, force: bool, action: &str) -> Failure {
    if !force && error.is_failed_condition() {
        return match error.attempts().len() {
            0 | 1 => already_exists(to),
            // The response to one of them may be lost.
            _ => Failure::with_code(Code::Conflict, format!("{to} already exists"))
                .with_hint("an earlier attempt may have written it: compare it, or pass --force"),
        };
    }
    Failure::in_action(error, action)
}
