//! Checksums of rows: the column `sum` covers all other columns, so that a flipped bit in a row is detected.
//!
//! Temporary triggers of the writing connection maintain the column for every statement. They are not part of the file, so that
//! a change by another program leaves a row that does not match its checksum.
//!
//! The rows of other tables are derived (counts, offset index) and verified by counting, or verified by what references them
//! (contents, dead blobs).

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;

/// A table with checksums.
struct ChecksummedTable {
    name: &'static str,
    /// All columns except `sum`.
    columns: &'static [&'static str],
    /// The columns of the primary key.
    key: &'static [&'static str],
}

const TABLES: [ChecksummedTable; 5] = [
    ChecksummedTable {
        name: "meta",
        columns: &["name", "value"],
        key: &["name"],
    },
    ChecksummedTable {
        name: "trees",
        columns: &["pk", "context", "doomed"],
        key: &["pk"],
    },
    ChecksummedTable {
        name: "contexts",
        columns: &[
            "pk",
            "id",
            "tenant",
            "region",
            "name",
            "state",
            "generation",
            "tree",
            "create_time",
            "last_used",
        ],
        key: &["pk"],
    },
    ChecksummedTable {
        name: "entries",
        columns: &[
            "tree",
            "parent",
            "name",
            "folder",
            "id",
            "created",
            "modified",
            "size",
            "etag",
            "sha256",
            "blob",
            "child_count",
            "crc64",
            "small",
        ],
        key: &["tree", "parent", "name", "folder"],
    },
    ChecksummedTable {
        name: "block_sums",
        columns: &["blob", "crc64", "sums"],
        key: &["blob"],
    },
];

/// The SQL expression of the checksum of a row. `prefix` is put before each column, such as `NEW.`.
pub(super) fn expression(table: &str, prefix: &str) -> String {
    let columns = TABLES
        .iter()
        .find(|known| known.name == table)
        .map_or(&[][..], |known| known.columns);
    let columns: String = columns
        .iter()
        .map(|column| format!(", {prefix}{column}"))
        .collect();
    format!("row_checksum('{table}'{columns})")
}

/// Adds the function `row_checksum` to a connection.
pub(super) fn register(db: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    db.create_scalar_function("row_checksum", -1, flags, row_checksum)
}

/// Creates the triggers that maintain the checksums of all rows that this connection changes.
pub(super) fn create_triggers(db: &Connection) -> rusqlite::Result<()> {
    for table in &TABLES {
        let (name, columns) = (table.name, table.columns.join(", "));
        let sum = expression(name, "NEW.");
        let row: Vec<String> = table
            .key
            .iter()
            .map(|column| format!("{column} = NEW.{column}"))
            .collect();
        let row = row.join(" AND ");
        // A change of `sum` fires no trigger.
        for (kind, change) in [
            ("INSERT", "INSERT".to_owned()),
            ("UPDATE", format!("UPDATE OF {columns}")),
        ] {
            db.execute_batch(&format!(
                "CREATE TEMP TRIGGER IF NOT EXISTS sum_{name}_{kind} AFTER {change} ON main.{name} BEGIN
                     UPDATE {name} SET sum = {sum} WHERE {row};
                 END"
            ))?;
        }
    }
    Ok(())
}

/// Sets the checksums of all rows.
pub(super) fn update_all(db: &Connection) -> rusqlite::Result<()> {
    for table in &TABLES {
        let (name, sum) = (table.name, expression(table.name, ""));
        db.execute(&format!("UPDATE {name} SET sum = {sum}"), [])?;
    }
    Ok(())
}

/// The number of rows of a table that do not match their checksum.
pub(super) fn count_damaged(db: &Connection, table: &str) -> rusqlite::Result<i64> {
    let sum = expression(table, "");
    let query = format!("SELECT count(*) FROM {table} WHERE sum <> {sum}");
    db.query_row(&query, [], |row| row.get(0))
}

fn row_checksum(context: &mut Context<'_>) -> rusqlite::Result<i64> {
    let mut digest = crc64fast::Digest::new();
    for at in 0..context.len() {
        match context.get_raw(at) {
            ValueRef::Null => digest.write(&[0]),
            ValueRef::Integer(number) => {
                digest.write(&[1]);
                digest.write(&number.to_le_bytes());
            }
            ValueRef::Text(text) => {
                digest.write(&[2]);
                digest.write(&(text.len() as u64).to_le_bytes());
                digest.write(text);
            }
            ValueRef::Blob(bytes) => {
                digest.write(&[3]);
                digest.write(&(bytes.len() as u64).to_le_bytes());
                digest.write(bytes);
            }
            // No column has this type: only a damaged row contains it.
            ValueRef::Real(number) => {
                digest.write(&[4]);
                digest.write(&number.to_bits().to_le_bytes());
            }
        }
    }
    Ok(digest.sum64().cast_signed())
}
