//! The report on the size of the database.

use std::fmt::{self, Write};

use super::arguments::Arguments;
use super::format::{bytes, count, percent, rate};
use super::layout::{PAGE, index_levels};
use super::schema::{Relation, Scale, relations};
use super::wal::Uploads;
use super::zipf::Zipf;

/// Pages of the largest table of PostgreSQL: block numbers have 32 bits.
const MAX_PAGES: f64 = 4_294_967_294.0;
/// Values of the largest TOAST table: their keys have 32 bits. Free keys are found by trial, so half is the practical limit.
const MAX_TOASTED: f64 = 4_294_967_296.0;
/// A partition of this size is vacuumed, and its indexes are built, in less than an hour.
const PARTITION: f64 = 100.0 * GIB;
const GIB: f64 = 1024.0 * 1024.0 * 1024.0;
/// Documented limits of Amazon S3 for each prefix: writes and reads a second.
const PREFIX_WRITES: f64 = 3500.0;
const PREFIX_READS: f64 = 5500.0;
/// Transaction ids until PostgreSQL freezes old rows (`autovacuum_freeze_max_age`), and until it refuses writes.
const FREEZE: f64 = 2e8;
const WRAPAROUND: f64 = 2_147_483_648.0;
const DAY: f64 = 86_400.0;

pub(super) fn report(arguments: &Arguments) -> Result<String, fmt::Error> {
    let scale = arguments.scale();
    let relations = relations(&scale);
    let mut text = sizes(&scale, &relations)?;
    text += &limits(&relations)?;
    text += &memory(arguments, &scale, &relations)?;
    text += &writes(arguments, &scale, &relations)?;
    Ok(text)
}

fn sizes(scale: &Scale, relations: &[Relation]) -> Result<String, fmt::Error> {
    let mut text = String::new();
    writeln!(text, "## Size\n")?;
    writeln!(text, "| table or index | rows | bytes for each | size |")?;
    writeln!(text, "| --- | --- | --- | --- |")?;
    for relation in relations.iter().filter(|relation| relation.bytes() > 0.0) {
        writeln!(
            text,
            "| {} | {} | {:.0} | {} |",
            relation.name,
            count(relation.rows),
            relation.bytes_per_row,
            bytes(relation.bytes())
        )?;
    }
    let total = total(relations);
    writeln!(
        text,
        "| all | {} files | {:.0} | {} |",
        count(scale.files),
        total / scale.files,
        bytes(total)
    )?;
    let blobs = scale.files * (1.0 - scale.small);
    writeln!(
        text,
        "\nThe store has {} blobs with {}.",
        count(blobs),
        bytes(blobs * scale.large_bytes as f64)
    )?;
    Ok(text)
}

fn total(relations: &[Relation]) -> f64 {
    relations.iter().map(Relation::bytes).sum()
}

fn limits(relations: &[Relation]) -> Result<String, fmt::Error> {
    let mut text = String::new();
    writeln!(text, "\n## Limits of one table\n")?;
    writeln!(text, "| limit | here | partitions |")?;
    writeln!(text, "| --- | --- | --- |")?;
    let power = |parts: f64| (parts.max(1.0).ceil() as u64).next_power_of_two();
    let toasted: f64 = relations.iter().map(|relation| relation.toasted).sum();
    writeln!(
        text,
        "| {} values in a TOAST table, half of them in practice | {} | {} |",
        count(MAX_TOASTED),
        count(toasted),
        power(toasted / (MAX_TOASTED / 2.0))
    )?;
    let entries: f64 = relations
        .iter()
        .filter(|relation| relation.name.starts_with("entries") && relation.index.is_none())
        .map(Relation::bytes)
        .sum();
    let others = relations.iter().map(Relation::bytes);
    let largest = others.fold(entries, f64::max);
    writeln!(
        text,
        "| {} for a table | {} | {} |",
        bytes(MAX_PAGES * PAGE),
        bytes(largest),
        power(largest / (MAX_PAGES * PAGE))
    )?;
    writeln!(
        text,
        "| {} for a partition, to vacuum it in less than an hour | {} | {} |",
        bytes(PARTITION),
        bytes(largest),
        power(largest / PARTITION)
    )?;
    Ok(text)
}

fn memory(
    arguments: &Arguments,
    scale: &Scale,
    relations: &[Relation],
) -> Result<String, fmt::Error> {
    let mut text = String::new();
    writeln!(text, "\n## Memory\n")?;
    let key = relations.iter().find_map(|relation| {
        relation
            .index
            .filter(|_| relation.name == "entries: primary key")
    });
    if let Some((entry, order)) = key {
        writeln!(
            text,
            "The primary key of files has {} levels. All but the leaves are in memory.",
            index_levels(scale.files, entry, order)
        )?;
    }
    let tenant = total(relations) / scale.tenants;
    let cached = arguments.cache_gib * GIB / tenant;
    let zipf = Zipf::new(scale.tenants as u64, arguments.zipf);
    let missing = 1.0 - zipf.share(cached);
    writeln!(
        text,
        "A tenant has {} in the database. {} GiB of memory contain the {} most active tenants, to which {} of requests go.",
        bytes(tenant),
        arguments.cache_gib,
        rate(cached),
        percent(1.0 - missing)
    )?;
    // The leaf of the primary key and the row.
    writeln!(
        text,
        "1,000 reads of a row take {} reads from the disk.",
        rate(2000.0 * missing)
    )?;
    Ok(text)
}

fn writes(
    arguments: &Arguments,
    scale: &Scale,
    relations: &[Relation],
) -> Result<String, fmt::Error> {
    let mut text = String::new();
    writeln!(text, "\n## Writes\n")?;
    writeln!(
        text,
        "| uploads a second | log for each | images of pages in it | log | one million transaction ids | freeze | wraparound without it | prefixes of the bucket |"
    )?;
    writeln!(text, "| --- | --- | --- | --- | --- | --- | --- | --- |")?;
    for uploads in [100.0, 1_000.0, 10_000.0] {
        let wal = Uploads {
            per_checkpoint: uploads * arguments.checkpoint_seconds,
            small: scale.small,
            small_bytes: scale.small_bytes,
            relations,
        };
        let wal = wal.wal();
        // A transaction and a savepoint with a write have an id each.
        let ids = 2.0 * uploads;
        // Four downloads for each upload; a multipart upload and its deletion are three writes or more.
        let large = uploads * (1.0 - scale.small);
        let prefixes = (3.0 * large / PREFIX_WRITES).max(4.0 * large / PREFIX_READS);
        writeln!(
            text,
            "| {} | {} | {} | {}/s | {:.0} s | {:.1} days | {:.1} days | {:.0} |",
            rate(uploads),
            bytes(wal.total()),
            percent(wal.images / wal.total()),
            bytes(wal.total() * uploads),
            1e6 / ids,
            FREEZE / ids / DAY,
            WRAPAROUND / ids / DAY,
            prefixes.ceil()
        )?;
    }
    Ok(text)
}
