//! `agb edit`: changes a file in an editor, and saves it only if no other client changed it.

use std::{
    env, fs,
    io::{self, IsTerminal},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::Duration,
};

use agbcloud::{ErrorDetail, Files, UpdateGuard};
use clap::Args;
use clap_complete::ArgValueCompleter;
use futures_util::FutureExt;
use sha2::{Digest, Sha256};

use super::{check_file, copy_in};
use crate::{
    address::Remote,
    clock,
    commands::{
        bandwidth::Bandwidth,
        completion, lookup,
        session::{Run, Session},
    },
    failure::{Code, ErrorContext, Failure},
    output::{self, bytes, quote, records::EditResult},
    private_folder::private_folder,
    signals::{Interrupt, unless_interrupted},
    stderr,
};

#[derive(Debug, Args)]
pub(crate) struct EditArguments {
    /// File, as NAME:/path. It is created if it does not exist
    #[arg(value_name = "NAME:/PATH", add = ArgValueCompleter::new(completion::addresses))]
    address: Remote,
    /// Run the editor again on the new version if another client changed the file, at most N times. For editors that are
    /// programs, such as VISUAL='sed -i s/a/b/'
    #[arg(long, value_name = "N", default_value_t = 0)]
    retries: u32,
    #[command(flatten)]
    bandwidth: Bandwidth,
}

impl Run for EditArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let address = &self.address;
        check_file(address, "edit")?;
        let editor = editor()?;
        let files = lookup::files(&self.bandwidth.connect(session)?, address).await?;
        let mut conflicts = 0;
        loop {
            match edit_once(&files, address, &editor, conflicts < self.retries).await? {
                Outcome::Done(result, saved) => return print(session, address, result, saved),
                Outcome::Conflict => {
                    conflicts += 1;
                    let longest = FIRST_WAIT << conflicts.min(6);
                    let wait = Duration::from_millis(fastrand::u64(..longest));
                    unless_interrupted(clock::sleep(wait).map(Ok), "not saved").await?;
                }
            }
        }
    }
}

/// Half of the longest wait after the first conflict, in milliseconds. It doubles up to about a second.
const FIRST_WAIT: u64 = 20;

/// The result of one run of the editor.
enum Outcome {
    /// The result, and the size of what was saved.
    Done(&'static str, u64),
    /// Another client changed the file. The local copy is discarded.
    Conflict,
}

/// Runs the editor on the current version, and saves the result.
async fn edit_once(
    files: &Files,
    address: &Remote,
    editor: &str,
    discards_conflict: bool,
) -> Result<Outcome, Failure> {
    let folder = private_folder("agb-")?;
    let copy = copy_in(&folder, address);
    let hint = "nothing was changed";
    let version = unless_interrupted(Version::download(files, address, &copy), hint).await?;
    let before = fingerprint(&copy)?;
    let status = edit(editor, &copy).await;
    let after = fingerprint(&copy);
    // From here on, the user may have typed something, which must not be lost.
    let result = match (status, after) {
        (Err(failure), _) | (_, Err(failure)) => Err(failure),
        (Ok(status), Ok(after)) if !status.success() => {
            let failure = match is_interrupted(status) {
                true => Failure::interrupted(),
                false => Failure::new(format!("the editor failed ({status}): not saved")),
            };
            match after == before {
                true => return Err(failure),
                false => Err(failure),
            }
        }
        (_, Ok(after)) if after == before || after.is_none() => {
            return Ok(Outcome::Done(version.unsaved(), 0));
        }
        _ => match unless_interrupted(version.save(files, address, &copy), "not saved").await {
            Ok(Save::Changed(_)) if discards_conflict => return Ok(Outcome::Conflict),
            Ok(Save::Changed(failure)) | Err(failure) => Err(failure),
            Ok(Save::Done(bytes)) => Ok(bytes),
        },
    };
    match result {
        Ok(saved) => Ok(Outcome::Done(version.result(), saved)),
        Err(failure) => Err(keep(folder, &copy, address, failure)),
    }
}

/// Whether Ctrl-C ended the editor.
fn is_interrupted(status: ExitStatus) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;

        // The shell that runs the editor may report SIGINT by its exit code.
        status.signal() == Some(2) || status.code() == Some(130)
    }
    #[cfg(not(unix))]
    {
        let _ = status;
        false
    }
}

fn print(
    session: &Session,
    address: &Remote,
    result: &'static str,
    saved: u64,
) -> Result<(), Failure> {
    let message = match result {
        "unchanged" => format!("{address} is unchanged"),
        "not created" => format!("{address} was not created: nothing was written"),
        _ => format!("{result} {address} ({})", bytes(Some(saved))),
    };
    let row = EditResult {
        address: address.to_string(),
        result,
        bytes: saved,
    };
    output::print_result(&session.output, &row, &message)
}

/// Keeps the local copy, and names it in the failure.
fn keep(folder: tempfile::TempDir, copy: &Path, address: &Remote, mut failure: Failure) -> Failure {
    let _ = folder.keep();
    let path = copy.display();
    let text = format!("{failure}; your version is in {path}");
    failure.message = Some(text);
    failure.with_hint(format!(
        "compare: agb cat {address} | diff - {path}; replace: agb put --force {path} {address}",
        address = quote(address),
        path = quote(path),
    ))
}

/// The result of an upload.
enum Save {
    /// The bytes saved.
    Done(u64),
    /// Another client changed the file.
    Changed(Failure),
}

/// The version of the remote file that was opened.
enum Version {
    Missing,
    Etag(String),
}

impl Version {
    /// Downloads the file, if it exists.
    async fn download(files: &Files, address: &Remote, copy: &Path) -> Result<Self, Failure> {
        let downloaded = files.download(address.path.as_str(), copy).await;
        match downloaded {
            Ok(downloaded) => match downloaded.etag {
                Some(etag) => Ok(Self::Etag(etag)),
                None => {
                    let message = format!(
                        "can't edit {address}: the object store sends no ETag, so that changes by others would be lost"
                    );
                    Err(Failure::new(message).with_hint("use 'agb get' and 'agb put'"))
                }
            },
            Err(error) if lookup::is_missing_file(&error) => {
                match lookup::has_entries(files, address).await {
                    true => Err(lookup::is_folder(address, "ls")),
                    false => Ok(Self::Missing),
                }
            }
            Err(error) => Err(error).with_action(|| format!("get {address}")),
        }
    }

    /// Uploads the local copy if the remote file is still this version.
    async fn save(&self, files: &Files, address: &Remote, copy: &Path) -> Result<Save, Failure> {
        let action = || format!("save {address}");
        let guard = match self {
            Self::Missing => files.update_guard().await,
            Self::Etag(etag) => files.version_guard(etag).await,
        };
        let guard = guard.with_action(action)?;
        let mut upload = files.upload(address.path.as_str(), copy);
        if guard == UpdateGuard::Unavailable {
            if !self.is_current(files, address).await? {
                return Ok(Save::Changed(self.changed(address, None)));
            }
            stderr::note(
                "warning: the object store ignores conditions: a change by another client at this moment is overwritten",
            );
        } else {
            upload = match self {
                Self::Missing => upload.if_absent(),
                Self::Etag(etag) => upload.if_match(etag),
            };
        }
        match upload.await {
            Ok(uploaded) => Ok(Save::Done(uploaded.bytes)),
            // Running the editor again could make the change twice.
            Err(error) if error.is_failed_condition() && error.earlier_attempt_may_be_done() => {
                let message = format!(
                    "{address} has changed, and may contain your version: the response to an earlier attempt was lost"
                );
                Err(Failure {
                    request_id: error.request_id().map(str::to_owned),
                    ..Failure::with_code(Code::Conflict, message)
                })
            }
            Err(error) if error.is_failed_condition() => {
                Ok(Save::Changed(self.changed(address, error.request_id())))
            }
            Err(error) if error.detail() == Some(ErrorDetail::Changed) => {
                let message = format!("not saved: the editor still writes to {}", copy.display());
                Err(Failure::with_code(Code::Conflict, message)
                    .with_hint("set an editor that waits, such as VISUAL='code --wait'"))
            }
            Err(error) => Err(error).with_action(|| format!("save {address}")),
        }
    }

    /// Whether the remote file is still this version.
    async fn is_current(&self, files: &Files, address: &Remote) -> Result<bool, Failure> {
        match files.open(address.path.as_str()).await {
            Ok(file) => Ok(matches!(self, Self::Etag(etag) if file.etag() == Some(etag))),
            Err(error) if lookup::is_missing_file(&error) => Ok(matches!(self, Self::Missing)),
            Err(error) => Err(error).with_action(|| format!("save {address}")),
        }
    }

    /// The failure if the remote file is another version.
    fn changed(&self, address: &Remote, request_id: Option<&str>) -> Failure {
        let change = match self {
            Self::Missing => "was created",
            Self::Etag(_) => "was changed or deleted",
        };
        let message = format!("not saved: {address} {change} by another client");
        Failure {
            request_id: request_id.map(str::to_owned),
            ..Failure::with_code(Code::Conflict, message)
        }
    }

    /// The result if the local copy was not changed.
    fn unsaved(&self) -> &'static str {
        match self {
            Self::Missing => "not created",
            Self::Etag(_) => "unchanged",
        }
    }

    fn result(&self) -> &'static str {
        match self {
            Self::Missing => "created",
            Self::Etag(_) => "saved",
        }
    }
}

/// The checksum of a file; `None` if it does not exist.
fn fingerprint(path: &Path) -> Result<Option<[u8; 32]>, Failure> {
    let read = || -> io::Result<[u8; 32]> {
        let mut file = fs::File::open(path)?;
        let mut hash = Sha256::new();
        io::copy(&mut file, &mut HashWriter(&mut hash))?;
        Ok(hash.finalize().into())
    };
    match read() {
        Ok(hash) => Ok(Some(hash)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(lookup::local_failure(path, &error)),
    }
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The command line of the editor.
fn editor() -> Result<String, Failure> {
    let variable = |name| {
        let value = env::var_os(name)?.to_string_lossy().trim().to_owned();
        (!value.is_empty()).then_some(value)
    };
    if let Some(editor) = ["VISUAL", "EDITOR"].into_iter().find_map(variable) {
        return Ok(editor);
    }
    let is_interactive = io::stdin().is_terminal() && io::stdout().is_terminal();
    match is_interactive {
        true if cfg!(windows) => Ok("notepad".to_owned()),
        true => Ok("vi".to_owned()),
        false => Err(Failure::usage("no editor").with_hint("set VISUAL or EDITOR")),
    }
}

/// Runs the editor. Ctrl-C belongs to the editor.
async fn edit(editor: &str, copy: &Path) -> Result<ExitStatus, Failure> {
    let _interrupt = Interrupt::new()?;
    let mut command = command(editor, copy.to_owned());
    let run = tokio::task::spawn_blocking(move || command.status());
    let status = run
        .await
        .map_err(io::Error::other)
        .and_then(|status| status);
    status.map_err(|error| Failure::with_cause(format!("can't run the editor {editor}"), error))
}

/// The editor may have arguments, and quotes as in a shell. Ctrl-C also reaches the shell, which must not end by it if the editor
/// goes on. A trap that is not empty is not inherited by the editor.
#[cfg(unix)]
fn command(editor: &str, copy: PathBuf) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("trap : INT; {editor} \"$@\""))
        .arg(editor)
        .arg(copy);
    command
}

#[cfg(not(unix))]
fn command(editor: &str, copy: PathBuf) -> Command {
    // A program with spaces in its path, or a program with arguments.
    let mut words = match Path::new(editor).exists() {
        true => vec![editor],
        false => editor.split_whitespace().collect(),
    }
    .into_iter();
    let mut command = Command::new(words.next().unwrap_or("notepad"));
    command.args(words).arg(copy);
    command
}
