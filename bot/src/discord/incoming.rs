//! Discord's HTTP requests: each is verified, parsed and handed on.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serenity::model::application::Interaction;

use super::DiscordState;
use super::signed::Signed;
use super::timely::respond;

/// Takes an interaction.
pub async fn interactions(State(state): State<DiscordState>, Signed(interaction): Signed<Interaction>) -> Response {
    match respond(&state, interaction).await {
        Some(answer) => Json(answer).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
