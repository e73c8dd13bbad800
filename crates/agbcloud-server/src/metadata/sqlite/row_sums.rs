//! Checksums of rows: a column `sum` over all others, so that a flipped bit in a row is noticed.
//!
//! Triggers of the connection that writes keep it right, so that no statement can forget to. They are no part of the
//! file: whatever changes a row in another way leaves a sum that does not fit.
//!
//! Rows of other tables are derived (counts, marks of pages) and verified by counting, or are verified by what names them
//! (contents, dead blobs).

use rusqlite::Connection;
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;

/// A table with sums: its columns, and those of them that name a row.
pub(super) struct Table {
    pub(super) name: &'static str,
    columns: &'static [&'static str],
    key: &'static [&'static str],
}

pub(super) const TABLES: [Table; 5] = [
    Table {
        name: "meta",
        columns: &["name", "value"],
        key: &["name"],
    },
    Table {
        name: "trees",
        columns: &["pk", "context", "doomed"],
        key: &["pk"],
    },
    Table {
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
    Table {
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
    Table {
        name: "block_sums",
        columns: &["blob", "crc64", "sums"],
        key: &["blob"],
    },
];

/// The sum of rows of a table, as an expression; `row` is what its columns are prefixed with, such as `NEW.`.
pub(super) fn expression(table: &str, row: &str) -> String {
    let columns = TABLES
        .iter()
        .find(|known| known.name == table)
        .map_or(&[][..], |known| known.columns);
    let columns: String = columns
        .iter()
        .map(|column| format!(", {row}{column}"))
        .collect();
    format!("row_sum('{table}'{columns})")
}

/// Makes `row_sum` known to a connection.
pub(super) fn register(db: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    db.create_scalar_function("row_sum", -1, flags, row_sum)
}

/// Keeps the sums right for all that this connection changes from now on.
pub(super) fn keep(db: &Connection) -> rusqlite::Result<()> {
    for table in &TABLES {
        let (name, columns) = (table.name, table.columns.join(", "));
        let sum = expression(name, "NEW.");
        let row: Vec<String> = table
            .key
            .iter()
            .map(|column| format!("{column} = NEW.{column}"))
            .collect();
        let row = row.join(" AND ");
        // No trigger is on `sum`, so none of them starts another.
        for change in ["INSERT", &format!("UPDATE OF {columns}")] {
            let kind = change.split(' ').next().unwrap_or_default();
            db.execute_batch(&format!(
                "CREATE TEMP TRIGGER IF NOT EXISTS sum_{name}_{kind} AFTER {change} ON main.{name} BEGIN
                     UPDATE {name} SET sum = {sum} WHERE {row};
                 END"
            ))?;
        }
    }
    Ok(())
}

/// Gives every row the sum that it has now.
pub(super) fn stamp_all(db: &Connection) -> rusqlite::Result<()> {
    for table in &TABLES {
        let (name, sum) = (table.name, expression(table.name, ""));
        db.execute(&format!("UPDATE {name} SET sum = {sum}"), [])?;
    }
    Ok(())
}

fn row_sum(context: &mut Context<'_>) -> rusqlite::Result<i64> {
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
            // Only in a damaged row: no column is of this type.
            ValueRef::Real(number) => {
                digest.write(&[4]);
                digest.write(&number.to_bits().to_le_bytes());
            }
        }
    }
    Ok(digest.sum64().cast_signed())
}
