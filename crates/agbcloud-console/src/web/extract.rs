//! Extractors whose failures are pages.

use axum::{
    extract::{FromRequest, FromRequestParts, Request},
    http::{StatusCode, request::Parts},
};
use serde::de::DeserializeOwned;

use super::failure::Failure;
use crate::text;

/// The variable parts of the path.
pub(crate) struct Path<T>(pub(crate) T);

/// The parameters of the query.
pub(crate) struct Query<T>(pub(crate) T);

/// A form with files.
pub(crate) struct Multipart(pub(crate) axum::extract::Multipart);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        let path = path.map_err(|error| invalid_address(error.status(), &error.body_text()))?;
        Ok(Self(path.0))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let query = axum::extract::Query::from_request_parts(parts, state).await;
        let query = query.map_err(|error| invalid_address(error.status(), &error.body_text()))?;
        Ok(Self(query.0))
    }
}

impl<S: Send + Sync> FromRequest<S> for Multipart {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        let form = axum::extract::Multipart::from_request(request, state).await;
        form.map(Self).map_err(|error| {
            Failure::new(error.status(), "The form can't be read")
                .cause(error.body_text())
                .hint("Reload the page and repeat the action.")
        })
    }
}

fn invalid_address(status: StatusCode, cause: &str) -> Failure {
    Failure::new(status, "This address is not valid")
        .cause(text::name(cause))
        .hint("Go to the list of contexts.")
}
