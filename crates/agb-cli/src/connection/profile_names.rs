//! Completion of the names of profiles.

use std::{borrow::Cow, ffi::OsStr};

use agbcloud::escape_for_display as escape;
use clap_complete::CompletionCandidate;

use super::{config_file, profiles::Profiles};

/// Completes the name of a profile. A name that must be escaped would be another name, so such names are not offered.
pub(super) fn complete(current: &OsStr) -> Vec<CompletionCandidate> {
    let profiles = config_file().and_then(|path| Profiles::read(&path));
    let profiles = profiles.ok().flatten().unwrap_or_default();
    let start = current.to_string_lossy();
    let names = profiles.names().into_iter();
    names
        .filter(|name| name.starts_with(&*start) && matches!(escape(name), Cow::Borrowed(_)))
        .map(CompletionCandidate::new)
        .collect()
}
