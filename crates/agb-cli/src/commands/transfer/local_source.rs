//! Local sources of a copy: stdin, pipes, and paths that look like addresses.

use std::{fs::File, io, path::Path};

use crate::{
    address::{Address, Remote},
    commands::session::Session,
    failure::Failure,
    stdio,
};

/// The address that a local path looks like, unless the path exists.
pub(super) fn missing_address(path: &Path) -> Option<Remote> {
    match path.to_str()?.parse() {
        Ok(Address::Remote(remote)) if !path.exists() => Some(remote),
        _ => None,
    }
}

/// Whether a path is the dash that means stdin.
pub(super) fn is_dash(path: &Path) -> bool {
    path == Path::new("-")
}

/// Returns stdin if it is a source. A closed stdin must fail before the command changes anything.
pub(super) fn open_stdin(from: &[Address], session: &Session) -> Result<Option<File>, Failure> {
    let is_stdin = |path: &Path| stdio::is_stdin(path);
    let given = from
        .iter()
        .any(|from| matches!(from, Address::Local(path) if is_stdin(path)));
    if !given {
        return Ok(None);
    }
    let stdin = stdio::stdin()?;
    if session.connection.api_key_stdin {
        return Err(Failure::usage(
            "stdin can't be both the file and the API key",
        ));
    }
    match from {
        [_] => Ok(Some(stdin)),
        _ => Err(Failure::usage("stdin can't be one of several sources")),
    }
}

/// Copies a stream or stdin to a temporary file.
pub(super) async fn spool(path: &Path, stdin: Option<File>) -> Result<tempfile::TempPath, Failure> {
    let name = match &stdin {
        Some(_) => "stdin".to_owned(),
        None => path.display().to_string(),
    };
    let source = path.to_owned();
    let spooled = async {
        let (mut file, path) = tempfile::NamedTempFile::new()?.into_parts();
        let (done, is_done) = tokio::sync::oneshot::channel();
        // In a thread of its own: the runtime would wait for a read of a terminal when the command is interrupted.
        std::thread::spawn(move || {
            let from = stdin.map_or_else(|| File::open(source), Ok);
            let copied = from.and_then(|mut from| io::copy(&mut from, &mut file));
            let _ = done.send(copied);
        });
        is_done.await.map_err(io::Error::other)??;
        Ok(path)
    };
    let spooled: io::Result<_> = spooled.await;
    spooled.map_err(|error| Failure::with_cause(format!("can't spool {name}"), error))
}

/// Whether the path is a device or a named pipe.
pub(super) fn is_stream(path: &Path) -> bool {
    let metadata = path.metadata();
    metadata.is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}
