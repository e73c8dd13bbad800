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

/// Where a client takes its settings from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origins {
    /// Of the endpoint.
    pub endpoint: Origin,
    /// Of the API key; [`Default`](Origin::Default) if there is none.
    pub api_key: Origin,
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
        self.origins_by(&Sources::of_process())
    }

    pub(super) fn origins_by(&self, sources: &Sources) -> Origins {
        let of = |in_code: bool, name: &str, fallback: bool| match sources.origin(name) {
            _ if in_code => Origin::Code,
            Some(origin) => origin,
            None if fallback => Origin::Fallback,
            None => Origin::Default,
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
