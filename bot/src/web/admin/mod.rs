//! The administrators' pages. Who is one is decided by the use cases; what they show is read-only, but for stopping and verifying.

mod audit;
mod drift;
mod members;
mod resources;
mod sessions;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use entryguard_core::engine::EngineError;
use http::StatusCode;
use maud::{Markup, html};

use super::layout::{Place, Shell};
use super::live;
use super::problem::refusal_page;
use super::visitor::{Visitor, WebState};
use crate::http::{LivePage, Page};

/// The pages' routes.
pub fn routes() -> Router<WebState> {
    Router::new()
        .route("/admin/sessions", get(sessions::everybodys))
        .route("/admin/sessions/past", get(sessions::past))
        .route("/admin/sessions/table", get(live::everybodys_table))
        .route("/admin/sessions/events", get(live::everybodys_events))
        .route("/admin/resources", get(resources::list))
        .route("/admin/resources/{name}/verify", post(resources::verify))
        .route("/admin/members", get(members::list))
        .route("/admin/audit", get(audit::log))
        .route("/admin/drift", get(drift::list))
}

/// A page, or why it is not shown.
fn shown(visitor: &Visitor, place: Place, title: &str, content: Result<Markup, EngineError>) -> Response {
    shown_as(StatusCode::OK, visitor, place, title, content)
}

/// The same, where not all is well with what was asked.
fn shown_as(status: StatusCode, visitor: &Visitor, place: Place, title: &str, content: Result<Markup, EngineError>) -> Response {
    let content = match content {
        Ok(content) => content,
        Err(error) => return refusal_page(visitor, place, "Nothing was done", &error),
    };
    let markup = Shell { title, place, visitor, refresh: None }.around(&content);
    LivePage { page: Page { status, markup }, asks: Vec::new() }.into_response()
}

/// What stands above a page.
fn heading(title: &str, note: &str) -> Markup {
    html! { div class="heading" { h1 { (title) } p class="note" { (note) } } }
}
