//! `cargo xtask capacity`: the size of a large store in PostgreSQL by arithmetic, and its throughput by simulation.
//!
//! The result depends only on the flags and the file of `--fit`. docs/capacity.md explains it.

mod arguments;
pub(crate) mod costs;
mod format;
mod layout;
mod load;
mod predictions;
pub(crate) mod replicas;
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
    if let Some(file) = &arguments.fit {
        let figures = replicas::EngineFigures::read(file)?;
        print!(
            "{}",
            predictions::report(arguments, &figures).map_err(failed)?
        );
        return Ok(());
    }
    print!("{}", storage::report(arguments).map_err(failed)?);
    print!("{}", load::report(arguments).map_err(failed)?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Task {
        #[command(flatten)]
        arguments: Arguments,
    }

    /// The tables of the simulation take too long for a test.
    #[test]
    fn the_documentation_has_the_tables_of_sizes() {
        let arguments = Task::parse_from(["capacity"]).arguments;
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/capacity.md");
        let page = std::fs::read_to_string(page).unwrap();
        let report = storage::report(&arguments).unwrap();
        let rows: Vec<_> = report
            .lines()
            .filter(|line| line.starts_with("| "))
            .collect();
        assert!(rows.len() > 30, "{report}");
        for row in rows {
            assert!(page.contains(row), "not in docs/capacity.md: {row}");
        }
    }
}
