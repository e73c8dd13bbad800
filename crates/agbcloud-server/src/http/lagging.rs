//! Listings that lag behind, for clients under test: as if what is younger were not there yet, so that neither pages nor
//! counts tell of it. They look at all there is, which only a test has to wait for.

use crate::clock::Micros;
use crate::metadata::{ContextCursor, ContextPage, FilePage, Metadata, Result};
use crate::names::FolderPath;
use crate::signing::Tenant;

/// What is looked at in one go.
const LOOK: u32 = 1000;

/// A page of the contexts that were there at a time.
pub(super) async fn contexts(
    store: &dyn Metadata,
    tenant: &Tenant,
    until: Micros,
    after: Option<ContextCursor>,
    limit: u32,
) -> Result<ContextPage> {
    let key = |position: &ContextCursor| (position.create_time, position.id.clone());
    let (after, mut from) = (after.as_ref().map(key), None);
    let mut page = ContextPage {
        contexts: Vec::new(),
        more: false,
        total: 0,
    };
    loop {
        let found = store.list_contexts(tenant, from, LOOK).await?;
        from = found.contexts.last().map(|last| ContextCursor {
            create_time: last.create_time,
            id: last.id.clone(),
        });
        for context in found.contexts {
            if context.create_time > until {
                continue;
            }
            page.total += 1;
            let listed = Some((context.create_time, context.id.clone())) > after;
            if listed && page.contexts.len() < limit as usize {
                page.contexts.push(context);
            } else {
                page.more |= listed;
            }
        }
        if !found.more {
            return Ok(page);
        }
    }
}

/// A page of what was in a folder at a time, and is still.
pub(super) async fn files(
    store: &dyn Metadata,
    (tenant, context, folder): (&Tenant, &str, &FolderPath),
    until: Micros,
    offset: i64,
    limit: u32,
) -> Result<FilePage> {
    let mut page = FilePage::default();
    let mut from = 0;
    loop {
        let found = store
            .list_files(tenant, context, folder, from, LOOK)
            .await?;
        from += i64::from(LOOK);
        for entry in found.entries {
            if entry.created > until {
                continue;
            }
            if page.count >= offset && page.entries.len() < limit as usize {
                page.entries.push(entry);
            }
            page.count += 1;
        }
        if from >= found.count {
            return Ok(page);
        }
    }
}
