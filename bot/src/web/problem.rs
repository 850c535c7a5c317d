//! A page for what did not work: what happened, and what to do next.

use axum::response::{IntoResponse, Response};
use entryguard_core::engine::EngineError;
use http::StatusCode;
use maud::html;

use super::layout::{Place, Shell, page};
use super::visitor::Visitor;
use crate::http::{LivePage, Page, request_id};

/// The page, for whoever came.
pub fn problem(status: StatusCode, title: &str, why: &str) -> Response {
    let content = html! {
        section class="card" {
            h1 { (title) }
            p class="error" { (why) }
            p { a href="/" { "To the first page" } }
            @if let Some(id) = request_id::current() { p class="note" { "Request " code { (id) } } }
        }
    };
    Page { status, markup: page(title, None, &content) }.into_response()
}

/// The page, for a member who was refused something.
pub fn refusal_page(visitor: &Visitor, place: Place, title: &str, error: &EngineError) -> Response {
    if error.is_ours() {
        tracing::error!(error = ?error, "a page could not be shown");
    }
    let (status, title) = match error {
        EngineError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "Not now"),
        EngineError::AdministratorsOnly => (StatusCode::FORBIDDEN, "For administrators"),
        _ => (StatusCode::BAD_REQUEST, title),
    };
    let content = html! {
        div class="heading" { h1 { (title) } }
        section class="card" { p class="error" role="alert" { (error) } p { a href="/" { "Your sessions" } } }
    };
    let markup = Shell { title, place, visitor, refresh: None }.around(&content);
    LivePage { page: Page { status, markup }, asks: Vec::new() }.into_response()
}
