//! Discord's HTTP requests: each is verified, parsed and handed on.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serenity::builder::{CreateInteractionResponse, CreateInteractionResponseMessage};
use serenity::model::application::Interaction;

use super::DiscordState;
use super::interaction::{Answer, answer, token_of};
use super::signed::Signed;

/// Discord waits for three seconds; whatever takes longer is promised, and follows.
const AT_ONCE: Duration = Duration::from_millis(2000);

/// Takes an interaction.
pub async fn interactions(State(state): State<DiscordState>, Signed(interaction): Signed<Interaction>) -> Response {
    let token = token_of(&interaction).map(str::to_owned);
    let mut working = tokio::spawn({
        let state = state.clone();
        async move { answer(&state, interaction).await }
    });
    match (tokio::time::timeout(AT_ONCE, &mut working).await, token) {
        (Ok(Ok(answer)), _) => Json(answer.response()).into_response(),
        (Ok(Err(_)), _) | (Err(_), None) => http::StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        (Err(_), Some(token)) => {
            tokio::spawn(async move {
                let Ok(Answer::Whisper(content)) = working.await else { return };
                if let Err(error) = state.api.finish(&token, *content).await {
                    tracing::warn!(%error, "an answer could not be shown in Discord");
                }
            });
            let promise = CreateInteractionResponse::Defer(CreateInteractionResponseMessage::new().ephemeral(true));
            Json(promise).into_response()
        }
    }
}
