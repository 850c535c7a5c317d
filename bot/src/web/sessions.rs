//! The Sessions page: what is open, for whom, until when; start, stop, extend, move.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use entryguard_core::command::reason_from;
use entryguard_core::domain::{Addresses, Span, SpanError};
use entryguard_core::engine::{Engine, EngineError, StartRequest, Verdict, Which};
use entryguard_core::reply::Card;
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use super::asked::InAddress;
use super::confirm::other_url;
use super::layout::{Place, Shell};
use super::live::{self, Scope};
use super::past;
use super::problem::refusal_page;
use super::seen::Shown;
use super::start_card::{Here, StartCard, move_here};
use super::visitor::{BY_ITSELF, Recognition, Sent, Visitor, Watcher, WebState};
use super::warnings::Warnings;
use crate::http::client_address::ClientAddress;
use crate::http::{LivePage, PRIVATE, Page};

/// The page's routes.
pub fn routes() -> Router<WebState> {
    Router::new()
        .route("/", get(sessions))
        .route("/sessions", post(start))
        .route("/sessions/past", get(past::own))
        .route("/sessions/warnings", get(warn))
        .route("/sessions/table", get(live::own_table))
        .route("/sessions/events", get(live::own_events))
        .route("/sessions/{id}/stop", post(stop))
        .route("/sessions/{id}/extend", post(extend))
        .route("/sessions/{id}/move", post(move_session))
        .route("/sessions/{id}/approve", post(approve))
        .route("/sessions/{id}/deny", post(deny))
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
    // Where the running ones go on.
    after: Option<String>,
}

async fn sessions(
    State(state): State<WebState>,
    visitor: Visitor,
    client: ClientAddress,
    InAddress(asked): InAddress<Asked>,
) -> Response {
    let scope = Scope::own(asked.after.as_deref());
    show(&state, &visitor, &client, &Shows { scope, other: asked.other.as_deref(), error: None }).await
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
    let allowed = state.shared.engine.allowed(&sent.visitor.caller);
    let duration = duration.map_err(|error: SpanError| format!("{}.", allowed.advice(&error)))?;
    let break_glass = sent.form.break_glass.is_some();
    Ok(StartRequest { reason, break_glass, ..StartRequest::seen(duration, addresses) })
}

/// What a form opens: only what its page showed, and what we saw ourselves.
fn addresses<T>(state: &WebState, sent: &Sent<T>, shown: &Shown) -> Result<Addresses, String> {
    let from = sent.client.0.clone().map_err(|doubt| doubt.to_string())?;
    let now = state.shared.engine.now();
    state.seal_key.to_open(shown, &sent.visitor, from, now).map_err(|why| why.to_string())
}

async fn move_session(State(state): State<WebState>, Path(id): Path<String>, sent: Sent<Shown>) -> Response {
    let moved = async {
        let addresses = addresses(&state, &sent, &sent.form)?;
        let moved = state.shared.engine.move_session(&sent.visitor.caller, &id, addresses).await;
        let moved = moved.map_err(|error| not_moved(&error))?;
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

/// Why a session did not move, and what that means for it: one that is over goes on no more.
fn not_moved(error: &EngineError) -> String {
    match error {
        EngineError::Over { .. } | EngineError::SessionUnknown(_) => format!("The session was not moved. {error}"),
        _ => format!("The session was not moved, and goes on as it was. {error}"),
    }
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

async fn approve(State(state): State<WebState>, Path(id): Path<String>, sent: Sent<Pressed>) -> Response {
    answer(&state, &id, &sent, Verdict::Approve).await
}

async fn deny(State(state): State<WebState>, Path(id): Path<String>, sent: Sent<Pressed>) -> Response {
    answer(&state, &id, &sent, Verdict::Deny).await
}

async fn answer(state: &WebState, id: &str, sent: &Sent<Pressed>, verdict: Verdict) -> Response {
    let (engine, caller) = (&state.shared.engine, &sent.visitor.caller);
    let answered = async {
        let request = engine.find_request(caller, id).await?;
        engine.answer_request(caller, &request, verdict).await.map(drop)
    };
    pressed(state, sent, answered.await).await
}

/// Shows the page again that a button was on.
async fn pressed(state: &WebState, sent: &Sent<Pressed>, done: Result<(), EngineError>) -> Response {
    let everybodys = sent.form.from.as_deref() == Some("everybody");
    match done {
        Ok(()) if everybodys => Redirect::to(Place::Everybodys.path()).into_response(),
        Ok(()) => Redirect::to(Place::Sessions.path()).into_response(),
        Err(error) if everybodys => refusal_page(&sent.visitor, Place::Everybodys, "Nothing was done", &error),
        Err(error) => show(state, &sent.visitor, &sent.client, &Shows::refused(&error.to_string(), None)).await,
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
        Err(error) => show(state, &sent.visitor, &sent.client, &Shows::refused(&error, other)).await,
    }
}

/// What the page shows.
struct Shows<'a> {
    scope: Scope,
    // The address of the other family, sealed.
    other: Option<&'a str>,
    // Why what was sent was not done.
    error: Option<&'a str>,
}

impl<'a> Shows<'a> {
    const fn refused(error: &'a str, other: Option<&'a str>) -> Self {
        Self { scope: Scope::OWN, other, error: Some(error) }
    }
}

async fn show(state: &WebState, visitor: &Visitor, client: &ClientAddress, shows: &Shows<'_>) -> Response {
    match try_to_show(state, visitor, client, shows).await {
        Ok(response) => response,
        Err(error) => refusal_page(visitor, Place::Sessions, "Not now", &error),
    }
}

async fn try_to_show(
    state: &WebState,
    visitor: &Visitor,
    client: &ClientAddress,
    Shows { scope, other, error }: &Shows<'_>,
) -> Result<Response, EngineError> {
    let engine = &state.shared.engine;
    let (now, directory) = (engine.now(), engine.directory());
    let live = live::live(state, visitor, scope).await?;
    let sessions = live_or_last(engine, visitor).await?;
    let ticket = visitor.form_token.ticket();
    let other = other.and_then(|sealed| Some((state.seal_key.unseal(sealed, &ticket, now)?, sealed.to_owned())));
    let is_other = |seen| client.0.as_ref().is_ok_and(|own| own.ip().is_ipv4() != seen);
    let other = other.filter(|(seen, _)| seen.lately && is_other(seen.address.ip().is_ipv4()));
    let here = Here {
        seen: &client.0,
        sealed: client.0.as_ref().ok().map(|own| state.seal_key.seal(*own, &ticket, now)),
        other: other.map(|(seen, sealed)| (seen.address, sealed)),
        other_url: client.0.as_ref().ok().and_then(|own| other_url(&state.shared, *own)),
        form_token: &visitor.form_token,
    };
    let (addresses, shared_exits) = (here.addresses(), state.shared_exits.as_ref());
    let warnings = Warnings { addresses: &addresses, shared_exits, sessions: &sessions };
    let content = html! {
        div class="heading" { h1 { "Sessions" } p class="note" { "Resources open for your address alone, and close again by themselves." } }
        div id="error" { @if let Some(error) = error { p class="alert" role="alert" { (error) } } }
        div id="moved" aria-live="polite" { (warnings.moved(|card| move_here(card, &here))) }
        (StartCard { caller: &visitor.caller, here: &here, directory: &directory, warnings: &warnings }.render())
        (live_part(state, scope, &live))
        (aside(state))
    };
    let status = if error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    // What an error says is to be read in peace, and the address that the form was sent to is no page.
    let other = here.other.as_ref().map(|(_, sealed)| sealed.as_str());
    let refresh = scope.look_again(live.running.iter().chain(&live.asked), other).filter(|_| error.is_none());
    let markup = Shell { title: "Sessions", place: Place::Sessions, visitor, refresh }.around(&content);
    let server = &state.shared.server;
    let asks = [&server.ipv4_url, &server.ipv6_url].into_iter().flatten().cloned().collect();
    Ok(LivePage { page: Page { status, markup }, asks }.into_response())
}

/// The live sessions of a visitor, or their last.
async fn live_or_last(engine: &Engine, visitor: &Visitor) -> Result<Vec<Card>, EngineError> {
    let (now, directory) = (engine.now(), engine.directory());
    let sessions = engine.live_first(&visitor.caller, 1).await?;
    Ok(sessions.iter().map(|view| Card::new(view, &directory, now)).collect())
}

/// What there is to know of the addresses that a page shows, once its script has learnt the other one, and when a session has begun or
/// ended. Where it has not learnt one, or too long ago, that is one less to speak of: no form opens it either.
async fn warn(State(state): State<WebState>, Watcher(visitor): Watcher, InAddress(shown): InAddress<Shown>) -> Response {
    let (ticket, now) = (visitor.form_token.ticket(), state.shared.engine.now());
    let lately = |sealed: Option<String>| {
        let seen = state.seal_key.unseal(sealed.as_deref()?, &ticket, now).filter(|seen| seen.lately)?;
        Some((seen.address, sealed?))
    };
    let Some((own, sealed)) = lately(shown.seen) else {
        return (StatusCode::BAD_REQUEST, PRIVATE, "This address was not seen, or too long ago.").into_response();
    };
    let other = lately(shown.other);
    let sessions = match live_or_last(&state.shared.engine, &visitor).await {
        Ok(sessions) => sessions,
        Err(error) => return refusal_page(&visitor, Place::Sessions, "Not now", &error),
    };
    let here = Here { seen: &Ok(own), sealed: Some(sealed), other, other_url: None, form_token: &visitor.form_token };
    let (addresses, shared_exits) = (here.addresses(), state.shared_exits.as_ref());
    let warnings = Warnings { addresses: &addresses, shared_exits, sessions: &sessions };
    let parts = html! {
        div id="moved" { (warnings.moved(|card| move_here(card, &here))) }
        div id="warnings" { (warnings.hints()) }
    };
    (PRIVATE, parts).into_response()
}

/// What changes by itself, with where the script hears of it, and a place to say that it does not.
pub fn live_part(state: &WebState, scope: &Scope, live: &live::Live) -> Markup {
    let (events, table, now) = (scope.part("events"), scope.part("table"), state.shared.engine.now().as_millis());
    html! {
        div id="stale" role="status" aria-live="polite" {}
        div id="live" data-events=(events) data-table=(table) data-page=(scope.page(&[])) data-again=(scope.page(&[(BY_ITSELF, "")]))
            data-now=(now) {
            (live.markup)
        }
    }
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
