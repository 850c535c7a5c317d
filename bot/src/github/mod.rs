//! GitHub: whose workflow a token is of, and people who sign in there to join their login to their member.

mod keys;
mod link;
mod oauth;
mod oidc;
mod sealed;
mod teams;
mod webhook;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::routing::{get, post};
use entryguard_core::config::GithubLoginSettings;

use secrecy::SecretString;

use crate::http::Shared;

pub use oidc::{TokenRefused, Verifier};
pub use teams::Teams;

/// The form has one value in it.
const LARGEST_FORM: usize = 1024;
/// GitHub sends more of a run than we read.
const LARGEST_DELIVERY: usize = 1024 * 1024;

/// What GitHub's handlers may use.
#[derive(Clone)]
pub struct GithubState {
    shared: Shared,
    settings: Arc<GithubLoginSettings>,
    teams: Option<Arc<Teams>>,
}

impl GithubState {
    /// For the app of the configuration.
    pub fn new(shared: Shared, settings: GithubLoginSettings, teams: Option<Arc<Teams>>) -> Self {
        Self { shared, settings: Arc::new(settings), teams }
    }
}

impl FromRef<GithubState> for Shared {
    fn from_ref(state: &GithubState) -> Self {
        state.shared.clone()
    }
}

/// What the webhook's handler may use.
#[derive(Clone)]
pub struct WebhookState {
    shared: Shared,
    secret: Arc<SecretString>,
}

impl WebhookState {
    /// For deliveries that are signed with this.
    pub fn new(shared: Shared, secret: SecretString) -> Self {
        Self { shared, secret: Arc::new(secret) }
    }
}

/// The webhook's route. A delivery is larger than what people send.
pub fn webhook_routes(state: WebhookState) -> Router {
    let route = Router::new().route("/github/webhooks", post(webhook::receive));
    route.layer(DefaultBodyLimit::max(LARGEST_DELIVERY)).with_state(state)
}

/// The routes of people who join their login.
pub fn routes(state: GithubState) -> Router {
    Router::new()
        .route("/link/github/{code}", get(link::begin))
        .route("/link/github/callback", get(link::ask))
        .route("/link/github/join", post(link::join))
        .layer(DefaultBodyLimit::max(LARGEST_FORM))
        .with_state(state)
}
