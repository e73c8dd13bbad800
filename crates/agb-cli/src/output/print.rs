//! Prints one record or the result of a command.

use serde::Serialize;

use super::{
    options::{OutputMode, OutputOptions},
    rows::{self, Row},
    stdout::write,
    table,
};
use crate::{failure::Failure, stderr};

/// Prints one record: on a terminal a line for each value.
pub(crate) fn print_record<R: Row>(options: &OutputOptions, row: &R) -> Result<(), Failure> {
    write(&match options.mode() {
        OutputMode::Json => rows::json(row)?,
        OutputMode::Quiet => rows::name(row),
        OutputMode::Plain => format!("{}\n", rows::plain(row)),
        OutputMode::Human => table::fields(R::COLUMNS, &row.details()),
    })
}

/// Prints the result of a command: JSON on stdout, or a message on stderr.
pub(crate) fn print_result(
    options: &OutputOptions,
    document: &impl Serialize,
    message: &str,
) -> Result<(), Failure> {
    match options.mode() {
        OutputMode::Json => write(&rows::json(document)?),
        OutputMode::Quiet => Ok(()),
        OutputMode::Plain | OutputMode::Human => {
            stderr::note(message);
            Ok(())
        }
    }
}
