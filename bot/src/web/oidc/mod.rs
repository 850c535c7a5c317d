//! Signing in through an OpenID Connect issuer: the authorization code flow with PKCE, state and nonce.

mod attempt;
mod id_token;
mod issuer;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use entryguard_core::config::OidcSettings;
use entryguard_core::domain::Surface;
use entryguard_core::engine::{Caller, Engine, EngineError};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use self::attempt::{ATTEMPT, Attempt};
use self::issuer::{Issuer, IssuerError, Verified};
use super::asked::InAddress;
use super::next::Next;
use super::problem::problem;
use super::sign_in::{finish, refusal, set};
use super::visitor::{Recognition, Visitor, WebState};
use crate::http::cookies;

/// The issuer of the configuration.
pub struct Oidc {
    issuer: Issuer,
}

impl Oidc {
    /// For the server that browsers reach there.
    pub fn new(settings: OidcSettings, public_url: &str) -> anyhow::Result<Self> {
        Ok(Self { issuer: Issuer::new(settings, public_url)? })
    }

    /// What people call the issuer.
    pub fn host(&self) -> &str {
        &self.issuer.settings().host
    }
}

/// The routes.
pub fn routes() -> Router<WebState> {
    Router::new().route("/sign-in/oidc", get(begin)).route("/sign-in/oidc/callback", get(back))
}

#[derive(Deserialize)]
struct Wanted {
    next: Option<String>,
}

/// What the issuer leads back with.
#[derive(Deserialize)]
struct Back {
    state: Option<String>,
    code: Option<String>,
}

/// Leads to the issuer. A link rather than a form: it changes nothing, and whoever is led here by another site is signed in as themselves.
async fn begin(State(state): State<WebState>, InAddress(wanted): InAddress<Wanted>) -> Response {
    let Some(oidc) = oidc(&state) else { return none() };
    let attempt = Attempt::begin(state.shared.engine.now(), Next::of(wanted.next.as_deref()));
    match oidc.issuer.sign_in_url(&attempt).await {
        Ok(url) => {
            let mut response = Redirect::to(&url).into_response();
            set(&mut response, attempt.cookie(&oidc.issuer.settings().client_secret));
            response
        }
        Err(error) => refused(&error),
    }
}

/// Takes the issuer's answer.
async fn back(
    State(state): State<WebState>,
    InAddress(back): InAddress<Back>,
    headers: HeaderMap,
    visitor: Result<Visitor, Response>,
) -> Response {
    let Some(oidc) = oidc(&state) else { return none() };
    let (now, key) = (state.shared.engine.now(), &oidc.issuer.settings().client_secret);
    let attempt = Attempt::of(&headers, now, key).filter(|attempt| back.state.as_deref() == Some(attempt.state(key).as_str()));
    let Some(attempt) = attempt else {
        let why = "This answer belongs to another browser or to an older attempt, so nobody was signed in. Sign in again here.";
        return problem(StatusCode::FORBIDDEN, "Nobody was signed in", why);
    };
    let mut response = sign_in(&state, &oidc, &attempt, back.code.as_deref(), visitor.ok().as_ref()).await;
    // An attempt has one answer.
    set(&mut response, cookies::dropped(ATTEMPT));
    response
}

async fn sign_in(state: &WebState, oidc: &Oidc, attempt: &Attempt, code: Option<&str>, before: Option<&Visitor>) -> Response {
    let engine = &state.shared.engine;
    let Some(code) = code else {
        let why = "The issuer says that you did not agree. Sign in again if you want to.";
        return problem(StatusCode::FORBIDDEN, "Nobody was signed in", why);
    };
    let verified = match oidc.issuer.who(attempt, code, engine.now()).await {
        Ok(verified) => verified,
        Err(error) => return refused(&error),
    };
    let by = format!("oidc as {}", verified.identity);
    let signed_in = match member_of(engine, &verified).await {
        Ok(caller) => engine.sign_in(&caller, &by).await,
        Err(error) => Err(error),
    };
    match signed_in {
        Ok(signed_in) => finish(state, before, &signed_in, &attempt.next).await,
        Err(error) => refusal(&error),
    }
}

/// The member whom the issuer's name for them names, or else whose address it says is theirs.
async fn member_of(engine: &Engine, verified: &Verified) -> Result<Caller, EngineError> {
    engine.catch_up().await?;
    engine.caller(&verified.identity, Surface::Web).or_else(|unknown| {
        let by_email = verified.by_email.as_ref().and_then(|identity| engine.caller(identity, Surface::Web).ok());
        by_email.ok_or(unknown)
    })
}

fn oidc(state: &WebState) -> Option<Arc<Oidc>> {
    match &state.recognition {
        Recognition::SignedIn(ways) => ways.oidc.clone(),
        Recognition::ThisMachine(_) => None,
    }
}

fn none() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "No such page",
        "This EntryGuard has no OpenID Connect issuer. Sign in through a link from chat.",
    )
}

fn refused(error: &IssuerError) -> Response {
    tracing::warn!(cause = error.cause(), "somebody could not be signed in through the issuer");
    let status = match error {
        IssuerError::Away(_) => StatusCode::BAD_GATEWAY,
        IssuerError::CodeRefused(_) | IssuerError::TokenRefused(_) | IssuerError::Unnameable => StatusCode::FORBIDDEN,
    };
    problem(status, "Nobody was signed in", &error.to_string())
}
