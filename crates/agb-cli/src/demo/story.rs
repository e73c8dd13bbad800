//! The story itself: one function a step.

use std::{collections::BTreeSet, time::Duration};

use agbcloud::{ClearStatus, ContextId, ContextState, Contexts, Files};

use super::{
    delete_ours, mistakes,
    service::Service,
    tell::{self, Bar},
    tree::{self, LARGE, LARGE_PATH, Leaf},
};
use crate::{exit::Failure, say};

const CONTEXTS: usize = 31;
const PAGE: u32 = 10;
const STEPS: usize = 9;

/// How long the clear of a demo is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// The story, and what it has made so far.
pub(super) struct Story<'a> {
    service: &'a Service,
    contexts: Contexts,
    prefix: String,
    folder: tempfile::TempDir,
    step: usize,
    bytes: u64,
}

impl<'a> Story<'a> {
    pub(super) fn new(service: &'a Service) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new()
            .prefix("agb-demo-files-")
            .tempdir()
            .map_err(|error| Failure::other("can't make a temporary folder", error))?;
        // The folder's name is unique on this machine, and so, with the process, are the contexts' names.
        let tail = folder
            .path()
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let prefix = format!("{}-", tail.unwrap_or_default().replace("-files", ""));
        Ok(Self {
            service,
            contexts: service.client().contexts(),
            prefix,
            folder,
            step: 0,
            bytes: 0,
        })
    }

    /// How the names of all contexts of the story start.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    #[allow(clippy::disallowed_methods)] // A person is told how long it took.
    pub(super) async fn tell(&mut self) -> Result<(), Failure> {
        let start = std::time::Instant::now();
        let id = self.create().await?;
        self.list().await?;
        let files = self.contexts.files(&id);
        let mut leaves = self.upload_tree(&files).await?;
        leaves.push(self.upload_large(&files).await?);
        self.list_folder(&files).await?;
        self.download(&files, &leaves).await?;
        self.rename_and_clear(&id).await?;
        self.begin("what a few mistakes look like");
        mistakes::show(self.service, &id, &self.prefix).await?;
        self.delete().await?;
        say::story("");
        say::story(format_args!(
            "done: {CONTEXTS} contexts, {} files, {} up and down, every byte compared, in {:.1} s",
            leaves.len(),
            tell::size(self.bytes),
            start.elapsed().as_secs_f64(),
        ));
        Ok(())
    }

    fn begin(&mut self, what: &str) {
        self.step += 1;
        tell::step(self.step, STEPS, what);
    }

    fn name(&self, number: usize) -> String {
        format!("{}{number:02}", self.prefix)
    }

    async fn create(&mut self) -> Result<ContextId, Failure> {
        self.begin(&format!("create {CONTEXTS} contexts"));
        let mut first = None;
        for number in 1..=CONTEXTS {
            let context = self.contexts.get_or_create(self.name(number)).await?;
            if number == 1 || number == CONTEXTS {
                tell::result(
                    format!("{} is {}", context.name, context.id),
                    context.request_id(),
                );
            }
            first.get_or_insert(context.into_inner().id);
        }
        first.ok_or_else(|| Failure::new("no context was created"))
    }

    async fn list(&mut self) -> Result<(), Failure> {
        self.begin(&format!("list them all through pages of {PAGE}"));
        let mut pages = self.contexts.list().page_size(PAGE).by_page();
        let (mut seen, mut ours) = (0, Vec::new());
        while let Some(page) = pages.next().await {
            let page = page?;
            seen += page.contexts.len();
            let total = page
                .total_count
                .map_or_else(|| "?".to_owned(), |total| total.to_string());
            tell::result(
                format!("page of {}: {seen} of {total}", page.contexts.len()),
                page.request_id.as_deref(),
            );
            ours.extend(
                page.contexts
                    .into_iter()
                    .map(|context| context.name)
                    .filter(|name| name.starts_with(&self.prefix)),
            );
        }
        let expected: BTreeSet<String> = (1..=CONTEXTS).map(|number| self.name(number)).collect();
        ensure(ours.len() == CONTEXTS, || {
            format!("{} of our {CONTEXTS} contexts were listed", ours.len())
        })?;
        ensure(
            ours.into_iter().collect::<BTreeSet<_>>() == expected,
            || "other contexts were listed than were made".into(),
        )?;
        ensure(!self.service.is_own() || seen == CONTEXTS, || {
            format!("{seen} contexts were listed")
        })
    }

    async fn upload_tree(&mut self, files: &Files) -> Result<Vec<Leaf>, Failure> {
        self.begin("upload a small tree of files");
        let leaves = tree::plant(self.folder.path())?;
        for leaf in &leaves {
            let uploaded = files.upload(&leaf.remote, &leaf.local).await?;
            self.bytes += uploaded.bytes;
            let text = format!("{} {}", tell::size(uploaded.bytes), leaf.remote);
            tell::result(text, uploaded.request_id.as_deref());
        }
        Ok(leaves)
    }

    async fn upload_large(&mut self, files: &Files) -> Result<Leaf, Failure> {
        self.begin(&format!("upload one file of {}", tell::size(LARGE)));
        let leaf = tree::plant_large(self.folder.path())?;
        let bar = Bar::new("up", LARGE);
        let uploaded = files
            .upload(&leaf.remote, &leaf.local)
            .on_progress(bar.listener())
            .await?;
        drop(bar);
        self.bytes += uploaded.bytes;
        let tag = uploaded.etag.as_deref().unwrap_or("none");
        tell::result(
            format!("{LARGE_PATH} has the ETag {tag}"),
            uploaded.request_id.as_deref(),
        );
        Ok(leaf)
    }

    async fn list_folder(&mut self, files: &Files) -> Result<(), Failure> {
        self.begin("list the folder /data");
        let mut entries = files.list().folder("/data").by_item();
        let mut names = BTreeSet::new();
        while let Some(entry) = entries.next().await {
            let entry = entry?;
            let size = if entry.is_folder() {
                "folder".to_owned()
            } else {
                tell::size(entry.size.unwrap_or(0))
            };
            tell::result(format!("{size:>12}  {}", entry.path), None);
            names.insert(entry.path);
        }
        ensure(names.contains(LARGE_PATH), || {
            format!("{LARGE_PATH} is missing from its folder")
        })
    }

    async fn download(&mut self, files: &Files, leaves: &[Leaf]) -> Result<(), Failure> {
        self.begin("download everything and compare every byte");
        for leaf in leaves {
            let copy = leaf.local.with_extension("copy");
            let bar = Bar::new("down", leaf.bytes);
            let downloaded = files
                .download(&leaf.remote, &copy)
                .on_progress(bar.listener())
                .await?;
            drop(bar);
            self.bytes += downloaded.bytes;
            ensure(tree::same(&leaf.local, &copy)?, || {
                format!("{} came back changed", leaf.remote)
            })?;
            let text = format!(
                "{} {} is the same",
                tell::size(downloaded.bytes),
                leaf.remote
            );
            tell::result(text, downloaded.request_id.as_deref());
        }
        Ok(())
    }

    async fn rename_and_clear(&mut self, id: &ContextId) -> Result<(), Failure> {
        self.begin("rename a context, then clear it");
        let name = format!("{}renamed", self.prefix);
        let renamed = self.contexts.rename(id, &name).await?;
        tell::result(
            format!("{} is now {name}", self.name(1)),
            renamed.request_id(),
        );
        let found = self.contexts.get_by_name(&name).await?;
        ensure(found.id == *id, || {
            "the new name leads to another context".into()
        })?;

        self.clear(id).await?;
        let left = self.contexts.files(id).list().send().await?;
        ensure(left.entries.is_empty(), || {
            format!("{} entries are left after the clear", left.entries.len())
        })
    }

    async fn clear(&self, id: &ContextId) -> Result<(), Failure> {
        let clear = self
            .contexts
            .clear(id)
            .timeout(PATIENCE)
            .poll_interval(Duration::from_millis(500));
        let handle = clear.start().await?;
        let first = handle.status().await?;
        tell::result(
            format!("clear started: the state is `{}`", *first),
            handle.request_id(),
        );
        let mut state = first.into_inner();
        let mut statuses = handle.statuses();
        while let Some(status) = statuses.next().await {
            let status = status?;
            if status.state != state {
                tell::result(change(&status), status.request_id.as_deref());
            }
            state = status.state;
        }
        ensure(state == ContextState::Available, || {
            format!("the state is {state}")
        })
    }

    async fn delete(&mut self) -> Result<(), Failure> {
        self.begin("delete everything");
        let deleted = delete_ours(&self.contexts, &self.prefix).await?;
        ensure(deleted == CONTEXTS, || {
            format!("{deleted} contexts were there to delete")
        })?;
        let left = delete_ours(&self.contexts, &self.prefix).await?;
        ensure(left == 0, || format!("{left} contexts are left"))?;
        tell::result(format!("{deleted} contexts deleted, none is left"), None);
        Ok(())
    }
}

fn change(status: &ClearStatus) -> String {
    format!(
        "`{}` after {:.1} s and {} looks",
        status.state,
        status.elapsed.as_secs_f64(),
        status.polls
    )
}

/// A mismatch ends the story with exit code 1.
pub(super) fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), Failure> {
    if holds {
        Ok(())
    } else {
        Err(Failure::new(format!("mismatch: {}", otherwise())))
    }
}
