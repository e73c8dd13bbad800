//! The large tables of the service in PostgreSQL, with the average sizes of their values.

use super::layout::{Order, Value, entry, heap_bytes, index_bytes, row, stored};

use Value::{Null, Number, Text};

/// A 64-bit number: keys, times, sizes, checksums.
const LONG: Value = Number(8);
/// Bytes of a block of a blob with a checksum.
const BLOCK: u64 = 256 << 10;
/// Entries of a segment of the index that finds pages of large folders.
const SEGMENT: f64 = 256.0;
const FLAG: Value = Number(1);

/// What is stored.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    pub(super) tenants: f64,
    pub(super) contexts_per_tenant: f64,
    pub(super) files: f64,
    /// Share of files with a content in the database.
    pub(super) small: f64,
    pub(super) small_bytes: u64,
    pub(super) large_bytes: u64,
    /// Bytes of the path of a folder, and of the name of a file.
    pub(super) folder_bytes: u64,
    pub(super) name_bytes: u64,
    pub(super) files_per_folder: f64,
}

/// A table or an index.
#[derive(Debug)]
pub(super) struct Relation {
    pub(super) name: &'static str,
    pub(super) rows: f64,
    pub(super) bytes_per_row: f64,
    /// Bytes of an entry and the order of keys, of an index.
    pub(super) index: Option<(u64, Order)>,
    /// Number of values in the TOAST table: at most 2^32.
    pub(super) toasted: f64,
}

impl Relation {
    pub(super) fn bytes(&self) -> f64 {
        self.rows * self.bytes_per_row
    }

    /// A table with this fillfactor.
    fn table(name: &'static str, rows: f64, fill: f64, values: &[Value]) -> Self {
        Self {
            name,
            rows,
            bytes_per_row: heap_bytes(row(values), fill),
            index: None,
            toasted: 0.0,
        }
    }

    fn index(name: &'static str, rows: f64, order: Order, key: &[Value]) -> Self {
        let bytes = entry(key);
        Self {
            name,
            rows,
            bytes_per_row: index_bytes(bytes, order),
            index: Some((bytes, order)),
            toasted: 0.0,
        }
    }
}

/// All relations that grow with tenants, contexts or files.
pub(super) fn relations(scale: &Scale) -> Vec<Relation> {
    let mut relations = files(scale);
    relations.extend(contexts(scale));
    relations
}

fn files(scale: &Scale) -> Vec<Relation> {
    let parent = Text(scale.folder_bytes);
    let name = Text(scale.name_bytes);
    let blob = Text(32);
    let file = |etag, sha256, crc64, blob, inline| {
        let id = Text(27);
        let mut values = vec![LONG, LONG, parent, name, FLAG, id, LONG, LONG, LONG];
        values.extend([etag, sha256, crc64, blob, inline, LONG]);
        values
    };
    let entries = |name, rows, values: &[Value]| Relation::table(name, rows, 0.9, values);
    let (small, large) = (scale.files * scale.small, scale.files * (1.0 - scale.small));
    let folders = scale.files / scale.files_per_folder;
    let content = stored(&[LONG, LONG, Text(scale.small_bytes)]);
    let contents = |name, bytes_per_row, toasted| Relation {
        name,
        rows: small,
        bytes_per_row,
        index: None,
        toasted,
    };
    let sums = Text(8 * scale.large_bytes.div_ceil(BLOCK));
    let segments = scale.files / SEGMENT;
    let segment = [LONG, LONG, parent, LONG, name, FLAG];
    vec![
        entries(
            "entries: small files",
            small,
            &file(Text(32), Text(64), LONG, Null, LONG),
        ),
        entries(
            "entries: files with a blob",
            large,
            &file(Text(32), Text(64), LONG, blob, Null),
        ),
        entries(
            "entries: folders",
            folders,
            &file(Null, Null, Null, Null, Null),
        ),
        Relation::index(
            "entries: primary key",
            scale.files + folders,
            Order::Random,
            &[LONG, LONG, parent, name, FLAG],
        ),
        Relation::index("entries: key of the blob", large, Order::Random, &[blob]),
        contents("contents", content.heap, 0.0),
        Relation::index("contents: primary key", small, Order::Ascending, &[LONG]),
        contents(
            "contents: TOAST table",
            content.toast,
            small * content.toasted,
        ),
        contents("contents: TOAST index", content.toast_index, 0.0),
        Relation::table("block checksums", large, 1.0, &[blob, LONG, LONG, sums]),
        Relation::index(
            "block checksums: primary key",
            large,
            Order::Random,
            &[blob],
        ),
        Relation::table(
            "segments",
            segments,
            0.7,
            &[segment.as_slice(), &[LONG]].concat(),
        ),
        Relation::index("segments: primary key", segments, Order::Random, &segment),
    ]
}

fn contexts(scale: &Scale) -> Vec<Relation> {
    let tenants = scale.tenants;
    let contexts = tenants * scale.contexts_per_tenant;
    let tenant = Text(32);
    let (id, region, name) = (Text(27), Text(11), Text(20));
    let context = [
        LONG,
        id,
        LONG,
        region,
        name,
        Text(9),
        LONG,
        LONG,
        LONG,
        LONG,
    ];
    // The last 16 commits: an array of numbers with its header.
    let commits = Text(148);
    let numbers = |name, rows| Relation::index(name, rows, Order::Ascending, &[LONG]);
    vec![
        Relation::table(
            "tenants",
            tenants,
            0.5,
            &[LONG, tenant, LONG, LONG, LONG, LONG, commits],
        ),
        numbers("tenants: primary key", tenants),
        Relation::index("tenants: id", tenants, Order::Random, &[tenant]),
        Relation::table("contexts", contexts, 0.7, &context),
        numbers("contexts: primary key", contexts),
        Relation::index("contexts: id", contexts, Order::Random, &[id]),
        Relation::index(
            "contexts: name",
            contexts,
            Order::Random,
            &[LONG, region, name],
        ),
        Relation::index(
            "contexts: order",
            contexts,
            Order::Random,
            &[LONG, LONG, id],
        ),
        numbers("contexts: tree", contexts),
        Relation::table(
            "trees",
            contexts,
            0.7,
            &[LONG, LONG, LONG, FLAG, LONG, LONG],
        ),
        numbers("trees: primary key", contexts),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const SCALE: Scale = Scale {
        tenants: 1e6,
        contexts_per_tenant: 2.0,
        files: 1e10,
        small: 0.5,
        small_bytes: 4096,
        large_bytes: 1 << 20,
        folder_bytes: 24,
        name_bytes: 16,
        files_per_folder: 100.0,
    };

    fn find(scale: &Scale, name: &str) -> Relation {
        let mut relations = relations(scale).into_iter();
        relations.find(|relation| relation.name == name).unwrap()
    }

    #[test]
    fn rows_grow_with_files_and_tenants() {
        assert_eq!(find(&SCALE, "entries: primary key").rows, 1.01e10);
        assert_eq!(find(&SCALE, "contexts").rows, 2e6);
        let more = Scale {
            files: 2e10,
            ..SCALE
        };
        assert_eq!(
            find(&more, "contexts").bytes(),
            find(&SCALE, "contexts").bytes()
        );
        assert_eq!(
            find(&more, "contents").bytes(),
            2.0 * find(&SCALE, "contents").bytes()
        );
    }

    #[test]
    fn contents_below_two_kilobytes_need_no_toast() {
        assert_eq!(find(&SCALE, "contents: TOAST table").toasted, 5e9);
        let small = Scale {
            small_bytes: 1000,
            ..SCALE
        };
        assert_eq!(find(&small, "contents: TOAST table").bytes(), 0.0);
        assert!(find(&small, "contents").bytes_per_row > 1000.0);
    }
}
