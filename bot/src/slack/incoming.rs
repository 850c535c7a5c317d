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
use crate::chat::{NotTaken, Taking};
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

/// Takes an event.
pub async fn events(State(state): State<SlackState>, SignedJson(request, name): SignedJson<EventRequest>) -> Response {
    match Taking::new(&state.shared.engine, name).take().await {
        Ok(()) => match event::answer(&state, request).await {
            Ok(answer) => respond(Ok(answer)),
            Err(()) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        },
        Err(NotTaken::Unchecked(outage)) => match event::refuse(&state, request, outage) {
            Some(answer) => respond(Ok(Some(answer))),
            // Slack sends it again.
            None => not_taken(SENDER, NotTaken::Unchecked(outage)),
        },
        Err(why) => not_taken(SENDER, why),
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
