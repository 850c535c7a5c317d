//! Discord's HTTP requests: each is verified, parsed and handed on.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serenity::model::application::Interaction;

use super::DiscordState;
use super::signed::{SENDER, Signed};
use super::timely::respond;
use crate::http::signed::not_taken;

/// Takes an interaction.
pub async fn interactions(State(state): State<DiscordState>, Signed(interaction, name): Signed<Interaction>) -> Response {
    match respond(&state, interaction, name).await {
        Ok(answer) => Json(answer).into_response(),
        Err(why) => not_taken(SENDER, why),
    }
}
