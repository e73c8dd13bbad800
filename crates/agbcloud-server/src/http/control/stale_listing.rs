//! Listings that lag behind, for testing clients: pages and counts do not include newer entries. They read the entire
//! listing, which is acceptable in tests.

use crate::metadata::{ContextCursor, ContextPage, FilePage, Metadata, Result};
use crate::names::FolderPath;
use crate::signing::Tenant;
use crate::system::clock::Micros;

/// Entries per query.
const BATCH: u32 = agbcloud_api::rules::MAX_PAGE_SIZE;

/// Returns a page of the contexts that existed at `until`.
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
        let found = store.list_contexts(tenant, from, BATCH).await?;
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

/// Returns a page of the current entries of a folder that existed at `until`.
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
            .list_files(tenant, context, folder, from, BATCH)
            .await?;
        from += i64::from(BATCH);
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
