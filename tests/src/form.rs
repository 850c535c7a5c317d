//! Reading `application/x-www-form-urlencoded`.

use axum::body::{Body, Bytes};
use axum::extract::{Form, FromRequest};
use axum::http::{Request, header};

/// The names and values in order; empty where the body is no form.
pub async fn pairs(body: Bytes) -> Vec<(String, String)> {
    let request = Request::post("/").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(Body::from(body));
    match Form::from_request(request.unwrap(), &()).await {
        Ok(Form(pairs)) => pairs,
        Err(_) => Vec::new(),
    }
}
