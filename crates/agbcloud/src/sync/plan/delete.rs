//! Planning the deletion of a remote folder.

use std::path::Path;

use super::decision::{Compared, Decision, DecisionSender, PlannedChange};
use crate::{
    RemotePath, Result,
    sync::{options::SyncOptions, paths, report::Change},
};

pub(super) async fn plan(options: &SyncOptions, decisions: &DecisionSender) -> Result<()> {
    let mut listing = options.walk_remote();
    while let Some(entry) = listing.next().await {
        let entry = entry?;
        let Some(relative) = paths::relative_to(&options.remote, &entry.path) else {
            continue;
        };
        if entry.is_folder() {
            continue;
        }
        let decision = match RemotePath::new(entry.path.as_str()) {
            Ok(_) if !options.filter.includes(Path::new(relative)) => continue,
            Ok(_) => {
                // Nothing to compare: the caller has named the folder, whatever its content.
                let (delete, compared) = (Change::DeleteRemote, Compared::default());
                let planned = PlannedChange::deletion(relative, delete, entry.size, compared);
                Decision::Change(planned)
            }
            Err(error) => Decision::failed(relative, Some(Change::DeleteRemote), error),
        };
        decisions.send(vec![decision]).await?;
    }
    Ok(())
}
