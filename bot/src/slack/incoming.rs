//! Slack's HTTP requests: each is verified, parsed and handed on; the same handlers serve Socket Mode.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::command::SlashCommand;
use super::event::EventRequest;
use super::signed::{SENDER, Signed, SignedJson};
use super::timely::Asked;
use super::{SlackState, event, timely};
use crate::chat::NotTaken;
use crate::http::signed::{not_taken, unknown_shape};

/// An interaction's form: one field, with JSON in it.
#[derive(Deserialize)]
pub struct InteractionForm {
    payload: String,
}

/// Takes a command.
pub async fn commands(State(state): State<SlackState>, Signed(command, name): Signed<SlashCommand>) -> Response {
    respond(timely::respond(&state, name, Asked::Command(command)).await)
}

/// Takes an interaction.
pub async fn interactions(State(state): State<SlackState>, Signed(form, name): Signed<InteractionForm>) -> Response {
    match serde_json::from_str(&form.payload) {
        Ok(payload) => respond(timely::respond(&state, name, Asked::Interaction(payload)).await),
        Err(error) => unknown_shape(SENDER, &error),
    }
}

/// Takes an event. Slack repeats one that it saw no acknowledgement of, the first time nearly at once: such a request may be the very same
/// as the one before, and is not refused. What counts is the event's own name, by which it is accepted once.
pub async fn events(State(state): State<SlackState>, SignedJson(request): SignedJson<EventRequest>) -> Response {
    match event::answer(&state, request).await {
        Err(()) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Ok(answer) => respond(Ok(answer)),
    }
}

/// Slack takes an empty answer for "received".
fn respond(answer: Result<Option<Value>, NotTaken>) -> Response {
    match answer {
        Ok(None) => StatusCode::OK.into_response(),
        Ok(Some(answer)) => Json(answer).into_response(),
        Err(why) => not_taken(SENDER, why),
    }
}
