//! What was fetched, on its way to its place.

use std::{
    fs::{File, Metadata},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use tempfile::NamedTempFile;

use super::{LocalIdentity, blocking, cannot, folder_of, lock, locked_parts, temporary::Temporary};
use crate::{Error, ErrorDetail, ErrorKind, Result};

/// Where a new file belongs.
pub(super) struct Place {
    pub(super) target: PathBuf,
    pub(super) overwrite: bool,
    pub(super) before: Before,
    /// The folder that it must not get out of by a link; those above it may be links.
    pub(super) root: Option<PathBuf>,
}

/// What was at the place of a new file when it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::file) enum Before {
    Unseen,
    Nothing,
    /// A file, which is not to be replaced if it is another one by now.
    Seen(LocalIdentity),
}

/// A file that has its content and its time, and neither is durable nor under its name.
pub(in crate::file) struct Written {
    place: Arc<Place>,
    content: Content,
}

enum Content {
    /// All of it, and the time that it gets.
    Memory(Vec<u8>, Option<SystemTime>),
    /// It stays open: what has no name is had by nothing else, and what has one is locked by that.
    File(Temporary),
}

impl Written {
    /// Small content, that gets this time.
    pub(super) fn small(place: Arc<Place>, content: Vec<u8>, time: Option<SystemTime>) -> Self {
        Self {
            place,
            content: Content::Memory(content, time),
        }
    }

    /// Makes it durable, if that is asked for, then visible under its name.
    pub(in crate::file) async fn publish(self, durable: bool) -> Result<()> {
        blocking(move || {
            let laid = self.lay()?;
            if durable {
                laid.sync().map_err(|error| laid.failed(error))?;
            }
            laid.appear()
        })
        .await
    }

    /// Bytes that it takes of memory.
    pub(super) fn held(&self) -> usize {
        match &self.content {
            Content::Memory(content, _) => content.len(),
            Content::File(_) => 0,
        }
    }

    /// Whether it has a file open.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.content, Content::File(_))
    }

    /// Puts it into a file that is not at its place, and stays open. Blocks.
    pub(super) fn lay(self) -> Result<Laid> {
        let Self { place, content } = self;
        let file = match content {
            Content::File(file) => file,
            Content::Memory(content, time) => place.write(&content, time)?,
        };
        Ok(Laid { place, file })
    }
}

/// A file without a name or with another than its own.
pub(super) struct Laid {
    place: Arc<Place>,
    pub(super) file: Temporary,
}

impl Laid {
    /// Makes it durable. Blocks.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }

    /// Puts it where it belongs. Blocks.
    pub(super) fn appear(self) -> Result<()> {
        self.place.publish(self.file)
    }

    pub(super) fn failed(&self, error: io::Error) -> Error {
        self.place.failed(error)
    }

    #[cfg(target_os = "linux")]
    pub(super) fn folder(&self) -> &Path {
        self.place.folder()
    }
}

impl Place {
    pub(super) fn check(&self) -> Result<()> {
        let target = &self.target;
        if target.is_dir() {
            let message = format!("{} is a folder: name the file in it", target.display());
            return Err(Error::new(ErrorKind::LocalFile, message).with_local_path(target));
        }
        match target.symlink_metadata() {
            Ok(_) if !self.overwrite => Err(self.exists()),
            Ok(old) => self.check_kind(&old),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = self.folder().metadata();
                folder.map(drop).map_err(|error| self.failed(error))
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// A link is replaced, and not what it leads to. A device or a pipe is not: nobody means that.
    fn check_kind(&self, old: &Metadata) -> Result<()> {
        if old.is_file() || old.is_symlink() || old.is_dir() {
            return Ok(());
        }
        let message = format!("{} is not a regular file", self.target.display());
        Err(Error::new(ErrorKind::LocalFile, message).with_local_path(&self.target))
    }

    /// The folder that it is in.
    pub(super) fn folder(&self) -> &Path {
        folder_of(&self.target)
    }

    pub(super) fn temporary(&self) -> Result<NamedTempFile> {
        let mut options = File::options();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};

            options.mode(self.mode_while_written().mode());
        }
        // By a function of our own, whose errors name no file of which nobody has heard.
        let open = |path: &Path| {
            let file = options.open(path)?;
            // Whoever takes it for an abandoned one before it is locked removes it.
            match lock::take(&file) && path.symlink_metadata().is_ok() {
                true => Ok(file),
                false => Err(io::ErrorKind::AlreadyExists.into()),
            }
        };
        let made = locked_parts().make_in(self.folder(), open);
        made.map_err(|error| self.failed(error))
    }

    /// A file with this content, in the folder of the place.
    fn write(&self, content: &[u8], time: Option<SystemTime>) -> Result<Temporary> {
        let temporary = Temporary::new(self)?;
        let mut file = temporary.as_file();
        let written = file.write_all(content);
        let timed = written.and_then(|()| set_time(file, time));
        timed.map_err(|error| self.failed(error))?;
        Ok(temporary)
    }

    /// Whether something may be there that it replaces.
    fn replaces(&self) -> bool {
        self.overwrite && self.before != Before::Nothing
    }

    /// Brings a file to its end that tries have written to.
    pub(super) fn finish(
        self: Arc<Self>,
        temporary: Temporary,
        small: Option<Vec<u8>>,
        bytes: u64,
        time: Option<SystemTime>,
    ) -> Result<Written> {
        let mut file = temporary.as_file();
        let written = small.map_or(Ok(()), |small| file.write_all(&small));
        // An earlier try may have written more.
        let cut = written.and_then(|()| file.set_len(bytes));
        let timed = cut.and_then(|()| set_time(file, time));
        timed.map_err(|error| self.failed(error))?;
        Ok(Written {
            content: Content::File(temporary),
            place: self,
        })
    }

    pub(super) fn failed(&self, error: io::Error) -> Error {
        cannot("write", &self.target, error)
    }

    fn publish(&self, file: Temporary) -> Result<()> {
        // Once more, at the last moment: it may have been put there while the file was fetched.
        if let Some(root) = &self.root {
            no_link_to(&self.target, root)?;
        }
        if self.replaces() {
            return self.replace(file.beside(self)?);
        }
        match file.put(self, &self.target)? {
            Ok(()) => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(self.failed(error)),
            // It came after the look, and nobody has asked for that to be replaced.
            Err(_) => Err(self.exists()),
        }
    }

    /// Puts it in the place of what is there, with the permissions of that.
    fn replace(&self, temporary: NamedTempFile) -> Result<()> {
        let old = self.target.symlink_metadata().ok();
        if let Some(old) = &old {
            self.check_kind(old)?;
            if matches!(self.before, Before::Seen(seen) if LocalIdentity::of(old) != seen) {
                return Err(changed_meanwhile(&self.target));
            }
        }
        #[cfg(unix)]
        if let Some(old) = old.filter(Metadata::is_file) {
            let kept = keep_access(temporary.path(), &old);
            kept.map_err(|error| self.failed(error))?;
        }
        let persisted = temporary.persist(&self.target);
        let persisted = persisted.map(drop);
        persisted.map_err(|error| self.failed(error.error))
    }

    /// Those of any new file, which the process's mask cuts; but nobody may read it who may not read what it replaces.
    #[cfg(unix)]
    pub(super) fn mode_while_written(&self) -> std::fs::Permissions {
        use std::os::unix::fs::PermissionsExt;

        let old = match self.before {
            Before::Nothing => None,
            _ => self.target.metadata().ok(),
        };
        let old = old.map_or(0o666, |old| old.permissions().mode());
        std::fs::Permissions::from_mode(0o600 | old & 0o666)
    }

    fn exists(&self) -> Error {
        let message = format!("{} already exists", self.target.display());
        Error::new(ErrorKind::Conflict, message)
            .with_detail(ErrorDetail::TargetExists)
            .with_local_path(&self.target)
    }
}

/// Looks that no link leads from a folder to a file below it: who knows where it would. Blocks.
pub(in crate::file) fn no_link_to(file: &Path, root: &Path) -> Result<()> {
    let above = file.ancestors().skip(1);
    let mut above = above.take_while(|above| *above != root);
    let link = above.find(|above| above.symlink_metadata().is_ok_and(|it| it.is_symlink()));
    link.map_or(Ok(()), |link| Err(in_the_way(link)))
}

/// A file that is not the one any more that was compared.
pub(in crate::file) fn changed_meanwhile(file: &Path) -> Error {
    let message = format!(
        "{} changed since it was compared: run it again",
        file.display()
    );
    Error::new(ErrorKind::Conflict, message)
        .with_detail(ErrorDetail::Changed)
        .with_local_path(file)
}

pub(in crate::file) fn in_the_way(path: &Path) -> Error {
    let message = format!("{} is in the way: it is no folder", path.display());
    Error::new(ErrorKind::LocalFile, message).with_local_path(path)
}

/// When a file was last touched in any way, where the system keeps that; else when it was written.
#[cfg(unix)]
pub(in crate::file) fn touched(metadata: &Metadata) -> Option<SystemTime> {
    use std::{os::unix::fs::MetadataExt, time::Duration};

    let seconds = u64::try_from(metadata.ctime()).ok()?;
    let nanos = u32::try_from(metadata.ctime_nsec()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

#[cfg(not(unix))]
pub(in crate::file) fn touched(metadata: &Metadata) -> Option<SystemTime> {
    metadata.modified().ok()
}

/// Gives a file the permissions of the one that it replaces, and where that is allowed its owner. It does not get what
/// would run its content with somebody's rights.
#[cfg(unix)]
fn keep_access(temporary: &Path, old: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    let new = temporary.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        let _ = std::os::unix::fs::chown(temporary, Some(old.uid()), Some(old.gid()));
    }
    let mode = old.permissions().mode() & 0o777;
    std::fs::set_permissions(temporary, std::fs::Permissions::from_mode(mode))
}

fn set_time(file: &File, time: Option<SystemTime>) -> io::Result<()> {
    time.map_or(Ok(()), |time| file.set_modified(time))
}
