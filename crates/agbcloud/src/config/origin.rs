//! Where a setting was found.

use super::{AgbBuilder, Sources};

/// Where a client takes a setting from: see [`AgbBuilder::origins`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
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

impl Origin {
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
pub struct Origins {
    /// Of the endpoint.
    pub endpoint: Origin,
    /// Of the API key; [`Default`](Origin::Default) if there is none.
    pub api_key: Origin,
}

impl Origins {
    /// Whether the API key may be sent to the endpoint: the endpoint comes from the same or a more trusted source.
    /// [`build`](AgbBuilder::build) fails otherwise. The order of trust is: default, code, environment, fallback, `.env`.
    ///
    /// ```
    /// let origins = agbcloud::Agb::builder().api_key("k").endpoint("https://a.example").origins();
    /// assert!(origins.trusts_endpoint());
    /// ```
    pub fn trusts_endpoint(&self) -> bool {
        self.api_key == Origin::Default || self.endpoint.rank() <= self.api_key.rank()
    }
}

impl AgbBuilder {
    /// Where [`build`](Self::build) would take the endpoint and the API key from, as it is now: for programs that help
    /// to find out why a service is not the one that was meant.
    ///
    /// ```
    /// use agbcloud::{Agb, Origin};
    ///
    /// let origins = Agb::builder().api_key("my-api-key").origins();
    /// assert_eq!(origins.api_key, Origin::Code);
    /// ```
    pub fn origins(&self) -> Origins {
        self.origins_by(&Sources::of_process(!self.ignores_dotenv))
    }

    pub(super) fn origins_by(&self, sources: &Sources) -> Origins {
        let of = |in_code: bool, name: &str, fallback: bool| match sources {
            _ if in_code => Origin::Code,
            sources if sources.has(Origin::Environment, name) => Origin::Environment,
            _ if fallback => Origin::Fallback,
            sources if sources.has(Origin::Dotenv, name) => Origin::Dotenv,
            _ => Origin::Default,
        };
        Origins {
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
