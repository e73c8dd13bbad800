//! The API key, kept from being printed.

use std::fmt;

use reqwest::header::HeaderValue;

use crate::{Error, ErrorKind, Result};

/// An API key. `Debug` shows three asterisks.
#[derive(Clone)]
pub(crate) struct ApiKey(String);

impl ApiKey {
    /// White space around a key is an accident of files and shells.
    pub(crate) fn new(text: String) -> Self {
        Self(text.trim().to_owned())
    }

    pub(super) fn checked(self) -> Result<Self> {
        if self.0.is_empty() {
            return Err(Error::new(ErrorKind::Configuration, "the API key is empty"));
        }
        if !self.0.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = "the API key must be visible ASCII without spaces";
            return Err(Error::new(ErrorKind::Configuration, message));
        }
        Ok(self)
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// The value of the `authorization` header, marked so that HTTP libraries don't print it.
    pub(crate) fn authorization(&self) -> Result<HeaderValue> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0))
            .map_err(|_| Error::new(ErrorKind::Configuration, "the API key is no header value"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
