//! The session of a key: whoever chose it sees and ends that session by it, and nothing else.

use axum::Json;
use axum::extract::State;
use entryguard_core::engine::Which;

use super::ApiState;
use super::asked::{Asked, WaitQuery};
use super::auth::KeyHolder;
use super::body::SessionBody;
use super::problem::Problem;
use super::refusals::OfHolder;
use super::sessions::shown;
use super::waiting::Waiting;
use crate::http::Shared;

type Answer = Result<Json<SessionBody>, Problem>;

/// Shows the session of the key.
#[utoipa::path(
    get, path = "/api/v1/sessions/current", tag = "sessions", operation_id = "showCurrentSession", params(WaitQuery),
    responses((status = 200, description = "The session", body = SessionBody), OfHolder), security(("sessionKey" = []))
)]
pub async fn show(State(state): State<ApiState>, holder: KeyHolder, Asked(query): Asked<WaitQuery>) -> Answer {
    state.limits.admit_holder(&holder.session)?;
    let Shared { engine, streams, .. } = &state.shared;
    // Each session by itself, for the jobs of a matrix share a member.
    let mut waiting = Waiting::begin(&state.shared, format!("session {}", holder.session), query.span()?)?;
    loop {
        let looking = async {
            let (caller, session) = engine.by_session_key(&holder.key).await?;
            engine.show(&caller, session.as_str()).await
        };
        let view = streams.look(looking).await?;
        if !waiting.goes_on(&view).await {
            return Ok(Json(shown(&state, &view)));
        }
    }
}

/// Ends the session of the key. Ending what is over changes nothing.
#[utoipa::path(
    post, path = "/api/v1/sessions/current/stop", tag = "sessions", operation_id = "stopCurrentSession",
    responses((status = 200, description = "The session, EXPIRING until its last rule is gone", body = SessionBody), OfHolder),
    security(("sessionKey" = []))
)]
pub async fn stop(State(state): State<ApiState>, KeyHolder { caller, session, .. }: KeyHolder) -> Answer {
    state.shared.engine.stop(&caller, &Which::Named(session.to_string())).await?;
    let view = state.shared.engine.show(&caller, session.as_str()).await?;
    Ok(Json(shown(&state, &view)))
}
