//! The tools: their definitions, and the call of one by name.

mod answers;
mod clear_context;
mod contexts;
mod delete_file;
mod edit_file;
mod list_contexts;
mod list_files;
mod new_content;
mod read_file;
mod search_files;
mod stat_file;
mod tool;
mod upload_url;
mod write_file;

use std::sync::Arc;

use rmcp::model::{CallToolResult, JsonObject, Tool};

use crate::{
    access::Access,
    failure::{Failure, Result},
    state::State,
};
use tool::Entry;

pub(crate) use read_file::whole_file;

/// All tools.
#[derive(Clone)]
pub(crate) struct Tools(Arc<[Entry]>);

impl Tools {
    pub(crate) fn new() -> Self {
        Self(Arc::from([
            Entry::of::<list_contexts::ListContexts>(),
            Entry::of::<contexts::GetContext>(),
            Entry::of::<list_files::ListFiles>(),
            Entry::of::<stat_file::StatFile>(),
            Entry::of::<read_file::ReadFile>(),
            Entry::of::<search_files::SearchFiles>(),
            Entry::of::<write_file::WriteFile>(),
            Entry::of::<edit_file::EditFile>(),
            Entry::of::<delete_file::DeleteFile>(),
            Entry::of::<contexts::CreateContext>(),
            Entry::of::<upload_url::CreateUploadUrl>(),
            Entry::of::<contexts::DeleteContext>(),
            Entry::of::<clear_context::ClearContext>(),
        ]))
    }

    /// A tool that panics.
    #[cfg(test)]
    pub(crate) fn panicking() -> Self {
        Self(Arc::from([Entry::of::<tool::tests::Panic>()]))
    }

    /// The tools that the access allows.
    pub(crate) fn allowed(&self, access: Access) -> Vec<Tool> {
        let entries = self.0.iter();
        let allowed = entries.filter(|entry| access.allows(entry.permission));
        allowed.map(|entry| entry.definition.clone()).collect()
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// Runs a tool.
    ///
    /// # Errors
    ///
    /// `not_allowed` for a tool that the server does not allow, `invalid_argument` for other arguments than those of the
    /// tool, and those of the tool.
    pub(crate) async fn call(
        &self,
        state: &State,
        name: &str,
        arguments: JsonObject,
    ) -> Result<CallToolResult> {
        let Some(entry) = self.find(name) else {
            return Err(Failure::invalid_argument(
                format!("there is no tool {name:?}"),
                "call a tool of tools/list",
            ));
        };
        if !state.access.allows(entry.permission) {
            let option = entry.permission.option();
            return Err(Failure::not_allowed(
                format!("the server does not allow {name}"),
                format!("ask the user to start the server with {option}, if that is intended"),
            ));
        }
        (entry.run)(state, arguments).await
    }

    fn find(&self, name: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.definition.name == name)
    }
}
