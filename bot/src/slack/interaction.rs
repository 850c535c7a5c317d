//! A press of a button: it acts for whoever pressed it, with that person's rights.

use axum::extract::State;
use entryguard_core::command::{Command, Conversation};
use entryguard_core::domain::{Identity, Surface};
use entryguard_core::engine::Which;
use entryguard_core::reply::Reply;
use http::StatusCode;
use serde::Deserialize;

use super::signed::Signed;
use super::{SlackState, reply};

/// The action of the Extend button.
pub const EXTEND: &str = "entryguard_extend";
/// The action of the Stop button.
pub const STOP: &str = "entryguard_stop";

/// What Slack sends for an interaction: a form with JSON in it.
#[derive(Deserialize)]
pub struct Interaction {
    payload: String,
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    user: User,
    team: Option<Team>,
    channel: Option<Channel>,
    #[serde(default)]
    actions: Vec<Action>,
}

#[derive(Deserialize)]
struct User {
    id: String,
    team_id: Option<String>,
}

#[derive(Deserialize)]
struct Team {
    id: String,
}

#[derive(Deserialize)]
struct Channel {
    id: String,
}

#[derive(Deserialize)]
struct Action {
    action_id: String,
    value: Option<String>,
}

/// Takes a press, and answers at once; the thread shows what came of it, and a refusal is shown to the presser alone.
pub async fn handle(State(state): State<SlackState>, Signed(interaction): Signed<Interaction>) -> StatusCode {
    let payload: Payload = match serde_json::from_str(&interaction.payload) {
        Ok(payload) => payload,
        Err(error) => {
            tracing::warn!(%error, "a signed Slack interaction has an unknown shape");
            return StatusCode::BAD_REQUEST;
        }
    };
    if payload.kind != "block_actions" {
        return StatusCode::OK;
    }
    for action in &payload.actions {
        if let Some(refusal) = press(&state, &payload, action).await {
            show_to_presser(&state, &payload, refusal);
        }
    }
    StatusCode::OK
}

/// Does what a button is for; why not, where it was refused.
async fn press(state: &SlackState, payload: &Payload, action: &Action) -> Option<String> {
    // In a shared channel strangers can press our buttons; the team that counts is theirs, and not the channel's.
    let Payload { user, team, .. } = payload;
    let team = user.team_id.as_ref().or(team.as_ref().map(|team| &team.id));
    let Some(team) = team.filter(|team| **team == state.settings.team_id) else {
        return Some("This session belongs to another Slack workspace; only its members can change it.".to_owned());
    };
    let which = Which::Named(action.value.clone()?);
    let command = match action.action_id.as_str() {
        EXTEND => Command::Extend { which, by: None },
        STOP => Command::Stop(which),
        // A link button tells us that it was pressed; there is nothing to do.
        _ => return None,
    };
    let identity = Identity::Slack { team: team.clone(), user: user.id.clone() };
    let conversation = Conversation { identity, surface: Surface::Slack, place: None };
    match state.shared.engine.answer(&conversation, command).await {
        Reply::Refused(why) => Some(why),
        _ => None,
    }
}

fn show_to_presser(state: &SlackState, payload: &Payload, why: String) {
    let Some(channel) = &payload.channel else { return };
    let (api, channel, user) = (state.api.clone(), channel.id.clone(), payload.user.id.clone());
    tokio::spawn(async move {
        if let Err(error) = api.post_ephemeral(&channel, &user, reply::refused(&why)).await {
            tracing::warn!(%error, "a refusal could not be shown in Slack");
        }
    });
}
