//! What is done to every request of the generated client.

use progenitor_client::{ClientHooks, Error, OperationInfo};
use reqwest::{
    Method,
    header::{CONTENT_LENGTH, HeaderValue},
};

use crate::Client;

impl ClientHooks<()> for Client {
    /// Says that a POST has no body (RFC 9110, section 8.6): some gateways answer 411 to one that does not.
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
