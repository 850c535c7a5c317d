//! The page behind a one-time link: it shows what will be opened and for which address, and opens it on a press of its button.
//!
//! A GET changes nothing, because whatever sees a link also fetches it: chat previews, mail scanners.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use entryguard_core::domain::{Addresses, HostAddress, SessionStatus};
use entryguard_core::engine::{EngineError, Offer, Token};
use entryguard_core::reply::Card;
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use super::layout::page;
use super::parts::{address as shown_address, session_badge};
use super::problem::problem;
use crate::http::client_address::ClientAddress;
use crate::http::{Page, SameOrigin, Shared};

/// The form has one address in it.
const LARGEST_FORM: usize = 1024;

/// The confirm page's routes.
pub fn routes() -> Router<Shared> {
    Router::new()
        .route("/confirm/{token}", get(show).post(confirm))
        .route("/confirm/{token}/other", post(look_at_other))
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
}

/// What the form sends along: the addresses that the person saw and agreed to.
#[derive(Default, Deserialize)]
struct Agreed {
    address: Option<String>,
    // The one of the other family, which the page was reached from before.
    other: Option<String>,
}

async fn show(State(shared): State<Shared>, Path(token): Path<String>, client: ClientAddress) -> Response {
    match shared.engine.look_at_offer(&Token::from_request(&token)).await {
        Ok(offer) => offer_page(&shared, &token, &offer, &client),
        Err(error) => refusal(&error),
    }
}

async fn confirm(
    State(shared): State<Shared>,
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
    let token = Token::from_request(&token);
    let addresses = match with_other(&shared, &token, address, agreed.other.as_deref()).await {
        Ok(addresses) => addresses,
        Err(error) => return refusal(&error),
    };
    match shared.engine.confirm(&token, addresses).await {
        Ok(started) => started_page(&Card::new(&started.view, &shared.engine.directory(), shared.engine.now())),
        Err(error) => refusal(&error),
    }
}

/// Both addresses, where the other one was seen by us as well.
async fn with_other(shared: &Shared, token: &Token, address: HostAddress, other: Option<&str>) -> Result<Addresses, EngineError> {
    let Some(other) = other else { return Ok(Addresses::new(&[address])?) };
    let seen = shared.engine.look_at_offer(token).await?.seen;
    let other = HostAddress::parse(other)?;
    // A form can be made by anybody; what we saw cannot.
    if !seen.contains(&other) {
        return Err(EngineError::NotSeen(other));
    }
    Ok(Addresses::new(&[address, other])?)
}

/// Notes the address that the page was reached from, and leads to the same page under a name of the other family.
async fn look_at_other(
    State(shared): State<Shared>,
    Path(token): Path<String>,
    client: ClientAddress,
    _origin: SameOrigin,
) -> Response {
    let address = match &client.0 {
        Ok(address) => *address,
        Err(doubt) => return problem(StatusCode::BAD_REQUEST, "Your address is not certain", &doubt.to_string()),
    };
    let Some(url) = other_url(&shared, address) else {
        return problem(StatusCode::NOT_FOUND, "No other address", "This EntryGuard has no host name for the other family.");
    };
    match shared.engine.remember_seen(&Token::from_request(&token), address).await {
        Ok(()) => other_page(address, &format!("{url}/confirm/{token}")),
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

fn offer_page(shared: &Shared, token: &str, offer: &Offer, client: &ClientAddress) -> Response {
    let many = if offer.resources.len() == 1 { "resource" } else { "resources" };
    let content = html! {
        section class="card" {
            h1 { "Open " (offer.resources.len()) " " (many) " for " (offer.duration) "?" }
            dl {
                dt { "Member" } dd { (offer.member) }
                dt { "Duration" } dd { (offer.duration) }
                @if let Some(reason) = &offer.reason { dt { "Reason" } dd { (reason) } }
                dt { "Resources" } dd { (offer.resources.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")) }
                dt { "Your address" }
                dd {
                    @match &client.0 {
                        Ok(address) => { (shown_address(*address)) },
                        Err(doubt) => { span class="error" { (doubt) } },
                    }
                }
            }
            @if let Ok(address) = &client.0 {
                @let other = offer.seen.iter().find(|seen| seen.ip().is_ipv4() != address.ip().is_ipv4());
                form method="post" action={ "/confirm/" (token) } {
                    input type="hidden" name="address" value=(address);
                    @if let Some(other) = other { input type="hidden" name="other" value=(other); }
                    button class="primary" type="submit" {
                        "Open for " (address) @if let Some(other) = other { " and " (other) }
                    }
                }
                @if let Some(approval) = &offer.approval {
                    p class="note" {
                        "It then waits for " (approval.approvers.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" or "))
                        ", for " (approval.within) " at the most."
                    }
                }
                p class="note" { "This link works once, until " (offer.expires_at) ". Only what you see here will be let in, and only for that long." }
                @if other.is_none() { (other_family(shared, token, *address)) }
            } @else {
                p { "Nothing can be opened from here: an address that is not certain is never opened." }
            }
        }
    };
    let status = if client.0.is_ok() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    Page { status, markup: page("Confirm your address", None, &content) }.into_response()
}

/// A page sees the one family that it was reached over. How to open the other one, too.
fn other_family(shared: &Shared, token: &str, address: HostAddress) -> Markup {
    let (this, other, flag) = if address.ip().is_ipv4() { ("IPv4", "IPv6", "-6") } else { ("IPv6", "IPv4", "-4") };
    if other_url(shared, address).is_some() {
        return html! {
            form method="post" action={ "/confirm/" (token) "/other" } { button type="submit" { "Add my " (other) " address first" } }
            p class="note" { "You reached this page over " (this) " alone. Add the other one if your programs use both." }
            (private_relay())
        };
    }
    html! {
        p class="note" {
            "You reached this page over " (this) " alone. If your programs also use " (other) ", confirm this link, run the command again "
            "for a second link, and open that one over " (other) ": "
            code { "curl " (flag) " -X POST " (shared.server.public_url) "/confirm/…" } "."
        }
        (private_relay())
    }
}

fn private_relay() -> Markup {
    html! {
        p class="note" {
            "A VPN or a private relay of your browser can give it another address than your programs have: run "
            code { "curl -X POST" } " with this link on the machine that needs the access instead."
        }
    }
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
