//! Whether the process lives, and whether it can do its work.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use super::Shared;

pub(super) fn routes() -> Router<Shared> {
    // Liveness asks nothing of the database: restarting the process that has to close things helps nobody while that is away.
    Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(ready))
}

async fn ready(State(shared): State<Shared>) -> (StatusCode, String) {
    match shared.engine.ping().await {
        // The next replica may open; this one goes on closing.
        Ok(()) => match shared.engine.refused() {
            None => (StatusCode::OK, "ready\n".to_owned()),
            Some(refused) => (StatusCode::SERVICE_UNAVAILABLE, format!("{refused}\n")),
        },
        Err(error) => {
            tracing::error!(error = ?error, "not ready");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n".to_owned())
        }
    }
}
