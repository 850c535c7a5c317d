//! What an address or a form says, or a page for whoever sends one that cannot be read.

use axum::extract::{Form, FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::response::Response;
use http::StatusCode;
use serde::de::DeserializeOwned;

use super::problem::problem;

/// What stands behind the `?` of an address.
pub struct InAddress<T>(pub T);

/// What a form says.
pub struct InForm<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for InAddress<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        let asked = Query::<T>::from_request_parts(parts, state).await;
        let Query(asked) = asked.map_err(|why| unreadable(why.status(), "address", &why.body_text()))?;
        Ok(Self(asked))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for InForm<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let filled = Form::<T>::from_request(request, state).await;
        let Form(filled) = filled.map_err(|why| unreadable(why.status(), "form", &why.body_text()))?;
        Ok(Self(filled))
    }
}

fn unreadable(status: StatusCode, what: &str, why: &str) -> Response {
    let why = format!(
        "The {what} cannot be read, so nothing was done. Begin at the first page, and use its links and buttons. ({why})"
    );
    problem(status, "Nothing was done", &why)
}
