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
    FileEntry, RemotePath, Result,
    file::{
        checksum::{Sums, Told},
        local::sums_of,
    },
};

const SECOND: Duration = Duration::from_secs(1);

/// How two files are told to be the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Compare {
    /// The same size, and times that fit: a remote file that was sent is not older than the local one was touched, and a
    /// file that was fetched has the time of the remote one, which it was given (to a second where the file system keeps no
    /// more). It costs nothing, and takes the clocks of both sides to agree. A change that leaves the size and comes within
    /// the unit of time (a second, as a rule) in which the file was sent is not seen. Where the times do not fit, what is
    /// [remembered](crate::SyncDir::state) of the content decides, or else the [checksum](Self::Checksum).
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
    /// When the local file was last touched in any way, where that counts and is known.
    pub(super) touched: Option<SystemTime>,
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
        let known = self.known(pair.remote);
        if self.compare == Compare::SizeAndTime
            && let Some(known) = known
        {
            return self.since(pair, &known).await;
        }
        if self.is_same(pair).await? {
            return Ok(Verdict::Same);
        }
        match known {
            Some(known) if self.target_changed(pair, &known).await? => self.both(pair).await,
            _ => Ok(Verdict::Differs),
        }
    }

    /// What has become of a file since the last time, which says more than how the two sides look beside each other.
    async fn since(&self, pair: &Pair<'_>, known: &Known) -> Result<Verdict> {
        if self.target_changed(pair, known).await? {
            return self.both(pair).await;
        }
        let source_changed = match self.direction {
            Direction::Down => self.remote_changed(pair.remote, pair.there, known).await?,
            Direction::Up | Direction::Away => {
                self.local_changed(pair.local, pair.here, known).await?
            }
        };
        if source_changed {
            return Ok(Verdict::Differs);
        }
        let now = Known {
            here: pair.here,
            there: pair.there,
            ..*known
        };
        if now != *known {
            self.remember(pair.remote, Some(now)).await?;
        }
        Ok(Verdict::Same)
    }

    /// What follows where the one that would be replaced was changed: who has made both sides alike by other means has no
    /// conflict.
    async fn both(&self, pair: &Pair<'_>) -> Result<Verdict> {
        let (sums, etag) = match self.files.told(pair.remote).await? {
            Some(told) => (
                sums_if_same(pair.local, &told).await?,
                etag_number(told.etag()),
            ),
            None => (None, 0),
        };
        let Some(sums) = sums.filter(|_| pair.here.size == pair.there.size) else {
            return Ok(Verdict::Conflict);
        };
        let now = Known {
            crc64: sums.crc64(),
            etag,
            here: pair.here,
            there: pair.there,
        };
        self.remember(pair.remote, Some(now)).await?;
        Ok(Verdict::Same)
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
        if there.size.is_some() && there.size != known.here.size {
            return Ok(true);
        }
        if there.modified.is_some_and(|time| known.fits(time)) {
            return Ok(false);
        }
        Ok(match self.files.told(remote).await? {
            Some(told) => match told.crc64() {
                Some(crc64) => crc64 != known.crc64,
                None => known.etag != 0 && etag_number(told.etag()) != known.etag,
            },
            // Listed, and gone since: there is nothing that could be lost.
            None => false,
        })
    }

    pub(super) fn known(&self, remote: &RemotePath) -> Option<Known> {
        self.state.as_ref()?.get(remote)
    }

    pub(super) async fn remember(&self, remote: &RemotePath, known: Option<Known>) -> Result<()> {
        match &self.state {
            Some(state) => state.put(remote, known).await,
            None => Ok(()),
        }
    }

    /// Remembers a file that was moved.
    pub(super) async fn remember_moved(
        &self,
        remote: &RemotePath,
        bytes: u64,
        (crc64, etag): (u64, Option<&str>),
        modified: Option<SystemTime>,
    ) -> Result<()> {
        let there = match self.direction {
            // Nobody has told the time that the remote one got.
            Direction::Up | Direction::Away => state::sent(self.files.agb.time().system_time()),
            Direction::Down => state::facts(bytes, modified),
        };
        let known = Known {
            crc64,
            etag: etag_number(etag),
            here: state::facts(bytes, modified),
            there,
        };
        self.remember(remote, Some(known)).await
    }

    /// Remembers that a remote file may have anything: the next time the local one counts as changed.
    pub(super) async fn remember_broken(&self, remote: &RemotePath, here: Facts) -> Result<()> {
        let known = Known {
            crc64: 0,
            etag: 0,
            here: Facts {
                modified: None,
                ..here
            },
            there: state::sent(self.files.agb.time().system_time()),
        };
        self.remember(remote, Some(known)).await
    }

    /// Whether both sides have the same content, as far as the way of comparing shows.
    async fn is_same(&self, pair: &Pair<'_>) -> Result<bool> {
        let (here, there) = (pair.here, pair.there);
        if here.size != there.size || here.size.is_none() {
            return Ok(false);
        }
        match self.compare {
            Compare::SizeAndTime if self.fits(pair) => Ok(true),
            // There is nothing to ask for.
            _ if here.size == Some(0) => Ok(true),
            _ => self.has_same_content(pair).await,
        }
    }

    async fn has_same_content(&self, pair: &Pair<'_>) -> Result<bool> {
        let Some(told) = self.files.told(pair.remote).await? else {
            // Listed, and gone since.
            return Ok(false);
        };
        let Some(sums) = sums_if_same(pair.local, &told).await? else {
            return Ok(false);
        };
        let now = Known {
            crc64: sums.crc64(),
            etag: etag_number(told.etag()),
            here: pair.here,
            there: pair.there,
        };
        self.remember(pair.remote, Some(now)).await?;
        Ok(true)
    }

    /// Whether the times are those of a copy: a file that was sent became a remote one later than it was written, and one
    /// that was fetched was given the time of the remote one.
    fn fits(&self, pair: &Pair<'_>) -> bool {
        match (pair.here.modified, pair.there.modified, self.direction) {
            (Some(here), Some(there), Direction::Up) => {
                // Another file that was put in its place may have an older time. A time of the service may be cut to
                // seconds.
                let touched = pair.touched.map_or(here, |touched| touched.max(here));
                there + SECOND > touched
            }
            (Some(here), Some(there), Direction::Down) => {
                let cut = there.duration_since(here);
                cut.is_ok_and(|cut| cut < unit_of(here))
            }
            _ => false,
        }
    }
}

/// How far apart two times are, at most, that a file system can't tell from this one: it keeps seconds or, if there is more,
/// units of 100 ns at worst. FAT has two seconds; to take that for granted everywhere would hide changes.
fn unit_of(time: SystemTime) -> Duration {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    match since.is_ok_and(|since| since.subsec_nanos() == 0) {
        true => SECOND,
        false => Duration::from_nanos(100),
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
