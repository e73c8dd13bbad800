//! What `agb login` checks and stores.

use agbcloud::SettingSource;

use super::{Connection, ProfileKey, ResolvedSettings, Setting};
use crate::failure::Failure;

impl Connection {
    /// The endpoint to log in to: that of a flag, or the one that commands use afterwards. Only a prompt that names it makes it
    /// safe to send a key to an endpoint that the command line does not name, unless the profile has it already.
    pub(crate) fn login_endpoint(
        &self,
        of_profile: Option<&str>,
        prompts: bool,
    ) -> Result<String, Failure> {
        if let Some(endpoint) = &self.endpoint {
            return Ok(endpoint.clone());
        }
        if let Some(endpoint) = of_profile.filter(|_| self.has_profile_flag()) {
            return Ok(endpoint.to_owned());
        }
        let builder = self.common_builder();
        let source = builder.setting_sources().endpoint;
        let of_variable = || Ok::<_, Failure>(builder.clone().resolved_endpoint()?);
        match (source, of_profile) {
            (SettingSource::Environment, of_profile) => {
                let endpoint = of_variable()?;
                if prompts || of_profile.is_some_and(|known| is_same(known, &endpoint)) {
                    return Ok(endpoint);
                }
                Err(not_named(&endpoint, "AGB_ENDPOINT"))
            }
            (_, Some(endpoint)) => Ok(endpoint.to_owned()),
            (SettingSource::Dotenv, None) => {
                Err(not_named(&of_variable()?, "the file .env in this folder"))
            }
            _ => Ok(agbcloud::DEFAULT_ENDPOINT.to_owned()),
        }
    }

    /// The settings for a key that the user gives for this endpoint. Nothing else is sent to it: a certificate of the
    /// environment or of a flag only.
    pub(crate) fn for_login(&self, endpoint: &str, key: &str) -> Result<ResolvedSettings, Failure> {
        let builder = self.common_builder().dotenv(false);
        let file = |value: &Option<String>| {
            let value = value.as_deref().filter(|value| !value.is_empty())?;
            Some(Setting::new(value, "for the login".to_owned()))
        };
        let builder = builder.endpoint(endpoint).api_key(key);
        self.tls.apply(ResolvedSettings {
            sources: builder.setting_sources(),
            builder,
            endpoint: String::new(),
            api_key: String::new(),
            region: None,
            ca_file: file(&self.tls.ca_file),
            client_cert: file(&self.tls.client_cert),
            client_key: file(&self.tls.client_key),
        })
    }

    /// The region of a flag, which the profile stores.
    pub(crate) fn region_flag(&self) -> Option<&str> {
        let region = self.region.as_deref();
        region.filter(|_| !self.environment.contains(ProfileKey::Region.name()))
    }

    /// The files of flags, which the profile stores.
    pub(crate) fn certificate_flags(&self) -> impl Iterator<Item = (ProfileKey, &str)> {
        let files = [
            (ProfileKey::CaFile, &self.tls.ca_file),
            (ProfileKey::ClientCert, &self.tls.client_cert),
            (ProfileKey::ClientKey, &self.tls.client_key),
        ];
        let files = files
            .into_iter()
            .filter(|(key, _)| !self.environment.contains(key.name()));
        files.filter_map(|(key, file)| Some((key, file.as_deref()?)))
    }
}

/// Whether two texts name the same endpoint.
fn is_same(one: &str, other: &str) -> bool {
    one.trim().trim_end_matches('/') == other.trim_end_matches('/')
}

/// A key on stdin must not go to an endpoint that the command line does not name.
fn not_named(endpoint: &str, source: &str) -> Failure {
    let message = format!("the endpoint {endpoint} comes from {source}: no key was sent");
    Failure::usage(message).with_hint(format!("pass --endpoint {endpoint}"))
}
