//! The operations on contexts.

use agbcloud_api::types::ContextListData;
use axum::response::Response;

use super::envelope::{Failure, done};
use super::lagging;
use super::operations::Call;
use crate::faults::Kind;
use crate::metadata::{Context, ContextCursor};

pub(super) async fn list(call: Call) -> Result<Response, Failure> {
    let limit = call.params.page_size("maxResults", 10)?;
    let after =
        match call.params.next_token() {
            None => None,
            Some(token) => Some(call.app.signer.position(&call.tenant, token).ok_or_else(
                || {
                    Failure::invalid(
                        "nextToken",
                        "this token was not issued for this listing; start again without it",
                    )
                },
            )?),
        };
    let (store, tenant) = (&*call.app.metadata, &call.tenant);
    let page = match call.app.listed_until("ListContexts") {
        None => store.list_contexts(tenant, after, limit).await?,
        Some(until) => lagging::contexts(store, tenant, until, after, limit).await?,
    };
    // A page token that came before is what clients have to notice, not to follow.
    let repeated = call
        .params
        .next_token()
        .filter(|_| call.app.faults.strikes("ListContexts", Kind::RepeatToken))
        .map(str::to_owned);
    let next_token = page.contexts.last().filter(|_| page.more).map(|last| {
        let position = ContextCursor {
            create_time: last.create_time,
            id: last.id.clone(),
        };
        call.app.signer.page_token(&call.tenant, &position)
    });
    let contexts: Vec<_> = page
        .contexts
        .into_iter()
        .map(|context| on_the_wire(&call, context))
        .collect();
    Ok(done!(
        call,
        ListContextsResponse,
        data: Some(ContextListData::Array(contexts)),
        next_token: repeated.or(next_token),
        max_results: i32::try_from(limit).ok(),
        total_count: Some(page.total),
    ))
}

pub(super) async fn get(call: Call) -> Result<Response, Failure> {
    let (id, name) = (call.params.optional_id("id")?, call.params.optional_name()?);
    let create = call.params.allow_create()?;
    let region = call.params.region(&call.app.regions)?;
    let metadata = &call.app.metadata;
    let found = match (id, name) {
        (Some(_), Some(_)) => {
            return Err(Failure::invalid(
                "id",
                "give either an id or a name, not both",
            ));
        }
        (Some(_), None) if create => {
            return Err(Failure::invalid(
                "id",
                "allowCreate=true takes a name: give a name instead, or leave allowCreate out",
            ));
        }
        (None, None) if create => return Err(Failure::missing("name", "the name of the context")),
        (None, None) => return Err(Failure::missing("id", "the id or the name of the context")),
        (Some(id), None) => metadata.context_by_id(&call.tenant, id).await?,
        (None, Some(name)) => match metadata.context_by_name(&call.tenant, region, name).await? {
            None if create => Some(
                metadata
                    .create_context(&call.tenant, region, name, call.app.now())
                    .await?,
            ),
            found => found,
        },
    };
    let context = found.ok_or_else(Failure::no_context)?;
    Ok(done!(call, GetContextResponse, data: Some(on_the_wire(&call, context))))
}

pub(super) async fn modify(call: Call) -> Result<Response, Failure> {
    let (id, name) = (call.params.id("id")?, call.params.name()?);
    call.app
        .metadata
        .rename_context(&call.tenant, id, name, call.app.now())
        .await?;
    Ok(done!(call, ModifyContextResponse))
}

pub(super) async fn delete(call: Call) -> Result<Response, Failure> {
    call.app
        .metadata
        .delete_context(&call.tenant, call.params.id("id")?)
        .await?;
    call.app.wake.wake();
    Ok(done!(call, DeleteContextResponse))
}

pub(super) async fn clear(call: Call) -> Result<Response, Failure> {
    let (id, now) = (call.params.id("id")?, call.app.now());
    call.app
        .metadata
        .clear_context(&call.tenant, id, now)
        .await?;
    call.app.faults.cleared(&call.tenant, id, now);
    call.app.wake.wake();
    Ok(done!(call, ClearContextResponse))
}

fn on_the_wire(call: &Call, context: Context) -> agbcloud_api::types::Context {
    let state = call.app.state(&call.tenant, &context);
    agbcloud_api::types::Context {
        id: Some(context.id),
        name: Some(context.name),
        state: Some(state.as_str().to_owned()),
        create_time: Some(context.create_time.rfc3339()),
        last_used_time: Some(context.last_used.rfc3339()),
        os_type: None,
    }
}
