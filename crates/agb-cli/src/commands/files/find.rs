//! `agb find`.

use std::time::SystemTime;

use clap::{Args, ValueEnum};
use clap_complete::ArgValueCompleter;
use futures_util::{StreamExt, TryStreamExt, future::ready, stream};
use globset::GlobMatcher;
use jiff::{Span, SpanRelativeTo, Timestamp, civil::Date, tz::TimeZone};

use super::ls::entries;
use crate::{
    address::{self, Remote},
    byte_size, clock,
    commands::{
        completion, lookup,
        operands::{Operands, glob},
        session::{Run, Session},
    },
    failure::Failure,
    output::{
        OutputMode, Rows,
        records::{EntryRow, NameRow},
    },
};

#[derive(Debug, Args)]
pub(crate) struct FindArguments {
    /// Folders, as NAME:/path or NAME
    #[arg(value_name = "NAME:/PATH", required = true, value_parser = address::folder, add = ArgValueCompleter::new(completion::addresses))]
    addresses: Vec<Remote>,
    /// Names that match the glob, or one of several
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    name: Vec<GlobMatcher>,
    /// Files (f) or folders (d)
    #[arg(long = "type", value_name = "KIND", value_enum)]
    kind: Option<Kind>,
    /// Files larger (+) or smaller (-) than a size, or of exactly this size: +1M, -10k, 0
    #[arg(long, value_name = "SIZE", value_parser = size_test, allow_hyphen_values = true)]
    size: Vec<SizeTest>,
    /// Files modified after a time: 1d ago, 2h ago, or 2025-05-29
    #[arg(long, value_name = "TIME", value_parser = time)]
    newer: Option<SystemTime>,
    /// Files modified before a time
    #[arg(long, value_name = "TIME", value_parser = time)]
    older: Option<SystemTime>,
    /// Maximum number of results
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Show kind, size and modification time
    #[arg(long, short)]
    long: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Files
    #[value(name = "f", alias = "file")]
    File,
    /// Folders
    #[value(name = "d", aliases = ["dir", "folder"])]
    Folder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SizeTest {
    Above(u64),
    Below(u64),
    Exactly(u64),
}

/// Parses `+1M`: a sign, a number, and a unit of 1024.
fn size_test(text: &str) -> Result<SizeTest, String> {
    let wrong = || "expected a size such as +1M, -10k or 512".to_owned();
    let (test, size): (fn(u64) -> SizeTest, _) = match text.split_at_checked(1) {
        Some(("+", size)) => (SizeTest::Above, size),
        Some(("-", size)) => (SizeTest::Below, size),
        _ => (SizeTest::Exactly, text),
    };
    byte_size::parse(size).map(test).ok_or_else(wrong)
}

/// Parses an age such as `1d`, or a date or time in UTC.
fn time(text: &str) -> Result<SystemTime, String> {
    let wrong =
        || "expected an age such as 90s, 2h, 1d or 1w, or a date such as 2025-05-29".to_owned();
    let age = text.strip_suffix("ago").map_or(text, str::trim_end);
    if let Ok(span) = age.parse::<Span>() {
        let age = span.to_duration(SpanRelativeTo::days_are_24_hours());
        let age = age.map_err(|_| wrong())?.unsigned_abs();
        return clock::now().checked_sub(age).ok_or_else(wrong);
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.into());
    }
    let date: Date = text.parse().map_err(|_| wrong())?;
    let midnight = date.to_zoned(TimeZone::UTC).map_err(|_| wrong())?;
    Ok(midnight.timestamp().into())
}

impl Run for FindArguments {
    async fn run(self, session: &Session) -> Result<(), Failure> {
        let client = session.connect()?;
        let mut operands = Operands::new(&client);
        let mut listings = Vec::new();
        for address in &self.addresses {
            for operand in operands.expand(address).await? {
                lookup::check_folder(&operand.files, &operand.address).await?;
                let context = operand.address.context.clone();
                let listing = entries(&operand, true);
                listings.push(listing.map_ok(move |row| row.in_context(&context)));
            }
        }
        let found = stream::iter(listings).flatten();
        let found = found.try_filter(|row| ready(self.matches(row)));
        let found = found.take(self.limit.unwrap_or(usize::MAX));
        let rows = Rows::new(&session.output);
        if self.long || session.output.mode() == OutputMode::Json {
            rows.print_all(found).await?;
        } else {
            rows.print_all(found.map_ok(NameRow)).await?;
        }
        Ok(())
    }
}

impl FindArguments {
    fn matches(&self, row: &EntryRow) -> bool {
        let is_folder = row.kind == "folder";
        let size = |test: &SizeTest| match (*test, row.size) {
            (_, None) => false,
            (SizeTest::Above(limit), Some(size)) => size > limit,
            (SizeTest::Below(limit), Some(size)) => size < limit,
            (SizeTest::Exactly(exact), Some(size)) => size == exact,
        };
        let modified = row.modified().filter(|_| !is_folder);
        let compare = |limit: Option<SystemTime>, test: fn(&SystemTime, &SystemTime) -> bool| {
            limit.is_none_or(|limit| modified.is_some_and(|time| test(&time, &limit)))
        };
        (self.name.is_empty() || self.name.iter().any(|name| name.is_match(&row.name)))
            && self
                .kind
                .is_none_or(|kind| (kind == Kind::Folder) == is_folder)
            && self.size.iter().all(size)
            && compare(self.newer, SystemTime::gt)
            && compare(self.older, SystemTime::lt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_a_sign_and_a_unit() {
        assert_eq!(size_test("+1M"), Ok(SizeTest::Above(1 << 20)));
        assert_eq!(size_test("-10k"), Ok(SizeTest::Below(10 << 10)));
        assert_eq!(size_test("512"), Ok(SizeTest::Exactly(512)));
        assert_eq!(size_test("+2GiB"), Ok(SizeTest::Above(2 << 30)));
        for text in ["", "+", "M", "1x", "+1.5M", "99999999999T", "ü"] {
            assert!(size_test(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_ages_or_dates() {
        let now = clock::now();
        let age = |text| now.duration_since(time(text).unwrap()).unwrap().as_secs();
        for (text, seconds) in [
            ("90s", 90),
            ("2h", 7_200),
            ("1h ago", 3_600),
            ("1d", 86_400),
            ("1w", 604_800),
        ] {
            assert!(age(text).abs_diff(seconds) < 10, "{text}: {}", age(text));
        }
        let date = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(86_400);
        assert_eq!(time("1970-01-02"), Ok(date));
        assert_eq!(time("1970-01-02T00:00:00Z"), Ok(date));
        for text in ["", "yesterday", "1x", "2025-13-01", "1mo"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
