//! The context that is named.

use agbcloud::{Context, ContextId, ErrorKind, Files};

use crate::{
    address::Remote,
    exit::{Code, Doing, Failure},
    say,
    settings::Service,
};

/// How the ids of the service begin.
const ID: &str = "SdkCtx-";

/// Names that are proposed where there is none of the name that was typed.
const PROPOSED: usize = 5;

/// The context of this id, or else of this name.
pub(super) async fn context(client: &Service, name: &str) -> Result<Context, Failure> {
    let contexts = client.contexts();
    let looking = || format!("look for the context {name:?}");
    // One call is enough for what does not look like the other; an id wins.
    let by_id = async || match ContextId::new(name) {
        Ok(id) => Some(contexts.get(&id).await),
        Err(_) => None,
    };
    let looks_like_id = name.starts_with(ID);
    if looks_like_id {
        match by_id().await {
            Some(Err(error)) if error.kind() != ErrorKind::NotFound => {
                return Err(error).doing(looking);
            }
            Some(Ok(context)) => {
                say_if_named_too(client, &context, name).await;
                return Ok(context.into_inner());
            }
            _ => {}
        }
    }
    match client.named(name).await {
        Ok(context) => return Ok(context.into_inner()),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).doing(looking),
    }
    if !looks_like_id && let Some(Ok(context)) = by_id().await {
        return Ok(context.into_inner());
    }
    Err(none(client, name).await)
}

/// The files of a context that is named.
pub(super) async fn files(client: &Service, remote: &Remote) -> Result<Files, Failure> {
    let context = context(client, &remote.context).await?;
    Ok(client.contexts().files(&context.id))
}

async fn say_if_named_too(client: &Service, context: &Context, name: &str) {
    if let Ok(other) = client.named(name).await
        && other.id != context.id
    {
        say::note(format_args!(
            "note: {name} is the id of {:?} and the name of {}; the id was taken",
            context.name, other.id
        ));
    }
}

/// There is none of this name, in the region where it was looked for.
async fn none(client: &Service, name: &str) -> Failure {
    let wanted = name.to_lowercase();
    let mut listed = client
        .contexts()
        .list()
        .page_size(agbcloud::MAX_PAGE_SIZE)
        .by_item();
    let (mut elsewhere, mut alike) = (Vec::new(), Vec::new());
    while let Some(Ok(context)) = listed.next().await {
        let there = context.name.to_lowercase();
        if context.name == name {
            elsewhere.push(format!("{name} ({})", context.id));
        } else if there.contains(&wanted) || wanted.contains(&there) {
            alike.push(context.name);
        }
        if alike.len() == PROPOSED || elsewhere.len() == PROPOSED {
            break;
        }
    }
    let nowhere = Failure::of(Code::NotFound, format!("there is no context {name:?}"));
    match (&elsewhere[..], &alike[..]) {
        ([], []) => nowhere.hint(format!(
            "agb context list shows those that there are; agb context create '{name}' makes it"
        )),
        ([], alike) => nowhere.hint(format!("there are {}", alike.join(", "))),
        (others, _) if others.len() == 1 || client.is_in_region() => {
            let message = format!("there is no context {name:?} in this region");
            let others = others.join(", ");
            let hint =
                format!("elsewhere there is {others}: name it by its id, or say its --region");
            Failure::of(Code::NotFound, message).hint(hint)
        }
        (others, _) => {
            let message = format!("{name:?} is ambiguous: there are {}", others.join(", "));
            Failure::usage(message).hint("name it by its id, or say its --region")
        }
    }
}
