//! Discord: verified interactions in, ephemeral answers out, and a thread for each session that shows how it is doing.

mod calls;
pub mod check;
mod client;
mod command;
mod components;
mod form;
mod gateway;
mod incoming;
mod interaction;
mod leavers;
mod membership;
mod pace;
pub mod register;
mod signed;
mod timely;

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::post;
use entryguard_core::config::DiscordSettings;
use serenity::interactions_endpoint::Verifier;

pub use client::DiscordApi;
pub use gateway::GatewayWorker;
pub use leavers::LeaversWorker;
use membership::Memberships;

use crate::http::Shared;

/// Discord sends nothing that is larger.
const LARGEST_BODY: usize = 256 * 1024;

/// What Discord's handlers may use.
#[derive(Clone)]
pub struct DiscordState {
    shared: Shared,
    settings: Arc<DiscordSettings>,
    api: Arc<DiscordApi>,
    // None where everything comes over the Gateway.
    verifier: Option<Arc<Verifier>>,
    memberships: Arc<Memberships>,
}

impl DiscordState {
    /// For the app of the configuration.
    pub fn new(shared: Shared, settings: DiscordSettings, api: Arc<DiscordApi>) -> anyhow::Result<Self> {
        let verifier = settings.public_key.as_deref().map(verifier).transpose()?.map(Arc::new);
        Ok(Self { shared, settings: Arc::new(settings), api, verifier, memberships: Arc::default() })
    }
}

fn verifier(public_key: &str) -> anyhow::Result<Verifier> {
    let mut key = [0; 32];
    hex::decode_to_slice(public_key, &mut key)?;
    Verifier::try_new(key).context("[discord] public_key is no Ed25519 key; copy it again from the app's page")
}

/// Discord's routes; none where everything comes over the Gateway.
pub fn routes(state: DiscordState) -> Router {
    if state.verifier.is_none() {
        return Router::new();
    }
    Router::new()
        .route("/discord/interactions", post(incoming::interactions))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(state)
}
