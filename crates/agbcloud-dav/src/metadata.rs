//! What a listing or a response says about a file or folder.

use std::time::{Duration, SystemTime};

use agbcloud::{FileEntry, RemoteFile, Uploaded};
use dav_server::fs::{DavMetaData, FsError, FsResult};

/// The metadata of a file or folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) is_folder: bool,
    pub(crate) size: u64,
    /// With its quotes, as received.
    pub(crate) etag: Option<String>,
    pub(crate) modified: Option<SystemTime>,
    pub(crate) created: Option<SystemTime>,
    /// `dav-server` adds quotes to the ETag in headers and comparisons, but not in properties.
    pub(crate) etag_as_property: bool,
}

impl Metadata {
    pub(crate) fn folder() -> Self {
        Self {
            is_folder: true,
            ..Self::default()
        }
    }

    pub(crate) fn of_entry(entry: &FileEntry) -> Self {
        let time = |time: &Option<agbcloud::Timestamp>| {
            let time = time.as_ref().and_then(agbcloud::Timestamp::to_system_time);
            time.filter(has_http_date)
        };
        Self {
            is_folder: entry.is_folder(),
            size: entry.size.unwrap_or_default(),
            etag: entry.etag.clone(),
            modified: time(&entry.modified_at),
            created: time(&entry.created_at),
            etag_as_property: false,
        }
    }

    /// Of a file that was opened; `None` if the store does not report its size.
    pub(crate) fn of_file(file: &RemoteFile) -> Option<Self> {
        Some(Self {
            size: file.size()?,
            etag: file.etag().map(str::to_owned),
            modified: file.modified_at().filter(has_http_date),
            ..Self::default()
        })
    }

    pub(crate) fn of_upload(uploaded: &Uploaded) -> Self {
        Self {
            size: uploaded.bytes,
            etag: uploaded.etag.clone(),
            ..Self::default()
        }
    }

    /// Whether this is the version that the other one describes: by ETag, or by size and time.
    pub(crate) fn is_same_version(&self, other: &Self) -> bool {
        match (&self.etag, &other.etag) {
            (Some(etag), Some(other)) => etag == other,
            _ => {
                let second = |metadata: &Self| {
                    let since = metadata.modified?.duration_since(SystemTime::UNIX_EPOCH);
                    since.ok().map(|since| since.as_secs())
                };
                self.size == other.size && second(self).is_some() && second(self) == second(other)
            }
        }
    }
}

/// Whether a time is from 1970 to 9999. The conversion of others to a date of HTTP panics.
fn has_http_date(time: &SystemTime) -> bool {
    const END: Duration = Duration::from_secs(253_402_300_800);
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.is_ok_and(|since| since < END)
}

impl DavMetaData for Metadata {
    fn len(&self) -> u64 {
        self.size
    }

    fn modified(&self) -> FsResult<SystemTime> {
        self.modified.ok_or(FsError::NotImplemented)
    }

    fn is_dir(&self) -> bool {
        self.is_folder
    }

    fn etag(&self) -> Option<String> {
        let etag = self.etag.as_deref()?;
        if self.etag_as_property {
            return Some(etag.to_owned());
        }
        // A weak ETag equals none.
        let inner = etag.strip_prefix('"')?.strip_suffix('"')?;
        Some(inner.to_owned())
    }

    fn created(&self) -> FsResult<SystemTime> {
        self.created.ok_or(FsError::NotImplemented)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(etag: Option<&str>, seconds: u64) -> Metadata {
        Metadata {
            size: 5,
            etag: etag.map(str::to_owned),
            modified: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 7)),
            ..Metadata::default()
        }
    }

    #[test]
    fn etags_have_the_quotes_that_their_place_needs() {
        let mut metadata = file(Some("\"abc\""), 1);
        assert_eq!(metadata.etag().unwrap(), "abc");
        metadata.etag_as_property = true;
        assert_eq!(metadata.etag().unwrap(), "\"abc\"");
        assert_eq!(file(Some("W/\"abc\""), 1).etag(), None);
        assert_eq!(file(None, 1).etag(), None);
    }

    #[test]
    fn times_without_a_date_of_http_are_unknown() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert!(has_http_date(&at(0)) && has_http_date(&at(253_402_300_799)));
        assert!(!has_http_date(&at(253_402_300_800)));
        assert!(!has_http_date(&(at(0) - Duration::from_secs(1))));
    }

    #[test]
    fn a_version_is_the_same_by_etag_or_by_size_and_time() {
        let (a, b) = (Some("\"a\""), Some("\"b\""));
        assert!(file(a, 1).is_same_version(&file(a, 2)));
        assert!(!file(a, 1).is_same_version(&file(b, 1)));
        assert!(file(None, 1).is_same_version(&file(a, 1)));
        assert!(!file(None, 1).is_same_version(&file(a, 2)));
        let unknown = Metadata::default();
        assert!(!unknown.is_same_version(&unknown));
    }
}
