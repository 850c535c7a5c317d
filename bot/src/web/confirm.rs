//! The page behind a one-time link: it shows what will be opened and for which address, and opens it on a press of its button.
//!
//! A GET changes nothing, because whatever sees a link also fetches it: chat previews, mail scanners.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use entryguard_core::domain::{Addresses, HostAddress};
use entryguard_core::engine::{EngineError, Offer, Token};
use entryguard_core::reply::Card;
use http::StatusCode;
use maud::{Markup, html};
use serde::Deserialize;

use super::layout::{page, session_badge};
use crate::http::client_address::ClientAddress;
use crate::http::{Page, SameOrigin, Shared};

/// The form has one address in it.
const LARGEST_FORM: usize = 1024;

/// The confirm page's routes.
pub fn routes() -> Router<Shared> {
    Router::new().route("/confirm/{token}", get(show).post(confirm)).layer(DefaultBodyLimit::max(LARGEST_FORM))
}

/// What the form sends along: the address that the person saw and agreed to.
#[derive(Default, Deserialize)]
struct Agreed {
    address: Option<String>,
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
    let addresses = match Addresses::new(&[address]) {
        Ok(addresses) => addresses,
        Err(refused) => return refusal(&refused.into()),
    };
    match shared.engine.confirm(&Token::from_request(&token), addresses).await {
        Ok(started) => started_page(&Card::new(&started.view, shared.engine.directory(), shared.engine.now())),
        Err(error) => refusal(&error),
    }
}

fn offer_page(shared: &Shared, token: &str, offer: &Offer, client: &ClientAddress) -> Response {
    let many = if offer.resources.len() == 1 { "resource" } else { "resources" };
    let content = html! {
        section {
            h1 { "Open " (offer.resources.len()) " " (many) " for " (offer.duration) "?" }
            dl {
                dt { "Member" } dd { (offer.member) }
                dt { "Duration" } dd { (offer.duration) }
                @if let Some(reason) = &offer.reason { dt { "Reason" } dd { (reason) } }
                dt { "Resources" } dd { (offer.resources.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")) }
                dt { "Your address" }
                dd {
                    @match &client.0 {
                        Ok(address) => { strong { (address) } " " span class="badge family" { (family(*address)) } },
                        Err(doubt) => { span class="error" { (doubt) } },
                    }
                }
            }
            @if let Ok(address) = &client.0 {
                form method="post" action={ "/confirm/" (token) } {
                    input type="hidden" name="address" value=(address);
                    button class="primary" type="submit" { "Open for " (address) }
                }
                p class="note" { "This link works once, until " (offer.expires_at) ". Only this address will be let in, and only for that long." }
                (other_family(shared, *address))
            } @else {
                p { "Nothing can be opened from here: an address that is not certain is never opened." }
            }
        }
    };
    let status = if client.0.is_ok() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    Page { status, markup: page("Confirm your address", None, &content) }.into_response()
}

/// A page sees the one family that it was reached over. How to open the other one, too.
fn other_family(shared: &Shared, address: HostAddress) -> Markup {
    let (this, other, flag) = if address.ip().is_ipv4() { ("IPv4", "IPv6", "-6") } else { ("IPv6", "IPv4", "-4") };
    html! {
        p class="note" {
            "You reached this page over " (this) " alone. If your programs also use " (other) ", confirm this link, run the command again "
            "for a second link, and open that one over " (other) ": "
            code { "curl " (flag) " -X POST " (shared.server.public_url) "/confirm/…" } "."
        }
        p class="note" {
            "A VPN or a private relay of your browser can give it another address than your programs have: run "
            code { "curl -X POST" } " with this link on the machine that needs the access instead."
        }
    }
}

fn started_page(card: &Card) -> Response {
    let content = html! {
        section {
            h1 { "Your session has started" }
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

fn problem(status: StatusCode, title: &str, why: &str) -> Response {
    let content = html! { section { h1 { (title) } p class="error" { (why) } } };
    Page { status, markup: page(title, None, &content) }.into_response()
}

const fn family(address: HostAddress) -> &'static str {
    if address.ip().is_ipv4() { "IPv4" } else { "IPv6" }
}
