//! Whether this build can speak https.

use super::wrong;
use crate::Result;

/// Refuses a URL that needs TLS in a build without it.
pub(crate) fn check(url: &str) -> Result<()> {
    let has_tls = cfg!(any(feature = "rustls", feature = "native-tls"));
    if has_tls || !url.starts_with("https:") {
        return Ok(());
    }
    Err(wrong(
        "this program was built without TLS, and the URL is https: enable the feature `rustls` or `native-tls` of \
         agbcloud",
    ))
}
