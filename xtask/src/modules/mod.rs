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

pub(crate) fn run(root: &Path) -> Result<(), Failure> {
    let cycles = check(root);
    if cycles.is_empty() {
        println!("no modules form a cycle");
        return Ok(());
    }
    for (krate, cycle) in &cycles {
        println!("{krate}: {cycle}");
    }
    Err(Failure::new(
        format!("found {} cycles between modules", cycles.len()),
        "move what both use to a module below them",
    ))
}

/// Returns the cycles of all crates, each with the root file of its crate.
pub(crate) fn check(root: &Path) -> Vec<(String, String)> {
    let crates = std::fs::read_dir(root.join("crates")).into_iter().flatten();
    let mut folders: Vec<PathBuf> = crates.flatten().map(|entry| entry.path()).collect();
    folders.extend(["benches", "xtask"].map(|name| root.join(name)));
    folders.sort_unstable();
    let files = folders.iter();
    let files =
        files.flat_map(|folder| ["src/lib.rs", "src/main.rs"].map(|file| folder.join(file)));
    let files = files.filter(|file| file.exists());
    let cycles = files.flat_map(|file| {
        let cycles = match Crate::parse(&file) {
            Ok(parsed) => find_cycles(&parsed, root),
            Err(error) => vec![error],
        };
        let krate = relative(root, &file);
        cycles.into_iter().map(move |cycle| (krate.clone(), cycle))
    });
    cycles.collect()
}

fn relative(root: &Path, file: &Path) -> String {
    let file = file.strip_prefix(root).unwrap_or(file);
    file.to_string_lossy().replace('\\', "/")
}

/// Uses between siblings, the user first, each with the place of one.
type Edges = BTreeMap<(usize, usize), String>;

fn find_cycles(parsed: &Crate, root: &Path) -> Vec<String> {
    let mut edges = Edges::new();
    for (user, module) in parsed.modules.iter().enumerate() {
        for (path, line) in &module.references {
            let Some(used) = parsed.resolve(user, path) else {
                continue;
            };
            // The ancestors that are siblings. There are none if one module contains the other.
            let mut pairs = parsed
                .ancestors(user)
                .into_iter()
                .zip(parsed.ancestors(used));
            if let Some(edge) = pairs.find(|(user, used)| user != used) {
                let place = format!("{}:{line}", relative(root, &module.file));
                edges.entry(edge).or_insert(place);
            }
        }
    }
    let modules = 0..parsed.modules.len();
    let cycles: BTreeSet<Vec<usize>> = modules
        .filter_map(|module| shortest_cycle(&edges, module))
        .collect();
    let describe = |cycle: Vec<usize>| {
        let uses = cycle.iter().zip(cycle.iter().cycle().skip(1));
        let uses = uses.map(|(user, used)| {
            let place = edges.get(&(*user, *used)).map_or("", String::as_str);
            let (user, used) = (parsed.name(*user), parsed.name(*used));
            format!("{user} uses {used} ({place})")
        });
        uses.collect::<Vec<_>>().join(", ")
    };
    cycles.into_iter().map(describe).collect()
}

/// A shortest path from a module to itself, with the smallest module first.
fn shortest_cycle(edges: &Edges, start: usize) -> Option<Vec<usize>> {
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
    let mut cycle = vec![*previous.get(&start)?];
    while *cycle.last()? != start {
        cycle.push(*previous.get(cycle.last()?)?);
    }
    cycle.reverse();
    let smallest = (0..cycle.len()).min_by_key(|at| cycle[*at])?;
    cycle.rotate_left(smallest);
    Some(cycle)
}

#[cfg(test)]
mod tests;
