//! The HTTP API: programs ask for sessions, and see and end the ones that they asked for.

mod auth;
mod body;
mod problem;
mod sessions;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::routing::{get, post};

use crate::github::Verifier;
use crate::http::Shared;

/// No request of ours is larger.
const LARGEST_BODY: usize = 16 * 1024;

/// What the API's handlers may use.
#[derive(Clone)]
pub struct ApiState {
    shared: Shared,
    workflows: Arc<Verifier>,
}

impl ApiState {
    /// For callers whom `workflows` verifies.
    pub fn new(shared: Shared, workflows: Verifier) -> Self {
        Self { shared, workflows: Arc::new(workflows) }
    }
}

impl FromRef<ApiState> for Shared {
    fn from_ref(state: &ApiState) -> Self {
        state.shared.clone()
    }
}

/// The API's routes.
pub fn routes(state: ApiState) -> Router {
    Router::new()
        .route("/api/v1/sessions", post(sessions::start))
        .route("/api/v1/sessions/current", get(sessions::show))
        .route("/api/v1/sessions/current/stop", post(sessions::stop))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(state)
}
