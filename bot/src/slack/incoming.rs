//! Slack's HTTP requests: each is verified, parsed and handed on; the same handlers serve Socket Mode.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::command::SlashCommand;
use super::event::EventRequest;
use super::signed::{Signed, SignedJson};
use super::{SlackState, command, event, interaction};

/// An interaction's form: one field, with JSON in it.
#[derive(Deserialize)]
pub struct InteractionForm {
    payload: String,
}

/// Takes a command.
pub async fn commands(State(state): State<SlackState>, Signed(command): Signed<SlashCommand>) -> Response {
    respond(command::answer(&state, command).await)
}

/// Takes an interaction.
pub async fn interactions(State(state): State<SlackState>, Signed(form): Signed<InteractionForm>) -> Response {
    match serde_json::from_str(&form.payload) {
        Ok(payload) => respond(interaction::answer(&state, payload).await),
        Err(error) => {
            tracing::warn!(%error, "a signed Slack interaction has an unknown shape");
            StatusCode::BAD_REQUEST.into_response()
        }
    }
}

/// Takes an event.
pub async fn events(State(state): State<SlackState>, SignedJson(request): SignedJson<EventRequest>) -> Response {
    match event::answer(&state, request).await {
        Ok(answer) => respond(answer),
        Err(()) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// Slack takes an empty answer for "received".
fn respond(answer: Option<Value>) -> Response {
    answer.map_or_else(|| StatusCode::OK.into_response(), |answer| Json(answer).into_response())
}
