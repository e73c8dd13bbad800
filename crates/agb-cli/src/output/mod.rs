//! Results on stdout: columns on a terminal, tab-separated values, JSON, or names only.

mod human;
mod options;
pub(crate) mod records;
mod rows;
mod schema;
pub(crate) mod setting_records;
pub(crate) mod snapshot_summary;
mod stdout;
mod table;
mod transfer_row;
mod transfer_summary;

pub(crate) use crate::quote::quote;
pub(crate) use agbcloud::escape_for_display as escape;
pub(crate) use human::{bytes, counted, duration, file_time, rfc3339};
pub(crate) use options::{OutputMode, OutputOptions, set_default_colors, shows_colors};
pub(crate) use rows::{Rows, print_record, print_result};
pub(crate) use schema::schema;
pub(crate) use stdout::{
    check_best_effort, print_line, print_line_best_effort, write, write_failure,
};
pub(crate) use transfer_row::TransferRow;
