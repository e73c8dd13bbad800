//! Hooks of the generated client.

use progenitor_client::{ClientHooks, Error, OperationInfo};
use reqwest::{
    Method,
    header::{CONTENT_LENGTH, HeaderValue},
};

use crate::Client;

impl ClientHooks<()> for Client {
    /// Adds `Content-Length: 0` to a POST without a body (RFC 9110, section 8.6), since some gateways require it (411).
    async fn pre<E>(
        &self,
        request: &mut reqwest::Request,
        _: &OperationInfo,
    ) -> Result<(), Error<E>> {
        if request.method() == Method::POST && request.body().is_none() {
            request
                .headers_mut()
                .insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        Ok(())
    }
}
