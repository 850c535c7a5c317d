//! What a browser sees that comes without a link: where to begin.

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::StatusCode;
use maud::html;

use super::layout::page;
use crate::http::{Page, Shared};

/// The landing page's route.
pub fn routes() -> Router<Shared> {
    Router::new().route("/", get(landing))
}

async fn landing() -> Response {
    let content = html! {
        section {
            h1 { "EntryGuard" }
            p { "Sessions are started from chat. In Slack, write " code { "/entryguard start 2h" } " and follow the link to confirm your address." }
        }
    };
    Page { status: StatusCode::OK, markup: page("Start from chat", None, &content) }.into_response()
}
