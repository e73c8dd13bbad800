//! Fetching a run of bytes of one object, over as many requests as it takes.

use reqwest::{Response, StatusCode, header::HeaderMap};

use super::{
    span::{ContentRange, Span},
    target::Sink,
};
use crate::{
    Error, ErrorDetail, ErrorKind, Operation, RemotePath, Result,
    error::request_id,
    file::{
        Files,
        address::Address,
        checksum::{Sums, Told},
        progress::Meter,
        store::{Ask, etag_of},
    },
    retry::Attempts,
};

/// One state of an object, by which a break is gone on after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    /// A strong one, quoted.
    pub(super) etag: String,
    /// Bytes of the whole object.
    total: Option<u64>,
}

impl Version {
    fn of(headers: &HeaderMap, total: Option<u64>) -> Option<Self> {
        // Any object has one that is empty or a star, as far as a condition on it goes.
        let tells = |etag: &String| !etag.starts_with("W/") && !matches!(etag.as_str(), "" | "*");
        let etag = etag_of(headers).filter(tells);
        etag.map(|etag| Self { etag, total })
    }

    /// Whether an answer is of this version: one that does not say so is not.
    fn is_of(&self, answer: Option<&Self>) -> bool {
        answer.is_some_and(|answer| {
            let totals = self.total.zip(answer.total);
            self.etag == answer.etag && totals.is_none_or(|(ours, theirs)| ours == theirs)
        })
    }
}

/// An answer whose body is to be read.
pub(super) struct Opened {
    response: Response,
    /// Bytes at its start that are not wanted: the store does not know ranges.
    skip: u64,
    pub(super) version: Option<Version>,
    /// Bytes of the whole object.
    pub(super) total: Option<u64>,
    /// Where a part of the object ends, if this is one.
    end: Option<u64>,
    pub(super) told: Told,
    /// It is a part of the object.
    pub(super) partial: bool,
}

/// Where an answer's bytes belong.
struct Place {
    skip: u64,
    total: Option<u64>,
    end: Option<u64>,
}

/// What a store that knows ranges would answer with 416.
fn nothing_there() -> Error {
    let message = "the file has none of the bytes that were asked for";
    Error::new(ErrorKind::Rejected, message)
}

/// The content of an object comes with 200 or 206. What any other success has in its body is something else, or nothing:
/// it must not become the file.
fn no_other_success(status: StatusCode) -> Result<()> {
    if status == StatusCode::OK {
        return Ok(());
    }
    let message = format!("the store gave no content but HTTP {}", status.as_u16());
    Err(Error::new(ErrorKind::InvalidResponse, message))
}

/// Why a try has ended.
pub(super) struct Stopped {
    pub(super) error: Error,
    /// Whether to try again, where that does not follow from the error.
    again: Option<bool>,
    /// The object is not the one that it was.
    pub(super) changed: bool,
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self {
            error,
            again: None,
            changed: false,
        }
    }
}

/// The bytes have come.
pub(super) struct Fetched {
    pub(super) bytes: u64,
    pub(super) etag: Option<String>,
    pub(super) request_id: Option<String>,
    pub(super) sums: Sums,
}

/// What the store tells of an object's content; `None` if it is sure that there is none. No other failure is taken for
/// that, not even a 404: what stands in front of the service or the store says so too.
pub(in crate::file) async fn told(files: &Files, path: &RemotePath) -> Result<Option<Told>> {
    match asked(files, path).await {
        Ok(told) => Ok(Some(told)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// By the service's code or the store's.
fn is_gone(error: &Error) -> bool {
    error.detail() == Some(ErrorDetail::FileNotFound)
}

async fn asked(files: &Files, path: &RemotePath) -> Result<Told> {
    let mut address = Address::new(files, path, Operation::Download, None);
    let mut tries = Attempts::new(files.client.retry_context(), None);
    // The least that can be asked for: a URL for GET is not one for HEAD everywhere.
    let mut ask = Ask {
        range: Some("bytes=0-0".to_owned()),
        if_match: None,
    };
    loop {
        let url = address.url().await?;
        match files.store().get(&url, &ask).await {
            Ok(response) => {
                tries.succeeded();
                return Ok(Told::by(response.headers()));
            }
            // An empty file has no first byte; all of it is not more.
            Err(error) if ask.range.is_some() && takes_no_range(&error) => ask.range = None,
            Err(error) => {
                let again = address.may_help(&error);
                tries.failed(error, again).await?;
            }
        }
    }
}

/// Whether the store may answer if no range is asked for.
pub(super) fn takes_no_range(error: &Error) -> bool {
    matches!(error.status(), Some(400 | 416 | 501))
}

pub(super) struct Fetch<'a, 'b> {
    files: &'a Files,
    address: &'a mut Address<'b>,
    meter: &'a Meter,
    span: Span,
    /// The next byte that is wanted.
    at: u64,
    /// How far the best try has come: what is fetched once more is no progress.
    furthest: u64,
    version: Option<Version>,
    /// No other version will do.
    pinned: bool,
    told: Told,
    sums: Sums,
}

impl<'a, 'b> Fetch<'a, 'b> {
    pub(super) fn new(
        files: &'a Files,
        address: &'a mut Address<'b>,
        span: Span,
        meter: &'a Meter,
    ) -> Self {
        Self {
            files,
            address,
            meter,
            span,
            at: span.first,
            furthest: span.first,
            version: None,
            pinned: false,
            told: Told::default(),
            sums: Sums::crc64_alone(),
        }
    }

    /// Takes this version of the object and no other.
    pub(super) fn pinned(mut self, version: Version) -> Self {
        self.version = Some(version);
        self.pinned = true;
        self
    }

    /// Fetches, from this answer on if it is there.
    pub(super) async fn run(
        mut self,
        sink: &mut impl Sink,
        mut first: Option<Opened>,
    ) -> Result<Fetched, Stopped> {
        let mut tries = Attempts::new(self.files.client.retry_context(), None);
        loop {
            let result = self.attempt(sink, first.take()).await;
            if self.at > self.furthest {
                self.furthest = self.at;
                tries.progressed();
            }
            match result {
                Ok(fetched) => {
                    tries.succeeded();
                    return Ok(fetched);
                }
                // A call that got no URL has had its tries.
                Err(stopped) if stopped.error.stopped_by().is_some() => return Err(stopped),
                Err(Stopped {
                    error,
                    again,
                    changed,
                }) => {
                    let again = again.unwrap_or_else(|| self.address.may_help(&error));
                    let last = tries.failed(error, again).await;
                    last.map_err(|error| Stopped {
                        error,
                        again: None,
                        changed,
                    })?;
                }
            }
        }
    }

    async fn attempt(
        &mut self,
        sink: &mut impl Sink,
        first: Option<Opened>,
    ) -> Result<Fetched, Stopped> {
        let opened = match first {
            Some(opened) => opened,
            None => self.open(self.span, sink).await?,
        };
        if !self.pinned && self.at == self.span.first {
            self.told = opened.told.clone();
            self.sums = self.told.sums();
            self.version = opened.version.clone().or(self.version.take());
        }
        let head = (
            etag_of(opened.response.headers()),
            request_id(opened.response.headers()),
        );
        if let Err(stopped) = self.read(opened, sink).await {
            return Err(self.can_go_on(stopped, sink).await);
        }
        if !self.pinned && self.span == Span::WHOLE && !self.told.agrees(&self.sums) {
            let message = "what arrived does not have the store's checksum: download it again";
            let error = Error::new(ErrorKind::Corrupted, message).with_request_id(head.1);
            return Err(self.start_over(error, sink).await);
        }
        sink.finish().await?;
        Ok(Fetched {
            bytes: self.at - self.span.first,
            etag: head.0,
            request_id: head.1,
            sums: self.sums.clone(),
        })
    }

    /// Asks for what is missing of a span.
    pub(super) async fn open(
        &mut self,
        span: Span,
        sink: &mut impl Sink,
    ) -> Result<Opened, Stopped> {
        let resumes = self.pinned || self.at > self.span.first;
        let ask = Ask {
            range: span.header(self.at),
            if_match: self
                .version
                .as_ref()
                .filter(|_| resumes)
                .map(|version| version.etag.clone()),
        };
        let url = self.address.url().await?;
        let response = match self.files.store().get(&url, &ask).await {
            Ok(response) => response,
            Err(error) => return Err(self.refused(error, resumes, sink).await),
        };
        self.address.worked();
        let partial = response.status() == StatusCode::PARTIAL_CONTENT;
        let place = self.place_of(&response, partial)?;
        let version = Version::of(response.headers(), place.total);
        let another = |ours: &Version| !ours.is_of(version.as_ref());
        if resumes && self.version.as_ref().is_some_and(another) {
            return Err(self.changed(sink).await);
        }
        Ok(Opened {
            skip: place.skip,
            version,
            total: place.total,
            end: place.end,
            told: Told::by(response.headers()),
            partial,
            response,
        })
    }

    fn place_of(&self, response: &Response, partial: bool) -> Result<Place> {
        if !partial {
            no_other_success(response.status())?;
            let total = response.content_length();
            if total.is_some_and(|total| total <= self.span.first && self.span.first > 0) {
                return Err(nothing_there());
            }
            return Ok(Place {
                skip: self.at,
                total,
                end: None,
            });
        }
        let told = ContentRange::of(response.headers())?;
        if told.first != self.at {
            let message = "the store gave another part of the file than was asked for";
            return Err(Error::new(ErrorKind::InvalidResponse, message));
        }
        Ok(Place {
            skip: 0,
            total: told.total,
            end: told.last.checked_add(1),
        })
    }

    async fn refused(&mut self, error: Error, resumes: bool, sink: &mut impl Sink) -> Stopped {
        match error.status() {
            Some(412 | 416) if resumes => self.changed(sink).await,
            _ => error.into(),
        }
    }

    async fn read(&mut self, opened: Opened, sink: &mut impl Sink) -> Result<()> {
        let Opened {
            mut response,
            mut skip,
            total,
            end: part_end,
            ..
        } = opened;
        let end = match (self.span.end, total) {
            (Some(end), Some(total)) => Some(end.min(total)),
            (end, total) => end.or(total),
        };
        if part_end.is_some() && total.is_none() && part_end != end {
            let message = "the store gave a part of the file without saying how large it is";
            return Err(Error::new(ErrorKind::InvalidResponse, message));
        }
        if !self.pinned {
            let length = end.map(|end| end.saturating_sub(self.span.first));
            self.meter.set_total(length);
        }
        let pulse = self.files.store().pulse();
        // What a part has behind its end belongs nowhere.
        let until = part_end.into_iter().chain(end).min();
        while until.is_none_or(|until| self.at < until) {
            let chunk = pulse.watch(response.chunk()).await?;
            let Some(mut chunk) = chunk.map_err(Error::from_transport)? else {
                break;
            };
            pulse.beat();
            let unwanted = skip.min(chunk.len() as u64);
            skip -= unwanted;
            drop(chunk.split_to(usize::try_from(unwanted).unwrap_or(usize::MAX)));
            let room = until.map_or(u64::MAX, |until| until - self.at);
            chunk.truncate(usize::try_from(room).unwrap_or(usize::MAX));
            sink.take(&chunk).await?;
            // It may have taken its time.
            pulse.beat();
            self.sums.add(&chunk);
            self.at += chunk.len() as u64;
            self.meter.moved(chunk.len());
        }
        match end {
            Some(end) if self.at != end && (total.is_some() || part_end.is_some()) => {
                Err(Error::connection_closed())
            }
            // The whole file came, without its length.
            _ if self.at == self.span.first && self.span.first > 0 => Err(nothing_there()),
            _ => Ok(()),
        }
    }

    /// After a break: where the rest can't be asked for, it starts over.
    async fn can_go_on(&mut self, error: Error, sink: &mut impl Sink) -> Stopped {
        if self.version.is_some() || self.at == self.span.first {
            error.into()
        } else {
            let again = self.address.may_help(&error);
            let stopped = self.start_over(error, sink).await;
            Stopped {
                again: stopped.again.map(|can| can && again),
                ..stopped
            }
        }
    }

    async fn changed(&mut self, sink: &mut impl Sink) -> Stopped {
        let message = "the file changed while it was being fetched: download it again";
        let error = Error::new(ErrorKind::Conflict, message).with_detail(ErrorDetail::Changed);
        Stopped {
            changed: true,
            ..self.start_over(error, sink).await
        }
    }

    /// Forgets what has come, if the sink can.
    async fn start_over(&mut self, error: Error, sink: &mut impl Sink) -> Stopped {
        let again = match sink.restart().await {
            Ok(restarted) => restarted && !self.pinned,
            Err(error) => return error.into(),
        };
        if again {
            let lost = self.at - self.span.first;
            self.meter.lost(lost);
            self.at = self.span.first;
            self.version = None;
        }
        Stopped {
            error,
            again: Some(again),
            changed: false,
        }
    }
}
