//! `/entryguard …`: answered within milliseconds, whatever the clouds do, and only to whoever asked.

use axum::Json;
use axum::extract::State;
use entryguard_core::command::Conversation;
use entryguard_core::domain::{Identity, Surface};
use serde::Deserialize;
use slack_morphism::prelude::{SlackCommandEventResponse, SlackMessageResponseType};

use super::place::Place;
use super::signed::Signed;
use super::{SlackState, reply};

/// What Slack sends for a command.
#[derive(Deserialize)]
pub struct SlashCommand {
    team_id: String,
    channel_id: String,
    user_id: String,
    #[serde(default)]
    text: String,
}

/// Answers a command.
pub async fn handle(State(state): State<SlackState>, Signed(command): Signed<SlashCommand>) -> Json<SlackCommandEventResponse> {
    if command.team_id != state.settings.team_id {
        return ephemeral(reply::refused("EntryGuard serves another Slack workspace. Run the command there."));
    }
    let place = Place { channel: command.channel_id, user: command.user_id.clone() };
    let conversation = Conversation {
        identity: Identity::Slack { team: command.team_id, user: command.user_id },
        surface: Surface::Slack,
        place: serde_json::to_string(&place).ok(),
    };
    let answer = state.shared.engine.answer_text(&conversation, &command.text).await;
    ephemeral(reply::render(&answer, &state.shared.server.public_url))
}

fn ephemeral(content: slack_morphism::prelude::SlackMessageContent) -> Json<SlackCommandEventResponse> {
    Json(SlackCommandEventResponse::new(content).with_response_type(SlackMessageResponseType::Ephemeral))
}
