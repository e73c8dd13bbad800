//! What `agb login` checks and stores.

use super::{Connection, ProfileKey, ResolvedSettings, Setting};
use crate::failure::Failure;

impl Connection {
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
