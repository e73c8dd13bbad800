//! Implementations of a sync: the SDK, a correct one, and faulty ones that the oracle must detect.

use std::path::Path;

use agbcloud::Files;

use crate::{
    actions::SyncStep,
    oracle::{Ended, Report},
    versions::{Snapshot, content},
};

/// The implementation that executes a sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// The SDK.
    Sdk,
    /// The correct implementation in [`reference`](crate::reference).
    Reference,
    /// Replaces every file that differs, whichever side changed it.
    Overwriting,
    /// Treats files of the same size as equal.
    SizeOnly,
    /// Like `Overwriting`, and always deletes files that the source does not have.
    Mirroring,
    /// Copies nothing and reports everything as unchanged.
    Idle,
    /// The SDK, but the local side wins each conflict of a two-way sync.
    WrongWinner,
    /// The SDK, but the state is lost before each sync.
    Forgetful,
}

impl Engine {
    /// Whether the SDK executes the syncs.
    pub(crate) fn is_sdk(self) -> bool {
        matches!(self, Self::Sdk | Self::WrongWinner | Self::Forgetful)
    }
}

/// Executes a sync with a faulty engine.
pub(crate) async fn sync(
    engine: Engine,
    sync: &SyncStep,
    before: &Snapshot,
    (folder, files): (&Path, &Files),
) -> Ended {
    let (source, target) = before.sides(sync.machine, sync.up);
    let mut report = Report::default();
    for (path, file) in source {
        let differs = target.get(path).is_none_or(|there| match engine {
            Engine::Idle => false,
            Engine::SizeOnly => content(there.version).len() != content(file.version).len(),
            _ => there.version != file.version,
        });
        if !differs || engine == Engine::Idle {
            report.unchanged += 1;
            continue;
        }
        let bytes = content(file.version);
        if sync.up {
            files
                .upload(remote(path), bytes.into_bytes())
                .await
                .unwrap();
        } else {
            let local = folder.join(path);
            std::fs::create_dir_all(local.parent().unwrap()).unwrap();
            std::fs::write(local, bytes).unwrap();
        }
        report.transferred += 1;
    }
    let extraneous = target.keys().filter(|path| !source.contains_key(*path));
    for path in extraneous.filter(|_| engine == Engine::Mirroring) {
        if sync.up {
            files.delete(remote(path)).await.unwrap();
        } else {
            std::fs::remove_file(folder.join(path)).unwrap();
        }
        report.deleted += 1;
    }
    Ended::Report(report)
}

pub(crate) fn remote(path: &str) -> String {
    format!("/w/{path}")
}
