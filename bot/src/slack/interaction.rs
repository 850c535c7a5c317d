//! Presses, forms and shortcuts: each acts for whoever made it, with that person's rights.

use entryguard_core::command::{Command, Conversation};
use entryguard_core::domain::{Identity, Surface};
use entryguard_core::reply::message::Action;
use entryguard_core::reply::{self, Reply};
use serde::Deserialize;
use serde_json::Value;
use slack_morphism::prelude::SlackMessageContent;

use super::blocks::{Mrkdwn, content};
use crate::chat::{Chat, Place};

use super::{SlackState, form, home};

/// What Slack sends for an interaction.
#[derive(Deserialize)]
pub struct Payload {
    #[serde(rename = "type")]
    kind: String,
    user: User,
    team: Option<Team>,
    channel: Option<Channel>,
    container: Option<Container>,
    #[serde(default)]
    actions: Vec<Press>,
    view: Option<View>,
    callback_id: Option<String>,
    trigger_id: Option<String>,
    response_url: Option<String>,
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
struct Container {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Press {
    action_id: String,
    value: Option<String>,
}

#[derive(Deserialize)]
struct View {
    callback_id: Option<String>,
    private_metadata: Option<String>,
    state: Option<ViewState>,
}

#[derive(Deserialize)]
struct ViewState {
    values: form::Values,
}

/// Takes an interaction; what Slack is to do with its view, where that is up to us.
pub async fn answer(state: &SlackState, payload: Payload) -> Option<Value> {
    // In a shared channel strangers can press our buttons; the team that counts is theirs, and not the channel's.
    let team = payload.user.team_id.as_deref().or(payload.team.as_ref().map(|team| team.id.as_str())).unwrap_or_default();
    let who = match state.standings.who(state, team, &payload.user.id).await {
        Ok(identity) => identity,
        Err(why) => return refuse(state, payload, why),
    };
    match payload.kind.as_str() {
        "block_actions" => {
            // The presses of one message come one at a time; a second one would be somebody else's doing.
            if let Some(action) = payload.actions.first().and_then(action) {
                press(state, payload, who, action).await;
            }
            None
        }
        "shortcut" if payload.callback_id.as_deref() == Some(form::SHORTCUT) => {
            open_form(state, &payload, who).await;
            None
        }
        "view_submission" => submit(state, payload, who).await,
        other => {
            tracing::debug!(kind = other, "an interaction that nothing answers");
            None
        }
    }
}

fn action(press: &Press) -> Option<Action> {
    Action::of_press(&press.action_id, press.value.as_deref().unwrap_or_default())
}

/// Does what a button is for. What comes of it is shown to the presser alone; the thread tells everybody else.
async fn press(state: &SlackState, payload: Payload, who: Identity, action: Action) {
    if action == Action::OpenForm {
        return open_form(state, &payload, who).await;
    }
    let conversation = conversation(&payload, who);
    let silent = action.is_seen_in_thread();
    let in_view = payload.container.as_ref().is_some_and(|container| container.kind == "view");
    let Some(command) = Command::of_press(action) else { return };
    let reply = state.shared.engine.answer(&conversation, command).await;
    let refused = matches!(reply, Reply::Refused(_));
    if refused || !silent {
        show(state, &payload, &reply);
    }
    if in_view && !refused {
        redraw_home(state, conversation, payload.user.id);
    }
}

/// Opens the form. The trigger lasts three seconds, so it is opened before Slack has its acknowledgement.
async fn open_form(state: &SlackState, payload: &Payload, who: Identity) {
    let Some(trigger) = &payload.trigger_id else { return };
    let conversation = conversation(payload, who);
    let view = match state.shared.engine.start_form(&conversation).await {
        Ok(offered) => form::modal(&offered, state.shared.engine.now(), conversation.place.unwrap_or_default()),
        Err(error) => form::said(&reply::refused(&error.to_string(), &Mrkdwn)),
    };
    if let Err(error) = state.api.open_view(trigger, view).await {
        tracing::warn!(%error, "a form could not be opened in Slack");
    }
}

async fn submit(state: &SlackState, payload: Payload, who: Identity) -> Option<Value> {
    let View { callback_id, private_metadata, state: view_state } = payload.view?;
    if callback_id.as_deref() != Some(form::CALLBACK) {
        return None;
    }
    let values = view_state.map(|state| state.values).unwrap_or_default();
    let place = private_metadata.filter(|place| !place.is_empty());
    let conversation = Conversation { identity: who, surface: Surface::Slack, place };
    Some(match state.shared.engine.submit_form(&conversation, &form::filled(&values)).await {
        Err(wrong) => form::errors(&wrong, &values),
        Ok(reply) => {
            if matches!(reply, Reply::Started(_)) {
                redraw_home(state, conversation, payload.user.id);
            }
            let message = reply::words(&reply, &state.shared.server.public_url, state.shared.engine.now(), &Mrkdwn);
            serde_json::json!({ "response_action": "update", "view": form::said(&message) })
        }
    })
}

fn redraw_home(state: &SlackState, conversation: Conversation, user: String) {
    let state = state.clone();
    spawn(async move { home::publish(&state, &conversation, &user).await });
}

/// Where a session that begins here is shown: in the channel, or else to its member directly.
fn conversation(payload: &Payload, identity: Identity) -> Conversation {
    let user = payload.user.id.clone();
    let channel = payload.channel.as_ref().map_or_else(|| user.clone(), |channel| channel.id.clone());
    let place = Place { channel, user }.stored();
    Conversation { identity, surface: Surface::Slack, place }
}

/// Shows a reply to whoever pressed, and to nobody else.
fn show(state: &SlackState, payload: &Payload, reply: &Reply) {
    let message = reply::words(reply, &state.shared.server.public_url, state.shared.engine.now(), &Mrkdwn);
    let in_view = payload.container.as_ref().is_some_and(|container| container.kind == "view");
    match (&payload.trigger_id, in_view) {
        (Some(trigger), true) => {
            let (api, trigger, view) = (state.api.clone(), trigger.clone(), form::said(&message));
            spawn(async move { api.open_view(&trigger, view).await });
        }
        _ => whisper(state, payload, content(&message)),
    }
}

fn whisper(state: &SlackState, payload: &Payload, message: SlackMessageContent) {
    let (api, user) = (state.api.clone(), payload.user.id.clone());
    // A stranger cannot be shown anything in our channels but by the answer to their very press.
    match (&payload.response_url, &payload.channel) {
        (Some(url), _) => {
            let url = url.clone();
            spawn(async move { api.respond(&url, message).await });
        }
        (None, Some(channel)) => {
            let channel = channel.id.clone();
            spawn(async move { api.post_ephemeral(&channel, &user, message).await });
        }
        (None, None) => spawn(async move { api.post_to(&user, message).await.map(drop) }),
    }
}

/// Says why somebody is not served, where they can see it.
fn refuse(state: &SlackState, payload: Payload, why: String) -> Option<Value> {
    if payload.kind == "view_submission" {
        let view = form::said(&reply::refused(&why, &Mrkdwn));
        return Some(serde_json::json!({ "response_action": "update", "view": view }));
    }
    let pressed = payload.actions.first().and_then(action).is_some() || payload.kind == "shortcut";
    if pressed {
        show(state, &payload, &Reply::Refused(why));
    }
    None
}

fn spawn(call: impl Future<Output = Result<(), crate::chat::ChatError>> + Send + 'static) {
    tokio::spawn(async move {
        if let Err(error) = call.await {
            tracing::warn!(%error, "an answer could not be shown in Slack");
        }
    });
}
