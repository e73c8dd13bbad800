//! `agb demo`: the job that a user comes for, told step by step.

mod mistakes;
mod service;
mod story;
mod tell;
mod tree;

use agbcloud::{Client, Contexts, ErrorKind};

use crate::{arguments::DemoArguments, exit::Failure, say, stop::Stop};
use service::Service;
use story::Story;

/// Runs the story, and cleans up however it ends.
pub(crate) async fn run(arguments: DemoArguments) -> Result<(), Failure> {
    let stop = Stop::new()?;
    let service = Service::new(arguments.endpoint).await?;
    service.introduce();
    let mut story = Story::new(&service)?;
    let outcome = tokio::select! {
        outcome = Box::pin(story.tell()) => outcome,
        () = stop.wait() => Err(Failure::interrupted()),
    };
    // A second signal does not wait for the cleaning up.
    drop(stop);
    if outcome.is_err() {
        clean_up(service.client(), story.prefix()).await;
    }
    service.stop().await;
    outcome.and_then(|()| say::check_story())
}

/// Deletes what the story has made, as far as that can still be done.
async fn clean_up(client: &Client, prefix: &str) {
    let contexts = client.contexts();
    if let Err(error) = delete_ours(&contexts, prefix).await {
        say::note(format_args!(
            "warning: contexts named {prefix}… may be left: {error}"
        ));
    }
}

/// Deletes every context whose name starts with the prefix; gives how many there were.
async fn delete_ours(contexts: &Contexts, prefix: &str) -> agbcloud::Result<usize> {
    let mut listed = contexts.list().by_item();
    let mut ours = Vec::new();
    while let Some(context) = listed.next().await {
        let context = context?;
        if context.name.starts_with(prefix) {
            ours.push(context.id);
        }
    }
    for id in &ours {
        match contexts.delete(id).await {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(ours.len())
}
