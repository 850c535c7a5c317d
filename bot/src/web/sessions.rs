//! The Sessions page: what is open, for whom, until when; start, stop, extend, move.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use entryguard_core::command::reason_from;
use entryguard_core::domain::{Addresses, SessionCursor, SessionStatus, Span, SpanError};
use entryguard_core::engine::{EngineError, Listed, StartRequest, Which, Whose};
use entryguard_core::reply::Card;
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use super::confirm::other_url;
use super::layout::{Place, Shell};
use super::live::{self, Scope};
use super::problem::refusal_page;
use super::seen::Shown;
use super::start_card::{Here, StartCard, moved_banner};
use super::table::{Audience, SessionTable};
use super::visitor::{Recognition, Sent, Visitor, WebState};
use crate::http::client_address::ClientAddress;
use crate::http::{LivePage, Page};

/// Past sessions on one page.
const PAST: u32 = 20;

/// The page's routes.
pub fn routes() -> Router<WebState> {
    Router::new()
        .route("/", get(sessions))
        .route("/sessions", post(start))
        .route("/sessions/past", get(past))
        .route("/sessions/table", get(live::own_table))
        .route("/sessions/events", get(live::own_events))
        .route("/sessions/{id}/stop", post(stop))
        .route("/sessions/{id}/extend", post(extend))
        .route("/sessions/{id}/move", post(move_here))
}

#[derive(Deserialize)]
struct StartForm {
    duration: Option<String>,
    reason: Option<String>,
    break_glass: Option<String>,
    #[serde(flatten)]
    shown: Shown,
}

/// A form with a button alone.
#[derive(Deserialize)]
struct Pressed {
    // The page that it is on.
    from: Option<String>,
}

#[derive(Default, Deserialize)]
struct Asked {
    // The address of the other family, sealed.
    other: Option<String>,
}

async fn sessions(
    State(state): State<WebState>,
    visitor: Visitor,
    client: ClientAddress,
    Query(asked): Query<Asked>,
) -> Response {
    show(&state, &visitor, &client, asked.other.as_deref(), None).await
}

async fn start(State(state): State<WebState>, sent: Sent<StartForm>) -> Response {
    let started = async {
        let request = start_request(&state, &sent)?;
        state.shared.engine.start(&sent.visitor.caller, request).await.map(drop).map_err(|error| error.to_string())
    };
    let other = sent.form.shown.other.clone();
    see_after(&state, &sent, other.as_deref(), started).await
}

fn start_request(state: &WebState, sent: &Sent<StartForm>) -> Result<StartRequest, String> {
    let addresses = addresses(state, sent, &sent.form.shown)?;
    let duration = sent.form.duration.as_deref().map(str::parse::<Span>).transpose();
    let reason = reason_from(sent.form.reason.as_deref().unwrap_or_default()).map_err(|error| format!("{error}."))?;
    let duration = duration.map_err(|error: SpanError| error.to_string())?;
    let break_glass = sent.form.break_glass.is_some();
    Ok(StartRequest { reason, break_glass, ..StartRequest::seen(duration, addresses) })
}

/// What a form opens: only what its page showed, and what we saw ourselves.
fn addresses<T>(state: &WebState, sent: &Sent<T>, shown: &Shown) -> Result<Addresses, String> {
    let from = sent.client.0.clone().map_err(|doubt| doubt.to_string())?;
    let now = state.shared.engine.now();
    state.seal_key.to_open(shown, &sent.visitor, from, now).map_err(|why| why.to_string())
}

async fn move_here(State(state): State<WebState>, Path(id): Path<String>, sent: Sent<Shown>) -> Response {
    let moved = async {
        let addresses = addresses(&state, &sent, &sent.form)?;
        let moved = state.shared.engine.move_session(&sent.visitor.caller, &id, addresses).await;
        let moved = moved.map_err(|error| format!("The session was not moved, and goes on as it was. {error}"))?;
        if moved.old_goes_on {
            let why = "The session from here awaits approval. Until somebody agrees the old one goes on; stop it if nobody should \
                       come from its address any more.";
            return Err(why.to_owned());
        }
        Ok(())
    };
    let other = sent.form.other.clone();
    see_after(&state, &sent, other.as_deref(), moved).await
}

async fn stop(State(state): State<WebState>, Path(id): Path<String>, sent: Sent<Pressed>) -> Response {
    let which = Which::Named(id);
    let stopped = state.shared.engine.stop(&sent.visitor.caller, &which).await;
    pressed(&state, &sent, stopped.map(drop)).await
}

async fn extend(State(state): State<WebState>, Path(id): Path<String>, sent: Sent<Pressed>) -> Response {
    let which = Which::Named(id);
    let extended = state.shared.engine.extend(&sent.visitor.caller, &which, None).await;
    pressed(&state, &sent, extended.map(drop)).await
}

/// Shows the page again that a button was on.
async fn pressed(state: &WebState, sent: &Sent<Pressed>, done: Result<(), EngineError>) -> Response {
    let everybodys = sent.form.from.as_deref() == Some("everybody");
    match done {
        Ok(()) if everybodys => Redirect::to(Place::Everybodys.path()).into_response(),
        Ok(()) => Redirect::to(Place::Sessions.path()).into_response(),
        Err(error) if everybodys => refusal_page(&sent.visitor, Place::Everybodys, "Nothing was done", &error),
        Err(error) => show(state, &sent.visitor, &sent.client, None, Some(&error.to_string())).await,
    }
}

/// Does what the form asks for, and shows the page again.
async fn see_after<T>(
    state: &WebState,
    sent: &Sent<T>,
    other: Option<&str>,
    action: impl Future<Output = Result<(), String>>,
) -> Response {
    match action.await {
        Ok(()) => Redirect::to(Place::Sessions.path()).into_response(),
        Err(error) => show(state, &sent.visitor, &sent.client, other, Some(&error)).await,
    }
}

async fn show(state: &WebState, visitor: &Visitor, client: &ClientAddress, other: Option<&str>, error: Option<&str>) -> Response {
    match try_to_show(state, visitor, client, other, error).await {
        Ok(response) => response,
        Err(error) => refusal_page(visitor, Place::Sessions, "Not now", &error),
    }
}

async fn try_to_show(
    state: &WebState,
    visitor: &Visitor,
    client: &ClientAddress,
    other: Option<&str>,
    error: Option<&str>,
) -> Result<Response, EngineError> {
    let engine = &state.shared.engine;
    let (now, directory) = (engine.now(), engine.directory());
    let live = live::live(state, visitor, &Scope::OWN).await?;
    let newest = engine.page(&visitor.caller, &Whose::Own, Listed::All, None, 1).await?;
    let newest = newest.sessions.first().map(|view| Card::new(view, &directory, now));
    let ticket = visitor.form_token.ticket();
    let other = other.and_then(|sealed| Some((state.seal_key.unseal(sealed, &ticket, now)?, sealed.to_owned())));
    let is_other = |seen| client.0.as_ref().is_ok_and(|own| own.ip().is_ipv4() != seen);
    let other = other.filter(|(seen, _)| seen.lately && is_other(seen.address.ip().is_ipv4()));
    let here = Here {
        seen: &client.0,
        other: other.map(|(seen, sealed)| (seen.address, sealed)),
        other_url: client.0.as_ref().ok().and_then(|own| other_url(&state.shared, *own)),
        form_token: &visitor.form_token,
        seal_key: &state.seal_key,
        now,
    };
    let (seen, shared_exits) = (here.addresses(), state.shared_exits.as_ref());
    let elsewhere = |card: &&Card| card.status.is_live() && !card.approval.is_awaited() && card.addresses.differ_from(&seen);
    let content = html! {
        div class="heading" { h1 { "Sessions" } p class="note" { "Resources open for your address alone, and close again by themselves." } }
        div id="error" { @if let Some(error) = error { p class="alert" role="alert" { (error) } } }
        @for card in live.running.iter().filter(elsewhere) { (moved_banner(card, &here)) }
        (StartCard { caller: &visitor.caller, here: &here, directory: &directory, shared_exits, newest: newest.as_ref() }.render())
        (live_part(state, &Scope::OWN, &live))
        (aside(state))
    };
    let status = if error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let refresh = look_again(&live.running);
    let markup = Shell { title: "Sessions", place: Place::Sessions, visitor, refresh }.around(&content);
    let server = &state.shared.server;
    let asks = [&server.ipv4_url, &server.ipv6_url].into_iter().flatten().cloned().collect();
    Ok(LivePage { page: Page { status, markup }, asks }.into_response())
}

/// What changes by itself, with where the script hears of it.
pub fn live_part(state: &WebState, scope: &Scope, live: &live::Live) -> Markup {
    html! {
        div id="live" data-events=(scope.path("events")) data-table=(scope.path("table")) data-now=(state.shared.engine.now().as_millis()) {
            (live.markup)
        }
    }
}

/// In seconds: soon while something is on its way, and seldom enough to read in peace while a session runs.
pub fn look_again(cards: &[Card]) -> Option<u32> {
    let on_its_way =
        |card: &Card| matches!(card.status, SessionStatus::Pending | SessionStatus::Expiring) || card.extending_to.is_some();
    if cards.iter().any(on_its_way) {
        return Some(2);
    }
    cards.iter().any(|card| card.status.is_live()).then_some(30)
}

#[derive(Deserialize)]
struct PastAsked {
    after: Option<String>,
}

async fn past(State(state): State<WebState>, visitor: Visitor, Query(asked): Query<PastAsked>) -> Response {
    past_page(&state, &visitor, &Scope::OWN, Place::Sessions, asked.after.as_deref()).await
}

/// One page of the past sessions of somebody or everybody.
pub async fn past_page(state: &WebState, visitor: &Visitor, scope: &Scope, place: Place, after: Option<&str>) -> Response {
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
    let path = scope.path("past");
    let joint = if path.contains('?') { '&' } else { '?' };
    let table = SessionTable {
        caption: "Past sessions",
        cards: &cards,
        audience: scope.audience(),
        form_token: &visitor.form_token,
        now,
    };
    let back = if scope.audience() == Audience::Member { "Your sessions" } else { "Everybody’s sessions" };
    let content = html! {
        div class="heading" { h1 { "Past sessions" } p class="note" { a href=(place.path()) { "← " (back) } } }
        section class="card past" aria-label="Past sessions" {
            @if cards.is_empty() { p class="note" { "There is none." } } @else { (table.render()) }
            p class="pages" {
                @if !first { a href=(path) { "Newest" } }
                @if let Some(next) = &part.next { a rel="next" href={ (path) (joint) "after=" (next) } { "Older" } }
            }
        }
    };
    let markup = Shell { title: "Past sessions", place, visitor, refresh: None }.around(&content);
    LivePage { page: Page { status: StatusCode::OK, markup }, asks: Vec::new() }.into_response()
}

/// What to try next, where this is the demo.
fn aside(state: &WebState) -> Markup {
    let Recognition::ThisMachine(_) = &state.recognition else { return html! {} };
    html! {
        section class="card quiet" aria-labelledby="demo" {
            h2 id="demo" { "This is the demo" }
            p { "It guards " a href="/guarded" { "a page" } " with an allowlist file. Before a session that page answers 403, during one 200. Try it:" }
            pre tabindex="0" { code { "curl -i " (state.shared.server.public_url) "/guarded" } }
        }
    }
}
