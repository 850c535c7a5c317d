//! The HTTP API: programs ask for sessions, see them, extend and end them.

mod asked;
mod audit_logs;
mod auth;
mod body;
mod codes;
mod current;
mod document;
mod events;
mod limits;
mod problem;
mod refusals;
mod resources;
mod sessions;
mod viewer;
mod waiting;
mod whoami;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, any, get, post};
use entryguard_core::config::ApiSettings;

use limits::Limits;
use problem::Problem;

pub use body::SessionBody;

use crate::github::Verifier;
use crate::http::Shared;

/// No request of ours is larger.
const LARGEST_BODY: usize = 16 * 1024;

/// When to send a request again for which there was no room.
const TOO_MUCH_FOR: Duration = Duration::from_secs(1);

/// What the API's handlers may use.
#[derive(Clone)]
pub struct ApiState {
    shared: Shared,
    workflows: Option<Arc<Verifier>>,
    limits: Arc<Limits>,
}

impl ApiState {
    /// For callers who show API keys, and for those whom `workflows` verifies.
    pub fn new(shared: Shared, settings: ApiSettings, workflows: Option<Verifier>) -> Self {
        Self { shared, workflows: workflows.map(Arc::new), limits: Arc::new(Limits::new(settings)) }
    }
}

impl FromRef<ApiState> for Shared {
    fn from_ref(state: &ApiState) -> Self {
        state.shared.clone()
    }
}

/// The API's routes. What is not among them is answered as a problem, like everything that the API refuses.
pub fn routes(state: ApiState) -> Router {
    let mut api = Router::new();
    for (path, methods) in all() {
        api = api.route(path, methods);
    }
    let api = api.fallback(nothing_here).method_not_allowed_fallback(not_with_this_method);
    let api = Router::new().nest(BASE, api.layer(DefaultBodyLimit::max(LARGEST_BODY)));
    // Nesting leaves out the slash alone.
    api.route(&format!("{BASE}/"), any(nothing_here)).with_state(state)
}

/// Where all of them are.
const BASE: &str = "/api/v1";

/// Each path below it, with its methods; the description has the same.
fn all() -> [(&'static str, MethodRouter<ApiState>); 14] {
    [
        ("/sessions", post(sessions::start).get(sessions::list)),
        ("/sessions/admin", get(sessions::list_all)),
        ("/sessions/stop", post(sessions::stop_unnamed)),
        ("/sessions/current", get(current::show)),
        ("/sessions/current/stop", post(current::stop)),
        ("/sessions/{id}", get(sessions::show)),
        ("/sessions/{id}/stop", post(sessions::stop)),
        ("/sessions/{id}/extend", post(sessions::extend)),
        ("/sessions/{id}/events", get(events::follow)),
        ("/resources", get(resources::list)),
        ("/audit-logs", get(audit_logs::list)),
        ("/whoami", get(whoami::show)),
        ("/openapi.json", get(document::show)),
        ("/docs", get(viewer::show)),
    ]
}

/// Whether a path is the API's.
pub fn has(path: &str) -> bool {
    path.strip_prefix(BASE).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The answer to what was neither there nor answered in time.
pub fn too_late() -> Response {
    let detail = "The request took too long to arrive or to be answered, and was broken off. What it asked for may have been done all the \
                  same: look, or send a start again with its `Idempotency-Key`.";
    Problem::new(codes::TIMED_OUT, detail).into_response()
}

/// The answer to what there is no memory or no connection for.
pub fn too_much() -> Response {
    let detail = "The server reads too much at once, so nothing of this request was done. Send it again in a moment.";
    Problem::new(codes::UNAVAILABLE, detail).after(TOO_MUCH_FOR).into_response()
}

async fn nothing_here() -> Problem {
    Problem::new(codes::NOT_FOUND, format!("The API has nothing at this path; {BASE}/docs says what there is."))
}

async fn not_with_this_method() -> Problem {
    Problem::new(codes::METHOD_NOT_ALLOWED, format!("This is asked for with another method: see `Allow`, and {BASE}/docs."))
}
