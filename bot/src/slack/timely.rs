//! Answers within the three seconds that Slack waits: whatever takes longer is acknowledged, and follows at the command's address for
//! answers or in a direct message.

use std::time::{Duration, Instant};

use entryguard_core::command::Command;
use entryguard_core::reply::message::Message;
use entryguard_core::reply::unavailable;
use serde_json::{Value, json};
use slack_morphism::prelude::{SlackCommandEventResponse, SlackMessageContent, SlackMessageResponseType};
use tokio::task::JoinHandle;

use super::blocks::Mrkdwn;
use super::command::SlashCommand;
use super::interaction::Payload;
use super::{SlackState, blocks, command, form, interaction, reply};
use crate::chat::{Chat, FAILED, NotTaken, Promise, Taking, at_once};

/// How long a command's address takes answers.
pub(super) const ADDRESS_LIFE: Duration = Duration::from_secs(30 * 60);

/// What somebody asks for, over HTTP or the socket.
pub enum Asked {
    /// By a command.
    Command(SlashCommand),
    /// By a press, a form or a shortcut.
    Interaction(Box<Payload>),
}

/// What Slack is given back.
pub enum Answer {
    /// That it was received: all else was said elsewhere.
    Nothing,
    /// A message, to whoever asked.
    Whisper(SlackMessageContent),
    /// What becomes of a form, and the same in words.
    Form {
        /// As Slack takes it while the form is open.
        view: Value,
        /// For when it no longer is.
        words: SlackMessageContent,
    },
}

/// Who waits for an answer that comes late, and where.
#[derive(Clone)]
struct Asker {
    address: Option<String>,
    user: String,
    asked_at: Instant,
}

/// How a person is told something in answer to a request.
#[derive(Clone, Copy)]
enum Way {
    /// By the answer itself.
    Whisper,
    /// By the answer, in the form's place.
    Form,
    /// At the request's address: Slack does not show the answer to a press.
    Address,
    /// No person waits for an answer.
    None,
}

/// What to tell Slack at once, if there is anything. A request is taken once, by its name: that, too, is work that may take longer.
pub async fn respond(state: &SlackState, name: String, asked: Asked) -> Result<Option<Value>, NotTaken> {
    let (asker, way, command) = (asked.asker(), asked.way(), asked.command());
    let closes = command.as_ref().and_then(Command::closes);
    let taking = Taking::new(&state.shared.engine, name);
    let working = {
        let (state, taking, closes) = (state.clone(), taking.clone(), closes.cloned());
        async move {
            match taking.take().await {
                Ok(()) => Ok(asked.answer(&state).await),
                Err(NotTaken::Unchecked(outage)) => Ok(asked.refuse(&state, unavailable(outage, closes.as_ref()))),
                Err(repeated) => Err(repeated),
            }
        }
    };
    let promised = &state.shared.promised;
    match at_once(promised, working).await {
        Ok(Ok(worked)) => worked.map(Answer::at_once),
        Ok(Err(_)) => {
            promised.spawn(tell(state.clone(), asker, Some(reply::refused(FAILED))));
            Ok(None)
        }
        Err(working) => {
            let meanwhile = taking.waiting(closes).and_then(|words| say_meanwhile(state, &asker, way, &words));
            promised.spawn(keep_promise(state.clone(), asker, working));
            Ok(meanwhile)
        }
    }
}

/// Tells the caller at once that the answer follows; what of that is the answer to Slack.
fn say_meanwhile(state: &SlackState, asker: &Asker, way: Way, words: &str) -> Option<Value> {
    match way {
        Way::Whisper => Answer::Whisper(reply::refused(words)).at_once(),
        Way::Form => Answer::form(&entryguard_core::reply::refused(words, &Mrkdwn)).at_once(),
        Way::Address => {
            state.shared.promised.spawn(tell(state.clone(), asker.clone(), Some(reply::refused(words))));
            None
        }
        Way::None => None,
    }
}

impl Asked {
    /// Whether it is a command.
    pub const fn is_command(&self) -> bool {
        matches!(self, Self::Command(_))
    }

    async fn answer(self, state: &SlackState) -> Answer {
        match self {
            Self::Command(command) => Answer::Whisper(command::answer(state, command).await),
            Self::Interaction(payload) => interaction::answer(state, *payload).await,
        }
    }

    /// Refuses it without the database.
    fn refuse(self, state: &SlackState, why: String) -> Answer {
        match self {
            Self::Command(_) => Answer::Whisper(reply::refused(&why)),
            Self::Interaction(payload) => interaction::refuse(state, *payload, why),
        }
    }

    /// What it asks for, where that can be told.
    fn command(&self) -> Option<Command> {
        match self {
            Self::Command(command) => command.read(),
            Self::Interaction(payload) => payload.command(),
        }
    }

    fn way(&self) -> Way {
        match self {
            Self::Command(_) => Way::Whisper,
            Self::Interaction(payload) if payload.is_form() => Way::Form,
            Self::Interaction(payload) if payload.is_press() => Way::Address,
            Self::Interaction(_) => Way::None,
        }
    }

    fn asker(&self) -> Asker {
        let (address, user) = match self {
            Self::Command(command) => (&command.response_url, &command.user_id),
            Self::Interaction(payload) => payload.asked_from(),
        };
        Asker { address: address.clone(), user: user.clone(), asked_at: Instant::now() }
    }
}

impl Answer {
    /// What a form becomes, where that is a message.
    pub fn form(message: &Message) -> Self {
        let view = json!({ "response_action": "update", "view": form::said(message) });
        Self::Form { view, words: blocks::content(message) }
    }

    fn at_once(self) -> Option<Value> {
        match self {
            Self::Nothing => None,
            Self::Whisper(content) => {
                let response = SlackCommandEventResponse::new(content).with_response_type(SlackMessageResponseType::Ephemeral);
                serde_json::to_value(response).ok()
            }
            Self::Form { view, .. } => Some(view),
        }
    }

    fn late(self) -> Option<SlackMessageContent> {
        match self {
            Self::Nothing => None,
            Self::Whisper(content) | Self::Form { words: content, .. } => Some(content),
        }
    }
}

async fn keep_promise(state: SlackState, asker: Asker, working: JoinHandle<Result<Answer, NotTaken>>) {
    let late = match working.await {
        Ok(Ok(answer)) => answer.late(),
        // The answer to the first of them stands.
        Ok(Err(NotTaken::Repeated)) => None,
        Ok(Err(NotTaken::Unchecked(_))) | Err(_) => Some(reply::refused(FAILED)),
    };
    tell(state, asker, late).await;
}

async fn tell(state: SlackState, asker: Asker, late: Option<SlackMessageContent>) {
    let Some(content) = late else { return };
    let there = || state.api.respond(asker.address.as_deref().unwrap_or_default(), None, content.clone());
    let directly = || async { state.api.post_to(&asker.user, content.clone()).await.map(drop) };
    if let Err(error) = (Promise { asked_at: asker.asked_at, life: ADDRESS_LIFE }).keep(there, directly).await {
        tracing::warn!(%error, "an answer that was promised could not be given in Slack");
    }
}
