//! Signing in: the page behind a one-time link of a chat, and what every way of signing in ends with.
//!
//! Looking at the page changes nothing. Its button works in the browser that was shown the page alone, so nobody can press it for another.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use entryguard_core::domain::Span;
use entryguard_core::engine::{EngineError, SignedIn, SigningIn, Token};
use entryguard_core::random::{self, SystemRandom};
use http::{HeaderMap, StatusCode, header};
use maud::html;
use secrecy::SecretString;
use serde::Deserialize;

use super::asked::InForm;
use super::layout::page;
use super::next::Next;
use super::oidc::Oidc;
use super::parts::moment;
use super::problem::problem;
use super::visitor::{FormKey, FormToken, Visitor, WebState};
use crate::http::cookies::{self, CookieName};
use crate::http::{Page, SameOrigin};

/// What a signed-in browser shows.
pub const SIGNED_IN: CookieName = CookieName::new("__Host-entryguard");
/// What shows that a browser was shown the page with the button.
const SHOWN: CookieName = CookieName::new("__Host-entryguard-sign-in");
/// As long as a link works.
const SHOWN_FOR: Span = Span::from_minutes(10);
/// The form has one token in it.
const LARGEST_FORM: usize = 1024;

/// The ways to sign in that this server has.
#[derive(Clone, Default)]
pub struct WaysIn {
    /// Whether browsers keep a sign-in at all.
    pub works: bool,
    /// The chats in which `/entryguard web` gives a link.
    pub chats: Vec<&'static str>,
    /// The issuer.
    pub oidc: Option<Arc<Oidc>>,
}

/// The routes of the links.
pub fn routes() -> Router<WebState> {
    Router::new().route("/sign-in/{token}", get(show).post(sign_in)).layer(DefaultBodyLimit::max(LARGEST_FORM))
}

/// What the page's form sends along.
#[derive(Deserialize)]
struct Agreed {
    #[serde(default)]
    form_token: String,
}

async fn show(
    State(state): State<WebState>,
    Path(token): Path<String>,
    headers: HeaderMap,
    visitor: Result<Visitor, Response>,
) -> Response {
    let signing_in = match state.shared.engine.look_at_sign_in(&Token::from_request(&token)).await {
        Ok(signing_in) => signing_in,
        Err(error) => return refusal(&error),
    };
    // One secret for all pages that a browser looks at, so that one tab does not spoil the other.
    let known = cookies::sent(&headers, SHOWN).filter(|secret| secret.len() == 64);
    let secret = known.map_or_else(|| hex::encode(random::bytes::<32>(&SystemRandom)), str::to_owned);
    let mut response = question(&signing_in, &token, &form_token(&secret, &token), visitor.ok().as_ref());
    set(&mut response, cookies::kept(SHOWN, &secret, SHOWN_FOR));
    response
}

async fn sign_in(
    State(state): State<WebState>,
    Path(token): Path<String>,
    headers: HeaderMap,
    // A program says nothing of where it sends from: the token that only this browser was given, in a cookie that no other site can set,
    // says the same more surely.
    _origin: SameOrigin,
    visitor: Result<Visitor, Response>,
    InForm(agreed): InForm<Agreed>,
) -> Response {
    let was_shown = cookies::sent(&headers, SHOWN).is_some_and(|secret| form_token(secret, &token).is(&agreed.form_token));
    if !was_shown {
        let why =
            "This button was not pressed in the browser that was shown its page, so nobody was signed in. Open the link again.";
        return problem(StatusCode::FORBIDDEN, "Nobody was signed in", why);
    }
    match state.shared.engine.sign_in_by_link(&Token::from_request(&token)).await {
        Ok(signed_in) => finish(&state, visitor.ok().as_ref(), &signed_in, &Next::of(None)).await,
        Err(error) => refusal(&error),
    }
}

/// Gives a browser that has just signed in its cookie, a fresh one whatever it had, and leads it on.
pub async fn finish(state: &WebState, before: Option<&Visitor>, signed_in: &SignedIn, next: &Next) -> Response {
    // Who was signed in here before is so no more.
    if let Some((visitor, browser)) = before.and_then(|visitor| Some((visitor, visitor.browser.as_ref()?)))
        && let Err(error) = state.shared.engine.sign_out(&visitor.caller, browser).await
    {
        tracing::error!(error = ?error, "somebody could not be signed out; the limits do it");
    }
    let mut response = Redirect::to(next.as_str()).into_response();
    set(&mut response, cookies::kept(SIGNED_IN, &signed_in.cookie.expose(), state.shared.engine.stays_signed_in()));
    set(&mut response, cookies::dropped(SHOWN));
    response.headers_mut().insert(header::CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    response
}

/// Adds a cookie to an answer.
pub fn set(response: &mut Response, cookie: Option<http::HeaderValue>) {
    response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
}

/// What the button has to bring back: for this link, in this browser.
fn form_token(secret: &str, token: &str) -> FormToken {
    FormKey::of_cookie(&SecretString::from(secret)).token_for(&format!("sign in by {token}"))
}

fn question(signing_in: &SigningIn, token: &str, form_token: &FormToken, now: Option<&Visitor>) -> Response {
    let content = html! {
        section class="card" {
            h1 { "Sign in as " (signing_in.member) "?" }
            p { "The link was given to " code { (signing_in.identity) } ". This browser then sees and starts that member's sessions." }
            @if let Some(visitor) = now {
                p { "You are signed in as " strong { (visitor.caller.name()) } " here; that ends." }
            }
            form method="post" action={ "/sign-in/" (token) } {
                (form_token.field())
                button class="primary" type="submit" { "Sign in as " (signing_in.member) }
            }
            p class="note" { "If that is not you, close this page: somebody may want you to act in their name. The link works once, until "
                (moment(signing_in.expires_at)) "." }
        }
    };
    Page { status: StatusCode::OK, markup: page("Sign in", None, &content) }.into_response()
}

/// The page for whoever could not be signed in.
pub fn refusal(error: &EngineError) -> Response {
    if error.is_ours() {
        tracing::error!(error = ?error, "somebody could not be signed in");
    }
    let (status, title) = match error {
        EngineError::LinkUnknown => (StatusCode::NOT_FOUND, "No such link"),
        EngineError::LinkExpired(_) => (StatusCode::GONE, "This link has expired"),
        EngineError::LinkUsed => (StatusCode::GONE, "This link has been used"),
        EngineError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "Not now"),
        _ => (StatusCode::FORBIDDEN, "Nobody was signed in"),
    };
    problem(status, title, &error.to_string())
}
