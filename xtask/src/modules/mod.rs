//! `cargo xtask modules`: finds cycles between the modules of each crate.
//!
//! Modules are compared with their siblings: a use of `a::b` by `c::d` is an edge from `c` to `a`. A use of an ancestor or
//! of a descendant is no edge, since the items of `a/mod.rs` are shared by the modules in `a/`. A re-export counts as the
//! module that defines the item. Tests and imports for documentation do not count.

mod source;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use self::source::Crate;
use crate::failure::Failure;

/// A cycle, or a file that can't be parsed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Cycle {
    /// Root file of the crate, relative to the root of the repository.
    pub(crate) krate: String,
    pub(crate) description: String,
}

pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let cycles = check(root);
    for Cycle { krate, description } in &cycles {
        println!("{krate}: {description}");
    }
    match cycles.len() {
        0 => {
            println!("no modules form a cycle");
            Ok(())
        }
        count => Err(Failure::new(
            format!("found {count} cycles between modules"),
            "move what both use to a module below them",
        )),
    }
}

/// Finds the cycles of all crates.
pub(crate) fn check(root: &Path) -> Vec<Cycle> {
    let mut cycles = Vec::new();
    for file in crate_roots(root) {
        let krate = relative(root, &file);
        let found = match Crate::parse(&file) {
            Ok(parsed) => find_cycles(&parsed, root),
            Err(error) => vec![error],
        };
        cycles.extend(found.into_iter().map(|description| Cycle {
            krate: krate.clone(),
            description,
        }));
    }
    cycles
}

/// The root files of all crates.
fn crate_roots(root: &Path) -> Vec<PathBuf> {
    let crates = std::fs::read_dir(root.join("crates")).into_iter().flatten();
    let mut folders: Vec<PathBuf> = crates.flatten().map(|entry| entry.path()).collect();
    folders.extend(["benches", "tests", "xtask"].map(|name| root.join(name)));
    folders.sort_unstable();
    let files = folders
        .iter()
        .flat_map(|folder| ["src/lib.rs", "src/main.rs"].map(|file| folder.join(file)));
    files.filter(|file| file.exists()).collect()
}

fn relative(root: &Path, file: &Path) -> String {
    let file = file.strip_prefix(root).unwrap_or(file);
    file.to_string_lossy().replace('\\', "/")
}

/// Uses between siblings, each with the place of one: the user, then what it uses.
type Edges = BTreeMap<(usize, usize), String>;

fn find_cycles(parsed: &Crate, root: &Path) -> Vec<String> {
    let mut edges = Edges::new();
    for (user, module) in parsed.modules.iter().enumerate() {
        for reference in &module.references {
            let used = parsed.resolve(user, &reference.path);
            let edge = used.and_then(|used| siblings(parsed, user, used));
            if let Some(edge) = edge {
                let file = relative(root, &module.file);
                let place = || format!("{file}:{}", reference.line);
                edges.entry(edge).or_insert_with(place);
            }
        }
    }
    let modules = 0..parsed.modules.len();
    let cycles = modules.filter_map(|module| shortest_cycle(&edges, module));
    let cycles: BTreeSet<Vec<usize>> = cycles.map(from_smallest).collect();
    let cycles = cycles.iter();
    cycles
        .map(|cycle| describe(parsed, &edges, cycle))
        .collect()
}

/// The same cycle, from its smallest module on.
fn from_smallest(mut cycle: Vec<usize>) -> Vec<usize> {
    let smallest = (0..cycle.len()).min_by_key(|at| cycle[*at]);
    cycle.rotate_left(smallest.unwrap_or(0));
    cycle
}

/// The ancestors of both modules, or the modules themselves, that have the same parent. `None` if one contains the other.
fn siblings(parsed: &Crate, user: usize, used: usize) -> Option<(usize, usize)> {
    let (users, useds) = (parsed.ancestors(user), parsed.ancestors(used));
    let pairs = users.into_iter().zip(useds);
    pairs.into_iter().find(|(user, used)| user != used)
}

/// The modules that are reachable from one, each with the module before it on a shortest path.
fn distances(edges: &Edges, start: usize) -> BTreeMap<usize, usize> {
    let mut previous = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(user) = queue.pop_front() {
        for (_, used) in edges
            .range((user, 0)..=(user, usize::MAX))
            .map(|(edge, _)| *edge)
        {
            previous.entry(used).or_insert_with(|| {
                queue.push_back(used);
                user
            });
        }
    }
    previous
}

/// A shortest path from a module to itself.
fn shortest_cycle(edges: &Edges, start: usize) -> Option<Vec<usize>> {
    let previous = distances(edges, start);
    let mut cycle = vec![*previous.get(&start)?];
    while cycle.last() != Some(&start) {
        cycle.push(*previous.get(cycle.last()?)?);
    }
    cycle.reverse();
    Some(cycle)
}

fn describe(parsed: &Crate, edges: &Edges, cycle: &[usize]) -> String {
    let next = cycle.iter().cycle().skip(1);
    let uses = cycle.iter().zip(next).map(|(user, used)| {
        let place = edges.get(&(*user, *used)).map_or("", String::as_str);
        let (user, used) = (parsed.name(*user), parsed.name(*used));
        format!("{user} uses {used} ({place})")
    });
    uses.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
