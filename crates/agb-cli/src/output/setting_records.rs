//! The records about settings, and their JSON.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::Serialize;

use super::{rows::Row, table::Layout};

/// A setting of `agb config`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SettingRow {
    /// The name, as in the config file.
    pub(crate) name: Cow<'static, str>,
    /// The value, if there is one. Never an API key: `(set)` stands for it.
    pub(crate) value: Option<String>,
    /// Where the value comes from.
    pub(crate) source: Option<String>,
}

impl Row for SettingRow {
    const COLUMNS: &'static [&'static str] = &["name", "value", "source"];

    fn plain(&self) -> Vec<String> {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        vec![self.name.to_string(), text(&self.value), text(&self.source)]
    }

    fn human(&self) -> Vec<String> {
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        vec![self.name.to_string(), text(&self.value), text(&self.source)]
    }

    fn name(&self) -> String {
        self.name.to_string()
    }
}

/// A profile of the config file.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ProfileRow {
    /// The name.
    pub(crate) name: String,
    /// The endpoint, if it is set.
    pub(crate) endpoint: Option<String>,
    /// Whether the profile has an API key.
    pub(crate) has_key: bool,
    /// Whether it is the profile of --profile, AGB_PROFILE or the default.
    pub(crate) is_current: bool,
}

impl Row for ProfileRow {
    const COLUMNS: &'static [&'static str] = &["name", "endpoint", "key", ""];

    fn plain(&self) -> Vec<String> {
        let key = if self.has_key { "key" } else { "no key" };
        let current = if self.is_current { "current" } else { "" };
        vec![
            self.name.clone(),
            self.endpoint.clone().unwrap_or_default(),
            key.to_owned(),
            current.to_owned(),
        ]
    }

    fn name(&self) -> String {
        self.name.clone()
    }
}

/// The config file.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PathRow {
    /// The path.
    pub(crate) path: String,
    /// Whether the file exists.
    pub(crate) exists: bool,
}

/// The result of `agb login` and `agb logout`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LoginResult {
    /// `logged in` or `logged out`.
    pub(crate) result: &'static str,
    /// The name of the profile.
    pub(crate) profile: String,
    /// The endpoint that accepted the key. Absent for `logout`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) endpoint: Option<String>,
    /// The path of the config file.
    pub(crate) path: String,
}

/// An API key of `agb serve keys list`.
#[cfg(feature = "serve")]
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct KeyRow {
    /// Id of the key, which is not secret.
    pub(crate) id: String,
    /// When the key was created, in RFC 3339.
    pub(crate) created_at: Option<String>,
    /// Name of the tenant.
    pub(crate) tenant: String,
    /// Number of files that the tenant stores, if it can be read.
    pub(crate) files: Option<u64>,
    /// Maximum number of files, if it is limited.
    pub(crate) max_files: Option<u64>,
    /// Number of bytes that the tenant stores, if it can be read.
    pub(crate) bytes: Option<u64>,
    /// Maximum number of bytes, if it is limited.
    pub(crate) max_bytes: Option<u64>,
}

#[cfg(feature = "serve")]
impl KeyRow {
    fn cells(&self, unknown: &str) -> Vec<String> {
        let number =
            |number: Option<u64>| number.map_or(unknown.to_owned(), |number| number.to_string());
        vec![
            self.id.clone(),
            self.created_at.clone().unwrap_or_default(),
            self.tenant.clone(),
            number(self.files),
            number(self.max_files),
            number(self.bytes),
            number(self.max_bytes),
        ]
    }
}

#[cfg(feature = "serve")]
impl Row for KeyRow {
    const COLUMNS: &'static [&'static str] = &[
        "id",
        "created",
        "tenant",
        "files",
        "max files",
        "bytes",
        "max bytes",
    ];

    fn plain(&self) -> Vec<String> {
        self.cells("")
    }

    fn human(&self) -> Vec<String> {
        self.cells("-")
    }

    fn name(&self) -> String {
        self.id.clone()
    }
}

/// One check of `agb doctor`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CheckRow {
    /// Name of the check: `profile`, `.env`, `settings`, `endpoint`, `key`, `proxy`, `connection`, `clock`, `access`.
    pub(crate) check: &'static str,
    /// Whether the check passed.
    pub(crate) ok: bool,
    /// Whether the check passed, failed, or was not made.
    pub(crate) status: CheckStatus,
    /// What the check found, or why it was skipped.
    pub(crate) message: String,
    /// How to fix the problem.
    pub(crate) hint: Option<String>,
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CheckStatus {
    /// The check passed.
    Ok,
    /// The check failed.
    Failed,
    /// The check was not made.
    Skipped,
}

impl Row for CheckRow {
    const COLUMNS: &'static [&'static str] = &["check", "", "result"];
    const LAYOUT: Layout = Layout {
        narrowing: &[],
        wraps_last: true,
    };

    fn plain(&self) -> Vec<String> {
        let hint = self.hint.as_ref().map(|hint| format!("; {hint}"));
        let message = format!("{}{}", self.message, hint.unwrap_or_default());
        let status = self.status.as_str().to_owned();
        vec![self.check.to_owned(), status, message]
    }

    fn name(&self) -> String {
        format!("{} {}", self.check, self.status.as_str())
    }
}

impl CheckStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}
