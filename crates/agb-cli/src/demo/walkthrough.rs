//! [`Walkthrough`]: the steps of the demo, one function each.

use std::{collections::BTreeSet, fmt, time::Duration};

use agbcloud::{ContextId, ContextState, Contexts, ErrorKind, Files};

use super::{
    failures,
    print::{self, TransferBar},
    sample_files::{self, LARGE_PATH, LARGE_SIZE, SampleFile},
    service::DemoService,
};
use crate::{failure::Failure, output::print_line_best_effort, private_folder::private_folder};

const CONTEXTS: usize = 31;
const PAGE_SIZE: u32 = 10;
const STEPS: usize = 9;

const CLEAR_TIMEOUT: Duration = Duration::from_secs(120);

pub(super) struct Walkthrough<'a> {
    service: &'a DemoService,
    contexts: Contexts,
    prefix: String,
    folder: tempfile::TempDir,
    step: usize,
    bytes: u64,
}

impl<'a> Walkthrough<'a> {
    pub(super) fn new(service: &'a DemoService) -> Result<Self, Failure> {
        let folder = private_folder("agb-demo-files-")?;
        // The name of the folder is unique, which makes the names of the contexts unique.
        let name = folder.path().file_name().unwrap_or_default();
        let prefix = format!("{}-", name.to_string_lossy().replace("-files", ""));
        Ok(Self {
            service,
            contexts: service.client().contexts(),
            prefix,
            folder,
            step: 0,
            bytes: 0,
        })
    }

    /// The prefix of the names of all contexts.
    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    #[expect(clippy::disallowed_methods, reason = "the duration is only displayed")]
    pub(super) async fn run(&mut self) -> Result<(), Failure> {
        let start = std::time::Instant::now();
        let id = self.create().await?;
        self.list().await?;
        let files = self.contexts.files(&id);
        let mut samples = self.upload_small(&files).await?;
        samples.push(self.upload_large(&files).await?);
        self.list_folder(&files).await?;
        self.download(&files, &samples).await?;
        self.rename_and_clear(&id).await?;
        self.begin("show common failures");
        failures::demonstrate(self.service, &id, &self.prefix).await?;
        self.delete().await?;
        print_line_best_effort("");
        print_line_best_effort(format_args!(
            "done: {CONTEXTS} contexts, {} files, {} transferred, every byte compared, in {:.1} s",
            samples.len(),
            print::size(self.bytes),
            start.elapsed().as_secs_f64(),
        ));
        Ok(())
    }

    fn begin(&mut self, title: &str) {
        self.step += 1;
        print::step(self.step, STEPS, title);
    }

    fn name(&self, number: usize) -> String {
        format!("{}{number:02}", self.prefix)
    }

    async fn create(&mut self) -> Result<ContextId, Failure> {
        self.begin(&format!("create {CONTEXTS} contexts"));
        let mut first = None;
        for number in 1..=CONTEXTS {
            let create = self.contexts.get_or_create(self.name(number));
            let (context, request_id) = create.with_response().await?.into_parts();
            if number == 1 || number == CONTEXTS {
                print::result(
                    format!("{} is {}", context.name, context.id),
                    request_id.as_deref(),
                );
            }
            first.get_or_insert(context.id);
        }
        first.ok_or_else(|| Failure::new("no context was created"))
    }

    async fn list(&mut self) -> Result<(), Failure> {
        self.begin(&format!("list the contexts in pages of {PAGE_SIZE}"));
        let mut pages = self.contexts.list().page_size(PAGE_SIZE).by_page();
        let (mut listed, mut ours) = (0, Vec::new());
        while let Some(page) = pages.next().await {
            let page = page?;
            listed += page.contexts.len();
            let total = page
                .total_count
                .map_or_else(|| "?".to_owned(), |total| total.to_string());
            print::result(
                format!("page of {}: {listed} of {total}", page.contexts.len()),
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
        ensure(
            ours.len() == CONTEXTS,
            format!("{} of {CONTEXTS} contexts listed", ours.len()),
        )?;
        let ours: BTreeSet<String> = ours.into_iter().collect();
        ensure(ours == expected, "other contexts listed than created")?;
        ensure(
            !self.service.is_local() || listed == CONTEXTS,
            format!("{listed} contexts listed"),
        )
    }

    async fn upload_small(&mut self, files: &Files) -> Result<Vec<SampleFile>, Failure> {
        self.begin("upload small files");
        let samples = sample_files::create_small(self.folder.path())?;
        for sample in &samples {
            let uploaded = files.upload(&sample.remote, &sample.local).await?;
            self.bytes += uploaded.bytes;
            let text = format!("{} {}", print::size(uploaded.bytes), sample.remote);
            print::result(text, uploaded.request_id.as_deref());
        }
        Ok(samples)
    }

    async fn upload_large(&mut self, files: &Files) -> Result<SampleFile, Failure> {
        let size = LARGE_SIZE as u64;
        self.begin(&format!("upload a file of {}", print::size(size)));
        let sample = sample_files::create_large(self.folder.path())?;
        let bar = TransferBar::new("upload", size);
        let uploaded = files
            .upload(&sample.remote, &sample.local)
            .on_progress(bar.listener())
            .await?;
        drop(bar);
        self.bytes += uploaded.bytes;
        let tag = uploaded.etag.as_deref().unwrap_or("none");
        print::result(
            format!("{LARGE_PATH} has the ETag {tag}"),
            uploaded.request_id.as_deref(),
        );
        Ok(sample)
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
                print::size(entry.size.unwrap_or(0))
            };
            print::result(format!("{size:>12}  {}", entry.path), None);
            names.insert(entry.path);
        }
        ensure(
            names.contains(LARGE_PATH),
            format!("{LARGE_PATH} is not listed"),
        )
    }

    async fn download(&mut self, files: &Files, samples: &[SampleFile]) -> Result<(), Failure> {
        self.begin("download everything and compare every byte");
        for sample in samples {
            let copy = sample.local.with_extension("copy");
            let bar = TransferBar::new("download", sample.bytes);
            let downloaded = files
                .download(&sample.remote, &copy)
                .on_progress(bar.listener())
                .await?;
            drop(bar);
            self.bytes += downloaded.bytes;
            ensure(
                sample_files::are_equal(&sample.local, &copy)?,
                format!("{} differs after the download", sample.remote),
            )?;
            let size = print::size(downloaded.bytes);
            let text = format!("{size} {} is identical", sample.remote);
            print::result(text, downloaded.request_id.as_deref());
        }
        Ok(())
    }

    async fn rename_and_clear(&mut self, id: &ContextId) -> Result<(), Failure> {
        self.begin("rename a context, then clear it");
        let name = format!("{}renamed", self.prefix);
        let renamed = self.contexts.rename(id, &name).with_response().await?;
        let text = format!("{} is now {name}", self.name(1));
        print::result(text, renamed.request_id());
        let found = self.contexts.get_by_name(&name).await?;
        ensure(found.id == *id, "the new name belongs to another context")?;

        self.clear(id).await?;
        let remaining = self.contexts.files(id).list().send().await?.entries.len();
        ensure(remaining == 0, format!("{remaining} entries remain"))
    }

    async fn clear(&self, id: &ContextId) -> Result<(), Failure> {
        let clear = self
            .contexts
            .clear(id)
            .timeout(CLEAR_TIMEOUT)
            .poll_interval(Duration::from_millis(500));
        let handle = clear.start().await?;
        let first = handle.status().await?;
        let text = format!("clear started: the state is `{first}`");
        print::result(text, handle.request_id());
        let mut state = first;
        let mut statuses = handle.statuses();
        while let Some(status) = statuses.next().await {
            let status = status?;
            if status.state != state {
                let elapsed = status.elapsed.as_secs_f64();
                let text = format!(
                    "`{}` after {elapsed:.1} s ({} polls)",
                    status.state, status.polls
                );
                print::result(text, status.request_id.as_deref());
            }
            state = status.state;
        }
        ensure(
            state == ContextState::Available,
            format!("the state is {state}"),
        )
    }

    /// Deletes every context with the prefix and returns how many there were.
    pub(super) async fn delete_contexts(&self) -> agbcloud::Result<usize> {
        let mut listed = self.contexts.list().by_item();
        let mut ours = Vec::new();
        while let Some(context) = listed.next().await {
            let context = context?;
            if context.name.starts_with(&self.prefix) {
                ours.push(context.id);
            }
        }
        for id in &ours {
            match self.contexts.delete(id).await {
                Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(ours.len())
    }

    async fn delete(&mut self) -> Result<(), Failure> {
        self.begin("delete everything");
        let deleted = self.delete_contexts().await?;
        ensure(deleted == CONTEXTS, format!("{deleted} contexts deleted"))?;
        let left = self.delete_contexts().await?;
        ensure(left == 0, format!("{left} contexts remain"))?;
        print::result(format!("{deleted} contexts deleted, none remains"), None);
        Ok(())
    }
}

/// Fails with exit code 1 if the condition is false.
fn ensure(condition: bool, message: impl fmt::Display) -> Result<(), Failure> {
    match condition {
        true => Ok(()),
        false => Err(Failure::new(format!("mismatch: {message}"))),
    }
}
