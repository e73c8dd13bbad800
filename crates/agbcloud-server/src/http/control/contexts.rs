//! The operations on contexts.

use agbcloud_api::types::ContextListData;
use axum::response::Response;

use super::envelope::success;
use super::{Call, ControlError, page_token, stale_listing};
use crate::faults::FaultKind;
use crate::metadata::{Context, ContextCursor};

pub(super) async fn list(call: Call) -> Result<Response, ControlError> {
    let limit = call.params.page_size("maxResults", 10)?;
    let after = match call.params.next_token() {
        None => None,
        Some(token) => Some(
            page_token::decode(&call.app.signer, &call.tenant, token).ok_or_else(|| {
                ControlError::invalid(
                    "nextToken",
                    "this token was not issued for this listing; start again without it",
                )
            })?,
        ),
    };
    let (store, tenant) = (&*call.app.metadata, &call.tenant);
    let page = match call.stale_until("ListContexts") {
        None => store.list_contexts(tenant, after, limit).await?,
        Some(until) => stale_listing::contexts(store, tenant, until, after, limit).await?,
    };
    let repeated = call
        .params
        .next_token()
        .filter(|_| {
            call.app
                .faults
                .applies("ListContexts", FaultKind::RepeatToken)
        })
        .map(str::to_owned);
    let next_token = page.contexts.last().filter(|_| page.more).map(|last| {
        let position = ContextCursor {
            create_time: last.create_time,
            id: last.id.clone(),
        };
        page_token::encode(&call.app.signer, &call.tenant, &position)
    });
    let contexts: Vec<_> = page
        .contexts
        .into_iter()
        .map(|context| to_wire(&call, context))
        .collect();
    Ok(success!(
        call,
        ListContextsResponse,
        data: Some(ContextListData::Array(contexts)),
        next_token: repeated.or(next_token),
        max_results: i32::try_from(limit).ok(),
        total_count: Some(page.total),
    ))
}

pub(super) async fn get(call: Call) -> Result<Response, ControlError> {
    let (id, name) = (call.params.optional_id("id")?, call.params.optional_name()?);
    let create = call.params.allow_create()?;
    let region = call.params.region(&call.app.regions)?;
    let metadata = &call.app.metadata;
    let found = match (id, name) {
        (Some(_), Some(_)) => {
            return Err(ControlError::invalid(
                "id",
                "give either an id or a name, not both",
            ));
        }
        (Some(_), None) if create => {
            return Err(ControlError::invalid(
                "id",
                "allowCreate=true takes a name: give a name instead, or leave allowCreate out",
            ));
        }
        (None, None) if create => {
            return Err(ControlError::missing("name", "the name of the context"));
        }
        (None, None) => {
            return Err(ControlError::missing(
                "id",
                "the id or the name of the context",
            ));
        }
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
    let context = found.ok_or_else(ControlError::no_context)?;
    Ok(success!(call, GetContextResponse, data: Some(to_wire(&call, context))))
}

pub(super) async fn modify(call: Call) -> Result<Response, ControlError> {
    let (id, name) = (call.params.id("id")?, call.params.name()?);
    call.app
        .metadata
        .rename_context(&call.tenant, id, name, call.app.now())
        .await?;
    Ok(success!(call, ModifyContextResponse))
}

pub(super) async fn delete(call: Call) -> Result<Response, ControlError> {
    call.app
        .metadata
        .delete_context(&call.tenant, call.params.id("id")?)
        .await?;
    call.app.wake.wake();
    Ok(success!(call, DeleteContextResponse))
}

pub(super) async fn clear(call: Call) -> Result<Response, ControlError> {
    let (id, now) = (call.params.id("id")?, call.app.now());
    call.app
        .metadata
        .clear_context(&call.tenant, id, now)
        .await?;
    call.app.faults.clear_started(&call.tenant, id, now);
    call.app.wake.wake();
    Ok(success!(call, ClearContextResponse))
}

fn to_wire(call: &Call, context: Context) -> agbcloud_api::types::Context {
    let state = call.state(&context);
    agbcloud_api::types::Context {
        id: Some(context.id),
        name: Some(context.name),
        state: Some(state.as_str().to_owned()),
        create_time: Some(context.create_time.rfc3339()),
        last_used_time: Some(context.last_used.rfc3339()),
        os_type: None,
    }
}
