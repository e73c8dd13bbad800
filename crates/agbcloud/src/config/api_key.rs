//! The API key.

use std::fmt;

use reqwest::header::HeaderValue;

use super::invalid_setting;
use crate::error::Result;

/// An API key. `Debug` writes three asterisks.
#[derive(Clone)]
pub(crate) struct ApiKey(String);

impl ApiKey {
    /// Removes white space around the key, which files and shells add by accident.
    pub(crate) fn new(text: String) -> Self {
        Self(text.trim().to_owned())
    }

    pub(crate) fn checked(self) -> Result<Self> {
        if self.0.is_empty() {
            return Err(invalid_setting("the API key is empty"));
        }
        if !self.0.bytes().all(|byte| byte.is_ascii_graphic()) {
            let message = "the API key must be visible ASCII without spaces";
            return Err(invalid_setting(message));
        }
        Ok(self)
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// The value of the `authorization` header, marked as sensitive so that HTTP libraries do not print it.
    pub(crate) fn authorization(&self) -> Result<HeaderValue> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0))
            .map_err(|_| invalid_setting("the API key is not a valid header value"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
