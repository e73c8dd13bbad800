//! [`FolderSync`]: a sync in one direction or both.

use agbcloud::{DeleteLimit, FileOutcome, Result, SyncDir, SyncPlan, SyncProgress, TwoWaySync};

/// A sync of the SDK.
pub(in crate::commands) enum FolderSync {
    OneWay(SyncDir),
    TwoWay(TwoWaySync),
}

impl FolderSync {
    pub(super) fn delete_limit(self, limit: DeleteLimit) -> Self {
        match self {
            Self::OneWay(sync) => Self::OneWay(sync.delete_limit(limit)),
            Self::TwoWay(sync) => Self::TwoWay(sync.delete_limit(limit)),
        }
    }

    pub(super) fn on_file(
        self,
        listener: impl Fn(&FileOutcome<'_>) + Send + Sync + 'static,
    ) -> Self {
        match self {
            Self::OneWay(sync) => Self::OneWay(sync.on_file(listener)),
            Self::TwoWay(sync) => Self::TwoWay(sync.on_file(listener)),
        }
    }

    pub(super) fn on_progress(
        self,
        listener: impl Fn(&SyncProgress<'_>) + Send + Sync + 'static,
    ) -> Self {
        match self {
            Self::OneWay(sync) => Self::OneWay(sync.on_progress(listener)),
            Self::TwoWay(sync) => Self::TwoWay(sync.on_progress(listener)),
        }
    }

    pub(super) async fn plan(self) -> Result<SyncPlan> {
        match self {
            Self::OneWay(sync) => sync.plan().await,
            Self::TwoWay(sync) => sync.plan().await,
        }
    }
}

impl From<SyncDir> for FolderSync {
    fn from(sync: SyncDir) -> Self {
        Self::OneWay(sync)
    }
}
