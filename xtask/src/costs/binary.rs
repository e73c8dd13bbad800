//! Size of the program `agb` in bytes, and the number of its relocations: the dynamic linker processes each of them at every
//! start, which takes most of the time of a short command.
//!
//! Without optimization, only the sections of code and constants are counted: the size of the file depends on how much
//! debug information the build has.

use std::path::Path;

use object::{Object, ObjectSection, SectionKind};

use super::Costs;
use super::programs::{Programs, failure};
use crate::agb_serve;
use crate::failure::Failure;

pub(crate) fn measure(programs: &mut Programs<'_>) -> Result<Costs, Failure> {
    sections(&read(&programs.get("agb")?)?)
}

/// The whole file as it is released.
pub(crate) fn measure_release(root: &Path) -> Result<Costs, Failure> {
    let program = read(&agb_serve::build_release(root)?)?;
    let mut costs = sections(&program)?;
    costs.insert("file".to_owned(), program.len() as u64);
    Ok(costs)
}

fn read(program: &Path) -> Result<Vec<u8>, Failure> {
    let problem = |error| failure(format!("can't read {}: {error}", program.display()));
    std::fs::read(program).map_err(problem)
}

fn sections(program: &[u8]) -> Result<Costs, Failure> {
    let file = object::File::parse(program)
        .map_err(|error| failure(format!("can't read the sections of agb: {error}")))?;
    let size = |kinds: &[SectionKind]| {
        let sections = file.sections();
        let counted = sections.filter(|section| kinds.contains(&section.kind()));
        counted.map(|section| section.size()).sum()
    };
    let constants = [SectionKind::ReadOnlyData, SectionKind::ReadOnlyDataWithRel];
    let relocations = file.dynamic_relocations().map_or(0, Iterator::count);
    Ok(Costs::from([
        ("code".to_owned(), size(&[SectionKind::Text])),
        ("constants".to_owned(), size(&constants)),
        ("relocations".to_owned(), relocations as u64),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_program_has_code_and_constants() {
        let program = read(&std::env::current_exe().unwrap()).unwrap();
        let costs = sections(&program).unwrap();
        assert!(costs["code"] > 100_000, "{costs:?}");
        assert!(costs["constants"] > 10_000, "{costs:?}");
        assert!(costs["relocations"] > 1000, "{costs:?}");
        assert!(costs.values().sum::<u64>() < program.len() as u64);
    }

    #[test]
    fn a_file_that_is_no_program_is_an_error() {
        assert!(sections(b"#!/bin/sh").is_err());
    }
}
