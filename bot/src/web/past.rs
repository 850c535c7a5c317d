//! Past sessions, a page at a time.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use entryguard_core::domain::SessionCursor;
use entryguard_core::engine::Listed;
use entryguard_core::reply::Card;
use http::StatusCode;
use maud::html;

use super::asked::InAddress;
use super::layout::{Place, Shell};
use super::live::{Chosen, Scope};
use super::problem::refusal_page;
use super::table::{Audience, SessionTable};
use super::visitor::{Visitor, WebState};
use crate::http::{LivePage, Page};

/// Past sessions on one page.
const PAST: u32 = 20;

/// One's own.
pub async fn own(State(state): State<WebState>, visitor: Visitor, InAddress(asked): InAddress<Chosen>) -> Response {
    shown(&state, &visitor, &Scope::OWN, Place::Sessions, asked.after.as_deref()).await
}

/// One page of the past sessions of somebody or everybody.
pub async fn shown(state: &WebState, visitor: &Visitor, scope: &Scope, place: Place, after: Option<&str>) -> Response {
    let engine = &state.shared.engine;
    // Whoever changes the address begins again.
    let after: Option<SessionCursor> = after.and_then(|text| text.parse().ok());
    let first = after.is_none();
    let part = match engine.page(&visitor.caller, scope.whose(), Listed::Past, after, PAST).await {
        Ok(part) => part,
        Err(error) => return refusal_page(visitor, place, "Not now", &error),
    };
    let (now, directory) = (engine.now(), engine.directory());
    let cards: Vec<_> = part.sessions.iter().map(|view| Card::new(view, &directory, now)).collect();
    let table = SessionTable {
        caption: "Past sessions",
        cards: &cards,
        audience: scope.audience(),
        to_answer: &BTreeSet::new(),
        form_token: &visitor.form_token,
        now,
    };
    let back = if scope.audience() == Audience::Member { "Your sessions" } else { "Everybody’s sessions" };
    let content = html! {
        div class="heading" { h1 { "Past sessions" } p class="note" { a href=(place.path()) { "← " (back) } } }
        section class="card past" aria-label="Past sessions" {
            @if cards.is_empty() { p class="note" { "There is none." } } @else { (table.render()) }
            p class="pages" {
                @if !first { a href=(scope.past(None)) { "Newest" } }
                @if let Some(next) = &part.next { a rel="next" href=(scope.past(Some(next))) { "Older" } }
            }
        }
    };
    let markup = Shell { title: "Past sessions", place, visitor, refresh: None }.around(&content);
    LivePage { page: Page { status: StatusCode::OK, markup }, asks: Vec::new() }.into_response()
}
