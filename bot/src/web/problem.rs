//! A page for what did not work: what happened, and what to do next.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use maud::html;

use super::layout::page;
use crate::http::{Page, request_id};

/// The page.
pub fn problem(status: StatusCode, title: &str, why: &str) -> Response {
    let content = html! {
        section {
            h1 { (title) }
            p class="error" { (why) }
            @if let Some(id) = request_id::current() { p class="note" { "Request " code { (id) } } }
        }
    };
    Page { status, markup: page(title, None, &content) }.into_response()
}
