//! Bytes of the write-ahead log for each upload.
//!
//! The first change of a page after a checkpoint logs an image of the page (`full_page_writes`), all others only the
//! change. In a large store almost every upload touches leaf pages that no other upload has touched since the checkpoint.

use super::layout::{Order, PAGE};
use super::schema::Relation;

/// Bytes of all records of an upload without images and without its content: rows, index entries, counters, commit. Measured
/// with `pg_waldump --stats=record` on PostgreSQL 15, for a file with a blob.
const RECORDS: f64 = 1107.0;
/// Bytes of a page that are never used, and not logged.
const UNUSED: f64 = 40.0;
/// Bytes of the headers of the record and of each of its chunks, for a content in the TOAST table or its row.
const CONTENT_RECORD: f64 = 100.0;
const CHUNK: f64 = 1996.0;

/// Uploads between two checkpoints, and the relations that they change.
#[derive(Debug)]
pub(super) struct Uploads<'a> {
    pub(super) per_checkpoint: f64,
    /// Share of files with a content in the database.
    pub(super) small: f64,
    pub(super) small_bytes: u64,
    pub(super) relations: &'a [Relation],
}

/// Bytes for each upload.
#[derive(Debug)]
pub(super) struct WalBytes {
    pub(super) records: f64,
    pub(super) contents: f64,
    pub(super) images: f64,
}

impl WalBytes {
    pub(super) fn total(&self) -> f64 {
        self.records + self.contents + self.images
    }
}

impl Uploads<'_> {
    pub(super) fn wal(&self) -> WalBytes {
        let small = self.small_bytes as f64;
        let chunks = (small / CHUNK).ceil();
        WalBytes {
            records: RECORDS,
            contents: self.small * (small + chunks * CONTENT_RECORD),
            images: self.images(),
        }
    }

    /// Images of leaf pages of indexes with random keys. Other relations grow at their end, and new pages have no image.
    fn images(&self) -> f64 {
        let large = 1.0 - self.small;
        let changed = [
            ("entries: primary key", 1.0),
            ("entries: key of the blob", large),
            ("block checksums: primary key", large),
        ];
        let changed = changed.into_iter().filter_map(|(name, share)| {
            let relation = self.relations.iter().find(|relation| relation.name == name);
            relation.map(|relation| share * self.image(relation, share))
        });
        changed.sum()
    }

    /// Average bytes of an image for each insertion into an index.
    fn image(&self, index: &Relation, share: f64) -> f64 {
        let pages = (index.bytes() / PAGE).max(1.0);
        let insertions = (self.per_checkpoint * share).max(1.0);
        // Expected number of pages that at least one insertion touches.
        let touched = -pages * (-insertions / pages).exp_m1();
        let order = index.index.map_or(Order::Random, |(_, order)| order);
        touched / insertions * (PAGE - UNUSED) * order.fill()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capacity::layout::{Value, entry, index_bytes};

    fn index(name: &'static str, rows: f64, key: &[Value]) -> Relation {
        let bytes = entry(key);
        Relation {
            name,
            rows,
            bytes_per_row: index_bytes(bytes, Order::Random),
            index: Some((bytes, Order::Random)),
            toasted: 0.0,
        }
    }

    fn measured_indexes(rows: f64) -> Vec<Relation> {
        let [long, folder] = [8, 1].map(Value::Number);
        let key = [long, long, Value::Text(24), Value::Text(16), folder];
        vec![
            index("entries: primary key", rows, &key),
            index("entries: key of the blob", rows, &[Value::Text(32)]),
        ]
    }

    /// 4,000 uploads after a checkpoint into a table of 400,000 files logged 36,158,982 bytes.
    #[test]
    fn an_upload_logs_its_measured_bytes() {
        let relations = measured_indexes(400_000.0);
        let uploads = Uploads {
            per_checkpoint: 4000.0,
            small: 0.0,
            small_bytes: 0,
            relations: &relations,
        };
        let measured = 36_158_982.0 / 4000.0;
        let predicted = uploads.wal().total();
        assert!((predicted / measured - 1.0).abs() < 0.1, "{predicted}");
    }

    #[test]
    fn images_become_rare_if_checkpoints_do() {
        let relations = measured_indexes(400_000.0);
        let images = |per_checkpoint| {
            let uploads = Uploads {
                per_checkpoint,
                small: 0.0,
                small_bytes: 0,
                relations: &relations,
            };
            uploads.wal().images
        };
        assert!(images(1.0) > 11_000.0);
        assert!(images(1e6) < 100.0);
    }
}
