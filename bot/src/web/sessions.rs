//! The Sessions page: what is open, for whom, until when; start, stop, extend.

use axum::Router;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use entryguard_core::domain::{Addresses, HostAddress, SessionStatus, Span, Timestamp};
use entryguard_core::engine::{EngineError, Listed, StartRequest, Which};
use entryguard_core::reply::{Card, CardRow};
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use super::layout::{page, rule_badge, session_badge};
use super::sign_out;
use super::visitor::{FormToken, Recognition, Sent, Visitor, WebState};
use crate::http::Page;
use crate::http::client_address::{AddressDoubt, ClientAddress};

/// The page's routes.
pub fn routes() -> Router<WebState> {
    Router::new()
        .route("/", get(sessions))
        .route("/sessions", post(start))
        .route("/sessions/{id}/stop", post(stop))
        .route("/sessions/{id}/extend", post(extend))
}

#[derive(Deserialize)]
struct StartForm {
    duration: Option<String>,
}

/// A form with a button alone.
#[derive(Deserialize)]
struct Pressed {}

async fn sessions(State(state): State<WebState>, visitor: Visitor, client: ClientAddress) -> Response {
    show(&state, &visitor, &client, None).await
}

async fn start(State(state): State<WebState>, sent: Sent<StartForm>) -> Response {
    let started = async {
        let address = sent.client.0.clone().map_err(|doubt| doubt.to_string())?;
        let duration: Option<Span> = sent
            .form
            .duration
            .as_deref()
            .map(str::parse)
            .transpose()
            .map_err(|error: entryguard_core::domain::SpanError| error.to_string())?;
        let addresses = Addresses::new(&[address]).map_err(|refused| refused.to_string())?;
        let request = StartRequest::seen(duration, addresses);
        state.shared.engine.start(&sent.visitor.caller, request).await.map(drop).map_err(|error| error.to_string())
    };
    see_after(&state, &sent, started).await
}

async fn stop(State(state): State<WebState>, Path(id): Path<String>, sent: Sent<Pressed>) -> Response {
    let which = Which::Named(id);
    let stopped =
        async { state.shared.engine.stop(&sent.visitor.caller, &which).await.map(drop).map_err(|error| error.to_string()) };
    see_after(&state, &sent, stopped).await
}

async fn extend(State(state): State<WebState>, Path(id): Path<String>, sent: Sent<Pressed>) -> Response {
    let which = Which::Named(id);
    let extended = async {
        state.shared.engine.extend(&sent.visitor.caller, &which, None).await.map(drop).map_err(|error| error.to_string())
    };
    see_after(&state, &sent, extended).await
}

/// Does what the form asks for, and shows the page again.
async fn see_after<T>(state: &WebState, sent: &Sent<T>, action: impl Future<Output = Result<(), String>>) -> Response {
    match action.await {
        Ok(()) => Redirect::to("/").into_response(),
        Err(error) => show(state, &sent.visitor, &sent.client, Some(&error)).await,
    }
}

async fn show(state: &WebState, visitor: &Visitor, client: &ClientAddress, error: Option<&str>) -> Response {
    let engine = &state.shared.engine;
    let views = match engine.list(&visitor.caller, Listed::All).await {
        Ok(views) => views,
        Err(error) => return unavailable(&error),
    };
    let (now, directory) = (engine.now(), engine.directory());
    let cards: Vec<_> = views.iter().map(|view| Card::new(view, &directory, now)).collect();
    let markup = SessionsPage {
        cards: &cards,
        durations: &directory.durations_for(visitor.caller.name()),
        default_duration: directory.default_duration_for(visitor.caller.name()),
        client: &client.0,
        error,
        form_token: &visitor.form_token,
        aside: aside(state, visitor),
        now,
    }
    .render();
    let status = if error.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    Page { status, markup }.into_response()
}

fn unavailable(error: &EngineError) -> Response {
    let content = html! { section { h1 { "Not now" } p class="error" { (error) } } };
    Page { status: StatusCode::SERVICE_UNAVAILABLE, markup: page("Not now", None, &content) }.into_response()
}

/// What to try next, where this is the demo; else the way out.
fn aside(state: &WebState, visitor: &Visitor) -> Markup {
    let Recognition::ThisMachine(_) = &state.recognition else { return sign_out::form(&visitor.form_token) };
    html! {
        section {
            p { "This demo guards " a href="/guarded" { "a page" } " with an allowlist file. Before a session it answers 403, during one 200. Try it:" }
            pre { code { "curl -i " (state.shared.server.public_url) "/guarded" } }
        }
    }
}

/// What the page shows.
struct SessionsPage<'a> {
    /// The member's sessions, the newest first.
    cards: &'a [Card],
    /// The durations on offer.
    durations: &'a [Span],
    /// The duration that is chosen at first.
    default_duration: Span,
    /// The caller's address.
    client: &'a Result<HostAddress, AddressDoubt>,
    /// What went wrong with the last form.
    error: Option<&'a str>,
    /// What every form has to bring back.
    form_token: &'a FormToken,
    /// What stands below the table.
    aside: Markup,
    /// The time.
    now: Timestamp,
}

impl SessionsPage<'_> {
    /// The whole page. While something is on its way it looks again by itself.
    fn render(&self) -> Markup {
        page(
            "Sessions",
            self.look_again(),
            &html! {
                @if let Some(error) = self.error { section role="alert" { p class="error" { (error) } } }
                section { h1 { "Sessions" } (self.start_form()) }
                section {
                    @if self.cards.is_empty() {
                        p { "No session yet. Start one: every resource of your roles opens for your address, and closes again by itself." }
                    } @else {
                        table {
                            thead { tr { th { "IP Addresses" } th { "Status" } th { "Resources" } th { "Expires" } th { "Actions" } } }
                            tbody { @for card in self.cards { (self.row(card)) } }
                        }
                    }
                }
                (self.aside)
            },
        )
    }

    /// In seconds: soon while something is on its way, and seldom enough to read in peace while a session runs.
    fn look_again(&self) -> Option<u32> {
        let on_its_way =
            |card: &Card| matches!(card.status, SessionStatus::Pending | SessionStatus::Expiring) || card.extending_to.is_some();
        if self.cards.iter().any(on_its_way) {
            return Some(1);
        }
        self.cards.iter().any(|card| card.status.is_live()).then_some(30)
    }

    fn start_form(&self) -> Markup {
        html! {
            @match self.client {
                Ok(address) => {
                    form method="post" action="/sessions" {
                        (self.form_token.field())
                        label { "Duration "
                            select name="duration" {
                                @for duration in self.durations {
                                    option value=(duration) selected[*duration == self.default_duration] { (duration) }
                                }
                            }
                        } " "
                        button class="primary" type="submit" { "Start Session" }
                    }
                    p class="note" { "Your address is " strong { (address) } ". Only it will be let in." }
                },
                Err(doubt) => { p class="error" { (doubt) } },
            }
        }
    }

    fn row(&self, card: &Card) -> Markup {
        html! {
            tr {
                td { @for address in card.addresses.iter() {
                    div { (address) " " span class="badge family" { @if address.ip().is_ipv4() { "IPv4" } @else { "IPv6" } } }
                } }
                td { (session_badge(card.status)) }
                td { details { summary { (card.resources) } (rules(&card.rows)) } }
                td { (self.expires(card)) }
                td class="actions" {
                    @if card.can_extend { (self.action(card, "extend", "Extend +2h")) }
                    @if card.can_stop { (self.action(card, "stop", "Stop")) }
                }
            }
        }
    }

    fn action(&self, card: &Card, verb: &str, label: &str) -> Markup {
        html! {
            form class="inline" method="post" action={ "/sessions/" (card.session) "/" (verb) } {
                (self.form_token.field())
                button type="submit" { (label) }
            }
        }
    }

    fn expires(&self, card: &Card) -> Markup {
        html! {
            @match &card.ended {
                Some((_, at, _)) => { "ended " (at) },
                None => { "in " (card.expires_at.since(self.now)) div class="note" { (card.expires_at) } },
            }
            @if let Some(to) = card.extending_to { div class="note" { "being extended to " (to) } }
        }
    }
}

fn rules(rows: &[CardRow]) -> Markup {
    html! {
        table { tbody { @for row in rows {
            tr {
                td { (row.resource) } td { (row.address) } td { (rule_badge(row.status)) }
                td {
                    @if row.foreign { span class="note" { "somebody else's rule; left as it is" } }
                    @if let Some(error) = &row.error { span class="error" { (error) } }
                }
            }
        } } }
    }
}
