//! [`print_file`]: writes a file of a context to stdout.

use std::{error::Error, io};

use agbcloud::{DownloadTarget, Files};

use super::lookup;
use crate::{
    address::Remote,
    failure::{Code, ErrorContext, Failure},
};

/// Writes a file to stdout. A closed pipe ends the command without a message.
pub(super) async fn print_file(files: &Files, address: &Remote) -> Result<(), Failure> {
    let target = DownloadTarget::writer(tokio::io::stdout());
    let written = files.download(address.path.as_str(), target).await;
    match written {
        Err(error) if is_broken_pipe(&error) => Err(Failure::silent(Code::BrokenPipe)),
        Err(error) if lookup::is_missing_file(&error) => {
            match lookup::has_entries(files, address).await {
                true => Err(lookup::is_folder(address, "ls")),
                false => Err(lookup::not_found(address, &error)),
            }
        }
        written => written
            .map(|_| ())
            .with_action(|| format!("read {address}")),
    }
}

fn is_broken_pipe(error: &agbcloud::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        let io = error.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe) {
            return true;
        }
        cause = error.source();
    }
    false
}
