//! What a browser sees that is not signed in: where to begin.

use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Method, StatusCode};
use maud::html;

use super::layout::page;
use super::next::Next;
use super::problem::problem;
use super::sign_in::WaysIn;
use super::visitor::is_by_itself;
use crate::http::Page;

/// The answer to whoever is not signed in. A form does nothing; a page is replaced by one that leads back to it.
pub fn not_signed_in(parts: &Parts, ways: &WaysIn) -> Response {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        let why = "You are not signed in, or not any more, so nothing was done. Sign in again, and repeat it.";
        return problem(StatusCode::UNAUTHORIZED, "Nothing was done", why);
    }
    // Whoever comes back does something, and the page with that in its address counts as one that nobody uses.
    let whole = parts.uri.path_and_query().map(http::uri::PathAndQuery::as_str);
    let wanted = if is_by_itself(parts) { Some(parts.uri.path()) } else { whole };
    let status = if parts.uri.path() == "/" { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    landing(status, ways, &Next::of(wanted))
}

fn landing(status: StatusCode, ways: &WaysIn, next: &Next) -> Response {
    let content = html! {
        section class="card" {
            h1 { "EntryGuard" }
            @if !ways.works {
                p { "Nobody can sign in to these pages: their address is plain HTTP, over which browsers keep no sign-in. Ask whoever runs "
                    "EntryGuard to serve it behind HTTPS, and to say so in " code { "[server] public_url" } "." }
            } @else {
                @if let Some(oidc) = &ways.oidc {
                    p { a class="button primary" href={ "/sign-in/oidc" (next.query()) } { "Sign in at " (oidc.host()) } }
                }
                @if !ways.chats.is_empty() {
                    p { "To sign in, write " code { "/entryguard web" } " in " (ways.chats.join(" or ")) ", and follow the link." }
                }
            }
            @if !ways.chats.is_empty() {
                p { "Sessions are also started from chat: write " code { "/entryguard start 2h" } " in " (ways.chats.join(" or "))
                    ", and follow the link to confirm your address." }
            }
        }
    };
    Page { status, markup: page("Sign in", None, &content) }.into_response()
}
