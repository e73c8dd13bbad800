//! Where a setting was found.

use super::{ClientBuilder, Sources};

/// Where a client takes a setting from: see [`ClientBuilder::setting_sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SettingSource {
    /// It was given to the builder.
    Code,
    /// The process environment.
    Environment,
    /// The file `.env` in the working directory.
    Dotenv,
    /// It was given to the builder for the case that nothing else has it.
    Fallback,
    /// Nothing has it: what holds then.
    Default,
}

impl SettingSource {
    /// Rank of trust, the most trusted first.
    fn rank(self) -> u8 {
        match self {
            Self::Default => 0,
            Self::Code => 1,
            Self::Environment => 2,
            Self::Fallback => 3,
            Self::Dotenv => 4,
        }
    }

    /// The source as a message names it.
    pub(super) fn place(self, variable: &str) -> String {
        match self {
            Self::Code => "code".to_owned(),
            Self::Environment => format!("the environment ({variable})"),
            Self::Dotenv => format!("the file .env ({variable})"),
            Self::Fallback => "the fallback (a profile)".to_owned(),
            Self::Default => "the default".to_owned(),
        }
    }
}

/// Where a client takes its settings from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingSources {
    /// Of the endpoint.
    pub endpoint: SettingSource,
    /// Of the API key; [`Default`](SettingSource::Default) if there is none.
    pub api_key: SettingSource,
}

impl SettingSources {
    /// Whether the API key may be sent to the endpoint: the endpoint comes from the same or a more trusted source.
    /// [`build`](ClientBuilder::build) fails otherwise. The order of trust is: default, code, environment, fallback, `.env`.
    ///
    /// ```
    /// let setting_sources = agbcloud::Client::builder().api_key("k").endpoint("https://a.example").setting_sources();
    /// assert!(setting_sources.trusts_endpoint());
    /// ```
    pub fn trusts_endpoint(&self) -> bool {
        self.api_key == SettingSource::Default || self.endpoint.rank() <= self.api_key.rank()
    }
}

impl ClientBuilder {
    /// Where [`build`](Self::build) would take the endpoint and the API key from, as it is now: for programs that help
    /// to find out why a service is not the one that was meant.
    ///
    /// ```
    /// use agbcloud::{Client, SettingSource};
    ///
    /// let setting_sources = Client::builder().api_key("my-api-key").setting_sources();
    /// assert_eq!(setting_sources.api_key, SettingSource::Code);
    /// ```
    pub fn setting_sources(&self) -> SettingSources {
        self.setting_sources_by(&Sources::of_process(!self.ignores_dotenv))
    }

    pub(super) fn setting_sources_by(&self, sources: &Sources) -> SettingSources {
        let of = |in_code: bool, name: &str, fallback: bool| match sources {
            _ if in_code => SettingSource::Code,
            sources if sources.has(SettingSource::Environment, name) => SettingSource::Environment,
            _ if fallback => SettingSource::Fallback,
            sources if sources.has(SettingSource::Dotenv, name) => SettingSource::Dotenv,
            _ => SettingSource::Default,
        };
        SettingSources {
            endpoint: of(
                self.endpoint.is_some(),
                "AGB_ENDPOINT",
                self.fallback_endpoint.is_some(),
            ),
            api_key: of(
                self.api_key.is_some(),
                "AGB_API_KEY",
                self.fallback_api_key.is_some(),
            ),
        }
    }
}
