//! What is to be done, and with it what is sent of small files: several are read in one go before it is their turn. To
//! have each read on another thread when it is costs more than reading it.

use std::{path::PathBuf, vec};

use tokio::task::JoinHandle;

use super::{Change, PlannedChange, Setup, Symlinks, names};
use crate::{
    Error, ErrorKind, Result,
    file::local::{Content, LocalFile, open_now},
};

/// Changes that are made ready together.
const LOT: usize = 16;

/// Bytes of a file that is read before its turn, at most. Two lots are in memory, so 2 MiB.
const SMALL: u64 = 64 * 1024;

/// What a file had when it was read before its turn.
pub(super) type Read = Option<Content>;

/// Changes, lot by lot: the next is made ready while one is dealt with.
pub(super) struct Lots {
    setup: Setup,
    left: vec::IntoIter<PlannedChange>,
    next: Option<Lot>,
}

struct Lot {
    changes: Vec<PlannedChange>,
    /// If there is something to read.
    read: Option<JoinHandle<Vec<Read>>>,
}

impl Lots {
    pub(super) fn of(setup: &Setup, changes: Vec<PlannedChange>) -> Self {
        let mut lots = Self {
            setup: setup.clone(),
            left: changes.into_iter(),
            next: None,
        };
        lots.begin();
        lots
    }

    /// The next lot.
    pub(super) async fn next(&mut self) -> Option<impl Iterator<Item = (PlannedChange, Read)>> {
        let lot = self.next.take()?;
        // What could not be read is read when it is its turn, which then tells why.
        let read = match lot.read {
            Some(read) => read.await.unwrap_or_default(),
            None => Vec::new(),
        };
        self.begin();
        let read = read.into_iter().chain(std::iter::repeat_with(|| None));
        Some(lot.changes.into_iter().zip(read))
    }

    fn begin(&mut self) {
        let changes: Vec<_> = self.left.by_ref().take(LOT).collect();
        if changes.is_empty() {
            return;
        }
        let small: Vec<_> = changes.iter().map(|change| self.small(change)).collect();
        let open = |file: Option<LocalFile>| open_now(&file?).ok();
        let read = small.iter().any(Option::is_some).then(|| {
            let read = move || small.into_iter().map(open).collect();
            tokio::task::spawn_blocking(read)
        });
        self.next = Some(Lot { changes, read });
    }

    /// The local file, if it is sent and small.
    fn small(&self, planned: &PlannedChange) -> Option<LocalFile> {
        let is_small = planned.size.is_some_and(|size| size <= SMALL);
        if planned.change != Change::Upload || !is_small {
            return None;
        }
        self.setup.source(names::local(&planned.path).ok()?).ok()
    }
}

impl Setup {
    /// A local file that is sent.
    pub(super) fn source(&self, relative: PathBuf) -> Result<LocalFile> {
        match &self.root {
            Some(root) => Ok(LocalFile::below(root, relative)),
            None if self.rules.symlinks == Symlinks::Follow => {
                Ok(LocalFile::anywhere(self.local.join(relative)))
            }
            None => {
                let message = format!("{} was not a folder", self.local.display());
                Err(Error::new(ErrorKind::LocalFile, message))
            }
        }
    }
}
