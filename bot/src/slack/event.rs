//! What Slack tells of by itself: somebody opened their home, or left.

use entryguard_core::command::Conversation;
use entryguard_core::domain::{Identity, Surface};
use entryguard_core::engine::{EngineError, Outage};
use entryguard_core::reply::unavailable;
use serde::Deserialize;
use serde_json::{Value, json};

use super::leavers::close_for;
use super::standing::{NOT_THERE, Standing};
use super::user::SlackUser;
use super::{SlackState, home};
use crate::chat::{ChatError, Place};

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
    /// More has happened within a minute than Slack tells of.
    AppRateLimited {
        /// In which minute, in seconds since the epoch.
        #[serde(default)]
        minute_rate_limited: i64,
    },
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
        user: SlackUser,
    },
    #[serde(other)]
    Other,
}

/// Takes an event; the answer, where Slack waits for one. Where it fails, Slack sends the event again.
pub async fn answer(state: &SlackState, request: EventRequest) -> Result<Option<Value>, ()> {
    match request {
        EventRequest::UrlVerification { challenge } => Ok(Some(json!({ "challenge": challenge }))),
        EventRequest::AppRateLimited { minute_rate_limited } => {
            tracing::warn!(minute_rate_limited, "Slack left out events; who has something open is asked for every five minutes");
            Ok(None)
        }
        EventRequest::Other => Ok(None),
        EventRequest::EventCallback(callback) => take(state, callback).await.map(|()| None).map_err(|error| {
            tracing::error!(error = ?error, "an event could not be taken; Slack sends it again");
        }),
    }
}

/// Says in the home of the person who opened it what is wrong; Slack sends the event again.
fn home_is_unavailable(state: &SlackState, user: String, outage: Outage) {
    let (promised, state) = (state.shared.promised.clone(), state.clone());
    promised.spawn(async move { home::refuse(&state, &user, &unavailable(outage, None)).await });
}

fn is_home(tab: &str) -> bool {
    tab.is_empty() || tab == "home"
}

async fn take(state: &SlackState, callback: Callback) -> Result<(), EngineError> {
    let Callback { team_id, event_id, event } = callback;
    let (engine, name) = (&state.shared.engine, format!("event:{event_id}"));
    match event {
        Event::AppHomeOpened { user, tab } if is_home(&tab) => {
            let accepted = engine.accept_once(&name).await;
            if let Err(error) = &accepted {
                home_is_unavailable(state, user.clone(), error.outage().unwrap_or(Outage::Other));
            }
            if accepted? {
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

async fn changed(state: &SlackState, team: &str, user: SlackUser) -> Result<(), EngineError> {
    let ours = &state.settings.team_id;
    // Where Slack does not name the user's workspace, it is the one that the event is about.
    let user = user.or_of(team);
    let identity = Identity::Slack { team: ours.clone(), user: user.id.clone() };
    let before = state.shared.engine.before_asking(&identity);
    let told = user.standing(ours);
    let standing = match told {
        // An older event that comes again must not take back what a newer one said; and of a person of several workspaces an event, which
        // tells of each new status of theirs, may name another one than ours. They are asked about.
        Standing::Active | Standing::Stranger => match state.api.user(&user.id).await {
            Ok(said) => said.standing(ours),
            // It agrees with the event: a person who was removed from our workspace is no longer shown to us.
            Err(ChatError::Refused(why)) if told == Standing::Stranger && NOT_THERE.contains(&why.as_str()) => told,
            Err(error) => {
                tracing::warn!(user = user.id, %error, "Slack does not say what became of a user; their next command asks again");
                return Ok(());
            }
        },
        gone => gone,
    };
    state.standings.set(&user.id, standing, state.shared.engine.uptime());
    close_for(&state.shared.engine, ours, user.id, standing, before).await
}
