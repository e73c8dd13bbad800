//! Sizes of rows and index entries on the pages of PostgreSQL.
//!
//! Source: the chapters "Database Page Layout" and "TOAST" of the manual, `htup_details.h`, `itup.h`, `nbtree.h` and
//! `heaptoast.h`. The tests compare the results with sizes that were measured on PostgreSQL 15.

/// Bytes of a page.
pub(super) const PAGE: f64 = 8192.0;
/// Bytes that a heap page has for rows: all but its header.
const HEAP_SPACE: f64 = PAGE - 24.0;
/// Bytes that an index page has for entries: all but its header and the links to its siblings.
const INDEX_SPACE: f64 = HEAP_SPACE - 16.0;
/// Bytes of the pointer from the start of a page to a row or an entry.
const LINE_POINTER: u64 = 4;
/// Bytes of the header of a row, before the bitmap of nulls.
const ROW_HEADER: u64 = 23;
/// Bytes of the header of an index entry.
const ENTRY_HEADER: u64 = 8;
/// Rows, entries and their data start at a multiple of this.
const MAX_ALIGNMENT: u64 = 8;
/// The largest text or bytea with a header of one byte, which is not aligned.
const SHORT: u64 = 126;
/// A row of more bytes has its largest values in the TOAST table.
const TOAST_THRESHOLD: u64 = 2032;
/// Bytes of a value in each row of the TOAST table.
const TOAST_CHUNK: u64 = 1996;
/// Bytes that remain in the row of a value in the TOAST table.
const TOAST_POINTER: u64 = 18;

/// A value of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value {
    /// A number of 1, 2, 4 or 8 bytes.
    Number(u64),
    /// A text or bytea with this number of bytes.
    Text(u64),
    /// No value.
    Null,
}

/// How full the leaf pages of an index are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// New keys are the largest: pages are filled to the fillfactor, 90 %.
    Ascending,
    /// New keys are anywhere: pages are split in the middle and are ln 2 full on average (A. Yao, "On Random 2–3 Trees").
    Random,
}

impl Order {
    pub(super) fn fill(self) -> f64 {
        match self {
            Self::Ascending => 0.9,
            Self::Random => std::f64::consts::LN_2,
        }
    }
}

fn aligned(offset: u64, alignment: u64) -> u64 {
    offset.next_multiple_of(alignment)
}

/// Bytes of values one after the other, with padding.
fn data(values: &[Value]) -> u64 {
    values.iter().fold(0, |end, value| match *value {
        Value::Null => end,
        Value::Number(width) => aligned(end, width) + width,
        Value::Text(bytes) if bytes <= SHORT => end + 1 + bytes,
        Value::Text(bytes) => aligned(end, 4) + 4 + bytes,
    })
}

/// Bytes of a row without its line pointer.
pub(super) fn row(values: &[Value]) -> u64 {
    let bitmap = match values.contains(&Value::Null) {
        true => (values.len() as u64).div_ceil(8),
        false => 0,
    };
    aligned(ROW_HEADER + bitmap, MAX_ALIGNMENT) + data(values)
}

/// Bytes of a table for each row, if all rows have `row` bytes: a page has only whole rows. `fill` is its fillfactor: the
/// rest of each page is kept for later versions of its rows.
pub(super) fn heap_bytes(row: u64, fill: f64) -> f64 {
    let space = HEAP_SPACE - PAGE * (1.0 - fill);
    PAGE / (space / (aligned(row, MAX_ALIGNMENT) + LINE_POINTER) as f64).floor()
}

/// Bytes of an index entry with its line pointer.
pub(super) fn entry(key: &[Value]) -> u64 {
    aligned(ENTRY_HEADER + data(key), MAX_ALIGNMENT) + LINE_POINTER
}

/// Entries of a leaf page.
fn leaf_entries(entry: u64, order: Order) -> f64 {
    INDEX_SPACE * order.fill() / entry as f64
}

/// Bytes of an index for each entry, with the pages above the leaves.
pub(super) fn index_bytes(entry: u64, order: Order) -> f64 {
    let entries = leaf_entries(entry, order);
    PAGE / (entries - 1.0)
}

/// Number of levels of an index, the leaves included.
pub(super) fn index_levels(entries: f64, entry: u64, order: Order) -> u32 {
    let fanout = leaf_entries(entry, order);
    let mut levels = 1;
    let mut pages = entries / fanout;
    while pages > 1.0 {
        pages /= fanout;
        levels += 1;
    }
    levels
}

/// What a table and its TOAST table have for each row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Stored {
    /// Bytes of the table for each row.
    pub(super) heap: f64,
    /// Bytes of the TOAST table for each row.
    pub(super) toast: f64,
    /// Bytes of the index of the TOAST table for each row.
    pub(super) toast_index: f64,
    /// Values of each row that are in the TOAST table.
    pub(super) toasted: f64,
}

/// The storage of a row. Its largest value moves to the TOAST table if the row is too large; it is not compressed.
pub(super) fn stored(values: &[Value]) -> Stored {
    let plain = row(values);
    let largest = values.iter().copied().max_by_key(|value| match value {
        Value::Text(bytes) => *bytes,
        Value::Number(_) | Value::Null => 0,
    });
    match largest {
        Some(Value::Text(bytes)) if plain > TOAST_THRESHOLD => {
            let key = entry(&[Value::Number(4), Value::Number(4)]);
            let chunks = bytes.div_ceil(TOAST_CHUNK) as f64;
            let short = plain - bytes - 4 + TOAST_POINTER;
            Stored {
                heap: heap_bytes(short, 1.0),
                toast: toast_bytes(bytes),
                toast_index: chunks * index_bytes(key, Order::Ascending),
                toasted: 1.0,
            }
        }
        _ => Stored {
            heap: heap_bytes(plain, 1.0),
            toast: 0.0,
            toast_index: 0.0,
            toasted: 0.0,
        },
    }
}

/// Bytes of the TOAST table for each value of `bytes`. Chunks are added to the last page, or to a new one if they do not fit.
fn toast_bytes(bytes: u64) -> f64 {
    const VALUES: u64 = 1000;
    let chunks = bytes.div_ceil(TOAST_CHUNK);
    let (mut pages, mut used) = (1_u64, 0);
    for chunk in (0..VALUES).flat_map(|_| 0..chunks) {
        let data = TOAST_CHUNK.min(bytes - chunk * TOAST_CHUNK);
        let row = row(&[Value::Number(4), Value::Number(4), Value::Text(data)]);
        let space = aligned(row, MAX_ALIGNMENT) + LINE_POINTER;
        if (used + space) as f64 > HEAP_SPACE {
            pages += 1;
            used = 0;
        }
        used += space;
    }
    pages as f64 * PAGE / VALUES as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Within a part of the measured value.
    fn close(predicted: f64, measured: f64, part: f64) -> bool {
        (predicted / measured - 1.0).abs() < part
    }

    /// A row of the table of files, as it was measured with `pg_column_size` and `pg_relation_size`: 400,000 files of 1,000
    /// trees, with a fillfactor of 90.
    #[test]
    fn a_row_has_its_measured_size() {
        let [long, folder] = [8, 1].map(Value::Number);
        let [parent, name, id, etag, sha256, blob] = [24, 16, 27, 32, 64, 32].map(Value::Text);
        let file = row(&[
            long,
            long,
            parent,
            name,
            folder,
            id,
            long,
            long,
            long,
            etag,
            sha256,
            long,
            blob,
            Value::Null,
            long,
        ]);
        assert_eq!(file, 304);
        let measured = 142_475_264.0 / 400_000.0;
        assert!(close(heap_bytes(file, 0.9), measured, 0.001));
    }

    #[test]
    fn values_are_aligned() {
        assert_eq!(data(&[Value::Number(2), Value::Number(8)]), 16);
        assert_eq!(data(&[Value::Text(3), Value::Number(4)]), 8);
        assert_eq!(data(&[Value::Text(3), Value::Text(127)]), 135);
        assert_eq!(row(&[Value::Number(8)]), 32);
        assert_eq!(row(&[Value::Number(8), Value::Null]), 32);
        assert_eq!(
            row(&[[Value::Number(8)].as_slice(), &[Value::Null; 8]].concat()),
            40
        );
    }

    #[test]
    fn indexes_with_random_keys_have_their_measured_size() {
        let [long, folder] = [8, 1].map(Value::Number);
        let key = entry(&[long, long, Value::Text(24), Value::Text(16), folder]);
        assert_eq!(key, 76);
        let measured = 44_826_624.0 / 400_000.0;
        assert!(close(index_bytes(key, Order::Random), measured, 0.05));
        let key = entry(&[Value::Text(32)]);
        let measured = 31_072_256.0 / 400_000.0;
        assert!(close(index_bytes(key, Order::Random), measured, 0.05));
    }

    #[test]
    fn levels_grow_with_the_logarithm_of_entries() {
        assert_eq!(index_levels(50.0, 68, Order::Random), 1);
        assert_eq!(index_levels(5_000.0, 68, Order::Random), 2);
        assert_eq!(index_levels(1e10, 68, Order::Random), 6);
        assert_eq!(index_levels(1e10, 20, Order::Ascending), 4);
    }

    #[test]
    fn only_large_values_are_in_the_toast_table() {
        let inline = stored(&[Value::Number(8), Value::Number(8), Value::Text(1900)]);
        assert_eq!((inline.toast, inline.toasted), (0.0, 0.0));
        let large = stored(&[Value::Number(8), Value::Number(8), Value::Text(4096)]);
        // Measured with 20,000 random values.
        assert_eq!(large.toasted, 1.0);
        assert!(close(large.heap, 1_368_064.0 / 20_000.0, 0.01), "{large:?}");
        assert!(
            close(large.toast, 109_232_128.0 / 20_000.0, 0.01),
            "{large:?}"
        );
        assert!(
            close(large.toast_index, 1_359_872.0 / 20_000.0, 0.05),
            "{large:?}"
        );
    }
}
