//! A correct implementation of a sync, which reads every content and records every version. The oracle must accept it.

use std::{collections::BTreeMap, path::Path};

use agbcloud::{ConflictPolicy, Files};

use crate::{
    actions::SyncStep,
    engine::remote,
    oracle::{Ended, Report, is_kept},
    versions::{File, Snapshot, Version, content},
};

type Baseline = BTreeMap<String, Version>;

fn read(state: &Path) -> Baseline {
    let text = std::fs::read_to_string(state).unwrap_or_default();
    let entries = text.lines().map(|line| line.split_once(' ').unwrap());
    entries
        .map(|(version, path)| (path.to_owned(), version.parse().unwrap()))
        .collect()
}

fn save(state: &Path, baseline: &Baseline) {
    let lines = baseline.iter();
    let lines = lines.map(|(path, version)| format!("{version} {path}\n"));
    std::fs::write(state, lines.collect::<String>()).unwrap();
}

struct Target<'a> {
    up: bool,
    folder: &'a Path,
    files: &'a Files,
}

impl Target<'_> {
    async fn write(&self, path: &str, version: Version) {
        let bytes = content(version).into_bytes();
        if self.up {
            self.files.upload(remote(path), bytes).await.unwrap();
        } else {
            let local = self.folder.join(path);
            std::fs::create_dir_all(local.parent().unwrap()).unwrap();
            std::fs::write(local, bytes).unwrap();
        }
    }

    async fn delete(&self, path: &str) {
        if self.up {
            self.files.delete(remote(path)).await.unwrap();
        } else {
            std::fs::remove_file(self.folder.join(path)).unwrap();
        }
    }

    async fn keep(&self, path: &str, version: Version) {
        let stem: String = path.chars().take(200).collect();
        self.write(&format!("{stem}.conflict-{version}"), version)
            .await;
    }
}

pub(crate) async fn sync(
    sync: &SyncStep,
    before: &Snapshot,
    state: &Path,
    (folder, files): (&Path, &Files),
) -> Ended {
    let (source, there) = before.sides(sync.machine, sync.up);
    let target = Target {
        up: sync.up,
        folder,
        files,
    };
    let mut baseline = if sync.state {
        read(state)
    } else {
        Baseline::new()
    };
    let is_first = baseline.is_empty();
    let mut report = Report::default();
    let fail = |report: &mut Report, path: &str| match sync.conflict {
        ConflictPolicy::Fail => {
            report.failed += 1;
            report.failed_paths.push(path.to_owned());
        }
        _ => report.skipped += 1,
    };
    for (path, File { version, .. }) in source {
        let old = there.get(path).map(|file| file.version);
        let is_known = old.is_none() || baseline.get(path).copied() == old;
        match old {
            Some(old) if old == *version => report.unchanged += 1,
            Some(_)
                if !is_known
                    && matches!(sync.conflict, ConflictPolicy::Fail | ConflictPolicy::Skip) =>
            {
                fail(&mut report, path);
                continue;
            }
            old => {
                if let (Some(old), false, ConflictPolicy::KeepBoth) = (old, is_known, sync.conflict)
                {
                    target.keep(path, old).await;
                }
                target.write(path, *version).await;
                report.transferred += 1;
            }
        }
        baseline.insert(path.clone(), *version);
    }
    let extraneous = there.iter().filter(|(path, _)| !source.contains_key(*path));
    for (path, file) in extraneous.filter(|_| sync.delete && report.failed == 0) {
        let is_known = is_first || baseline.get(path) == Some(&file.version);
        if is_kept(path) {
            continue;
        }
        if is_known || sync.conflict == ConflictPolicy::Overwrite {
            target.delete(path).await;
            baseline.remove(path);
            report.deleted += 1;
        } else {
            report.skipped += 1;
        }
    }
    if sync.state {
        save(state, &baseline);
    }
    Ended::Report(report)
}
