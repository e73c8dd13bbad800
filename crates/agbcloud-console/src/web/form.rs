//! [`Form`]: the fields of a form whose token was checked.

use std::sync::Arc;

use axum::{
    extract::{FromRequest, Request},
    http::StatusCode,
};

use super::failure::Failure;
use crate::{app::App, sessions::Session};

/// The fields of a POST request. Extracting them checks the token of the session, so that no handler can omit it.
pub(crate) struct Form(Vec<(String, String)>);

impl Form {
    /// The value of a field. Empty if the form does not have it.
    pub(crate) fn get(&self, name: &str) -> &str {
        let field = self.0.iter().find(|(key, _)| key == name);
        field.map_or("", |(_, value)| value)
    }
}

impl FromRequest<Arc<App>> for Form {
    type Rejection = Failure;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Failure> {
        let session = request.extensions().get::<Session>().cloned();
        let session = session.ok_or_else(Failure::no_session)?;
        let fields = axum::extract::Form::<Vec<(String, String)>>::from_request(request, app).await;
        let form = match fields {
            Ok(axum::extract::Form(fields)) => Self(fields),
            Err(rejection) => {
                return Err(Failure::new(rejection.status(), "The form can't be read")
                    .cause(rejection.body_text()));
            }
        };
        check_token(&session, form.get("csrf"))?;
        Ok(form)
    }
}

/// Fails unless this is the token of the session.
pub(crate) fn check_token(session: &Session, token: &str) -> Result<(), Failure> {
    match session.csrf.matches(token) {
        true => Ok(()),
        false => Err(
            Failure::new(StatusCode::FORBIDDEN, "This form is from another session")
                .hint("Reload the page and repeat the action."),
        ),
    }
}
