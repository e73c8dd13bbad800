//! `cargo xtask capacity`: the size of a large store in PostgreSQL by arithmetic, and its throughput by simulation.
//!
//! The result depends only on the flags. docs/capacity.md explains it.

mod arguments;
mod format;
mod layout;
mod load;
mod schema;
mod simulation;
mod storage;
mod wal;
mod zipf;

pub(crate) use self::arguments::Arguments;
use crate::failure::Failure;

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let failed = |error| {
        Failure::new(
            format!("cannot format the report: {error}"),
            "report this as a bug",
        )
    };
    print!("{}", storage::report(arguments).map_err(failed)?);
    print!("{}", load::report(arguments).map_err(failed)?);
    Ok(())
}
