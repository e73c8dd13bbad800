//! The parameters of a URL that the service defines in addition to those of the driver.

use std::collections::BTreeMap;
use std::time::Duration;

use percent_encoding::percent_decode_str;

/// The name of a parameter with an invalid value.
pub(super) struct InvalidParameter(pub(super) String);

/// Parameters of a URL that the driver does not know, by name.
pub(super) struct OwnParameters(BTreeMap<String, String>);

/// The names of parameters that are removed from the URL before the driver parses it.
const OWN: [&str; 9] = [
    "sslmode",
    "sslrootcert",
    "prepared_statements",
    "pool_size",
    "pool_timeout",
    "operation_timeout",
    "statement_timeout",
    "lock_timeout",
    "lease",
];

impl OwnParameters {
    /// Also returns the URL without them.
    pub(super) fn split(url: &str) -> (String, Self) {
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let (mut own, mut others) = (BTreeMap::new(), Vec::new());
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match OWN.contains(&name) {
                true => {
                    let value = percent_decode_str(value).decode_utf8_lossy();
                    own.insert(name.to_owned(), value.into_owned());
                }
                false => others.push(pair),
            }
        }
        let url = match others.is_empty() {
            true => base.to_owned(),
            false => format!("{base}?{}", others.join("&")),
        };
        (url, Self(own))
    }

    /// The value of a parameter.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Whether a setting is on. It is off by default.
    pub(super) fn switch(&self, name: &str) -> Result<bool, InvalidParameter> {
        match self.text(name) {
            None | Some("off") => Ok(false),
            Some("on") => Ok(true),
            Some(_) => Err(InvalidParameter(name.to_owned())),
        }
    }

    /// A time that the URL has in seconds.
    pub(super) fn seconds(
        &self,
        name: &str,
        default: Duration,
    ) -> Result<Duration, InvalidParameter> {
        let Some(text) = self.text(name) else {
            return Ok(default);
        };
        text.parse()
            .ok()
            .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
            .filter(|time| (Duration::from_millis(1)..Duration::from_secs(3600)).contains(time))
            .ok_or_else(|| InvalidParameter(name.to_owned()))
    }
}
