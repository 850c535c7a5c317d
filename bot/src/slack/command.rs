//! `/entryguard …`: answered within milliseconds, whatever the clouds do, and only to whoever asked.

use entryguard_core::command::{Command, Conversation};
use entryguard_core::domain::Surface;
use serde::Deserialize;
use slack_morphism::prelude::SlackMessageContent;

use crate::chat::Place;

use super::{SlackState, reply, typed};

/// What Slack sends for a command.
#[derive(Deserialize)]
pub struct SlashCommand {
    team_id: String,
    channel_id: String,
    pub(super) user_id: String,
    #[serde(default, deserialize_with = "typed::text")]
    text: String,
    pub(super) response_url: Option<String>,
}

impl SlashCommand {
    /// What it asks for, where that can be read.
    pub(super) fn read(&self) -> Option<Command> {
        self.text.parse().ok()
    }
}

/// Answers a command.
pub async fn answer(state: &SlackState, command: SlashCommand) -> SlackMessageContent {
    let identity = match state.standings.who(state, &command.team_id, &command.user_id).await {
        Ok(identity) => identity,
        Err(why) => return reply::refused(&why),
    };
    let place = Place { channel: command.channel_id, user: command.user_id };
    let place = place.stored();
    let conversation = Conversation { identity, surface: Surface::Slack, place };
    let answer = state.shared.engine.answer_text(&conversation, &command.text).await;
    reply::render(&answer, &state.shared.server.public_url, state.shared.engine.now())
}
