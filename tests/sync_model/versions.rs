//! Contents that identify their version, and snapshots of all sides.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::SystemTime,
};

/// A content that a user wrote, different from all others.
pub(crate) type Version = u32;

/// The bytes of a version. Most versions have the same size.
pub(crate) fn content(version: Version) -> String {
    let longer = if version.is_multiple_of(5) {
        ", longer"
    } else {
        ""
    };
    format!("version {version:06}{longer}")
}

/// The version of a file, or `None` if its content is not a complete version.
pub(crate) fn version_of(bytes: &[u8]) -> Option<Version> {
    let text = std::str::from_utf8(bytes).ok()?;
    let version = text.strip_prefix("version ")?.get(..6)?.parse().ok()?;
    (content(version) == text).then_some(version)
}

/// A file on one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct File {
    pub(crate) version: Version,
    /// Its modification time.
    pub(crate) modified: SystemTime,
    /// The change time of a local file, or the modification time of a remote file.
    pub(crate) touched: SystemTime,
}

pub(crate) type Tree = BTreeMap<String, File>;

/// All sides at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Snapshot {
    pub(crate) context: Tree,
    pub(crate) machines: Vec<Tree>,
}

impl Snapshot {
    pub(crate) fn versions(&self) -> BTreeSet<Version> {
        let machines = self.machines.iter().flat_map(BTreeMap::values);
        let files = self.context.values().chain(machines);
        files.map(|file| file.version).collect()
    }

    /// Returns the side that a run reads and the side that it writes to.
    pub(crate) fn sides(&self, machine: usize, up: bool) -> (&Tree, &Tree) {
        match up {
            true => (&self.machines[machine], &self.context),
            false => (&self.context, &self.machines[machine]),
        }
    }

    /// Returns one line for a trace.
    pub(crate) fn line(&self) -> String {
        let side = |tree: &Tree| {
            let files = tree.iter();
            let files = files.map(|(path, file)| format!("{}={}", short(path), file.version));
            files.collect::<Vec<_>>().join(" ")
        };
        let machines = self.machines.iter().enumerate();
        let machines = machines.map(|(n, tree)| format!("M{n}[{}] ", side(tree)));
        format!(
            "{}ctx[{}]",
            machines.collect::<String>(),
            side(&self.context)
        )
    }
}

/// Shortens a long name.
pub(crate) fn short(path: &str) -> String {
    match path.len() > 60 {
        true => format!("{}…{}", &path[..4], &path[path.len() - 24..]),
        false => path.to_owned(),
    }
}

/// Whether two sides have the same paths and contents, regardless of times.
pub(crate) fn equal(one: &Tree, other: &Tree) -> bool {
    let contents = |tree: &Tree| -> Vec<(String, Version)> {
        let files = tree.iter();
        files
            .map(|(path, file)| (path.clone(), file.version))
            .collect()
    };
    contents(one) == contents(other)
}

/// Reads the local files. A file without a complete version is an error.
pub(crate) fn local(root: &Path) -> Result<Tree, String> {
    let mut tree = Tree::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path
                .strip_prefix(root)
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            // An incomplete download still has a temporary name.
            if name
                .rsplit('/')
                .next()
                .is_some_and(|name| name.starts_with(".agb-"))
            {
                continue;
            }
            let Ok(metadata) = path.symlink_metadata() else {
                continue;
            };
            if metadata.is_dir() {
                folders.push(path);
                continue;
            }
            let Ok(bytes) = std::fs::read(&path) else {
                continue;
            };
            let version = version_of(&bytes).ok_or_else(|| {
                format!("{} holds {}", short(&name), String::from_utf8_lossy(&bytes))
            })?;
            let modified = metadata.modified().unwrap();
            let file = File {
                version,
                modified,
                touched: changed(&metadata).unwrap_or(modified),
            };
            tree.insert(name, file);
        }
    }
    Ok(tree)
}

#[cfg(unix)]
fn changed(metadata: &std::fs::Metadata) -> Option<SystemTime> {
    use std::{os::unix::fs::MetadataExt, time::Duration};
    let seconds = u64::try_from(metadata.ctime()).ok()?;
    let nanos = u32::try_from(metadata.ctime_nsec()).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
}

#[cfg(not(unix))]
fn changed(_: &std::fs::Metadata) -> Option<SystemTime> {
    None
}
