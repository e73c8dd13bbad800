//! Whether a file has to be moved.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use super::{
    Direction, Setup,
    index::Facts,
    state::{self, Known, etag_number},
};
use crate::{
    ErrorKind, FileEntry, RemotePath, Result,
    file::{
        checksum::{Sums, Told},
        local::sums_of,
    },
};

/// File systems keep times to units of this at worst: FAT.
const COARSEST: Duration = Duration::from_secs(2);

/// How two files are told to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Compare {
    /// The same size, and times that fit: a file that was sent is not older than the local one, and a file that was
    /// fetched has the time of the remote one, which it was given (to 2 s, the unit of the coarsest file system). A local
    /// file that was changed is fetched again, whichever is newer. It costs nothing, and takes the clocks of both sides
    /// to agree. A change that leaves the size and comes within the unit of time (a second, as a rule) in which the file
    /// was sent is not seen. Where the times do not fit, what is [remembered](crate::SyncDir::state) of the content decides.
    #[default]
    SizeAndTime,
    /// The same size and the same checksum: a request for each file of the same size, and the local one is read. Where
    /// the store tells no checksum, files are never the same.
    Checksum,
}

/// A file on both sides.
pub(super) struct Pair<'a> {
    pub(super) local: &'a Path,
    pub(super) remote: &'a RemotePath,
    pub(super) here: Facts,
    pub(super) there: Facts,
}

/// What two files are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    Differs,
    /// They differ, and the one that would be replaced was changed since the last time.
    Conflict,
}

impl Setup {
    pub(super) async fn verdict(&self, pair: &Pair<'_>) -> Result<Verdict> {
        if self.is_same(pair).await? {
            return Ok(Verdict::Same);
        }
        let Some(known) = self.known(pair.remote) else {
            return Ok(Verdict::Differs);
        };
        if self.compare == Compare::SizeAndTime && self.is_as_known(pair, &known).await? {
            let now = Known {
                here: pair.here,
                there: pair.there,
                ..known
            };
            self.remember(pair.remote, Some(now))?;
            return Ok(Verdict::Same);
        }
        if !self.target_changed(pair, &known).await? {
            return Ok(Verdict::Differs);
        }
        // Who has made both sides alike by other means has no conflict.
        let (local, etag) = match self.files.told(pair.remote).await {
            Ok(told) => (
                sums_if_same(pair.local, &told).await?,
                etag_number(told.etag()),
            ),
            Err(error) if error.kind() == ErrorKind::NotFound => (None, 0),
            Err(error) => return Err(error),
        };
        let Some(sums) = local else {
            return Ok(Verdict::Conflict);
        };
        let now = Known {
            crc64: sums.crc64(),
            etag,
            here: pair.here,
            there: pair.there,
        };
        self.remember(pair.remote, Some(now))?;
        Ok(Verdict::Same)
    }

    /// Whether neither side has changed since the last time, though their times do not fit.
    async fn is_as_known(&self, pair: &Pair<'_>, known: &Known) -> Result<bool> {
        let sizes = [pair.here, pair.there, known.here].map(|facts| facts.size);
        Ok(sizes[0] == sizes[1]
            && sizes[1] == sizes[2]
            && !self.local_changed(pair.local, pair.here, known).await?
            && !self.remote_changed(pair.remote, pair.there, known).await?)
    }

    async fn target_changed(&self, pair: &Pair<'_>, known: &Known) -> Result<bool> {
        match self.direction {
            Direction::Up | Direction::Away => {
                self.remote_changed(pair.remote, pair.there, known).await
            }
            Direction::Down => self.local_changed(pair.local, pair.here, known).await,
        }
    }

    /// Whether a local file has not the content that is remembered.
    pub(super) async fn local_changed(
        &self,
        local: &Path,
        here: Facts,
        known: &Known,
    ) -> Result<bool> {
        if here.size != known.here.size {
            return Ok(true);
        }
        if here.modified.is_some() && here.modified == known.here.modified {
            return Ok(false);
        }
        let sums = sums_of(local, Sums::crc64_alone()).await?;
        Ok(sums.crc64() != known.crc64)
    }

    /// Whether a remote file has not the content that is remembered, as far as the store tells.
    pub(super) async fn remote_changed(
        &self,
        remote: &RemotePath,
        there: Facts,
        known: &Known,
    ) -> Result<bool> {
        if there.size.is_some() && there.size != known.there.size {
            return Ok(true);
        }
        if there.modified.is_some() && there.modified == known.there.modified {
            return Ok(false);
        }
        Ok(match self.files.told(remote).await {
            Ok(told) => match told.crc64() {
                Some(crc64) => crc64 != known.crc64,
                None => known.etag != 0 && etag_number(told.etag()) != known.etag,
            },
            // Listed, and gone since: there is nothing that could be lost.
            Err(error) if error.kind() == ErrorKind::NotFound => false,
            Err(error) => return Err(error),
        })
    }

    pub(super) fn known(&self, remote: &RemotePath) -> Option<Known> {
        self.state.as_ref()?.get(remote)
    }

    pub(super) fn remember(&self, remote: &RemotePath, known: Option<Known>) -> Result<()> {
        match &self.state {
            Some(state) => state.put(remote, known),
            None => Ok(()),
        }
    }

    /// Remembers a file that was moved.
    pub(super) fn remember_moved(
        &self,
        remote: &RemotePath,
        bytes: u64,
        (crc64, etag): (u64, Option<&str>),
        modified: Option<SystemTime>,
    ) -> Result<()> {
        let there = match self.direction {
            // Nobody has told the time that the remote one got.
            Direction::Up | Direction::Away => None,
            Direction::Down => modified,
        };
        let known = Known {
            crc64,
            etag: etag_number(etag),
            here: state::facts(bytes, modified),
            there: state::facts(bytes, there),
        };
        self.remember(remote, Some(known))
    }

    /// Whether both sides have the same content, as far as the way of comparing shows.
    async fn is_same(&self, pair: &Pair<'_>) -> Result<bool> {
        let (here, there) = (pair.here, pair.there);
        if here.size != there.size || here.size.is_none() {
            return Ok(false);
        }
        match self.compare {
            Compare::SizeAndTime => Ok(self.fits(here.modified, there.modified)),
            // There is nothing to ask for.
            Compare::Checksum if here.size == Some(0) => Ok(true),
            Compare::Checksum => match self.files.told(pair.remote).await {
                Ok(told) => Ok(sums_if_same(pair.local, &told).await?.is_some()),
                // Listed, and gone since.
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
                Err(error) => Err(error),
            },
        }
    }

    /// Whether the times are those of a copy: a file that was sent became a remote one later than it was written, and one
    /// that was fetched was given the time of the remote one.
    fn fits(&self, here: Option<SystemTime>, there: Option<SystemTime>) -> bool {
        match (here, there, self.direction) {
            (Some(here), Some(there), Direction::Up) => there >= here,
            (Some(here), Some(there), Direction::Down) => {
                let apart = here.duration_since(there).or(there.duration_since(here));
                apart.is_ok_and(|apart| apart < COARSEST)
            }
            _ => false,
        }
    }
}

/// The sums of a local file, if they are those that the store told.
async fn sums_if_same(local: &Path, told: &Told) -> Result<Option<Sums>> {
    if told.is_nothing() {
        return Ok(None);
    }
    let sums = sums_of(local, told.sums()).await?;
    Ok(Some(sums).filter(|sums| told.agrees(sums)))
}

pub(super) fn facts(entry: &FileEntry) -> Facts {
    let modified = entry.modified_at.as_ref();
    Facts {
        size: entry.size,
        modified: modified.and_then(crate::Timestamp::to_system_time),
    }
}
