//! Whether a file has to be copied.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use super::{
    Direction, Setup,
    identity::RemoteIdentity,
    state::{Known, There, etag_number},
};
use crate::{
    RemotePath, Result,
    file::{
        checksum::{Sums, Told},
        local::{LocalIdentity, sums_of},
    },
    service_clock::Order,
};

const SECOND: Duration = Duration::from_secs(1);

/// How files are compared that are on both sides and have the same size.
///
/// Two files are the same only if a checksum of their content says so, or if the [state](crate::SyncDir::state) remembers
/// both of them as they are. Checksums come from the listing, where the service sends them (`agb serve` does), or else from
/// a request for the first byte of the file. Where a store has no checksums, size and time decide, and such files are
/// counted as [unverified](crate::SyncReport::unverified).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Compare {
    /// Trusts the state: a file that is remembered, and whose size, times and number in the file system are those that are
    /// remembered, is not read again. Without a state each local file is read that has the size of the remote one.
    #[default]
    SizeAndTime,
    /// Reads each local file that has the size of the remote one, and compares its checksum with that of the store, also
    /// where the state remembers both.
    Checksum,
}

/// A file on both sides.
pub(super) struct Pair<'a> {
    pub(super) local: &'a Path,
    pub(super) remote: &'a RemotePath,
    pub(super) here: LocalIdentity,
    pub(super) there: &'a RemoteIdentity,
}

/// How two files relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Same,
    /// By size and time alone, since the store has no checksum.
    Unverified,
    Differs,
    /// They differ, and the one that would be replaced was changed since the last time, or is not known to be older.
    Conflict,
}

/// Whether a file has other content than is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    Unchanged,
    /// As far as its size and time show.
    UnchangedUnverified,
    Changed,
}

impl Setup {
    pub(super) async fn verdict(&self, pair: &Pair<'_>) -> Result<Verdict> {
        match self.known(pair.remote) {
            Some(known) => self.since(pair, &known).await,
            None => self.at_first(pair).await,
        }
    }

    /// How two files relate of which the last common content is remembered.
    async fn since(&self, pair: &Pair<'_>, known: &Known) -> Result<Verdict> {
        let here = self.local_since(pair.local, pair.here, known);
        let there = self.remote_since(pair.remote, pair.there, known);
        let (here, there) = (here.await?, there.await?);
        let (source, target) = match self.direction {
            Direction::Down => (there, here),
            Direction::Up | Direction::Away => (here, there),
        };
        if target == Since::Changed {
            // Both sides may have got the same content in another way.
            return Ok(match self.has_same_content(pair).await? {
                Some(true) => Verdict::Same,
                Some(false) | None => Verdict::Conflict,
            });
        }
        if source == Since::Changed {
            return Ok(Verdict::Differs);
        }
        let etag = pair.there.etag();
        let now = Known {
            etag: etag.map_or(known.etag, |etag| etag_number(Some(etag))),
            ..self.known_now(pair, known.crc64)
        };
        if now != *known {
            self.remember(pair.remote, Some(now)).await?;
        }
        Ok(match there {
            Since::UnchangedUnverified => Verdict::Unverified,
            _ => Verdict::Same,
        })
    }

    /// How two files relate of which nothing is remembered: a newer one never loses to an older one, nor one to another
    /// that may be as old.
    async fn at_first(&self, pair: &Pair<'_>) -> Result<Verdict> {
        let (here, there) = (pair.here, pair.there);
        if there.size == Some(here.size) {
            if here.size == 0 {
                return Ok(Verdict::Same);
            }
            match self.has_same_content(pair).await? {
                Some(true) => return Ok(Verdict::Same),
                None if self.times_fit(pair) => return Ok(Verdict::Unverified),
                Some(false) | None => {}
            }
        }
        let times = here.modified().zip(there.modified);
        let order = times.map_or(Order::Unknown, |(here, there)| {
            self.files.client.service_clock().compare(here, there)
        });
        let source_is_newer = match self.direction {
            Direction::Down => order == Order::Earlier,
            Direction::Up | Direction::Away => order == Order::Later,
        };
        Ok(match source_is_newer {
            true => Verdict::Differs,
            false => Verdict::Conflict,
        })
    }

    /// Whether both sides have the same content now, which is remembered then; `None` where the store has no checksum.
    async fn has_same_content(&self, pair: &Pair<'_>) -> Result<Option<bool>> {
        if pair.there.size.is_some_and(|size| size != pair.here.size) {
            return Ok(Some(false));
        }
        let asked;
        let sums = match pair.there.sums.is_nothing() {
            false => &pair.there.sums,
            true => match self.files.told(pair.remote).await? {
                Some(told) => {
                    asked = told;
                    &asked
                }
                // Listed, and gone since.
                None => return Ok(Some(false)),
            },
        };
        if sums.is_nothing() {
            return Ok(None);
        }
        let local = sums_of(pair.local, sums.sums()).await?;
        if !sums.agrees(&local) {
            return Ok(Some(false));
        }
        let now = Known {
            etag: etag_number(sums.etag()),
            ..self.known_now(pair, local.crc64())
        };
        self.remember(pair.remote, Some(now)).await?;
        Ok(Some(true))
    }

    /// Both sides as they are now, of this content.
    fn known_now(&self, pair: &Pair<'_>, crc64: u64) -> Known {
        let now = self.files.client.time().system_time();
        Known {
            crc64,
            etag: 0,
            here: pair.here,
            recent: pair.here.is_recent(self.file_time),
            there: match pair.there.modified {
                Some(modified) => There::Listed {
                    modified,
                    recent: self.files.client.service_clock().is_recent(modified, now),
                },
                None => There::Unknown,
            },
        }
    }

    async fn local_since(&self, local: &Path, here: LocalIdentity, known: &Known) -> Result<Since> {
        let changed = self.local_changed(local, here, known).await?;
        Ok(if changed {
            Since::Changed
        } else {
            Since::Unchanged
        })
    }

    /// Whether a local file has not the content that is remembered.
    pub(super) async fn local_changed(
        &self,
        local: &Path,
        here: LocalIdentity,
        known: &Known,
    ) -> Result<bool> {
        if here.size != known.here.size {
            return Ok(true);
        }
        if self.compare == Compare::SizeAndTime && here == known.here && !known.recent {
            return Ok(false);
        }
        let sums = sums_of(local, Sums::crc64_alone()).await?;
        Ok(sums.crc64() != known.crc64)
    }

    /// Whether a remote file has not the content that is remembered.
    pub(super) async fn remote_changed(
        &self,
        remote: &RemotePath,
        there: &RemoteIdentity,
        known: &Known,
    ) -> Result<bool> {
        Ok(self.remote_since(remote, there, known).await? == Since::Changed)
    }

    async fn remote_since(
        &self,
        remote: &RemotePath,
        there: &RemoteIdentity,
        known: &Known,
    ) -> Result<Since> {
        if there.size.is_some_and(|size| size != known.here.size) {
            return Ok(Since::Changed);
        }
        if let Some(since) = of_sums(&there.sums, known) {
            return Ok(since);
        }
        let listed = there.modified.zip(Some(known.there));
        if self.compare == Compare::SizeAndTime
            && let Some((
                modified,
                There::Listed {
                    modified: then,
                    recent: false,
                },
            )) = listed
            && modified == then
        {
            return Ok(Since::Unchanged);
        }
        let Some(asked) = self.files.told(remote).await? else {
            // Listed, and gone since: there is nothing that could be lost.
            return Ok(Since::Unchanged);
        };
        if let Some(since) = of_sums(&asked, known) {
            return Ok(since);
        }
        let is_as_old = listed.is_none_or(|(modified, known)| match known {
            There::Unknown => true,
            There::Listed { modified: then, .. } => modified == then,
            There::Acknowledged(then) => modified <= then + SECOND,
        });
        Ok(match is_as_old {
            true => Since::UnchangedUnverified,
            false => Since::Changed,
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

    /// Whether the times are those of a copy, where a store has no checksums: a file that was sent became a remote one later
    /// than it was written, and one that was fetched was given the time of the remote one.
    fn times_fit(&self, pair: &Pair<'_>) -> bool {
        let times = pair.here.modified().zip(pair.there.modified);
        times.is_some_and(|(here, there)| match self.direction {
            Direction::Down => {
                let cut = there.duration_since(here);
                cut.is_ok_and(|cut| cut < unit_of(here))
            }
            Direction::Up | Direction::Away => {
                self.files.client.service_clock().compare(here, there) != Order::Later
            }
        })
    }
}

/// Whether checksums of a store say that a file has not the content that is remembered.
pub(super) fn is_other_content(sums: &Told, known: &Known) -> bool {
    of_sums(sums, known) == Some(Since::Changed)
}

/// What checksums of a store say about content that is remembered; `None` where they say nothing.
fn of_sums(sums: &Told, known: &Known) -> Option<Since> {
    if let Some(crc64) = sums.crc64() {
        return Some(match crc64 == known.crc64 {
            true => Since::Unchanged,
            false => Since::Changed,
        });
    }
    let etag = etag_number(sums.etag());
    if etag == 0 || known.etag == 0 {
        return None;
    }
    match etag == known.etag {
        true => Some(Since::Unchanged),
        false => Some(Since::Changed),
    }
}

/// How far apart two times are, at most, that a file system can't distinguish from this one: it keeps seconds or, if there
/// is more, units of 100 ns at worst. FAT has two seconds; to take that for granted everywhere would hide changes.
fn unit_of(time: SystemTime) -> Duration {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    match since.is_ok_and(|since| since.subsec_nanos() == 0) {
        true => SECOND,
        false => Duration::from_nanos(100),
    }
}
