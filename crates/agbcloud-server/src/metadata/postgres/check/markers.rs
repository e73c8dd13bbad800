//! Reads and replaces the marker of the database.

use crate::markers::SharedMarker;
use crate::metadata::check::{Problem, ProblemKind};
use crate::metadata::postgres::connection::{Access, Failure};
use crate::metadata::postgres::{Postgres, commit, meta};
use crate::metadata::{Result, StoreError};

/// The marker of the database.
pub(crate) enum MarkerState {
    /// The marker, and whether the store of blobs has had one.
    Found(SharedMarker, bool),
    Unreadable(Problem),
}

/// Returns a damaged value as a problem, and another failure as it is.
pub(super) fn unreadable(failure: Failure) -> Result<Problem, Failure> {
    match failure {
        Failure::Store(error @ StoreError::Damaged(_)) => {
            Ok(ProblemKind::Unreadable(error.to_string()).into())
        }
        failure => Err(failure),
    }
}

impl Postgres {
    /// Reads the current marker, and not that of a snapshot: services advance it, and then the one of the store of blobs.
    pub(crate) async fn read_marker(&self) -> Result<MarkerState> {
        self.retry(move |deadline| async move {
            let session = self.begin(Access::ReadAll, deadline).await?;
            let found = meta::stored_marker(&session).await;
            session.finish().await?;
            match found {
                Ok(Some((marker, confirmed))) => Ok(MarkerState::Found(marker, confirmed)),
                Ok(None) => {
                    let missing = StoreError::Damaged("the row of the marker is missing");
                    Ok(MarkerState::Unreadable(unreadable(missing.into())?))
                }
                Err(failure) => Ok(MarkerState::Unreadable(unreadable(failure)?)),
            }
        })
        .await
    }

    /// Replaces the marker.
    pub(crate) async fn replace_marker(&self, marker: SharedMarker) -> Result<()> {
        self.retry(move |deadline| async move {
            let session = self.begin(Access::Task, deadline).await?;
            meta::replace_marker(&session, marker).await?;
            commit(session).await
        })
        .await
    }
}
