//! `write_file`.

use agbcloud::RemotePath;
use base64::{Engine, prelude::BASE64_STANDARD};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    answers::WrittenFile,
    new_content::{Condition, check_and_upload},
    tool::{Hints, ToolCall},
};
use crate::{
    access::Permission,
    content::Encoding,
    failure::{Failure, Result},
    state::State,
};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WriteFile {
    /// Name or id of the context. Can be left out if the server is confined to one context
    context: Option<String>,
    /// Absolute path of the file. Folders need not be created
    path: String,
    /// The whole content, at most 4 MiB
    content: String,
    /// utf-8 if content is the text itself, base64 for anything else. Defaults to utf-8
    #[serde(default)]
    encoding: Encoding,
    /// Replace the file only if it has this version
    if_version: Option<String>,
    /// Replace an existing file of any version. Defaults to false: an existing file is an error
    #[serde(default)]
    overwrite: bool,
}

impl ToolCall for WriteFile {
    const NAME: &'static str = "write_file";
    const TITLE: &'static str = "Write a file";
    const DESCRIPTION: &'static str = "Writes a whole file. Creates it by default, and replaces an existing one only with \
         if_version or overwrite. To change a part of a file, call edit_file.";
    const PERMISSION: Permission = Permission::Write;
    const HINTS: Hints = Hints {
        destructive: true,
        ..Hints::READ
    };
    type Answer = WrittenFile;

    async fn run(self, state: &State) -> Result<WrittenFile> {
        let condition = match (self.if_version, self.overwrite) {
            (Some(_), true) => {
                return Err(Failure::invalid_argument(
                    "if_version and overwrite exclude each other",
                    "pass only one of them",
                ));
            }
            (Some(version), false) => Condition::Version(version),
            (None, true) => Condition::Always,
            (None, false) => Condition::Absent,
        };
        let path = RemotePath::new(self.path)?;
        let content = match self.encoding {
            Encoding::Utf8 => self.content.into_bytes(),
            Encoding::Base64 => BASE64_STANDARD.decode(self.content).map_err(|error| {
                Failure::invalid_argument(
                    format!("the content is not base64: {error}"),
                    "encode the bytes in base64 with padding, or pass encoding utf-8",
                )
            })?,
        };
        let place = state.scope.place(self.context.as_deref()).await?;
        let written = check_and_upload(&place, &path, content, condition).await?;
        Ok(WrittenFile::new(&place, path.as_str(), written))
    }
}
