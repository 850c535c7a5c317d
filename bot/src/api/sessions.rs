//! Sessions: asked for with a token, seen and ended by a key.

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use entryguard_core::command::reason_from;
use entryguard_core::domain::{Addresses, HostAddress, LearntBy, Span};
use entryguard_core::engine::{SessionKey, StartRequest, Which};
use entryguard_core::store::SessionView;
use http::StatusCode;

use super::ApiState;
use super::auth::{KeyHolder, Workflow};
use super::body::{SessionBody, StartBody};
use super::problem::Problem;
use crate::http::client_address::ClientAddress;

type Answer = Result<Json<SessionBody>, Problem>;

/// Starts a session for the address that the request came from, or for the ones that it gives.
pub async fn start(
    State(state): State<ApiState>,
    Workflow(caller, run): Workflow,
    client: ClientAddress,
    body: Result<Json<StartBody>, JsonRejection>,
) -> Result<(StatusCode, Json<SessionBody>), Problem> {
    let Json(body) = body.map_err(|error| malformed(error.body_text()))?;
    let by_hand = [&body.ipv4_address, &body.ipv6_address].into_iter().flatten();
    let by_hand = by_hand.map(|text| HostAddress::parse(text)).collect::<Result<Vec<_>, _>>();
    let by_hand = by_hand.map_err(|error| malformed(error.to_string()))?;
    let (addresses, learnt_by) = match by_hand.as_slice() {
        [] => {
            let seen = client.0.map_err(|doubt| {
                Problem::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "address_doubtful",
                    "Your address is not certain",
                    doubt.to_string(),
                )
            })?;
            (Addresses::new(&[seen]), LearntBy::Request)
        }
        given => (Addresses::new(given), LearntBy::Hand),
    };
    let addresses = addresses.map_err(|error| malformed(error.to_string()))?;
    let key = body.key.as_deref().map(SessionKey::parse).transpose().map_err(|error| malformed(error.to_string()))?;
    let duration = duration(&body)?;
    let reason = reason_from(body.reason.as_deref().unwrap_or_default()).map_err(|error| malformed(format!("{error}.")))?;
    let request = StartRequest { duration, reason, break_glass: false, addresses, learnt_by, place: None, key, run };
    let started = state.shared.engine.start(&caller, request).await?;
    Ok((StatusCode::CREATED, shown(&state, &started.view)))
}

/// Shows the session of a key.
pub async fn show(State(state): State<ApiState>, KeyHolder(caller, session): KeyHolder) -> Answer {
    let view = state.shared.engine.show(&caller, session.as_str()).await?;
    Ok(shown(&state, &view))
}

/// Ends the session of a key. Ending what is over changes nothing.
pub async fn stop(State(state): State<ApiState>, KeyHolder(caller, session): KeyHolder) -> Answer {
    state.shared.engine.stop(&caller, &Which::Named(session.to_string())).await?;
    let view = state.shared.engine.show(&caller, session.as_str()).await?;
    Ok(shown(&state, &view))
}

fn duration(body: &StartBody) -> Result<Option<Span>, Problem> {
    match (&body.duration, body.duration_hours) {
        (Some(_), Some(_)) => Err(malformed("Give `duration` or `durationHours`, and not both.".to_owned())),
        (Some(text), None) => {
            text.parse().map(Some).map_err(|error: entryguard_core::domain::SpanError| malformed(error.to_string()))
        }
        (None, Some(hours)) => Ok(Some(Span::from_hours(i64::from(hours)))),
        (None, None) => Ok(None),
    }
}

fn shown(state: &ApiState, view: &SessionView) -> Json<SessionBody> {
    let directory = state.shared.engine.directory();
    Json(SessionBody::new(view, directory.members.get(&view.session.member)))
}

fn malformed(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "malformed", "The request makes no sense", detail)
}
