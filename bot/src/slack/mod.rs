//! Slack: verified requests in, ephemeral answers out, and a thread for each session that shows how it is doing.

mod answers;
mod blocks;
pub mod check;
mod client;
mod command;
mod event;
mod form;
mod home;
mod homes;
mod incoming;
mod interaction;
mod leavers;
pub mod manifest;
mod reply;
mod signed;
mod socket;
mod ssl_check;
mod standing;
mod timely;
mod typed;
mod user;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use axum::routing::post;
use entryguard_core::config::SlackSettings;

pub use client::SlackApi;
pub use homes::{Homes, HomesWorker};
pub use leavers::LeaversWorker;
pub use socket::SocketWorker;
pub use standing::Standings;

use crate::http::Shared;

/// Slack sends nothing that is larger: a press in a view repeats the whole view, of at most 250 kB, and is encoded as a form.
const LARGEST_BODY: usize = 1024 * 1024;

/// What Slack's handlers may use.
#[derive(Clone)]
pub struct SlackState {
    /// What every handler may use.
    pub shared: Shared,
    /// The app.
    pub settings: Arc<SlackSettings>,
    /// Slack's Web API.
    pub api: Arc<SlackApi>,
    /// What became of its users.
    pub standings: Arc<Standings>,
    /// Who looks at their home.
    pub homes: Arc<Homes>,
}

/// Slack's routes. Without a signing secret there is nothing to check a request with, and so no route: Socket Mode has them all.
pub fn routes(state: SlackState) -> Router {
    if state.settings.signing_secrets.is_empty() {
        return Router::new();
    }
    Router::new()
        .route("/slack/commands", post(incoming::commands).get(ssl_check::by_get))
        .route("/slack/interactions", post(incoming::interactions).get(ssl_check::by_get))
        .route("/slack/events", post(incoming::events).get(ssl_check::by_get))
        .layer(from_fn(ssl_check::unsigned))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(state)
}
