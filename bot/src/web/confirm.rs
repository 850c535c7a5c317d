//! What a one-time link leads to: a page that shows what will be opened and for which address, and opens it on a press of its button.
//!
//! A GET changes nothing, because whatever sees a link also fetches it: chat previews, mail scanners.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use entryguard_core::domain::{Addresses, HostAddress, SessionStatus};
use entryguard_core::engine::{EngineError, Token};
use entryguard_core::reply::Card;
use http::StatusCode;
use maud::html;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::asked::InAddress;
use super::layout::page;
use super::offer_page::OfferPage;
use super::parts::session_badge;
use super::problem::problem;
use super::visitor::WebState;
use super::warnings::Warnings;
use crate::http::client_address::ClientAddress;
use crate::http::{Page, SameOrigin, Shared};

/// The form has one address in it.
const LARGEST_FORM: usize = 1024;

/// The confirm page's routes.
pub fn routes() -> Router<WebState> {
    Router::new()
        .route("/confirm/{token}", get(show).post(confirm))
        .route("/confirm/{token}/other", post(look_at_other))
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
}

/// What the form sends along: the addresses that the person saw and agreed to.
#[derive(Default, Deserialize)]
struct Agreed {
    address: Option<String>,
    // The one of the other family, which the page was reached from before, sealed.
    other: Option<String>,
}

/// Where the page was reached from before, under the name of the other family.
#[derive(Default, Deserialize)]
struct Known {
    other: Option<String>,
}

async fn show(
    State(state): State<WebState>,
    Path(token): Path<String>,
    client: ClientAddress,
    InAddress(known): InAddress<Known>,
) -> Response {
    match try_to_show(&state, &token, &client, known.other).await {
        Ok(page) => page,
        Err(error) => refusal(&error),
    }
}

async fn try_to_show(
    state: &WebState,
    token: &str,
    client: &ClientAddress,
    other: Option<String>,
) -> Result<Response, EngineError> {
    let (engine, link) = (&state.shared.engine, Token::from_request(token));
    let offer = engine.look_at_offer(&link).await?;
    let (directory, now) = (engine.directory(), engine.now());
    let sessions: Vec<_> = engine.live_or_last_behind(&link).await?.iter().map(|view| Card::new(view, &directory, now)).collect();
    let is_other = |seen: &HostAddress| client.0.as_ref().is_ok_and(|own| own.ip().is_ipv4() != seen.ip().is_ipv4());
    let other = other.and_then(|sealed| Some((seen_before(state, token, &sealed).filter(is_other)?, sealed)));
    let addresses: Vec<_> = client.0.iter().copied().chain(other.as_ref().map(|(other, _)| *other)).collect();
    let warnings = Warnings { addresses: &addresses, shared_exits: &state.shared_exits, sessions: &sessions };
    Ok(OfferPage { shared: &state.shared, token, offer: &offer, client, other, warnings }.render())
}

/// The address that this browser had lately when it looked at this link.
fn seen_before(state: &WebState, token: &str, sealed: &str) -> Option<HostAddress> {
    let seen = state.seal_key.unseal(sealed, &ticket(token), state.shared.engine.now())?;
    seen.lately.then_some(seen.address)
}

/// What ties an address that was seen to the link, and tells nobody the link's secret.
fn ticket(token: &str) -> String {
    hex::encode(Sha256::digest(format!("entryguard confirm ticket\0{token}")))
}

async fn confirm(
    State(state): State<WebState>,
    Path(token): Path<String>,
    client: ClientAddress,
    origin: SameOrigin,
    body: Bytes,
) -> Response {
    let address = match &client.0 {
        Ok(address) => *address,
        Err(doubt) => return problem(StatusCode::BAD_REQUEST, "Your address is not certain", &doubt.to_string()),
    };
    // Whoever agreed to one address must not open another, be it that theirs changed or that somebody else made the form.
    // A command line sends no form at all.
    let agreed: Agreed = serde_urlencoded::from_bytes(&body).unwrap_or_default();
    let agreed_to = agreed.address.as_deref().map(HostAddress::parse);
    match agreed_to {
        Some(Ok(agreed)) if agreed == address => {}
        None if origin == SameOrigin::NoBrowser => {}
        _ => {
            let why = format!(
                "The page showed another address than the one that this request came from ({address}). Open the link again."
            );
            return problem(StatusCode::CONFLICT, "Your address has changed", &why);
        }
    }
    let addresses = match &agreed.other {
        None => Addresses::new(&[address]),
        // A form can be made by anybody; what we saw cannot.
        Some(sealed) => match seen_before(&state, &token, sealed) {
            Some(other) => Addresses::new(&[address, other]),
            None => {
                let why = "The other address of the form was not seen by EntryGuard in this browser, or too long ago, so nothing was \
                           opened. Open the link again.";
                return problem(StatusCode::FORBIDDEN, "Nothing was opened", why);
            }
        },
    };
    let engine = &state.shared.engine;
    let started = async { engine.confirm(&Token::from_request(&token), addresses?).await };
    match started.await {
        Ok(started) => started_page(&Card::new(&started.view, &engine.directory(), engine.now())),
        Err(error) => refusal(&error),
    }
}

/// Leads to the same page under a name of the other family. The address that this one was reached from goes along, sealed: it is known in
/// this browser alone, and nobody else who has the link adds theirs to it.
async fn look_at_other(
    State(state): State<WebState>,
    Path(token): Path<String>,
    client: ClientAddress,
    _origin: SameOrigin,
) -> Response {
    let address = match &client.0 {
        Ok(address) => *address,
        Err(doubt) => return problem(StatusCode::BAD_REQUEST, "Your address is not certain", &doubt.to_string()),
    };
    let Some(url) = other_url(&state.shared, address) else {
        return problem(StatusCode::NOT_FOUND, "No other address", "This EntryGuard has no host name for the other family.");
    };
    match state.shared.engine.look_at_offer(&Token::from_request(&token)).await {
        Ok(_) => {
            let sealed = state.seal_key.seal(address, &ticket(&token), state.shared.engine.now());
            other_page(address, &format!("{url}/confirm/{token}?other={sealed}"))
        }
        Err(error) => refusal(&error),
    }
}

/// The name under which the server is reached over the family that `address` is not of.
pub(super) fn other_url(shared: &Shared, address: HostAddress) -> Option<&str> {
    let url = if address.ip().is_ipv4() { &shared.server.ipv6_url } else { &shared.server.ipv4_url };
    url.as_deref()
}

fn other_page(address: HostAddress, url: &str) -> Response {
    let other = if address.ip().is_ipv4() { "IPv6" } else { "IPv4" };
    let content = html! {
        section class="card" {
            h1 { "Now over " (other) }
            p { (address) " is noted, and nothing is open yet. Go on, and the next page sees your " (other) " address, too." }
            p { a class="button primary" href=(url) { "Continue over " (other) } }
            p class="note" { "Where that page cannot be reached, your network has no " (other) ": go back, and open for " (address) " alone." }
        }
    };
    Page { status: StatusCode::OK, markup: page("Both addresses", None, &content) }.into_response()
}

fn started_page(card: &Card) -> Response {
    let content = html! {
        section class="card" {
            h1 { @if card.status == SessionStatus::Requested { "You have asked for approval" } @else { "Your session has started" } }
            p { "It is " (session_badge(card.status)) " until " strong { (card.expires_at) } " for " (card.addresses)
                ", on " (card.resources) " resources. The chat shows how each of them is doing." }
            p class="note" { "Session " code { (card.session.short()) } ". You can close this page." }
        }
    };
    Page { status: StatusCode::OK, markup: page("Started", None, &content) }.into_response()
}

fn refusal(error: &EngineError) -> Response {
    if error.is_ours() {
        tracing::error!(error = ?error, "a confirmation failed");
    }
    let (status, title) = match error {
        EngineError::LinkUnknown => (StatusCode::NOT_FOUND, "No such link"),
        EngineError::LinkExpired(_) => (StatusCode::GONE, "This link has expired"),
        EngineError::LinkUsed => (StatusCode::GONE, "This link has been used"),
        EngineError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "Not now"),
        _ => (StatusCode::FORBIDDEN, "Nothing was opened"),
    };
    problem(status, title, &error.to_string())
}
