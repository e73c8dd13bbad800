//! [`ResolvedSettings`]: the settings that a command uses, and where each comes from.

use agbcloud::{ClientBuilder, SettingSources};
use hyper::Uri;

use super::ServiceClient;
use crate::{failure::Failure, proxy};

/// The resolved settings.
pub(crate) struct ResolvedSettings {
    pub(crate) builder: ClientBuilder,
    /// The sources of the endpoint and the key.
    pub(crate) sources: SettingSources,
    /// The source of the endpoint.
    pub(crate) endpoint: String,
    /// The source of the API key.
    pub(crate) api_key: String,
    pub(crate) region: Option<Setting>,
    pub(crate) ca_file: Option<Setting>,
    pub(crate) client_cert: Option<Setting>,
    pub(crate) client_key: Option<Setting>,
}

/// The value of a setting, and a description of its source.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) value: String,
    pub(crate) source: String,
    /// Whether the value is in the config file.
    pub(super) is_of_profile: bool,
}

impl Setting {
    pub(super) fn new(value: &str, source: String) -> Self {
        Self {
            value: value.to_owned(),
            source,
            is_of_profile: false,
        }
    }

    pub(super) fn of_profile(value: &str, source: String) -> Self {
        Self {
            is_of_profile: true,
            ..Self::new(value, source)
        }
    }
}

impl ResolvedSettings {
    /// Builds the client, after a change of its settings.
    pub(crate) fn connect(
        self,
        change: impl FnOnce(ClientBuilder) -> ClientBuilder,
    ) -> Result<ServiceClient, Failure> {
        self.check_proxy()?;
        Ok(ServiceClient {
            client: change(self.builder).build()?,
            region: self.region.map(|region| region.value),
        })
    }

    /// Fails if the variable of the proxy is not a URL, which would be ignored.
    pub(crate) fn check_proxy(&self) -> Result<(), Failure> {
        let Ok(endpoint) = self.builder.resolved_endpoint()?.parse::<Uri>() else {
            return Ok(());
        };
        if let Some(variable) = proxy::invalid_variable(&endpoint) {
            let message = format!("{variable} is not the URL of a proxy");
            return Err(Failure::usage(message)
                .with_hint(format!("set {variable}=http://host:port, or unset it")));
        }
        proxy::set_active(&endpoint);
        Ok(())
    }

    /// Fails if the key must not be sent to the endpoint.
    pub(crate) fn check_trust(&self) -> Result<(), Failure> {
        if self.sources.trusts_endpoint() {
            return Ok(());
        }
        let message = format!(
            "the API key comes {}, the endpoint {}, which is less trusted",
            self.api_key, self.endpoint
        );
        Err(Failure::usage(message).with_hint("set both in one place, or pass --endpoint"))
    }
}
