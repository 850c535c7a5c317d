//! Presses, forms and shortcuts: each acts for whoever made it, with that person's rights.

use std::time::{Duration, Instant};

use entryguard_core::command::{Command, Conversation};
use entryguard_core::domain::{Identity, Surface};
use entryguard_core::reply::message::Action;
use entryguard_core::reply::{self, Reply};
use serde::Deserialize;
use slack_morphism::prelude::{SlackMessageContent, SlackView};

use super::blocks::{Mrkdwn, content};
use super::timely::{ADDRESS_LIFE, Answer};
use super::{SlackState, form, home};
use crate::chat::{Chat, Place, Promise};

/// What Slack calls a form that was sent.
const FORM: &str = "view_submission";
/// How long what opens a form lasts: three seconds, less the way.
const TRIGGER_LIFE: Duration = Duration::from_millis(2500);
const TOO_LATE: &str = "That took too long for Slack to open the form. Press the button again.";

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
    #[serde(skip, default = "Instant::now")]
    asked_at: Instant,
}

impl Payload {
    /// Where an answer to it may be posted, if anywhere, and who made it.
    pub const fn asked_from(&self) -> (&Option<String>, &String) {
        (&self.response_url, &self.user.id)
    }

    /// Whether it is a form that was sent: its answer takes the form's place.
    pub fn is_form(&self) -> bool {
        self.kind == FORM
    }

    /// Whether it is a press of ours, or a shortcut.
    pub fn is_press(&self) -> bool {
        self.actions.first().and_then(action).is_some() || self.kind == "shortcut"
    }

    /// What a press asks for.
    pub fn command(&self) -> Option<Command> {
        self.actions.first().and_then(action).and_then(Command::of_press)
    }

    /// What opens a form, while it still does.
    fn trigger(&self) -> Option<&str> {
        self.trigger_id.as_deref().filter(|_| self.asked_at.elapsed() < TRIGGER_LIFE)
    }

    fn is_in_view(&self) -> bool {
        self.container.as_ref().is_some_and(|container| container.kind == "view")
    }

    /// The modal that it was pressed in.
    fn modal(&self) -> Option<&str> {
        self.view.as_ref().filter(|view| view.kind.as_deref() == Some("modal")).and_then(|view| view.id.as_deref())
    }

    /// The thread that its message is in: what hangs on the thread's own parent is read in the channel.
    fn thread(&self) -> Option<&str> {
        let container = self.container.as_ref()?;
        container.thread_ts.as_deref().filter(|thread| Some(*thread) != container.message_ts.as_deref())
    }
}

/// Where the answer to a press is shown.
enum Where {
    /// In a view over the home that was pressed in.
    View(String, Box<SlackView>),
    /// In the modal that was pressed in.
    Modal(String, Box<SlackView>),
    /// At the press's own address for answers, in a thread of its place.
    Address(String, Option<String>),
    /// In a channel or a thread there, to its person alone.
    Channel(String, Option<String>),
    /// In a direct message.
    Directly,
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
    message_ts: Option<String>,
    thread_ts: Option<String>,
}

#[derive(Deserialize)]
struct Press {
    action_id: String,
    value: Option<String>,
}

#[derive(Deserialize)]
struct View {
    id: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    callback_id: Option<String>,
    private_metadata: Option<String>,
    state: Option<ViewState>,
}

#[derive(Deserialize)]
struct ViewState {
    values: form::Values,
}

/// Takes an interaction; what Slack is to do with its view, where that is up to us.
pub async fn answer(state: &SlackState, payload: Payload) -> Answer {
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
            Answer::Nothing
        }
        "shortcut" if payload.callback_id.as_deref() == Some(form::SHORTCUT) => {
            open_form(state, &payload, who).await;
            Answer::Nothing
        }
        FORM => submit(state, payload, who).await.unwrap_or(Answer::Nothing),
        other => {
            tracing::debug!(kind = other, "an interaction that nothing answers");
            Answer::Nothing
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
    // Whoever looks at a modal sees neither the thread nor the home.
    let silent = action.is_seen_in_thread() && payload.modal().is_none();
    let Some(command) = Command::of_press(action) else { return };
    let reply = state.shared.engine.answer(&conversation, command).await;
    let refused = matches!(reply, Reply::Refused(_));
    if refused || !silent {
        show(state, &payload, &reply);
    }
    // What was refused may be so because the home is out of date.
    if payload.is_in_view() {
        redraw_home(state, conversation, payload.user.id);
    }
}

/// Opens the form. The trigger lasts three seconds, so it is opened before Slack has its acknowledgement.
async fn open_form(state: &SlackState, payload: &Payload, who: Identity) {
    let conversation = conversation(payload, who);
    let view = match state.shared.engine.start_form(&conversation).await {
        Ok(offered) => form::modal(&offered, state.shared.engine.now(), conversation.place.unwrap_or_default()),
        Err(error) => form::said(&reply::refused(&error.to_string(), &Mrkdwn)),
    };
    let Some(trigger) = payload.trigger() else { return whisper(state, payload, super::reply::refused(TOO_LATE)) };
    if let Err(error) = state.api.open_view(trigger, view).await {
        tracing::warn!(%error, "a form could not be opened in Slack");
        whisper(state, payload, super::reply::refused(TOO_LATE));
    }
}

async fn submit(state: &SlackState, payload: Payload, who: Identity) -> Option<Answer> {
    let View { callback_id, private_metadata, state: view_state, .. } = payload.view?;
    if callback_id.as_deref() != Some(form::CALLBACK) {
        return None;
    }
    let values = view_state.map(|state| state.values).unwrap_or_default();
    let place = private_metadata.filter(|place| !place.is_empty());
    let conversation = Conversation { identity: who, surface: Surface::Slack, place };
    Some(match state.shared.engine.submit_form(&conversation, &form::filled(&values)).await {
        Err(wrong) => {
            let why: Vec<_> = wrong.iter().map(|error| error.why.as_str()).collect();
            Answer::Form { view: form::errors(&wrong, &values), words: super::reply::refused(&why.join(" ")) }
        }
        Ok(reply) => {
            if matches!(reply, Reply::Started(_)) {
                redraw_home(state, conversation, payload.user.id);
            }
            let message = reply::words(&reply, &state.shared.server.public_url, state.shared.engine.now(), &Mrkdwn);
            Answer::form(&message)
        }
    })
}

fn redraw_home(state: &SlackState, conversation: Conversation, user: String) {
    let (promised, state) = (state.shared.promised.clone(), state.clone());
    let drawing = async move {
        // What went wrong is in the log, and homes are drawn again.
        let _ = home::publish(&state, &conversation, &user).await;
    };
    promised.spawn(drawing);
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
    let view = || Box::new(form::said(&message));
    match (payload.modal(), payload.trigger().filter(|_| payload.is_in_view())) {
        (Some(modal), _) => give(state, payload, Where::Modal(modal.to_owned(), view()), content(&message)),
        (None, Some(trigger)) => give(state, payload, Where::View(trigger.to_owned(), view()), content(&message)),
        (None, None) => whisper(state, payload, content(&message)),
    }
}

fn whisper(state: &SlackState, payload: &Payload, message: SlackMessageContent) {
    // A stranger cannot be shown anything in our channels but by the answer to their very press.
    let thread = payload.thread().map(str::to_owned);
    let place = match (&payload.response_url, &payload.channel) {
        (Some(url), _) => Where::Address(url.clone(), thread),
        (None, Some(channel)) => Where::Channel(channel.id.clone(), thread),
        (None, None) => Where::Directly,
    };
    give(state, payload, place, message);
}

/// Gives an answer, however often that takes: in its place while that takes any, or else directly. The server waits for it when it ends.
fn give(state: &SlackState, payload: &Payload, place: Where, message: SlackMessageContent) {
    let (api, user) = (state.api.clone(), payload.user.id.clone());
    let life = if matches!(place, Where::View(..)) { TRIGGER_LIFE } else { ADDRESS_LIFE };
    let promise = Promise { asked_at: payload.asked_at, life };
    state.shared.promised.spawn(async move {
        let directly = || async { api.post_to(&user, message.clone()).await.map(drop) };
        let there = || async {
            match &place {
                Where::View(trigger, view) => api.open_view(trigger, SlackView::clone(view)).await,
                Where::Modal(modal, view) => api.update_view(modal, SlackView::clone(view)).await,
                Where::Address(url, thread) => api.respond(url, thread.as_deref(), message.clone()).await,
                Where::Channel(channel, thread) => api.post_ephemeral(channel, thread.as_deref(), &user, message.clone()).await,
                Where::Directly => directly().await,
            }
        };
        if let Err(error) = promise.keep(there, directly).await {
            tracing::warn!(%error, "an answer could not be shown in Slack");
        }
    });
}

/// Says why somebody is not served, where they can see it.
pub(super) fn refuse(state: &SlackState, payload: Payload, why: String) -> Answer {
    if payload.is_form() {
        return Answer::form(&reply::refused(&why, &Mrkdwn));
    }
    if payload.is_press() {
        show(state, &payload, &Reply::Refused(why));
    }
    Answer::Nothing
}
