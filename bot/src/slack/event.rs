//! What Slack tells of by itself: somebody opened their home, or left.

use entryguard_core::command::Conversation;
use entryguard_core::domain::Surface;
use entryguard_core::engine::EngineError;
use serde::Deserialize;
use serde_json::{Value, json};

use super::leavers::close_for;
use super::standing::Standing;
use super::{SlackState, home};
use crate::chat::Place;

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

/// Takes an event; the answer, where Slack waits for one. Where it fails, Slack sends the event again.
pub async fn answer(state: &SlackState, request: EventRequest) -> Result<Option<Value>, ()> {
    match request {
        EventRequest::UrlVerification { challenge } => Ok(Some(json!({ "challenge": challenge }))),
        EventRequest::Other => Ok(None),
        EventRequest::EventCallback(callback) => take(state, callback).await.map(|()| None).map_err(|error| {
            tracing::error!(error = ?error, "an event could not be taken; Slack sends it again");
        }),
    }
}

async fn take(state: &SlackState, callback: Callback) -> Result<(), EngineError> {
    let Callback { team_id, event_id, event } = callback;
    let (engine, name) = (&state.shared.engine, format!("event:{event_id}"));
    match event {
        Event::AppHomeOpened { user, tab } if tab.is_empty() || tab == "home" => {
            if engine.accept_once(&name).await? {
                let state = state.clone();
                tokio::spawn(async move { show_home(&state, &team_id, user).await });
            }
        }
        // What closes something is done before its event is accepted: of a crash in between, Slack's next try makes up.
        Event::UserChange { user } if !engine.was_accepted(&name).await? => {
            changed(state, &team_id, user).await?;
            engine.accept_once(&name).await?;
        }
        Event::AppHomeOpened { .. } | Event::UserChange { .. } | Event::Other => {}
    }
    Ok(())
}

async fn show_home(state: &SlackState, team: &str, user: String) {
    match state.standings.who(state, team, &user).await {
        Ok(identity) => {
            let place = Place { channel: user.clone(), user: user.clone() }.stored();
            let conversation = Conversation { identity, surface: Surface::Slack, place };
            state.homes.looked(&user, &conversation, state.shared.engine.uptime());
            // What went wrong is in the log, and they can look again.
            let _ = home::publish(state, &conversation, &user).await;
        }
        Err(why) => home::refuse(state, &user, &why).await,
    }
}

async fn changed(state: &SlackState, team: &str, user: ChangedUser) -> Result<(), EngineError> {
    // Where Slack does not name the user's workspace, it is the one that the event is about.
    let ours = user.team_id.as_deref().unwrap_or(team) == state.settings.team_id;
    let standing = match Standing::of(ours, user.deleted, user.is_bot) {
        // It may be an older event that comes again, which must not take back what a newer one said: they are asked about.
        Standing::Active => match state.api.user(&user.id).await {
            Ok(said) => said.standing(&state.settings.team_id),
            Err(error) => {
                tracing::warn!(user = user.id, %error, "Slack does not say whether a user is back; their next command asks again");
                return Ok(());
            }
        },
        gone => gone,
    };
    state.standings.set(&user.id, standing, state.shared.engine.uptime());
    close_for(&state.shared.engine, &state.settings.team_id, user.id, standing).await
}
