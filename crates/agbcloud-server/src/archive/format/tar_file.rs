//! Tar files: the headers, and where the entries are.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::thread;

use tokio::sync::mpsc;

/// The size of headers, and the unit of padding.
const RECORD: u64 = 512;

/// The header of a file.
pub(super) fn header(name: &str, size: u64, modified: u64) -> io::Result<[u8; 512]> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name)?;
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o600);
    header.set_mtime(modified);
    header.set_size(size);
    header.set_cksum();
    Ok(*header.as_bytes())
}

/// The zeros after a file.
pub(super) fn padding(size: u64) -> &'static [u8] {
    static ZEROS: [u8; 512] = [0; 512];
    let used = usize::try_from(size % RECORD).unwrap_or(0);
    match used {
        0 => &[],
        used => &ZEROS[used..],
    }
}

/// The zeros at the end.
pub(super) const END: [u8; 1024] = [0; 1024];

/// A file in a tar file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TarEntry {
    pub(super) name: String,
    pub(super) offset: u64,
    pub(super) size: u64,
}

/// Visits the files of a tar file in order, until `visit` returns false. Fails if a file is cut off.
pub(super) fn each_entry(path: &Path, mut visit: impl FnMut(TarEntry) -> bool) -> io::Result<()> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut archive = tar::Archive::new(file);
    for entry in archive.entries_with_seek()? {
        let entry = entry?;
        if entry.header().entry_type().is_dir() {
            continue;
        }
        let path = entry.path()?;
        let name = path
            .to_str()
            .filter(|_| entry.header().entry_type().is_file());
        let name = name.ok_or_else(|| {
            let detail = format!("{} is not a file of an archive", path.display());
            io::Error::new(ErrorKind::InvalidData, detail)
        })?;
        let found = TarEntry {
            name: name.trim_start_matches("./").to_owned(),
            offset: entry.raw_file_position(),
            size: entry.size(),
        };
        if found.offset.saturating_add(found.size) > length {
            let detail = format!("it is cut off in {}", found.name);
            return Err(io::Error::new(ErrorKind::UnexpectedEof, detail));
        }
        if !visit(found) {
            break;
        }
    }
    Ok(())
}

/// Walks through the entries in a thread of its own, since a borrowed iterator can't be stored. It ends with the receiver.
pub(super) fn walk(path: &Path) -> io::Result<mpsc::Receiver<io::Result<TarEntry>>> {
    let (sender, entries) = mpsc::channel(256);
    let path = path.to_owned();
    let read = move || {
        let walked = each_entry(&path, |entry| sender.blocking_send(Ok(entry)).is_ok());
        if let Err(error) = walked {
            // Fails if the receiver is gone.
            let _ = sender.blocking_send(Err(error));
        }
    };
    thread::Builder::new()
        .name("agb-tar".to_owned())
        .spawn(read)?;
    Ok(entries)
}
