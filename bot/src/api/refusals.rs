//! The refusals of a route, for the API's description: which codes come with which status.

use std::collections::BTreeMap;

use utoipa::openapi::{Content, Ref, RefOr, Response, ResponseBuilder};
use utoipa::{IntoResponses, ToSchema};

use super::codes;
use super::problem::ProblemBody;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident: $($status:literal)+;)+) => {$(
        $(#[$doc])*
        pub struct $name;

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                BTreeMap::from([$(described($status)),+])
            }
        }
    )+};
}

refusals! {
    /// Of whatever asks who calls, and has a query.
    OfAll: 400 401 403 408 429 503;
    /// Of what is about one session.
    OfOne: 400 401 403 404 408 409 429 503;
    /// Of what is about one session and takes a body.
    OfChange: 400 401 403 404 408 409 413 415 422 429 503;
    /// Of a stop that names no session.
    OfStop: 400 401 403 404 408 409 413 415 422 429 503;
    /// Of a start.
    OfStart: 400 401 403 404 408 409 413 415 422 429 503;
    /// Of what a session's key is good for.
    OfHolder: 400 401 403 404 408 429 503;
}

fn described(status: u16) -> (String, RefOr<Response>) {
    let of_it: Vec<_> = codes::ALL.iter().filter(|code| code.status.as_u16() == status).collect();
    let words: Vec<_> = of_it.iter().map(|code| format!("`{}`: {}", code.code, code.title)).collect();
    let content = Content::new(Some(Ref::from_schema_name(ProblemBody::name())));
    let response = ResponseBuilder::new().description(words.join("; ")).content("application/problem+json", content);
    (status.to_string(), RefOr::T(response.build()))
}
