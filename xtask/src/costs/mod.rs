//! `cargo xtask costs`: compares costs that do not depend on the load of the machine with those in `benches/costs.json`.

mod baseline;
mod binary;
mod comparison;
mod crates;
mod group;
mod instructions;
mod memory;
mod programs;

use std::collections::BTreeMap;
use std::path::Path;

use clap::Args;

use self::baseline::Baseline;
use self::comparison::Comparison;
use self::group::Group;
use self::programs::Programs;
use crate::failure::Failure;

/// Costs by name.
type Costs = BTreeMap<String, u64>;

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Write the measured costs to the baseline instead of comparing them
    #[arg(long)]
    write: bool,
    /// Costs to measure. Defaults to all that take less than a minute
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Group>,
    /// Also measure those that take minutes
    #[arg(long, conflicts_with = "only")]
    full: bool,
}

impl Options {
    fn groups(&self) -> Vec<Group> {
        let mut groups = Group::ALL.to_vec();
        match self.only.is_empty() {
            true => groups.retain(|group| self.full || !group.is_slow()),
            false => groups.retain(|group| self.only.contains(group)),
        }
        groups
    }
}

/// Installs the program that counts instructions.
pub(crate) fn install(root: &Path) -> Result<(), Failure> {
    instructions::path_with_runner(root).map(drop)
}

pub(crate) fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    let groups = options.groups();
    let compiler = programs::compiler()?;
    let mut baseline = Baseline::read(root)?;
    if options.write {
        baseline.check_compiler(&compiler, &groups)?;
    }
    let mut programs = Programs::new(root);
    let mut comparisons = Vec::new();
    for group in groups {
        eprintln!("measuring {}", group.name());
        let measured = measure(group, &mut programs)?;
        let before = baseline.costs.get(&group).cloned().unwrap_or_default();
        let compares = !group.depends_on_compiler() || baseline.compiler == compiler;
        comparisons.push(Comparison::new(group, before, measured, compares));
    }
    print!("{}", comparison::table(&comparisons));
    if options.write {
        baseline.compiler = compiler;
        for comparison in comparisons {
            baseline
                .costs
                .insert(comparison.group, comparison.measured());
        }
        return baseline.write(root);
    }
    comparison::conclude(&comparisons, &baseline.compiler, &compiler)
}

fn measure(group: Group, programs: &mut Programs<'_>) -> Result<Costs, Failure> {
    match group {
        Group::Instructions => instructions::measure(programs),
        Group::Allocations => programs.print_costs("allocations"),
        Group::RoundTrips => programs.print_costs("round-trips"),
        Group::Memory => memory::measure(programs, &memory::SMALL),
        Group::LargeMemory => memory::measure(programs, &memory::LARGE),
        Group::Crates => crates::measure(programs.root()),
        Group::Binary => binary::measure(programs),
        Group::ReleaseBinary => binary::measure_release(programs.root()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        options: Options,
    }

    fn groups(arguments: &str) -> Vec<Group> {
        let arguments = ["costs"].into_iter().chain(arguments.split_whitespace());
        Command::parse_from(arguments).options.groups()
    }

    #[test]
    fn slow_groups_are_measured_only_on_request() {
        assert!(groups("").iter().all(|group| !group.is_slow()));
        assert_eq!(groups("--full"), Group::ALL);
        assert_eq!(
            groups("--only allocations,instructions"),
            [Group::Allocations, Group::Instructions]
        );
    }
}
