//! What Slack tells of by itself: somebody opened their home, or left.

use entryguard_core::command::Conversation;
use entryguard_core::domain::{Identity, Surface};
use serde::Deserialize;
use serde_json::{Value, json};

use super::standing::Standing;
use super::{SlackState, home};

/// What comes to the events' address.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventRequest {
    /// Slack asks whether the address is ours.
    UrlVerification {
        /// What to say back.
        challenge: String,
    },
    /// Something happened.
    EventCallback(Callback),
    /// Anything else.
    #[serde(other)]
    Other,
}

/// Something that happened, and its name.
#[derive(Deserialize)]
pub struct Callback {
    team_id: String,
    event_id: String,
    event: Event,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    AppHomeOpened {
        user: String,
        #[serde(default)]
        tab: String,
    },
    UserChange {
        user: ChangedUser,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct ChangedUser {
    id: String,
    team_id: Option<String>,
    #[serde(default)]
    deleted: bool,
    #[serde(default)]
    is_bot: bool,
}

/// Takes an event; the answer, where Slack waits for one. The work goes on after it.
pub async fn answer(state: &SlackState, request: EventRequest) -> Result<Option<Value>, ()> {
    match request {
        EventRequest::UrlVerification { challenge } => Ok(Some(json!({ "challenge": challenge }))),
        EventRequest::Other => Ok(None),
        EventRequest::EventCallback(callback) => {
            let name = format!("event:{}", callback.event_id);
            let first = state.shared.engine.accept_once(&name).await.map_err(|error| {
                tracing::error!(error = ?error, "an event could not be checked for repetition");
            })?;
            if first {
                let state = state.clone();
                tokio::spawn(async move { take(&state, callback).await });
            }
            Ok(None)
        }
    }
}

async fn take(state: &SlackState, callback: Callback) {
    match callback.event {
        Event::AppHomeOpened { user, tab } if tab.is_empty() || tab == "home" => {
            match state.standings.who(state, &callback.team_id, &user).await {
                Ok(identity) => {
                    let place = crate::chat::Place { channel: user.clone(), user: user.clone() };
                    let place = place.stored();
                    let conversation = Conversation { identity, surface: Surface::Slack, place };
                    home::publish(state, &conversation, &user).await;
                }
                Err(why) => home::refuse(state, &user, &why).await,
            }
        }
        Event::UserChange { user } => changed(state, &callback.team_id, user).await,
        Event::AppHomeOpened { .. } | Event::Other => {}
    }
}

async fn changed(state: &SlackState, team: &str, user: ChangedUser) {
    let ours = user.team_id.as_deref().unwrap_or(team) == state.settings.team_id;
    let standing = Standing::of(ours, user.deleted, user.is_bot);
    state.standings.set(&user.id, standing);
    if standing == Standing::Active {
        return;
    }
    let identity = Identity::Slack { team: state.settings.team_id.clone(), user: user.id };
    match state.shared.engine.identity_left(&identity, Surface::Slack, standing.why()).await {
        Ok(0) => {}
        Ok(ended) => tracing::info!(%identity, ended, "the sessions of somebody who left Slack are closed"),
        Err(error) => tracing::error!(error = ?error, "the sessions of somebody who left Slack could not be closed"),
    }
}
